//! Why something cannot be had of another repository, or of its mirror.

use std::{path::PathBuf, time::Duration};

use super::CommitId;

/// Why a mirror cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The other side does not answer, or answers that it is in trouble. Later it may work.
    #[error("{0}")]
    Unreachable(String),
    /// The other side refuses: no such repository, no right to it, a wrong token.
    #[error("{0}")]
    Refused(String),
    /// The address is one that nothing is fetched from.
    #[error("{0}")]
    Address(String),
    /// The other side does not speak as git does, or sends what is broken.
    #[error("{0}")]
    Broken(String),
    /// There is no such ref or commit there (any more).
    #[error("{url} has no {what}")]
    Missing {
        /// The repository.
        url: String,
        /// A ref by its full name, or a commit.
        what: String,
    },
    /// A ref is elsewhere than it was said to be.
    #[error("`{name}` is at {found} now and no longer at {expected}")]
    Moved {
        /// The ref.
        name: String,
        /// Where it was said to be.
        expected: CommitId,
        /// Where it is.
        found: CommitId,
    },
    /// It is more than is allowed.
    #[error("{0}")]
    TooMuch(String),
    /// It took longer than is allowed.
    #[error("{host} needed more than {} s", limit.as_secs())]
    TooSlow {
        /// Whom it was waited for.
        host: String,
        /// What is allowed.
        limit: Duration,
    },
    /// A commit holds what no working tree can: it is made to break what reads it.
    #[error("commit {commit} is not built: {why}")]
    Hostile {
        /// The commit.
        commit: CommitId,
        /// What is wrong with it.
        why: String,
    },
    /// A file of a commit is not what is read as a file.
    #[error("`{path}` of commit {commit} is {what}")]
    NoFile {
        /// The commit.
        commit: CommitId,
        /// The file.
        path: String,
        /// What it is instead.
        what: &'static str,
    },
    /// The mirror itself cannot be used.
    #[error("cannot use the mirror in {}: {why}", folder.display())]
    Mirror {
        /// The mirror.
        folder: PathBuf,
        /// Why.
        why: String,
    },
    /// It was asked to stop.
    #[error("fetching was cancelled")]
    Cancelled,
}

impl MirrorError {
    /// Whether the same may work later, with nobody doing anything about it.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TooSlow { .. } | Self::Mirror { .. } => true,
            Self::Refused(_)
            | Self::Address(_)
            | Self::Broken(_)
            | Self::Missing { .. }
            | Self::Moved { .. }
            | Self::TooMuch(_)
            | Self::Hostile { .. }
            | Self::NoFile { .. }
            | Self::Cancelled => false,
        }
    }
}

/// The longest text of another machine that is passed on, in characters.
const TEXT_CHARS: usize = 300;

/// Makes one short line of what another machine said.
pub(super) fn one_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(TEXT_CHARS).map(shown).collect()
}
