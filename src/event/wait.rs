//! What is told of single steps to a display that looks closely: downloads, and what a check waits for.

use serde::{Deserialize, Serialize};

use crate::nix::StorePath;

/// A link of the chain of steps that a check waits for; each waits for the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The step's derivation.
    pub drv_path: StorePath,
    /// The derivation's name, without `.drv`.
    pub name: String,
    /// What the step itself waits for.
    #[serde(flatten)]
    pub reason: WaitReason,
}

/// What a step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "waits_for", rename_all = "snake_case")]
pub enum WaitReason {
    /// Other steps; the next link is the one of them with the most below it.
    Steps {
        /// How many.
        open: usize,
    },
    /// A slot.
    Slot {
        /// How many ready steps go first.
        ahead: usize,
        /// How many slots there are.
        slots: usize,
    },
    /// Its own end: it runs.
    End,
}

/// How far a running download is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// The step's derivation.
    pub drv_path: StorePath,
    /// The substituter or the address it comes from, as the daemon names it; empty if it does not.
    pub source: String,
    /// Bytes so far.
    pub done_bytes: u64,
    /// Bytes in all, as far as known.
    pub expected_bytes: u64,
}
