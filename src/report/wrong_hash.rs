//! Where wrong hashes stand in the files of a flake, for whoever points at them there.

use super::{
    source_tree::SourceTree,
    summary::{HashFix, locate},
};

/// A wrong hash, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongHash {
    /// The file, relative to the tree.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// `WRONG -> RIGHT`, written as in the file.
    pub fix: String,
}

/// Whether an error of a build or an evaluation is that a hash is wrong.
pub fn is_wrong_hash(error: &str) -> bool {
    HashFix::parse(error).is_some()
}

/// Looks for the wrong hashes that errors tell of; says of each where it stands, if it is found.
pub fn find_wrong_hashes<'e>(
    errors: impl IntoIterator<Item = &'e str>,
    tree: &dyn SourceTree,
) -> Vec<Option<WrongHash>> {
    let mut fixes: Vec<Option<HashFix>> = errors.into_iter().map(HashFix::parse).collect();
    locate(fixes.iter_mut().flatten(), tree);
    fixes
        .iter()
        .map(|fix| {
            let fix = fix.as_ref()?;
            let place = &fix.places.first()?.place;
            Some(WrongHash {
                file: place.file.clone(),
                line: place.line,
                fix: fix.one_line("->"),
            })
        })
        .collect()
}
