//! Gitea's and Forgejo's webhooks: GitHub's shapes with other habits (`modules/structs/hook.go`).
//!
//! No `deleted` and no `forced`; a branch that is gone is told by `delete` alone; a pull request is `synchronized`, and
//! one that is no draft any longer was only `edited`, since a draft is a word in its title.

use super::{
    HookError, HookEvent, PullRequestAction, RepositoryChange, ignored,
    payload::{CommentTold, Deletion, Frame, PullRequestTold, Push},
    read,
};

pub(super) fn parse(event: &str, payload: &[u8]) -> Result<HookEvent, HookError> {
    match event {
        "push" | "delete" | "pull_request" | "issue_comment" | "repository" => {
            of_repository(event, payload)
        }
        _ => Ok(ignored(event, "")),
    }
}

fn of_repository(event: &str, payload: &[u8]) -> Result<HookEvent, HookError> {
    let (action, repository, actor) = read::<Frame>(event, payload)?.open();
    Ok(match (event, action.as_str()) {
        ("push", _) => return read::<Push>(event, payload)?.into_event(repository, actor),
        ("delete", _) => return read::<Deletion>(event, payload)?.into_event(repository),
        ("pull_request", action) => {
            let told: PullRequestTold = read(event, payload)?;
            let action = pull_request_action(action, &told);
            return told.into_event(action, repository, actor);
        }
        ("issue_comment", "created") => read::<CommentTold>(event, payload)?
            .into_event(repository, actor)
            .unwrap_or_else(|| ignored(event, "below an issue")),
        ("repository", "created") => HookEvent::RepositoryChanged {
            repository,
            change: RepositoryChange::Created,
        },
        ("repository", "deleted") => HookEvent::RepositoryChanged {
            repository,
            change: RepositoryChange::Deleted,
        },
        (_, action) => ignored(event, action),
    })
}

fn pull_request_action(action: &str, told: &PullRequestTold) -> PullRequestAction {
    let changes = told.changes.as_ref();
    let was_draft = || {
        let before = changes.and_then(|changes| changes.title.as_ref()?.from.as_ref());
        let before = before.map(|title| title.to_uppercase());
        before.is_some_and(|title| ["WIP:", "[WIP]"].iter().any(|word| title.starts_with(word)))
    };
    match action {
        "opened" => PullRequestAction::Opened,
        "synchronized" => PullRequestAction::Synchronized,
        "reopened" => PullRequestAction::Reopened,
        "edited" if changes.is_some_and(|changes| changes.target.is_some()) => {
            PullRequestAction::Retargeted
        }
        "edited" if !told.is_draft() && was_draft() => PullRequestAction::Ready,
        "closed" => PullRequestAction::Closed {
            is_merged: told.is_merged(),
        },
        "label_updated" => PullRequestAction::Labeled,
        _ => PullRequestAction::Other,
    }
}

#[cfg(test)]
mod tests;
