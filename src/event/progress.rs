//! Figures for a display, beyond what it can count itself from the other events.

use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Attributes evaluated so far.
    pub evaluated: usize,
    /// Attributes known so far, those still to be evaluated included.
    pub attributes: usize,
    /// Whether the evaluation still goes on, so that there may be more.
    pub evaluating: bool,
    /// Builds that run now.
    pub building: usize,
    /// Steps that wait for their turn or for other steps.
    pub queued: usize,
    /// Downloads that run now.
    pub downloading: usize,
    /// Bytes downloaded so far.
    pub downloaded_bytes: u64,
    /// Bytes to download in all, as far as known.
    pub download_bytes: u64,
}
