//! GitHub's webhooks: <https://docs.github.com/en/webhooks/webhook-events-and-payloads>.

use serde::Deserialize;

use super::{
    CheckAction, CheckName, CommitId, GitRef, HookError, HookEvent, InstallationChange, MergeGroup,
    PullRequestAction, RepositoryChange, Rerun,
    ident::bounded,
    ignored,
    payload::{Frame, Numbered, PullRequestTold, TITLE_BYTES, common},
    read,
};

pub(super) fn parse(event: &str, payload: &[u8]) -> Result<HookEvent, HookError> {
    match event {
        "ping" => Ok(HookEvent::Ping),
        "installation" | "installation_repositories" => installation(event, payload),
        "push" | "delete" | "pull_request" | "merge_group" | "check_run" | "check_suite"
        | "issue_comment" | "repository" | "public" => of_repository(event, payload),
        _ => Ok(ignored(event, "")),
    }
}

fn of_repository(event: &str, payload: &[u8]) -> Result<HookEvent, HookError> {
    let (action, repository, actor) = read::<Frame>(event, payload)?.open();
    Ok(match (event, action.as_str()) {
        ("merge_group", "checks_requested" | "destroyed") => {
            let told: MergeGroupTold = read(event, payload)?;
            HookEvent::MergeGroup(MergeGroup {
                repository,
                is_requested: action == "checks_requested",
                head_commit: told.merge_group.head_sha,
                head_ref: told.merge_group.head_ref,
                base_ref: told.merge_group.base_ref,
            })
        }
        ("check_run", "rerequested") => {
            let run = read::<CheckRunTold>(event, payload)?.check_run;
            HookEvent::Rerun(Rerun {
                repository,
                commit: run.head_sha.clone(),
                check: Some(run.into_name()),
                actor,
            })
        }
        ("check_run", "requested_action") => {
            let told: CheckRunTold = read(event, payload)?;
            let identifier = told.requested_action.unwrap_or_default().identifier;
            HookEvent::CheckAction(CheckAction {
                repository,
                commit: told.check_run.head_sha.clone(),
                check: told.check_run.into_name(),
                identifier: bounded(identifier, TITLE_BYTES),
                actor,
            })
        }
        ("check_suite", "rerequested") => HookEvent::Rerun(Rerun {
            repository,
            commit: read::<CheckSuiteTold>(event, payload)?.check_suite.head_sha,
            check: None,
            actor,
        }),
        ("repository" | "public", action) => match repository_change(event, action) {
            Some(change) => HookEvent::RepositoryChanged { repository, change },
            None => ignored(event, action),
        },
        _ => {
            return common(
                event,
                payload,
                (action, repository, actor),
                pull_request_action,
            );
        }
    })
}

fn pull_request_action(action: &str, told: &PullRequestTold) -> PullRequestAction {
    let is_retargeted = || {
        told.changes
            .as_ref()
            .is_some_and(|changes| changes.base.is_some())
    };
    match action {
        "opened" => PullRequestAction::Opened,
        "synchronize" => PullRequestAction::Synchronized,
        "reopened" => PullRequestAction::Reopened,
        "ready_for_review" => PullRequestAction::Ready,
        "edited" if is_retargeted() => PullRequestAction::Retargeted,
        "closed" => PullRequestAction::Closed {
            is_merged: told.is_merged(),
        },
        "labeled" => PullRequestAction::Labeled,
        _ => PullRequestAction::Other,
    }
}

fn repository_change(event: &str, action: &str) -> Option<RepositoryChange> {
    Some(match (event, action) {
        ("public", _) | (_, "publicized" | "privatized") => RepositoryChange::VisibilityChanged,
        (_, "created") => RepositoryChange::Created,
        (_, "deleted") => RepositoryChange::Deleted,
        (_, "renamed" | "transferred") => RepositoryChange::Renamed,
        (_, "edited" | "archived" | "unarchived") => RepositoryChange::Edited,
        _ => return None,
    })
}

fn installation(event: &str, payload: &[u8]) -> Result<HookEvent, HookError> {
    let told: InstallationTold = read(event, payload)?;
    let change = match (event, told.action.as_deref().unwrap_or_default()) {
        ("installation_repositories", _) => InstallationChange::RepositoriesChanged,
        (_, "created") => InstallationChange::Created,
        (_, "deleted") => InstallationChange::Deleted,
        (_, "suspend") => InstallationChange::Suspended,
        (_, "unsuspend") => InstallationChange::Unsuspended,
        (_, "new_permissions_accepted") => InstallationChange::PermissionsAccepted,
        (_, action) => return Ok(ignored(event, action)),
    };
    Ok(HookEvent::InstallationChanged {
        installation: told.installation.id,
        change,
    })
}

#[derive(Deserialize)]
struct InstallationTold {
    action: Option<String>,
    installation: Numbered,
}

#[derive(Deserialize)]
struct MergeGroupTold {
    merge_group: Group,
}

#[derive(Deserialize)]
struct Group {
    head_sha: CommitId,
    head_ref: GitRef,
    base_ref: GitRef,
}

#[derive(Deserialize)]
struct CheckRunTold {
    check_run: CheckRun,
    requested_action: Option<RequestedAction>,
}

#[derive(Default, Deserialize)]
struct RequestedAction {
    identifier: String,
}

#[derive(Deserialize)]
struct CheckRun {
    head_sha: CommitId,
    external_id: Option<String>,
    name: Option<String>,
}

impl CheckRun {
    fn into_name(self) -> CheckName {
        CheckName {
            external_id: bounded(self.external_id.unwrap_or_default(), TITLE_BYTES),
            name: bounded(self.name.unwrap_or_default(), TITLE_BYTES),
        }
    }
}

#[derive(Deserialize)]
struct CheckSuiteTold {
    check_suite: CheckSuite,
}

#[derive(Deserialize)]
struct CheckSuite {
    head_sha: CommitId,
}
