//! Facts about a git checkout: its commit, whether it is dirty, and a fingerprint of what a flake sees of it.
//!
//! libgit2 is named here alone. Starts no process and changes nothing.

mod checkout;
mod commit;
mod tracked;

pub use checkout::{Checkout, GitError};
pub use commit::Commit;
pub use tracked::tracked_files;
