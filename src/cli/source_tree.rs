//! The files of a flake on this machine, for a report that quotes them.

use std::{
    fs::{self, File},
    io::Read,
    path::{Component, Path, PathBuf},
};

use super::local_flake::LocalFlake;
use crate::{
    git::tracked_files,
    report::{NoSource, SourceTree},
};

/// How many files are looked at.
const FILES_MAX: usize = 50_000;
/// How many folders deep a flake without a repository is looked at.
const DEPTH_MAX: usize = 32;
/// The largest file that is looked at, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The tree a flake lies in.
struct LocalTree {
    /// The top of the checkout, or the flake's folder if it lies in none.
    root: PathBuf,
    is_checkout: bool,
}

/// The files that the events of a run name relative to the flake's tree.
pub(super) fn source_tree(local: Option<&LocalFlake>) -> Box<dyn SourceTree> {
    match local {
        None => Box::new(NoSource),
        Some(LocalFlake { dir, checkout }) => Box::new(LocalTree {
            root: checkout
                .as_ref()
                .map_or(dir, |checkout| &checkout.root)
                .clone(),
            is_checkout: checkout.is_some(),
        }),
    }
}

impl SourceTree for LocalTree {
    fn files(&self) -> Vec<String> {
        let mut files = if self.is_checkout {
            tracked_files(&self.root).unwrap_or_default()
        } else {
            let mut files = Vec::new();
            walk(&self.root, Path::new(""), 0, &mut files);
            files
        };
        let is_nix = |file: &String| Path::new(file).extension().is_some_and(|end| end == "nix");
        files.sort_by_cached_key(|file| (!is_nix(file), file.clone()));
        files.truncate(FILES_MAX);
        files
    }

    fn read(&self, file: &str) -> Option<String> {
        let file = Path::new(file);
        // A name comes from an error text, which anybody may have written: it must not lead out of the tree.
        if !file
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return None;
        }
        let mut path = self.root.clone();
        for part in file.components() {
            path.push(part);
            if fs::symlink_metadata(&path).ok()?.is_symlink() {
                return None;
            }
        }
        let is_small_file = |path: &Path| {
            fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= FILE_BYTES_MAX)
        };
        if !is_small_file(&path) {
            return None;
        }
        let mut text = String::new();
        File::open(path)
            .ok()?
            .take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .ok()?;
        Some(text)
    }
}

/// Collects the names of the files below a folder, without following symbolic links.
fn walk(root: &Path, below: &Path, depth: usize, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(root.join(below)) else {
        return;
    };
    for entry in entries.flatten() {
        let (Ok(kind), name) = (entry.file_type(), below.join(entry.file_name())) else {
            continue;
        };
        if files.len() >= FILES_MAX {
            return;
        }
        if kind.is_dir() && depth < DEPTH_MAX {
            walk(root, &name, depth + 1, files);
        } else if kind.is_file()
            && let Some(name) = name.to_str()
        {
            files.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
