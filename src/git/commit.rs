//! What a user calls a commit, and the flake reference that stands for its tree.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use git2::{Repository, RepositoryOpenFlags};

use super::GitError;

/// A commit of a repository on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The top folder of the working tree.
    pub root: PathBuf,
    /// Its name, in hexadecimal digits.
    pub id: String,
    /// Whether the history is cut off.
    pub is_shallow: bool,
}

impl Commit {
    /// Finds the commit that `revision` names (a branch, a tag, `HEAD~3`, the first digits of its name) in the checkout that
    /// `path` lies in.
    pub fn find(path: &Path, revision: &str) -> Result<Self, GitError> {
        let failed = |cause| GitError::Git {
            path: path.to_owned(),
            cause,
        };
        let no_ceilings: [&str; 0] = [];
        let repository = Repository::open_ext(path, RepositoryOpenFlags::empty(), no_ceilings)
            .map_err(failed)?;
        let commit = repository
            .revparse_single(revision)
            .and_then(|object| object.peel_to_commit())
            .map_err(|cause| GitError::Revision {
                revision: revision.to_owned(),
                cause,
            })?;
        let root = repository.workdir().unwrap_or_else(|| repository.path());
        Ok(Self {
            root: root.to_owned(),
            id: commit.id().to_string(),
            is_shallow: repository.is_shallow(),
        })
    }

    /// The reference by which Nix finds the flake in the folder `dir` (below the top) of this commit.
    pub fn flake(&self, dir: &str) -> String {
        let mut flake = format!(
            "git+file://{}?rev={}",
            escaped(&self.root.to_string_lossy()).trim_end_matches('/'),
            self.id
        );
        if !dir.is_empty() {
            flake.push_str("&dir=");
            flake.push_str(&escaped(dir));
        }
        if self.is_shallow {
            flake.push_str("&shallow=1");
        }
        flake
    }
}

/// Escapes what has a meaning in a URL.
pub(super) fn escaped(path: &str) -> String {
    let mut url = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(byte.into());
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests;
