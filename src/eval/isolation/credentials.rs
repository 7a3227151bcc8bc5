//! What opens private inputs to one evaluation: files in its home, which Nix and git read there.
//!
//! | what is fetched | who fetches | what says the token |
//! |---|---|---|
//! | `git+https:`, `git+http:` | git, of every Nix | a credential helper, for one scheme, host and port |
//! | `github:`, `gitlab:` | Nix | `access-tokens`, for one host, always by TLS |
//! | `https:`, `http:` | Nix | `netrc-file`, for one host, whatever the port |
//!
//! Command lines and variables only say where the files are. What a netrc says counts for all ports and without TLS, too:
//! what an evaluation fetches by has to keep it from those.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

/// What the folders are called, with the name of an evaluation behind it.
const PREFIX: &str = "inputs-";
/// The files in one: settings of Nix, settings of git, and what they name.
pub(super) const NIX_CONF: &str = "nix.conf";
pub(super) const GIT_CONFIG: &str = "gitconfig";
pub(super) const NETRC: &str = "netrc";

/// What opens a host.
#[derive(Clone, Debug)]
pub struct HostToken {
    /// The forge: only its scheme, host and port count.
    pub url: Url,
    /// The name that goes with the token.
    pub user: String,
    /// The token: no white space, and nothing that Nix, git or curl take for more than itself.
    pub token: SecretString,
    /// What Nix puts before the token in `access-tokens`; `None`: it has no scheme for this forge.
    pub access_token: Option<&'static str>,
    /// Whether a netrc says it, too.
    pub in_netrc: bool,
}

/// The files of one evaluation. Dropping this removes them.
#[derive(Debug)]
pub struct CredentialFiles {
    folder: PathBuf,
}

impl CredentialFiles {
    /// Writes them below a home, for the evaluation of this name.
    pub(super) fn write(home: &Path, name: &str, hosts: &[HostToken]) -> io::Result<Self> {
        fs::create_dir_all(home)?;
        let folder = home.join(format!("{PREFIX}{name}"));
        // Of a server that was killed, if it is there.
        let files = Self { folder };
        files.remove();
        fs::DirBuilder::new().mode(0o700).create(&files.folder)?;
        let (mut nix, mut git, mut netrc) = (String::new(), String::new(), String::new());
        for (index, host) in hosts.iter().enumerate() {
            let (name, token) = (host.name(), host.token.expose_secret());
            let answer = format!("username={}\npassword={token}\n", host.user);
            files.file(&format!("git-{index}"), &answer)?;
            // The home is elsewhere behind some walls, and programs may be.
            let helper = format!(
                r#"!f() {{ test \"$1\" = get && while read -r line; do echo \"$line\"; done < \"$HOME/{}/git-{index}\"; }}; f"#,
                files.name()
            );
            let origin = host.url.origin().ascii_serialization();
            let _ = write!(git, "[credential \"{origin}\"]\n\thelper = \"{helper}\"\n");
            if let Some(before) = host.access_token
                && host.url.scheme() == "https"
            {
                let port = host.url.port().map(|port| format!(":{port}"));
                let port = port.unwrap_or_default();
                let _ = write!(nix, " {name}{port}={before}{token}");
            }
            if host.in_netrc {
                let bare = name.trim_start_matches('[').trim_end_matches(']');
                let _ = writeln!(netrc, "machine {bare} login {} password {token}", host.user);
            }
        }
        files.file(NIX_CONF, &format!("access-tokens ={nix}\n"))?;
        files.file(GIT_CONFIG, &git)?;
        files.file(NETRC, &netrc)?;
        Ok(files)
    }

    /// The name of the folder in the home.
    pub(super) fn name(&self) -> &str {
        let name = self.folder.file_name().and_then(|name| name.to_str());
        name.unwrap_or_default()
    }

    /// Removes what servers that were killed have left in homes below this folder.
    pub fn clean_up(homes: &Path) {
        let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
        for home in entries(homes) {
            for entry in entries(&home.path()) {
                if entry
                    .file_name()
                    .as_encoded_bytes()
                    .starts_with(PREFIX.as_bytes())
                {
                    Self {
                        folder: entry.path(),
                    }
                    .remove();
                }
            }
        }
    }

    fn file(&self, name: &str, text: &str) -> io::Result<()> {
        let mut options = fs::File::options();
        options.write(true).create_new(true).mode(0o600);
        options
            .open(self.folder.join(name))?
            .write_all(text.as_bytes())
    }

    fn remove(&self) {
        // It follows no link. What is left then is removed when the server starts.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop for CredentialFiles {
    fn drop(&mut self) {
        self.remove();
    }
}

impl HostToken {
    fn name(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
