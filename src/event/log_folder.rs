//! Where the logs of a run's steps lie as files.
//!
//! Apart from whoever writes them so that a display can read them while the run goes on. Touches no file.

use std::path::{Path, PathBuf};

use crate::nix::StorePath;

/// The folder with the logs of one run: a file for each build that wrote something, from its first line on, but for
/// those that passed within a moment and with few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFolder(PathBuf);

impl LogFolder {
    /// The folder of a run below that of all runs.
    pub fn of_run(logs: &Path, run: &str) -> Self {
        Self(logs.join(run))
    }

    /// The file with what the build of a derivation wrote, as it wrote it: anything may be in there. It grows while the
    /// build runs, at least ten times a second, and begins anew where the build is tried again.
    pub fn file(&self, drv_path: &StorePath) -> PathBuf {
        // A store path's name has no slash and at most 244 bytes.
        let name = drv_path.base_name().trim_end_matches(".drv");
        self.0.join(format!("{name}.log"))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }
}
