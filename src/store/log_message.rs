//! What the daemon says while it works on a request.

use super::{Activity, ActivityId, ActivityResult, Verbosity};

/// One message. Texts come from builders and may hold anything; they are cut after 64 KiB, and the cut is marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogMessage {
    /// Text for people.
    Next(String),
    /// An activity began.
    ActivityStarted {
        /// Its name on this connection.
        id: ActivityId,
        /// How important it is.
        level: Verbosity,
        /// What it is.
        activity: Activity,
        /// What it is, for people.
        text: String,
        /// The activity it is part of; 0: none.
        parent: ActivityId,
    },
    /// An activity ended.
    ActivityStopped {
        /// Its name on this connection.
        id: ActivityId,
    },
    /// An activity yielded something.
    Result {
        /// The activity.
        id: ActivityId,
        /// What it yielded.
        result: ActivityResult,
    },
}
