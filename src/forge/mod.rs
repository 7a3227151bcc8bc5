//! Speaks with GitHub, Gitea, Forgejo and GitLab: webhooks in, commit statuses out, within the limits each sets.
//!
//! Each forge's JSON is in its own file. Knows no run: [`RunStatuses`] turns events into statuses, [`Publisher`] sends
//! them. A forge that does not answer costs the statuses, never the run.

mod api;
mod check_run;
mod ci_job;
mod error;
mod gitea;
mod github;
mod github_shape;
mod gitlab;
mod hook;
mod http;
mod job;
mod listing;
mod publisher;
mod run_status;
mod signature;
mod status;
mod trigger;

use std::{collections::HashSet, future::Future, pin::Pin, time::Duration};

pub use api::{
    CommentNow, FailedDelivery, ForgeApi, HookOwner, HookState, HookWish, KnownCheckRun, KnownHook,
    KnownRepositories, KnownRepository, Permission, PullRequestNow, RepositoryKey, SeenHook,
    Selection, Standing, StatusPlace,
};
pub use check_run::{
    Annotation, AnnotationLevel, CHECK_TEXT_CHARS, CheckButton, CheckOutput, CheckRun, CheckState,
    Conclusion, code_span, fenced,
};
pub use ci_job::{CiJob, CiJobError, ForgeKind};
pub use error::ForgeError;
pub use gitea::Gitea;
pub use github::{AppKey, AppWish, Github, MadeApp, make_app};
pub use gitlab::Gitlab;
#[doc(hidden)]
pub use hook::fuzz_hook;
pub use hook::{
    Asked, CheckAction, CheckName, Comment, CommitId, GitRef, HOOK_BYTES, HookError, HookEvent,
    IdentError, InstallationChange, Login, MergeGroup, PullRequest, PullRequestAction, Push,
    Repository, RepositoryChange, RepositoryName, Rerun, User, parse_hook,
};
pub use job::JobForge;
pub use publisher::Publisher;
pub use run_status::{RunStatuses, StatusContexts};
pub use signature::{DeliveryId, Headers, HookKind, SignatureError, verify};
pub use status::{CommitStatus, News, StatusState};
pub use trigger::{
    About, Build, BuildKind, Command, Decision, MERGE_QUEUES, QueueTarget, TriggerSettings, decide,
    is_skipped,
};

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
