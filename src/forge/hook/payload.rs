//! The shapes that GitHub's payloads and Gitea's have in common.
//!
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads>; Gitea and Forgejo took them over in
//! `modules/structs/hook.go`.

use serde::Deserialize;

use super::{
    CommitId, GitRef, HookError, HookEvent, Login, PullRequestAction, RepositoryName, event,
    ident::bounded, ignored, malformed, read,
};

/// How much of a title is kept, in bytes.
pub(super) const TITLE_BYTES: usize = 1 << 10;
/// How much of a message or a comment is kept, in bytes.
pub(super) const MESSAGE_BYTES: usize = 16 << 10;

#[derive(Deserialize)]
pub(in crate::forge) struct Repository {
    id: u64,
    full_name: RepositoryName,
    default_branch: Option<String>,
    private: Option<bool>,
}

impl Repository {
    pub(in crate::forge) fn into_event(self, installation: Option<u64>) -> event::Repository {
        event::Repository {
            id: self.id.to_string(),
            full_name: self.full_name,
            default_branch: self.default_branch.map(|name| bounded(name, TITLE_BYTES)),
            is_private: self.private.unwrap_or(true),
            installation,
        }
    }
}

#[derive(Deserialize)]
pub(in crate::forge) struct User {
    id: i64,
    login: Option<Login>,
}

impl User {
    /// Gitea's stand-ins for users who are gone, and for its own actions, have ids below zero.
    pub(in crate::forge) fn known(self) -> Option<event::User> {
        Some(event::User {
            id: u64::try_from(self.id).ok()?,
            login: self.login,
        })
    }
}

/// Something of which nothing but its number is of interest.
#[derive(Deserialize)]
pub(in crate::forge) struct Numbered {
    pub(in crate::forge) id: u64,
}

/// What every payload of a repository has around what it tells.
#[derive(Deserialize)]
pub(super) struct Frame {
    action: Option<String>,
    repository: Repository,
    sender: Option<User>,
    installation: Option<Numbered>,
}

impl Frame {
    /// The action, the repository, and who is behind it.
    pub(super) fn open(self) -> (String, event::Repository, Option<event::User>) {
        let installation = self.installation.map(|installation| installation.id);
        let repository = self.repository.into_event(installation);
        let actor = self.sender.and_then(User::known);
        (self.action.unwrap_or_default(), repository, actor)
    }
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    git_ref: GitRef,
    before: String,
    after: String,
    forced: Option<bool>,
    head_commit: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    id: CommitId,
    message: Option<String>,
}

impl Push {
    fn into_event(
        self,
        repository: event::Repository,
        actor: Option<event::User>,
    ) -> Result<HookEvent, HookError> {
        let git_ref = self.git_ref;
        if is_nothing(&self.after) {
            return Ok(HookEvent::RefDeleted {
                repository,
                git_ref,
            });
        }
        // `after` of an annotated tag is the tag itself.
        let (commit, message) = match self.head_commit {
            Some(head) => (Ok(head.id), head.message.unwrap_or_default()),
            None => (CommitId::try_from(self.after), String::new()),
        };
        Ok(HookEvent::Push(event::Push {
            repository,
            git_ref,
            commit: commit.map_err(|error| malformed("push", &error.to_string()))?,
            before: CommitId::try_from(self.before).ok(),
            is_forced: self.forced.unwrap_or_default(),
            message: bounded(message, MESSAGE_BYTES),
            actor,
        }))
    }
}

/// Whether an id stands for no commit: of a ref that is new, or gone.
pub(super) fn is_nothing(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte == b'0')
}

#[derive(Deserialize)]
struct Deletion {
    #[serde(rename = "ref")]
    name: String,
    ref_type: String,
}

impl Deletion {
    fn into_event(self, repository: event::Repository) -> Result<HookEvent, HookError> {
        let git_ref = match self.ref_type.as_str() {
            "tag" => GitRef::of_tag(&self.name),
            _ => GitRef::of_branch(&self.name),
        };
        Ok(HookEvent::RefDeleted {
            repository,
            git_ref: git_ref.map_err(|error| malformed("delete", &error.to_string()))?,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct PullRequestTold {
    number: u64,
    pull_request: PullRequest,
    pub(super) changes: Option<Changes>,
}

#[derive(Deserialize)]
pub(in crate::forge) struct PullRequest {
    pub(in crate::forge) head: Side,
    pub(in crate::forge) base: Side,
    pub(in crate::forge) user: Option<User>,
    pub(in crate::forge) draft: Option<bool>,
    merged: Option<bool>,
    pub(in crate::forge) title: Option<String>,
}

/// Where a pull request comes from, or goes to.
#[derive(Deserialize)]
pub(in crate::forge) struct Side {
    #[serde(rename = "ref")]
    pub(in crate::forge) name: String,
    pub(in crate::forge) sha: CommitId,
    pub(in crate::forge) repo: Option<Owned>,
}

/// A repository, and whose it is.
#[derive(Deserialize)]
pub(in crate::forge) struct Owned {
    pub(in crate::forge) id: u64,
    pub(in crate::forge) owner: Option<Numbered>,
}

impl Side {
    /// Whether a head was pushed to `refs/for/…`, and not to a branch: `git_ref` is the pull request's.
    pub(in crate::forge) fn is_agit(&self, git_ref: &GitRef) -> bool {
        self.repo.is_some() && self.name == git_ref.as_str()
    }
}

/// What it was before it was edited.
#[derive(Default, Deserialize)]
pub(super) struct Changes {
    /// On GitHub.
    pub(super) base: Option<serde::de::IgnoredAny>,
    /// On Gitea, the same.
    #[serde(rename = "ref")]
    pub(super) target: Option<serde::de::IgnoredAny>,
    pub(super) title: Option<Before>,
}

#[derive(Deserialize)]
pub(super) struct Before {
    pub(super) from: Option<String>,
}

impl PullRequestTold {
    pub(super) fn is_draft(&self) -> bool {
        self.pull_request.draft.unwrap_or_default()
    }

    pub(super) fn is_merged(&self) -> bool {
        self.pull_request.merged.unwrap_or_default()
    }

    fn into_event(
        self,
        action: PullRequestAction,
        repository: event::Repository,
        actor: Option<event::User>,
    ) -> Result<HookEvent, HookError> {
        let is_draft = self.is_draft();
        let PullRequest {
            head,
            base,
            user,
            title,
            ..
        } = self.pull_request;
        let checked = |name: String| {
            GitRef::try_from(name).map_err(|error| malformed("pull_request", &error.to_string()))
        };
        let git_ref = checked(format!("refs/pull/{}/head", self.number))?;
        Ok(HookEvent::PullRequest(Box::new(event::PullRequest {
            number: self.number,
            action,
            is_agit: head.is_agit(&git_ref),
            head_commit: head.sha,
            head_ref: bounded(head.name, TITLE_BYTES),
            head_repository: head.repo.map(|repository| repository.id.to_string()),
            git_ref,
            base_ref: checked(format!("refs/heads/{}", base.name))?,
            base_commit: Some(base.sha),
            author: user.and_then(User::known),
            actor,
            is_draft,
            title: bounded(title.unwrap_or_default(), TITLE_BYTES),
            message: None,
            repository,
        })))
    }
}

/// What is kept of a comment, whoever tells of it: the same is to be the same.
pub(in crate::forge) fn comment_text(text: String) -> String {
    bounded(text, MESSAGE_BYTES)
}

/// A comment below an issue or a pull request.
#[derive(Deserialize)]
struct CommentTold {
    comment: CommentBody,
    issue: Issue,
}

#[derive(Deserialize)]
struct CommentBody {
    id: u64,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
    /// There for a pull request alone.
    pull_request: Option<serde::de::IgnoredAny>,
}

impl CommentTold {
    /// The comment, if it is below a pull request.
    fn into_event(
        self,
        repository: event::Repository,
        actor: Option<event::User>,
    ) -> Option<HookEvent> {
        self.issue.pull_request?;
        Some(HookEvent::Comment(event::Comment {
            repository,
            number: self.issue.number,
            id: self.comment.id,
            body: comment_text(self.comment.body.unwrap_or_default()),
            actor,
        }))
    }
}

/// Reads the events that both forges have; `action_of` knows what this one calls what happens to a pull request.
pub(super) fn common(
    event: &str,
    payload: &[u8],
    (action, repository, actor): (String, event::Repository, Option<event::User>),
    action_of: fn(&str, &PullRequestTold) -> PullRequestAction,
) -> Result<HookEvent, HookError> {
    match (event, action.as_str()) {
        ("push", _) => read::<Push>(event, payload)?.into_event(repository, actor),
        ("delete", _) => read::<Deletion>(event, payload)?.into_event(repository),
        ("pull_request", action) => {
            let told: PullRequestTold = read(event, payload)?;
            let action = action_of(action, &told);
            told.into_event(action, repository, actor)
        }
        ("issue_comment", "created") => {
            let told: CommentTold = read(event, payload)?;
            let comment = told.into_event(repository, actor);
            Ok(comment.unwrap_or_else(|| ignored(event, "below an issue")))
        }
        (_, action) => Ok(ignored(event, action)),
    }
}
