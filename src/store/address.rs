//! Where the daemon is.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use tokio::net::UnixStream;

use super::ssh::{SshHost, serve_command};
use crate::nix::StoreUrl;

/// How to reach a daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreAddress {
    /// The socket a daemon listens on.
    Socket(PathBuf),
    /// A program that speaks the protocol on its standard input and output, such as `nix-daemon --stdio`.
    Command {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        args: Vec<OsString>,
        /// Environment variables to set besides those of this process.
        env: Vec<(OsString, OsString)>,
    },
}

impl StoreAddress {
    /// Finds out how to reach the store that Nix's own programs would use: by `$NIX_REMOTE`, else by the daemon's socket
    /// if something listens there, else by `nix_daemon_program --stdio`, which opens the store itself.
    ///
    /// Unlike Nix's own programs this prefers a daemon also where this user, as root does, may write to the store: that is
    /// one process less. `env` looks up an environment variable.
    pub async fn detect(
        nix_daemon_program: &Path,
        env: &(dyn Fn(&str) -> Option<OsString> + Sync),
    ) -> Self {
        let socket = || default_socket(env);
        let remote = env("NIX_REMOTE").filter(|value| !value.is_empty());
        let remote = remote.unwrap_or_else(|| "auto".into());
        match remote.as_bytes() {
            b"daemon" => Self::Socket(socket()),
            // Where nothing answers, Nix in the child may know more, and its error says what it tried.
            b"auto" if UnixStream::connect(socket()).await.is_ok() => Self::Socket(socket()),
            remote => match remote.strip_prefix(b"unix://") {
                Some(b"") => Self::Socket(socket()),
                // Behind a `?` there may be parameters.
                Some(path) => {
                    let path = path.split(|byte| *byte == b'?').next().unwrap_or(path);
                    Self::Socket(OsStr::from_bytes(path).into())
                }
                None => Self::Command {
                    program: nix_daemon_program.to_owned(),
                    args: vec!["--stdio".into()],
                    env: Vec::new(),
                },
            },
        }
    }
}

impl StoreAddress {
    /// How to reach the store of a URL. `env` looks up an environment variable.
    pub fn of_url(
        url: &StoreUrl,
        nix_daemon_program: &Path,
        env: impl Fn(&str) -> Option<String>,
    ) -> Self {
        if let Some(ssh) = SshHost::of_store(url, &env) {
            let words = serve_command(url);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let (program, args) = ssh.command(&words);
            return Self::Command {
                program,
                args,
                env: Vec::new(),
            };
        }
        let before_query = url.as_str().split('?').next().unwrap_or_default();
        match before_query.strip_prefix("unix://") {
            Some(path) if !path.is_empty() => Self::Socket(path.into()),
            Some(_) => Self::Socket(default_socket(&|name| env(name).map(OsString::from))),
            None if before_query == "daemon" => {
                Self::Socket(default_socket(&|name| env(name).map(OsString::from)))
            }
            None => Self::Command {
                program: nix_daemon_program.to_owned(),
                args: vec!["--stdio".into()],
                env: vec![("NIX_REMOTE".into(), url.as_str().into())],
            },
        }
    }
}

/// Where the daemon of this machine listens.
fn default_socket(env: &dyn Fn(&str) -> Option<OsString>) -> PathBuf {
    let set = |name| env(name).filter(|value| !value.is_empty());
    match (set("NIX_DAEMON_SOCKET_PATH"), set("NIX_STATE_DIR")) {
        (Some(socket), _) => PathBuf::from(socket),
        (None, Some(state_dir)) => Path::new(&state_dir).join("daemon-socket/socket"),
        (None, None) => PathBuf::from("/nix/var/nix/daemon-socket/socket"),
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "`{}`", path.display()),
            Self::Command { program, args, .. } => {
                write!(f, "`{}", program.display())?;
                for arg in args {
                    write!(f, " {}", arg.display())?;
                }
                f.write_str("`")
            }
        }
    }
}

#[cfg(test)]
mod tests;
