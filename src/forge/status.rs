//! A commit status: what a forge shows beside a commit.

/// What a status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusState {
    /// Not known yet.
    Pending,
    /// All is well.
    Success,
    /// The commit is at fault.
    Failure,
    /// Something else is at fault.
    Error,
}

impl StatusState {
    /// The state that a forge names so.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "success" | "skipped" | "warning" => Self::Success,
            "failure" | "failed" => Self::Failure,
            "error" | "canceled" | "cancelled" => Self::Error,
            _ => Self::Pending,
        }
    }

    /// Whether it says that something is not well.
    pub fn is_failed(self) -> bool {
        match self {
            Self::Failure | Self::Error => true,
            Self::Pending | Self::Success => false,
        }
    }
}

/// The state of one context of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitStatus {
    /// What it is about; a newer status replaces the one with the same context.
    pub context: String,
    /// What it says.
    pub state: StatusState,
    /// Why, in a few words; cut to what the forge takes when it is sent.
    pub description: String,
}

/// What becomes known in a run, for a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A status to be shown.
    Status(CommitStatus),
    /// A context is well. Only worth a status where the forge shows a failure from an earlier run.
    Passed {
        /// The context.
        context: String,
    },
}

/// Cuts a text to at most `max` characters, on one line, with a sign that something is missing.
pub(super) fn cut(text: &str, max: usize) -> String {
    let is_shown = |c: char| !c.is_control();
    let line: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| is_shown(*c))
        .collect();
    if line.chars().count() <= max {
        return line;
    }
    let mut short: String = line.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}
