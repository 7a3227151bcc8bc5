//! Looks through the tree of a commit before anything is made of it.
//!
//! libgit2 takes a tree as it is: with names that lead out of it, with parts missing, or with the same folder nested in
//! itself a thousandfold, a few hundred bytes that stand for more files than a disk holds.

use std::collections::HashMap;

use git2::{ErrorCode, ObjectType, Odb, Oid, Repository};

use super::super::FetchLimits;

/// How deep folders may lie in each other.
const DEPTH_MAX: usize = 200;

/// What a tree comes to, each thing counted as often as it lies in it.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    files: u64,
    bytes: u64,
}

/// Says what is wrong with a tree, if something is.
pub(super) fn inspect(
    repository: &Repository,
    tree: Oid,
    limits: &FetchLimits,
) -> Result<(), String> {
    let odb = repository
        .odb()
        .map_err(|error| error.message().to_owned())?;
    let mut inspection = Inspection {
        repository,
        odb,
        limits,
        trees: HashMap::new(),
        blobs: HashMap::new(),
    };
    inspection.tree(tree, 0).map(drop)
}

struct Inspection<'a> {
    repository: &'a Repository,
    odb: Odb<'a>,
    limits: &'a FetchLimits,
    /// Trees looked at before.
    trees: HashMap<Oid, Sum>,
    /// The sizes of files, in bytes.
    blobs: HashMap<Oid, u64>,
}

impl Inspection<'_> {
    fn tree(&mut self, id: Oid, depth: usize) -> Result<Sum, String> {
        if let Some(sum) = self.trees.get(&id) {
            return Ok(*sum);
        }
        if depth > DEPTH_MAX {
            return Err(format!("its folders lie more than {DEPTH_MAX} deep"));
        }
        let tree = self
            .repository
            .find_tree(id)
            .map_err(|error| missing(id, &error))?;
        let mut sum = Sum::default();
        for entry in &tree {
            check_name(entry.name_bytes())?;
            let part = match entry.filemode() {
                0o040_000 => self.tree(entry.id(), depth + 1)?,
                0o100_644 | 0o100_664 | 0o100_755 | 0o120_000 => Sum {
                    files: 0,
                    bytes: self.blob(entry.id())?,
                },
                // A submodule: a commit of another repository.
                0o160_000 => Sum::default(),
                mode => return Err(format!("it has a file of the unknown kind {mode:o}")),
            };
            sum.files = sum.files.saturating_add(part.files).saturating_add(1);
            sum.bytes = sum.bytes.saturating_add(part.bytes);
            if sum.files > self.limits.files {
                return Err(format!("it has more than {} files", self.limits.files));
            }
            if sum.bytes > self.limits.file_bytes {
                return Err(format!(
                    "its files have more than {} MiB",
                    self.limits.file_bytes >> 20
                ));
            }
        }
        self.trees.insert(id, sum);
        Ok(sum)
    }

    fn blob(&mut self, id: Oid) -> Result<u64, String> {
        if let Some(size) = self.blobs.get(&id) {
            return Ok(*size);
        }
        let (size, kind) = self
            .odb
            .read_header(id)
            .map_err(|error| missing(id, &error))?;
        if kind != ObjectType::Blob {
            return Err(format!("its file {id} is none"));
        }
        self.blobs.insert(id, size as u64);
        Ok(size as u64)
    }
}

fn missing(id: Oid, error: &git2::Error) -> String {
    if error.code() == ErrorCode::NotFound {
        return format!("its part {id} is missing");
    }
    format!("its part {id} cannot be read: {}", error.message())
}

/// Refuses names that no working tree may have.
///
/// Source: what `git fsck` calls `hasDot`, `hasDotdot`, `hasDotgit`, `emptyName` and `fullPathname`.
fn check_name(name: &[u8]) -> Result<(), String> {
    let is_bad = name.is_empty()
        || name == b"."
        || name == b".."
        || name.eq_ignore_ascii_case(b".git")
        || name.contains(&b'/');
    if is_bad {
        return Err(format!("it has a file called `{}`", name.escape_ascii()));
    }
    Ok(())
}
