//! The folder in which outputs are named, `OUTPUTS/OWNER/NAME/BRANCH/CHECK`: as buildbot-nix has it.
//!
//! Such a path does not say at which forge a repository is: of several of one name the first has it. And the name of one may
//! go on where that of another ends, so that below `a/b` there are its own branches and the repository `a/b/c`.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{encoded, remove, roots::Known};
use crate::{
    config::write_file,
    db::server::{DbError, Repository},
    nix::StorePath,
    server::app::App,
};

/// Who has the place that the name of a repository means.
pub(super) enum Whose {
    /// Nobody: there is no such folder.
    Nobodys,
    Own(Place),
    /// That of this name at another forge.
    Of(String),
}

/// The place of a repository.
pub(super) struct Place {
    dir: PathBuf,
    /// Those of others below it.
    others: Vec<PathBuf>,
}

impl Whose {
    pub(super) async fn is_place_of(app: &App, repository: &Repository) -> Result<Self, DbError> {
        let Some(outputs) = app.config().outputs_dir.clone() else {
            return Ok(Self::Nobodys);
        };
        let full_name = &repository.seen.full_name;
        let name = app.db.who_is_called(full_name.clone()).await?;
        if let Some((id, forge)) = name.first
            && id != repository.id
        {
            return Ok(Self::Of(format!("{forge}/{full_name}")));
        }
        Ok(Self::Own(Place::of(&outputs, full_name, &name.longer)))
    }
}

impl Place {
    fn of(outputs: &Path, full_name: &str, longer: &[String]) -> Self {
        let folder = |name: &str| outputs.join(name.split('/').map(encoded).collect::<PathBuf>());
        Self {
            dir: folder(full_name),
            others: longer.iter().map(|name| folder(name)).collect(),
        }
    }

    /// The folders of branches, and what may be one.
    pub(super) fn branches(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        entries.filter(is_dir).map(|entry| entry.path()).collect()
    }

    /// Removes what a branch left, and nothing that is another repository's: of checks there are files only.
    pub(super) fn remove(&self, branch: &Path) {
        if !self.others.iter().any(|other| other.starts_with(branch)) {
            return remove(branch);
        }
        for file in files(branch) {
            let _ = fs::remove_file(file);
        }
    }

    /// Removes all that the repository left.
    pub(super) fn remove_all(&self) {
        for branch in self.branches() {
            self.remove(&branch);
        }
        // Unless there is something of another one.
        let _ = fs::remove_dir(&self.dir);
    }

    /// Names the outputs of checks, and removes the names of checks that are no longer there; one that failed keeps its. The
    /// error is the first of possibly several: the others are named.
    pub(super) fn name(
        &self,
        branch: &str,
        passed: impl Iterator<Item = (String, BTreeMap<String, StorePath>)>,
        known: &Known,
    ) -> io::Result<()> {
        let dir = self.dir.join(branch);
        let mut done = Ok(());
        for (check, outputs) in passed {
            if let Some(path) = outputs.get("out").or_else(|| outputs.values().next()) {
                let file = dir.join(encoded(&check));
                done = done.and(write_file(&file, path.as_str().as_bytes()));
            }
        }
        for file in files(&dir) {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            // What begins with a dot is being written.
            if !name.starts_with('.') && !known.has(&name) {
                done = done.and(fs::remove_file(&file));
            }
        }
        done
    }
}

fn files(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_file = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_dir());
    entries.filter(is_file).map(|entry| entry.path())
}

#[cfg(test)]
mod tests;
