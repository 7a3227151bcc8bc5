//! The name of a commit, checked once.
//!
//! Apart from [`super::Commit`], which is a commit that a user has named in a checkout.

use std::{fmt, str::FromStr};

use git2::Oid;

/// The name of a commit: 40 hexadecimal digits, as git writes SHA-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub(super) Oid);

/// A text that names no commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a commit has 40 hexadecimal digits")]
pub struct CommitIdError;

impl FromStr for CommitId {
    type Err = CommitIdError;

    fn from_str(text: &str) -> Result<Self, CommitIdError> {
        // Not what libgit2 does: it takes the first digits for the whole.
        if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CommitIdError);
        }
        Oid::from_str(text).map(Self).map_err(|_| CommitIdError)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a tree: what a commit holds, whoever made it when. Equal trees are equal sources.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeId(pub(super) Oid);

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
