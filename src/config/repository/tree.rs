//! The tree that a repository's files lie in, and what in it may be read.

use std::{
    fmt, fs,
    io::{self, Read},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use super::{ConfigError, Place};

/// The largest file that is read, in bytes.
const SIZE_MAX: u64 = 1 << 20;

/// Files that may be read, and the tree around them that nothing leads out of.
#[derive(Clone, Debug)]
pub struct Tree(Source);

#[derive(Clone, Debug)]
enum Source {
    /// A folder.
    Folder {
        /// The folder that has the files.
        root: PathBuf,
        /// The tree: that folder, or one above it.
        bounds: PathBuf,
    },
    /// Anything else, such as a commit.
    Files(Arc<dyn TreeFiles>),
}

/// The files of a tree that is no folder.
pub trait TreeFiles: fmt::Debug + Send + Sync {
    /// Reads a regular file; `None` if it is not there.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String>;

    /// Whether there is a file or folder, which is no symbolic link out of the tree.
    fn has(&self, path: &str) -> bool;
}

impl Tree {
    /// Takes a folder and the tree that it is in. `None` if one of them is not there.
    pub fn new(root: &Path, bounds: &Path) -> Option<Self> {
        let (root, bounds) = (root.canonicalize().ok()?, bounds.canonicalize().ok()?);
        root.starts_with(&bounds)
            .then_some(Self(Source::Folder { root, bounds }))
    }

    /// Takes files that lie in no folder.
    pub fn of_files(files: Arc<dyn TreeFiles>) -> Self {
        Self(Source::Files(files))
    }

    /// The folder; empty if it is none.
    pub fn root(&self) -> &Path {
        match &self.0 {
            Source::Folder { root, .. } => root,
            Source::Files(_) => Path::new(""),
        }
    }

    /// Reads a file of the folder; `None` if it is not there.
    pub(super) fn read(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let (root, bounds) = match &self.0 {
            Source::Folder { root, bounds } => (root, bounds),
            Source::Files(files) => {
                let file = Path::new(name);
                let text = files
                    .read(name)
                    .map_err(|reason| ConfigError::unreadable(file, reason))?;
                return text.map(|text| utf8(file, text)).transpose();
            }
        };
        let file = root.join(name);
        if fs::symlink_metadata(&file).is_err() {
            return Ok(None);
        }
        let failed = |error: io::Error| ConfigError::unreadable(&file, error.to_string());
        let real = file.canonicalize().map_err(failed)?;
        if !real.starts_with(bounds) {
            return Err(ConfigError::unreadable(
                &file,
                "it is a symbolic link that leads out of the tree".to_owned(),
            ));
        }
        // A pipe would never end.
        if !fs::metadata(&real).map_err(failed)?.is_file() {
            return Err(ConfigError::unreadable(
                &file,
                "it is not a regular file".to_owned(),
            ));
        }
        let mut text = Vec::new();
        let open = fs::File::open(&real).map_err(failed)?;
        open.take(SIZE_MAX + 1)
            .read_to_end(&mut text)
            .map_err(failed)?;
        if text.len() as u64 > SIZE_MAX {
            return Err(ConfigError::unreadable(
                &file,
                "it is larger than 1 MiB".to_owned(),
            ));
        }
        utf8(&file, text).map(Some)
    }

    /// Takes a path that a file names, relative to the folder; it has to be there and to stay in the tree.
    pub(super) fn path(&self, path: &str, place: &Place<'_>) -> Result<PathBuf, ConfigError> {
        let wrong = |message: String| Err(place.error(message));
        let shown = path.escape_debug().to_string();
        // In a flake reference these end the path.
        if path.is_empty() || path.contains(['?', '#', ':']) || path.contains(char::is_control) {
            return wrong(format!("`{shown}` cannot be a path in a flake"));
        }
        let relative = Path::new(path);
        let is_below = relative
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_below {
            return wrong(format!("`{shown}` leads out of the tree"));
        }
        match &self.0 {
            Source::Folder { root, bounds } => match root.join(relative).canonicalize() {
                Ok(real) if real.starts_with(bounds) => {}
                Ok(_) => return wrong(format!("`{shown}` leads out of the tree")),
                Err(error) => return wrong(format!("cannot find `{shown}`: {error}")),
            },
            Source::Files(files) if files.has(path) => {}
            Source::Files(_) => return wrong(format!("cannot find `{shown}` in the tree")),
        }
        // Without `.`s, so that one path is written in one way.
        Ok(relative
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect())
    }
}

fn utf8(file: &Path, text: Vec<u8>) -> Result<String, ConfigError> {
    String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let valid = String::from_utf8_lossy(&error.as_bytes()[..at]);
        let line = valid.matches('\n').count() + 1;
        ConfigError::unreadable(file, format!("line {line} is not UTF-8"))
    })
}
