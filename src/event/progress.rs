//! Figures for a display, beyond what it can count itself from the other events.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::optional_milliseconds;

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Checks evaluated so far; sets of them do not count.
    pub evaluated: usize,
    /// Checks known so far, those still to be evaluated included.
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
    /// Uploads that run or wait: one for each derivation and destination.
    #[serde(default)]
    pub uploading: usize,
    /// How much longer the run takes, by the history of earlier runs; absent where that says nothing. While the
    /// evaluation goes on, it takes longer.
    #[serde(rename = "remaining_ms", with = "optional_milliseconds")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remaining: Option<Duration>,
}
