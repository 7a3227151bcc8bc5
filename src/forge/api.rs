//! What nixci asks a forge, and tells it: the same for every forge.
//!
//! Each forge implements [`ForgeApi`] in its own file, where its JSON is. Addresses come from the configuration, never
//! from a webhook. Every request is bounded in time and size, and [`ForgeError`] says whether to try again.

use std::{fmt::Debug, time::Duration};

use jiff::Timestamp;
use secrecy::SecretString;

use super::{
    BoxFuture, CheckRun, CommitId, CommitStatus, ForgeError, GitRef, Repository, RepositoryName,
    User,
};
use crate::git::Credentials;

/// A forge, as a token lets it be seen.
pub trait ForgeApi: Debug + Send + Sync {
    /// A repository as it is now; a name that it once had is enough where the forge still knows it.
    fn repository<'a>(&'a self, which: &'a RepositoryKey) -> BoxFuture<'a, KnownRepository>;

    /// The repositories that the token may see and the selection takes. Those that cannot be read are left out.
    fn repositories<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, KnownRepositories>;

    /// The pull requests that are open and changed since then, newest change first.
    fn pull_requests<'a>(
        &'a self,
        repository: &'a Repository,
        since: Timestamp,
    ) -> BoxFuture<'a, Vec<PullRequestNow>>;

    /// A pull request as it is now.
    fn pull_request<'a>(
        &'a self,
        repository: &'a Repository,
        number: u64,
    ) -> BoxFuture<'a, PullRequestNow>;

    /// A comment below a pull request as it is now.
    fn comment<'a>(
        &'a self,
        repository: &'a Repository,
        pull_request: u64,
        id: u64,
    ) -> BoxFuture<'a, CommentNow>;

    /// What a user may do with a repository now. Asked by name where the forge cannot be asked by number, and believed
    /// only if the answer is about the same number.
    fn permission<'a>(
        &'a self,
        repository: &'a Repository,
        user: &'a User,
    ) -> BoxFuture<'a, Permission>;

    /// Sets the state of a context of a commit.
    fn set_status<'a>(
        &'a self,
        place: &'a StatusPlace,
        status: &'a CommitStatus,
    ) -> BoxFuture<'a, ()>;

    /// The newest state of each context of a commit that begins with `prefix`.
    fn statuses<'a>(
        &'a self,
        place: &'a StatusPlace,
        prefix: &'a str,
    ) -> BoxFuture<'a, Vec<CommitStatus>>;

    /// Makes a repository send its webhooks to `hook`, or repairs that.
    fn ensure_hook<'a>(
        &'a self,
        repository: &'a Repository,
        hook: &'a HookWish,
    ) -> BoxFuture<'a, KnownHook>;

    /// Makes the webhook of the App go to `hook`, or repairs that. `None`: there is no App.
    fn ensure_app_hook<'a>(&'a self, _hook: &'a HookWish) -> BoxFuture<'a, Option<HookState>> {
        Box::pin(async { Ok(None) })
    }

    /// What Git shows the forge to read a repository: where the forge can do that, a token that opens this repository
    /// alone, for reading, for at most an hour.
    fn clone_credentials<'a>(&'a self, repository: &'a Repository) -> BoxFuture<'a, Credentials>;

    /// What time it is by the forge's clock, whoever asks; `None`: it does not say.
    fn clock(&self) -> BoxFuture<'_, Option<Timestamp>>;

    /// Whether states of commits may be told in a repository. Nothing is told by that. `None`: nobody can say before one is.
    fn may_set_status<'a>(&'a self, _repository: &'a Repository) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async { Ok(None) })
    }

    /// Who asks, as the forge sees that, and which rights are missing.
    fn standing(&self) -> BoxFuture<'_, Standing>;

    /// The webhook of a repository that goes to this address; the App's where `repository` is `None`, wherever that goes.
    fn hook<'a>(
        &'a self,
        repository: Option<&'a Repository>,
        url: &'a str,
    ) -> BoxFuture<'a, Option<SeenHook>>;

    /// How long to wait between two writes.
    fn pace(&self) -> Duration;

    /// Whether commits can have check runs, which say more than a status.
    fn has_check_runs(&self) -> bool {
        false
    }

    /// Makes a check run; returns its id.
    fn create_check_run<'a>(
        &'a self,
        _repository: &'a Repository,
        _run: &'a CheckRun,
    ) -> BoxFuture<'a, u64> {
        unsupported("check runs")
    }

    /// Replaces what a check run says.
    fn update_check_run<'a>(
        &'a self,
        _repository: &'a Repository,
        _id: u64,
        _run: &'a CheckRun,
    ) -> BoxFuture<'a, ()> {
        unsupported("check runs")
    }

    /// The newest check run of each name that a commit has.
    fn check_runs<'a>(&'a self, _place: &'a StatusPlace) -> BoxFuture<'a, Vec<KnownCheckRun>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// The webhooks that the forge could not deliver since then, oldest first; none where that cannot be had.
    fn failed_deliveries<'a>(
        &'a self,
        _of: HookOwner<'a>,
        _since: Timestamp,
    ) -> BoxFuture<'a, Vec<FailedDelivery>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Has a webhook delivered once more.
    fn redeliver<'a>(&'a self, _of: HookOwner<'a>, _id: u64) -> BoxFuture<'a, ()> {
        unsupported("webhooks delivered again")
    }
}

fn unsupported<'a, T>(what: &str) -> BoxFuture<'a, T> {
    let error = ForgeError::Refused(format!("this forge has no {what}"));
    Box::pin(async { Err(error) })
}

/// How a repository is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepositoryKey {
    /// By the forge's number for it.
    Id(u64),
    /// By its name.
    Name(RepositoryName),
}

/// Repositories, as far as the forge tells of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRepositories {
    /// Those that it tells of.
    pub repositories: Vec<KnownRepository>,
    /// Whether there are no others: false where a part of the question was not answered.
    pub is_all: bool,
}

impl KnownRepositories {
    /// All that there are.
    pub(super) fn all(repositories: Vec<KnownRepository>) -> Self {
        Self {
            repositories,
            is_all: true,
        }
    }
}

/// A repository, and what decides whether it is looked after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRepository {
    /// The repository.
    pub repository: Repository,
    /// Its topics, in lower case.
    pub topics: Vec<String>,
    /// Whether it takes no pushes any more.
    pub is_archived: bool,
    /// What whoever asks may do with it; `None`: the forge does not say, or an App asks.
    pub right: Option<Permission>,
}

/// Which repositories are looked after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those with one of these topics; empty: with any or none.
    pub topics: Vec<String>,
    /// Of these only those of one of these owners, or named below; both empty: all.
    pub owners: Vec<String>,
    /// See `owners`.
    pub names: Vec<RepositoryName>,
}

impl Selection {
    /// Whether a repository is looked after. Names count in any case, as for the forges.
    pub fn takes(&self, known: &KnownRepository) -> bool {
        let name = known.repository.full_name.as_str();
        let owner = name.rsplit_once('/').map_or("", |(owner, _)| owner);
        let has_topic = self.topics.is_empty()
            || self.topics.iter().any(|topic| {
                known
                    .topics
                    .iter()
                    .any(|has| has.eq_ignore_ascii_case(topic))
            });
        let is_allowed = (self.owners.is_empty() && self.names.is_empty())
            || self
                .owners
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(owner))
            || self
                .names
                .iter()
                .any(|allowed| allowed.as_str().eq_ignore_ascii_case(name));
        !known.is_archived && has_topic && is_allowed
    }
}

/// A pull request as the forge shows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequestNow {
    /// Its number.
    pub number: u64,
    /// Where its head is found in the repository that it wants to change.
    pub git_ref: GitRef,
    /// The newest commit.
    pub head_commit: CommitId,
    /// The id of the repository that it comes from; `None` if that is gone.
    pub head_repository: Option<String>,
    /// The id of the account that this repository belongs to; `None` if the forge does not say.
    pub head_owner: Option<u64>,
    /// Whether it was made by a push to `refs/for/…`, which readers may do.
    pub is_agit: bool,
    /// The branch that it wants to change.
    pub base_ref: GitRef,
    /// Where that branch is, if the forge says.
    pub base_commit: Option<CommitId>,
    /// Who opened it; `None` for a user who is gone.
    pub author: Option<User>,
    /// Whether it is neither closed nor merged.
    pub is_open: bool,
    /// Whether its author says that it is not ready.
    pub is_draft: bool,
    /// Whether it can be merged without conflict; `None` if the forge does not know yet.
    pub is_mergeable: Option<bool>,
    /// Its title, bounded.
    pub title: String,
}

/// A comment as the forge shows it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentNow {
    /// The number of the pull request that it stands below.
    pub pull_request: u64,
    /// Who wrote it; `None` for a user who is gone.
    pub author: Option<User>,
    /// What was written, bounded as that of a webhook.
    pub body: String,
}

/// What somebody may do with a repository, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing, or what everybody may.
    None,
    /// See it.
    Read,
    /// Push to it.
    Write,
    /// Change its settings.
    Admin,
}

/// Where statuses go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPlace {
    /// The repository.
    pub repository: Repository,
    /// The commit.
    pub commit: CommitId,
    /// The name of the branch or tag, where the forge wants to know it.
    pub branch: Option<String>,
    /// The pipeline, where the forge wants to know it.
    pub pipeline: Option<u64>,
    /// The page that says more.
    pub target_url: Option<String>,
}

/// A check run that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCheckRun {
    /// Its id.
    pub id: u64,
    /// What people see.
    pub name: String,
    /// What nixci called it when it made it; may be empty.
    pub external_id: String,
    /// Whether it is over.
    pub is_completed: bool,
    /// Whether it holds up a merge, being over.
    pub is_failed: bool,
}

/// A webhook as it should be.
#[derive(Clone, Debug)]
pub struct HookWish {
    /// Where it goes.
    pub url: String,
    /// What it is signed with.
    pub secret: SecretString,
    /// Whether the secret is another than before: no forge tells which one it has.
    pub is_secret_new: bool,
    /// What the forge called the webhook when it was right last: that one is repaired wherever it goes now.
    pub id: Option<u64>,
}

/// A webhook that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownHook {
    /// What the forge calls it.
    pub id: u64,
    /// What became of it.
    pub state: HookState,
}

/// Who asks, as the forge sees that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// A name.
    pub who: String,
    /// What it has no right to and should have, each in the forge's words.
    pub missing: Vec<String>,
    /// Whether the forge tells what it has a right to.
    pub is_told: bool,
}

/// A webhook as the forge shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenHook {
    /// Where it goes.
    pub url: String,
    /// What about it is not as it should be.
    pub wrong: Option<String>,
    /// What became of its last delivery: whether it arrived, and what was answered. `None`: there was none, or the forge
    /// does not say.
    pub last: Option<(bool, String)>,
}

/// Whose webhook is meant.
#[derive(Clone, Copy, Debug)]
pub enum HookOwner<'a> {
    /// The App, which is told of all its repositories by one.
    App,
    /// A repository; by what the forge calls the webhook.
    Repository(&'a Repository, u64),
}

/// What became of a webhook that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookState {
    /// It was there and right.
    Kept,
    /// It is new.
    Made,
    /// It was there and is right now.
    Repaired,
}

/// A webhook that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedDelivery {
    /// What it is asked for again with.
    pub id: u64,
    /// The name that it comes under, the same each time.
    pub guid: String,
    /// What it tells of.
    pub event: String,
}
