//! Gitea's and Forgejo's webhooks: GitHub's shapes with other habits (`modules/structs/hook.go`).
//!
//! No `deleted` and no `forced`; a branch that is gone is told by `delete` alone; a pull request is `synchronized`, and
//! one that is no draft any longer was only `edited`, since a draft is a word in its title.

use super::{
    HookError, HookEvent, PullRequestAction, RepositoryChange, ignored,
    payload::{Frame, PullRequestTold, common},
    read,
};

/// The events that are read.
const EVENTS: [&str; 5] = [
    "push",
    "delete",
    "pull_request",
    "issue_comment",
    "repository",
];

pub(super) fn parse(event: &str, payload: &[u8]) -> Result<HookEvent, HookError> {
    if !EVENTS.contains(&event) {
        return Ok(ignored(event, ""));
    }
    let (action, repository, actor) = read::<Frame>(event, payload)?.open();
    let change = match (event, action.as_str()) {
        ("repository", "created") => RepositoryChange::Created,
        ("repository", "deleted") => RepositoryChange::Deleted,
        _ => {
            return common(
                event,
                payload,
                (action, repository, actor),
                pull_request_action,
            );
        }
    };
    Ok(HookEvent::RepositoryChanged { repository, change })
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
