//! Reaches another machine by `ssh`, the way Nix does it.
//!
//! Apart from `address` because what is given to a shell on the other side has to be quoted, and what is given to `ssh`
//! here must not be read as an option. Starts nothing.

use std::{ffi::OsString, path::PathBuf};

use crate::nix::{StoreUrl, is_ssh_host};

/// How to reach a machine by `ssh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshHost {
    /// `user@host`; never an option.
    host: String,
    port: Option<String>,
    key: Option<String>,
    compress: bool,
    /// What `NIX_SSHOPTS` says.
    options: Vec<String>,
}

impl SshHost {
    /// The machine of a store behind ssh; `None` for other stores. `env` looks up a variable.
    pub fn of_store(url: &StoreUrl, env: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let mut ssh = Self::new(url.ssh_host()?, env)?;
        ssh.key = url.parameter("ssh-key").filter(|key| !key.is_empty());
        ssh.compress = url.parameter("compress").as_deref() == Some("true");
        Some(ssh)
    }

    /// A machine by the name that `ssh` knows it by, possibly with a user and a port; `None` if that is no such name.
    pub fn new(name: &str, env: impl Fn(&str) -> Option<String>) -> Option<Self> {
        if !is_ssh_host(name) {
            return None;
        }
        let (host, port) = match name.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
            // An address of IPv6.
            Some(_) if name.contains("::") || name.matches(':').count() == 7 => (name, None),
            Some(_) => return None,
            None => (name, None),
        };
        let host = host.replace(['[', ']'], "");
        if port.is_some_and(|port| port.parse::<u16>().is_err()) || !is_ssh_host(&host) {
            return None;
        }
        let options = env("NIX_SSHOPTS").unwrap_or_default();
        Some(Self {
            host,
            port: port.map(str::to_owned),
            key: None,
            compress: false,
            options: options.split_whitespace().map(str::to_owned).collect(),
        })
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        &self.host
    }

    /// The program `ssh` and its arguments that run a command there, given as words. Nobody is asked for a password, and
    /// a machine that is gone is noticed, unless `NIX_SSHOPTS` says otherwise: of an option that is given twice, `ssh` takes
    /// the first.
    pub fn command(&self, words: &[&str]) -> (PathBuf, Vec<OsString>) {
        let command: Vec<String> = words.iter().map(|word| shell_word(word)).collect();
        (PathBuf::from("ssh"), self.arguments(&command.join(" ")))
    }

    /// As [`Self::command`], for a command in the language of the shell there.
    pub fn arguments(&self, script: &str) -> Vec<OsString> {
        let mut args = self.options.clone();
        args.extend(
            [
                "-x",
                "-a",
                "-T",
                "-oBatchMode=yes",
                "-oConnectTimeout=20",
                "-oServerAliveInterval=15",
            ]
            .map(str::to_owned),
        );
        if let Some(port) = &self.port {
            args.extend(["-p".to_owned(), port.clone()]);
        }
        if let Some(key) = &self.key {
            args.extend(["-i".to_owned(), key.clone()]);
        }
        if self.compress {
            args.push("-C".to_owned());
        }
        args.extend(["--".to_owned(), self.host.clone(), script.to_owned()]);
        args.into_iter().map(OsString::from).collect()
    }
}

/// A word that a POSIX shell reads as it is.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The program that serves a store there, and its arguments.
pub(super) fn serve_command(url: &StoreUrl) -> Vec<String> {
    let program = url
        .parameter("remote-program")
        .filter(|program| !program.is_empty())
        .unwrap_or_else(|| "nix-daemon".to_owned());
    let mut words: Vec<String> = program.split_whitespace().map(str::to_owned).collect();
    words.push("--stdio".to_owned());
    if let Some(store) = url
        .parameter("remote-store")
        .filter(|store| !store.is_empty())
    {
        words.extend(["--store".to_owned(), store]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{SshHost, serve_command, shell_word};
    use crate::nix::StoreUrl;

    fn arguments(host: &SshHost, words: &[&str]) -> String {
        let (_, args) = host.command(words);
        let args: Vec<_> = args.iter().map(|arg| arg.to_str().unwrap()).collect();
        args.join(" ")
    }

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn hosts_are_hosts_and_nothing_else() {
        for name in [
            "-oProxyCommand=x",
            "a b",
            "",
            "a;b",
            "a:22:33",
            "a:x",
            "x@-y",
        ] {
            assert_eq!(SshHost::new(name, none), None, "{name}");
        }
        let all = "-x -a -T -oBatchMode=yes -oConnectTimeout=20 -oServerAliveInterval=15";
        for (name, expected) in [
            ("h", "-- h ls"),
            ("me@h.example", "-- me@h.example ls"),
            ("h:2222", "-p 2222 -- h ls"),
            ("me@[::1]:22", "-p 22 -- me@::1 ls"),
            ("::1", "-- ::1 ls"),
        ] {
            let host = SshHost::new(name, none).unwrap();
            assert_eq!(arguments(&host, &["ls"]), format!("{all} {expected}"));
        }
    }

    #[test]
    fn parameters_of_the_url_and_options_of_nix_count() {
        let url = StoreUrl::parse(
            "ssh-ng://h?ssh-key=/k&compress=true&remote-program=/x/nix-daemon&remote-store=local?root=/r",
        )
        .unwrap();
        let env = |name: &str| (name == "NIX_SSHOPTS").then(|| " -F  /config ".to_owned());
        let host = SshHost::of_store(&url, env).unwrap();
        let all = arguments(&host, &["a b", "it's", ""]);
        assert!(all.starts_with("-F /config -x"), "{all}");
        assert!(all.ends_with(r"-i /k -C -- h 'a b' 'it'\''s' ''"), "{all}");
        assert_eq!(
            serve_command(&url),
            ["/x/nix-daemon", "--stdio", "--store", "local?root=/r"]
        );
        let plain = StoreUrl::parse("ssh-ng://h").unwrap();
        assert_eq!(serve_command(&plain), ["nix-daemon", "--stdio"]);
        assert_eq!(
            SshHost::of_store(&StoreUrl::parse("daemon").unwrap(), none),
            None
        );
    }

    #[test]
    fn words_stay_words() {
        for word in ["", "a b", "$(x)", "`x`", "'", "a\nb", "*", "~", "a;b"] {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", shell_word(word))])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
        assert_eq!(shell_word("/nix/store/x-y:1"), "/nix/store/x-y:1");
    }
}
