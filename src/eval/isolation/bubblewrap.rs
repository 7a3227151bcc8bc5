//! Walls of bubblewrap: namespaces in which nothing is but what is named.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{CONFIGURATION, Isolation, Network, PROGRAMS};

/// The most that temporary files of a process may need, in bytes: they are in memory.
const TMP_BYTES: &str = "1073741824";

/// Where the folder for the home is, inside.
pub(super) const HOME: &str = "/home/nixci";

impl Isolation {
    /// What bubblewrap is told, up to the program.
    pub(super) fn in_bubblewrap(&self, program: &Path, writable: &[&Path]) -> Vec<OsString> {
        let mut arguments = Vec::new();
        let mut say = |words: &[&Path]| arguments.extend(words.iter().map(OsString::from));
        let word = Path::new;
        say(&["--unshare-all", "--die-with-parent", "--new-session"].map(word));
        if self.network != Network::None {
            say(&[word("--share-net")]);
        }
        for path in PROGRAMS.iter().chain(CONFIGURATION).map(Path::new) {
            say(&[word("--ro-bind-try"), path, path]);
        }
        say(&[
            "--proc", "/proc", "--dev", "/dev", "--size", TMP_BYTES, "--tmpfs", "/tmp",
        ]
        .map(word));
        // Behind the folder for temporary files, where they may be.
        let certificates = env::var_os("NIX_SSL_CERT_FILE").map(PathBuf::from);
        if let Some(path) = &certificates {
            say(&[word("--ro-bind-try"), path, path]);
        }
        let socket = self.daemon_socket.parent();
        let readable = self.readable.iter().map(PathBuf::as_path);
        let own = self.executable(program).skip(PROGRAMS.len());
        for path in readable.chain(own).chain(socket) {
            say(&[word("--ro-bind"), path, path]);
        }
        say(&[word("--bind"), &self.home, word(HOME)]);
        for path in writable {
            say(&[word("--bind"), path, path]);
        }
        say(&["--chdir", HOME, "--"].map(word));
        arguments
    }
}
