//! Git: facts about a checkout of the user, and bare mirrors of the repositories that a server builds.
//!
//! libgit2 is named here alone. Starts no process. A checkout is only looked at: its commit, whether it is dirty, and a
//! fingerprint of what a flake sees of it.

mod address;
mod advertisement;
mod checkout;
mod commit;
mod commit_id;
mod exchange;
mod library;
mod limits;
mod mirror;
mod mirror_error;
mod remote;
mod tracked;
mod web;

pub use address::is_public;
pub use advertisement::{Advertisement, RemoteRef};
pub use checkout::{Checkout, GitError};
pub use commit::Commit;
pub use commit_id::{CommitId, CommitIdError, TreeId};
pub use limits::FetchLimits;
pub use mirror::{Merge, Mirror, Wanted, ls_remote};
pub use mirror_error::MirrorError;
pub use remote::{Credentials, Remote};
pub use tracked::tracked_files;
pub use web::{GitHttp, has_proxy};
