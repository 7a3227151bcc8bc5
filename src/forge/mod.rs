//! Speaks to GitHub, Gitea, Forgejo and GitLab: commit statuses, within the limits each sets.
//!
//! Each forge's JSON is in its own file. Knows no run: [`RunStatuses`] turns events into statuses, [`Publisher`] sends
//! them. A forge that does not answer costs the statuses, never the run.

mod ci_job;
mod gitea;
mod github;
mod gitlab;
mod http;
mod publisher;
mod run_status;
mod status;

use std::{collections::HashSet, future::Future, pin::Pin, time::Duration};

pub use ci_job::{CiJob, CiJobError, ForgeKind};
pub use gitea::Gitea;
pub use github::Github;
pub use gitlab::Gitlab;
pub use http::{ForgeError, Http};
pub use publisher::Publisher;
pub use run_status::RunStatuses;
pub use status::{CommitStatus, News, StatusState};

/// A future in a box, so that a [`Forge`] can be used as an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, ForgeError>> + Send + 'a>>;

/// A forge, as far as one commit of one repository goes.
pub trait Forge: Send + Sync {
    /// Sets the state of a context.
    fn set_status<'a>(&'a self, status: &'a CommitStatus) -> BoxFuture<'a, ()>;

    /// The contexts that begin with `prefix` and say now that something failed.
    fn failing<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, HashSet<String>>;

    /// How long to wait between two statuses.
    fn pace(&self) -> Duration;
}
