//! What a fetch may cost.

use std::time::Duration;

/// What one look at another repository may cost.
#[derive(Clone, Debug)]
pub struct FetchLimits {
    /// How long it may take from its start to its end.
    pub time: Duration,
    /// How long the other side may say nothing.
    pub silence: Duration,
    /// What the other side may send, in bytes.
    pub bytes: u64,
    /// How many objects a fetch may bring.
    pub objects: usize,
    /// How many refs the other side may have.
    pub refs: usize,
    /// How many files, folders and links a commit may hold, counted where they lie: what lies at two places counts twice.
    pub files: u64,
    /// What the files of a commit may hold together, in bytes, counted so too.
    pub file_bytes: u64,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(900),
            silence: Duration::from_secs(60),
            bytes: 8 << 30,
            objects: 50_000_000,
            refs: 1_000_000,
            files: 2_000_000,
            file_bytes: 16 << 30,
        }
    }
}
