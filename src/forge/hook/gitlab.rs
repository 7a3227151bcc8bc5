//! GitLab's webhooks and system hooks: <https://docs.gitlab.com/user/project/integrations/webhook_events/>.
//!
//! The kind is in the body, which the signature covers, and so not taken from a header. Who did something is `user`;
//! never the author of a commit, who can be anybody.

use serde::Deserialize;

use super::{
    Comment, CommitId, GitRef, HookError, HookEvent, Login, PullRequest, PullRequestAction, Push,
    Repository, RepositoryChange, RepositoryName, User,
    ident::bounded,
    ignored, malformed,
    payload::{MESSAGE_BYTES, TITLE_BYTES, comment_text},
    read,
};

/// The visibility that everybody has.
const PUBLIC: u64 = 20;

pub(super) fn parse(payload: &[u8]) -> Result<HookEvent, HookError> {
    let kind: Kind = read("webhook", payload)?;
    // System hooks have no `object_kind` but for what projects have, too.
    let kind = kind.object_kind.or(kind.event_name).unwrap_or_default();
    match kind.as_str() {
        "push" | "tag_push" => push(&kind, payload),
        "merge_request" => merge_request(&kind, payload),
        "note" => note(&kind, payload),
        _ => match project_change(&kind) {
            Some(change) => project_changed(&kind, change, payload),
            None => Ok(ignored(&kind, "")),
        },
    }
}

fn push(kind: &str, payload: &[u8]) -> Result<HookEvent, HookError> {
    let told: PushTold = read(kind, payload)?;
    let repository = told.project.into();
    let git_ref = told.git_ref;
    // `after` of an annotated tag is the tag itself.
    let Some(commit) = told.checkout_sha else {
        return Ok(HookEvent::RefDeleted {
            repository,
            git_ref,
        });
    };
    let head = told
        .commits
        .into_iter()
        .flatten()
        .find(|listed| listed.id == commit);
    let message = head.and_then(|head| head.message).unwrap_or_default();
    Ok(HookEvent::Push(Push {
        repository,
        git_ref,
        commit,
        before: CommitId::try_from(told.before).ok(),
        is_forced: false,
        message: bounded(message, MESSAGE_BYTES),
        actor: told.user_id.map(|id| User {
            id,
            login: told.user_username,
        }),
    }))
}

fn merge_request(kind: &str, payload: &[u8]) -> Result<HookEvent, HookError> {
    let told: MergeRequestTold = read(kind, payload)?;
    let about = told.object_attributes;
    let action = action_of(&about, &told.changes.unwrap_or_default());
    let checked =
        |name: String| GitRef::try_from(name).map_err(|error| malformed(kind, &error.to_string()));
    let actor = told.user.map(User::from);
    let author = about.author_id.map(|id| User {
        id,
        login: actor
            .as_ref()
            .filter(|actor| actor.id == id)
            .and_then(|actor| actor.login.clone()),
    });
    Ok(HookEvent::PullRequest(Box::new(PullRequest {
        repository: told.project.into(),
        number: about.iid,
        action,
        git_ref: checked(format!("refs/merge-requests/{}/head", about.iid))?,
        head_commit: about.last_commit.id,
        head_ref: bounded(about.source_branch, TITLE_BYTES),
        head_repository: about.source_project_id.map(|id| id.to_string()),
        is_agit: false,
        base_ref: checked(format!("refs/heads/{}", about.target_branch))?,
        base_commit: None,
        author,
        actor,
        is_draft: about.draft.or(about.work_in_progress).unwrap_or_default(),
        title: bounded(about.title.unwrap_or_default(), TITLE_BYTES),
        message: about
            .last_commit
            .message
            .map(|message| bounded(message, MESSAGE_BYTES)),
    })))
}

fn action_of(about: &MergeRequest, changes: &Changes) -> PullRequestAction {
    let is_ready = |draft: &Option<Change>| {
        let change = draft.as_ref();
        change.is_some_and(|change| change.previous == Some(true) && change.current != Some(true))
    };
    match about.action.as_deref().unwrap_or_default() {
        "open" => PullRequestAction::Opened,
        "reopen" => PullRequestAction::Reopened,
        "update" if about.oldrev.is_some() => PullRequestAction::Synchronized,
        "update" if changes.target_branch.is_some() => PullRequestAction::Retargeted,
        "update" if is_ready(&changes.draft) || is_ready(&changes.work_in_progress) => {
            PullRequestAction::Ready
        }
        "update" if changes.labels.is_some() => PullRequestAction::Labeled,
        "close" => PullRequestAction::Closed { is_merged: false },
        "merge" => PullRequestAction::Closed { is_merged: true },
        _ => PullRequestAction::Other,
    }
}

fn note(kind: &str, payload: &[u8]) -> Result<HookEvent, HookError> {
    let told: NoteTold = read(kind, payload)?;
    let note = told.object_attributes;
    // Old versions tell of new ones alone, without saying so.
    let is_new = note.action.is_none_or(|action| action == "create");
    Ok(match told.merge_request {
        Some(merge_request) if is_new => HookEvent::Comment(Comment {
            repository: told.project.into(),
            number: merge_request.iid,
            id: note.id,
            body: comment_text(note.text.unwrap_or_default()),
            actor: told.user.map(User::from),
        }),
        _ => ignored(kind, ""),
    })
}

fn project_change(kind: &str) -> Option<RepositoryChange> {
    Some(match kind {
        "project_create" => RepositoryChange::Created,
        "project_destroy" => RepositoryChange::Deleted,
        "project_rename" | "project_transfer" => RepositoryChange::Renamed,
        "project_update" => RepositoryChange::Edited,
        _ => return None,
    })
}

fn project_changed(
    kind: &str,
    change: RepositoryChange,
    payload: &[u8],
) -> Result<HookEvent, HookError> {
    let told: ProjectTold = read(kind, payload)?;
    Ok(HookEvent::RepositoryChanged {
        repository: Repository {
            id: told.project_id.to_string(),
            full_name: told.path_with_namespace,
            default_branch: None,
            is_private: told.project_visibility.as_deref() != Some("public"),
            installation: None,
        },
        change,
    })
}

#[derive(Deserialize)]
struct Kind {
    object_kind: Option<String>,
    event_name: Option<String>,
}

/// A project as payloads and answers name it.
#[derive(Deserialize)]
pub(in crate::forge) struct Project {
    id: u64,
    path_with_namespace: RepositoryName,
    default_branch: Option<String>,
    visibility_level: Option<u64>,
}

impl From<Project> for Repository {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.to_string(),
            full_name: project.path_with_namespace,
            default_branch: project
                .default_branch
                .map(|name| bounded(name, TITLE_BYTES)),
            is_private: project.visibility_level != Some(PUBLIC),
            installation: None,
        }
    }
}

#[derive(Deserialize)]
struct Person {
    id: u64,
    username: Option<Login>,
}

impl From<Person> for User {
    fn from(person: Person) -> Self {
        Self {
            id: person.id,
            login: person.username,
        }
    }
}

#[derive(Deserialize)]
struct PushTold {
    #[serde(rename = "ref")]
    git_ref: GitRef,
    before: String,
    checkout_sha: Option<CommitId>,
    user_id: Option<u64>,
    user_username: Option<Login>,
    project: Project,
    commits: Option<Vec<Commit>>,
}

#[derive(Deserialize)]
struct Commit {
    id: CommitId,
    message: Option<String>,
}

#[derive(Deserialize)]
struct MergeRequestTold {
    user: Option<Person>,
    project: Project,
    object_attributes: MergeRequest,
    changes: Option<Changes>,
}

#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    action: Option<String>,
    oldrev: Option<String>,
    source_branch: String,
    target_branch: String,
    source_project_id: Option<u64>,
    last_commit: Commit,
    author_id: Option<u64>,
    draft: Option<bool>,
    work_in_progress: Option<bool>,
    title: Option<String>,
}

#[derive(Default, Deserialize)]
struct Changes {
    target_branch: Option<serde::de::IgnoredAny>,
    labels: Option<serde::de::IgnoredAny>,
    draft: Option<Change>,
    work_in_progress: Option<Change>,
}

#[derive(Deserialize)]
struct Change {
    previous: Option<bool>,
    current: Option<bool>,
}

#[derive(Deserialize)]
struct NoteTold {
    user: Option<Person>,
    project: Project,
    object_attributes: Note,
    merge_request: Option<NotedMergeRequest>,
}

#[derive(Deserialize)]
struct Note {
    id: u64,
    #[serde(rename = "note")]
    text: Option<String>,
    action: Option<String>,
}

#[derive(Deserialize)]
struct NotedMergeRequest {
    iid: u64,
}

#[derive(Deserialize)]
struct ProjectTold {
    project_id: u64,
    path_with_namespace: RepositoryName,
    project_visibility: Option<String>,
}

#[cfg(test)]
mod tests;
