//! What a webhook says, the same for every forge.
//!
//! A hint: what the forge answers when it is asked decides. Has no URLs, since none of a payload is ever followed.

use super::{CommitId, GitRef, Login, RepositoryName};

/// What happened on a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookEvent {
    /// A branch or tag was made or moved.
    Push(Push),
    /// A branch or tag is gone.
    RefDeleted {
        /// Where.
        repository: Repository,
        /// What it was called.
        git_ref: GitRef,
    },
    /// Something became of a pull request.
    PullRequest(Box<PullRequest>),
    /// A merge queue wants a merge to be checked, or no longer.
    MergeGroup(MergeGroup),
    /// Somebody asked for a check run, or for all of a commit, once more.
    Rerun(Rerun),
    /// Somebody pressed a button that a check run has.
    CheckAction(CheckAction),
    /// Somebody wrote below a pull request.
    Comment(Comment),
    /// Somebody who knows the secret asks for a commit to be built.
    Asked(Asked),
    /// What is known of a repository is no longer right.
    RepositoryChanged {
        /// The repository as it is now, or was at last.
        repository: Repository,
        /// What became of it.
        change: RepositoryChange,
    },
    /// Which repositories a GitHub App may see has changed.
    InstallationChanged {
        /// The installation's id.
        installation: u64,
        /// What became of it.
        change: InstallationChange,
    },
    /// The forge tries whether anybody is there.
    Ping,
    /// Nothing to act on.
    Ignored {
        /// What it was, for a log.
        why: String,
    },
}

/// A repository as a payload names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// What stays when it is renamed: the forge's number for it. A plain hook has only the name.
    pub id: String,
    /// Its name at that moment.
    pub full_name: RepositoryName,
    /// Its default branch, if the payload says.
    pub default_branch: Option<String>,
    /// Whether strangers may not see it; true if the payload does not say.
    pub is_private: bool,
    /// The installation of the GitHub App that this was sent to.
    pub installation: Option<u64>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The forge's number for it.
    pub id: u64,
    /// The name at that moment, if the payload says.
    pub login: Option<Login>,
}

/// A branch or tag was made or moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Where.
    pub repository: Repository,
    /// The branch or tag.
    pub git_ref: GitRef,
    /// The commit that it is at now; of an annotated tag the commit, not the tag object.
    pub commit: CommitId,
    /// Where it was before; `None` if it is new.
    pub before: Option<CommitId>,
    /// Whether commits went away; false if the payload does not say.
    pub is_forced: bool,
    /// The commit's message, at most 16 KiB of it; empty if the payload has none.
    pub message: String,
    /// Who pushed.
    pub actor: Option<User>,
}

/// Something became of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    /// The repository that it wants to change.
    pub repository: Repository,
    /// Its number in that repository.
    pub number: u64,
    /// What became of it.
    pub action: PullRequestAction,
    /// Where its head is found in the repository that it wants to change.
    pub git_ref: GitRef,
    /// The newest commit.
    pub head_commit: CommitId,
    /// The name of the branch that it comes from, in the other repository: says nothing of trust.
    pub head_ref: String,
    /// The id of the repository that it comes from; `None` if that is gone.
    pub head_repository: Option<String>,
    /// Whether it was made by a push to `refs/for/…` (`AGit`): then the repositories are the same although the author may
    /// only be allowed to read.
    pub is_agit: bool,
    /// The branch that it wants to change.
    pub base_ref: GitRef,
    /// Where that branch was, if the payload says.
    pub base_commit: Option<CommitId>,
    /// Who opened it; `None` for a user who is gone.
    pub author: Option<User>,
    /// Who did what this tells of.
    pub actor: Option<User>,
    /// Whether its author says that it is not ready.
    pub is_draft: bool,
    /// Its title, at most 1 KiB of it.
    pub title: String,
    /// The head commit's message, if the payload has it, at most 16 KiB of it.
    pub message: Option<String>,
}

/// What became of a pull request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequestAction {
    /// It is new.
    Opened,
    /// Its head moved.
    Synchronized,
    /// It was closed and is open again.
    Reopened,
    /// It wants to change another branch than before.
    Retargeted,
    /// It is a draft no longer.
    Ready,
    /// It was closed.
    Closed {
        /// Whether it was merged.
        is_merged: bool,
    },
    /// It got a label.
    Labeled,
    /// Something that changes no commit.
    Other,
}

/// A merge queue's candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergeGroup {
    /// Where.
    pub repository: Repository,
    /// Whether checks are wanted; false when it is gone.
    pub is_requested: bool,
    /// The commit to be checked.
    pub head_commit: CommitId,
    /// The branch that the queue made for it.
    pub head_ref: GitRef,
    /// The branch that it will become.
    pub base_ref: GitRef,
}

/// Somebody asked for checks once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rerun {
    /// Where.
    pub repository: Repository,
    /// The commit.
    pub commit: CommitId,
    /// The one check run, or all.
    pub check: Option<CheckName>,
    /// Who asked.
    pub actor: Option<User>,
}

/// How a check run is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckName {
    /// What nixci called it when it made it, at most 1 KiB; may be empty.
    pub external_id: String,
    /// What people see, at most 1 KiB of it.
    pub name: String,
}

/// Somebody pressed a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckAction {
    /// Where.
    pub repository: Repository,
    /// The commit.
    pub commit: CommitId,
    /// The check run that has the button.
    pub check: CheckName,
    /// Which button.
    pub identifier: String,
    /// Who pressed it.
    pub actor: Option<User>,
}

/// Somebody wrote below a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Where.
    pub repository: Repository,
    /// The pull request's number.
    pub number: u64,
    /// The comment's id.
    pub id: u64,
    /// What was written, at most 16 KiB of it.
    pub body: String,
    /// Who wrote it.
    pub actor: Option<User>,
}

/// Somebody who knows the secret asks for a commit to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where.
    pub repository: Repository,
    /// The commit.
    pub commit: CommitId,
    /// The branch or tag that it is on; the default branch if nothing is said.
    pub git_ref: Option<GitRef>,
}

/// What became of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepositoryChange {
    /// It is new.
    Created,
    /// It is gone.
    Deleted,
    /// It has another name or owner.
    Renamed,
    /// Who may see it changed.
    VisibilityChanged,
    /// Its topics, default branch or something else changed.
    Edited,
}

/// What became of an installation of a GitHub App.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallationChange {
    /// It is new.
    Created,
    /// It is gone.
    Deleted,
    /// It may do nothing for now.
    Suspended,
    /// It may do something again.
    Unsuspended,
    /// Its owner agreed to other rights.
    PermissionsAccepted,
    /// It may see other repositories.
    RepositoriesChanged,
}

impl HookEvent {
    /// The repository that it is about.
    pub fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Push(push) => Some(&push.repository),
            Self::PullRequest(pull_request) => Some(&pull_request.repository),
            Self::MergeGroup(group) => Some(&group.repository),
            Self::Rerun(rerun) => Some(&rerun.repository),
            Self::CheckAction(action) => Some(&action.repository),
            Self::Comment(comment) => Some(&comment.repository),
            Self::Asked(asked) => Some(&asked.repository),
            Self::RefDeleted { repository, .. } | Self::RepositoryChanged { repository, .. } => {
                Some(repository)
            }
            Self::InstallationChanged { .. } | Self::Ping | Self::Ignored { .. } => None,
        }
    }
}
