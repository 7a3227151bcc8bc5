//! What people tell nixci from a forge: a line below a pull request, or a button of a check run.
//!
//! An approval always names the commit, so that nothing pushed between the look and the word is approved with it; and by all
//! of its id, since who makes both commits finds two with the same first digits.

use crate::forge::CommitId;

/// What a line with a command begins with.
const CALL: &str = "/nixci";

/// What somebody tells nixci to do. Whether they may is decided elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To build the commit of a stranger.
    Approve {
        /// Which.
        commit: CommitId,
    },
    /// To approve without all digits of the commit: worth an answer, and nothing else.
    ApproveUnnamed,
    /// To build once more.
    Rebuild,
    /// To stop.
    Cancel,
}

impl Command {
    /// The identifier of a check run's button; GitHub takes at most 20 characters.
    pub fn button(&self) -> &'static str {
        match self {
            Self::Approve { .. } | Self::ApproveUnnamed => "approve",
            Self::Rebuild => "rebuild",
            Self::Cancel => "cancel",
        }
    }

    /// What a button of a check run of this commit means.
    pub(super) fn of_button(identifier: &str, commit: &CommitId) -> Option<Self> {
        let approve = Self::Approve {
            commit: commit.clone(),
        };
        [approve, Self::Rebuild, Self::Cancel]
            .into_iter()
            .find(|command| command.button() == identifier)
    }

    /// The first command of a comment: a line of its own that begins with `/nixci`.
    pub fn of_comment(body: &str) -> Option<Self> {
        body.lines().find_map(|line| {
            let mut words = line.strip_prefix(CALL)?.split_ascii_whitespace();
            // `/nixcix` is none.
            line[CALL.len()..].starts_with([' ', '\t']).then_some(())?;
            let command = match (words.next()?, words.next()) {
                ("approve", None) => Self::ApproveUnnamed,
                ("approve", Some(commit)) => match commit.to_ascii_lowercase().parse() {
                    Ok(commit) => Self::Approve { commit },
                    Err(_) => Self::ApproveUnnamed,
                },
                ("rebuild", None) => Self::Rebuild,
                ("cancel", None) => Self::Cancel,
                _ => return None,
            };
            words.next().is_none().then_some(command)
        })
    }
}
