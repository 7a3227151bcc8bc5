//! Where a post-build step works.

use std::{
    io,
    path::{Path, PathBuf},
};

use tracing::warn;

use super::{Passed, out_path};
use crate::server::{app::App, insist::AGAIN};

/// The folder below the state folder in which steps work.
const FOLDER: &str = "post-build";

/// The folder that a step works in, with links to what was built; it goes when the step is over.
pub(super) struct Workspace(PathBuf);

impl Workspace {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder for the step of this number.
    pub(super) fn make(app: &App, id: i64, passed: &Passed) -> io::Result<Self> {
        let folder = app.config().state_dir.join(FOLDER).join(id.to_string());
        let own = Self(folder);
        let _ = std::fs::remove_dir_all(&own.0);
        for name in ["home", "tmp", "work"] {
            std::fs::create_dir_all(own.0.join(name))?;
        }
        let out = out_path(&passed.outputs);
        for (output, path) in &passed.outputs {
            let Some(path) = path else { continue };
            let link = if Some(path) == out {
                format!("result-{}", passed.check)
            } else {
                format!("result-{}-{output}", passed.check)
            };
            // As buildbot-nix has them; an attribute that is no name of a file has none.
            if !link.contains(['/', '\0']) && link.len() < 256 {
                std::os::unix::fs::symlink(path.as_str(), own.0.join("work").join(link))?;
            }
        }
        Ok(own)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes what steps of a server left that was killed.
pub(in crate::server) fn clean_up(app: &App) {
    let _ = std::fs::remove_dir_all(app.config().state_dir.join(FOLDER));
}

/// Makes something, again and again as long as the disk is full: that is no fault of what was built.
pub(super) async fn once_there_is_room<T>(make: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let mut is_said = false;
    loop {
        match make() {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                if !std::mem::replace(&mut is_said, true) {
                    warn!(%error, "a step after a build waits for room on the disk");
                }
                tokio::time::sleep(AGAIN).await;
            }
            done => return done,
        }
    }
}
