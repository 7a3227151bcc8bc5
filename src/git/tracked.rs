//! The names of the files that git knows of.

use std::path::Path;

use git2::Repository;

use super::GitError;

/// The mode of an index entry that is a regular file, without its permissions.
const REGULAR_FILE: u32 = 0o100_000;
/// The bits of a mode that tell the kind of a file.
const FILE_KIND: u32 = 0o170_000;

/// The files of a checkout that git tracks or is going to, relative to its top; those with names that are no UTF-8 are
/// left out.
pub fn tracked_files(root: &Path) -> Result<Vec<String>, GitError> {
    let failed = |cause| GitError::Git {
        path: root.to_owned(),
        cause,
    };
    let index = Repository::open(root)
        .and_then(|repository| repository.index())
        .map_err(failed)?;
    Ok(index
        .iter()
        .filter(|entry| entry.mode & FILE_KIND == REGULAR_FILE)
        .filter_map(|entry| String::from_utf8(entry.path).ok())
        .collect())
}
