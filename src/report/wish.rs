//! What someone at the keyboard wants of others.

use crate::nix::StorePath;

/// A wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The run to stop.
    Stop,
    /// This check out of the run.
    Cancel(String),
    /// To know what this check waits for.
    Explain(String),
    /// To read the log of this derivation in the pager.
    OpenPager(StorePath),
    /// Nothing more: the run was over already, and now nobody reads any more.
    Leave,
}
