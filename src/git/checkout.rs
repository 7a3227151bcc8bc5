//! A checkout as a flake sees it: the commit, and the tracked files that differ from it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use git2::{
    Delta, DiffOptions, ErrorCode, IndexEntry, IndexEntryExtendedFlag, IndexEntryFlag, Repository,
    RepositoryOpenFlags,
};
use sha2::{Digest, Sha256};

/// What a flake in a git checkout can see of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The top folder of the working tree.
    pub root: PathBuf,
    /// The commit, in hexadecimal digits; `None` before the first one.
    pub revision: Option<String>,
    /// Whether a tracked file differs from the commit.
    pub is_dirty: bool,
    /// Whether the history is cut off, so that commits cannot be counted.
    pub is_shallow: bool,
    /// Whether there are files whose content is not part of [`Self::fingerprint`]: submodules, and those that git was
    /// told not to look at.
    pub has_blind_spots: bool,
    /// A hash of the commit and of every tracked file that differs from it.
    pub fingerprint: String,
}

/// Why nothing can be said of a checkout.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// libgit2 refuses.
    #[error("cannot read the git repository of {}: {}", path.display(), cause.message())]
    Git {
        /// The folder asked about.
        path: PathBuf,
        /// Why.
        cause: git2::Error,
    },
    /// There is no such commit.
    #[error("`{}` names no commit of this repository: {}", revision.escape_debug(), cause.message())]
    Revision {
        /// What was asked for.
        revision: String,
        /// Why.
        cause: git2::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}

impl Checkout {
    /// Looks at the checkout that a folder lies in. `None` if it lies in none.
    pub fn find(path: &Path) -> Result<Option<Self>, GitError> {
        let failed = |cause| GitError::Git {
            path: path.to_owned(),
            cause,
        };
        let no_ceilings: [&str; 0] = [];
        let repository = match Repository::open_ext(path, RepositoryOpenFlags::empty(), no_ceilings)
        {
            Ok(repository) => repository,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let Some(root) = repository.workdir().map(Path::to_owned) else {
            return Ok(None);
        };
        let head = match repository.head() {
            Ok(head) => Some(head.peel_to_commit().map_err(failed)?),
            Err(error) if matches!(error.code(), ErrorCode::UnbornBranch | ErrorCode::NotFound) => {
                None
            }
            Err(error) => return Err(failed(error)),
        };
        let tree = head
            .as_ref()
            .map(git2::Commit::tree)
            .transpose()
            .map_err(failed)?;
        let mut options = DiffOptions::new();
        options.ignore_submodules(true).include_typechange(true);
        let diff = repository
            .diff_tree_to_workdir_with_index(tree.as_ref(), Some(&mut options))
            .map_err(failed)?;
        let mut hash = Sha256::new();
        let revision = head.as_ref().map(|commit| commit.id().to_string());
        hash.update(revision.as_deref().unwrap_or("none"));
        let mut is_dirty = false;
        for delta in diff.deltas() {
            if matches!(
                delta.status(),
                Delta::Unmodified | Delta::Ignored | Delta::Untracked
            ) {
                continue;
            }
            is_dirty = true;
            let Some(file) = delta.new_file().path().or_else(|| delta.old_file().path()) else {
                continue;
            };
            hash_file(&mut hash, &root, file, delta.status() != Delta::Deleted)?;
        }
        let index = repository.index().map_err(failed)?;
        let has_blind_spots = index.iter().any(|entry| is_blind_spot(&entry));
        Ok(Some(Self {
            is_shallow: repository.is_shallow(),
            root,
            revision,
            is_dirty,
            has_blind_spots,
            fingerprint: crate::nix::hex(&hash.finalize()),
        }))
    }

    /// The commit for people: its first seven digits, and `+dirty` where that is so.
    pub fn short_revision(&self) -> Option<String> {
        let revision = self.revision.as_ref()?.get(..7)?;
        Some(format!(
            "{revision}{}",
            if self.is_dirty { " +dirty" } else { "" }
        ))
    }
}

/// The mode of an index entry that is the commit of a submodule.
const GITLINK: u32 = 0o160_000;

fn is_blind_spot(entry: &IndexEntry) -> bool {
    entry.mode == GITLINK
        || entry.flags & IndexEntryFlag::VALID.bits() != 0
        || entry.flags_extended & IndexEntryExtendedFlag::SKIP_WORKTREE.bits() != 0
}

/// `is_tracked`: a file may lie there that git was told to forget; a flake does not see it.
fn hash_file(
    hash: &mut Sha256,
    root: &Path,
    file: &Path,
    is_tracked: bool,
) -> Result<(), GitError> {
    let name = file.as_os_str().as_encoded_bytes();
    hash.update((name.len() as u64).to_le_bytes());
    hash.update(name);
    let path = root.join(file);
    let failed = |cause| GitError::File {
        path: path.clone(),
        cause,
    };
    let meta = fs::symlink_metadata(&path).ok().filter(|_| is_tracked);
    let Some(meta) = meta else {
        hash.update(b"gone");
        return Ok(());
    };
    if meta.is_symlink() {
        hash.update(b"link");
        hash.update(
            fs::read_link(&path)
                .map_err(failed)?
                .as_os_str()
                .as_encoded_bytes(),
        );
    } else if meta.is_file() {
        let executable = meta.permissions().mode() & 0o100 != 0;
        hash.update(if executable { b"exec" } else { b"file" });
        hash.update(meta.size().to_le_bytes());
        let mut content = fs::File::open(&path).map_err(failed)?;
        let mut sink = HashSink(hash);
        std::io::copy(&mut content, &mut sink).map_err(failed)?;
    } else {
        hash.update(b"else");
    }
    Ok(())
}

/// Hashes what is written to it.
struct HashSink<'a>(&'a mut Sha256);

impl std::io::Write for HashSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
