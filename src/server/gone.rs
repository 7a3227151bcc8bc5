//! Ends what goes on for a ref or a pull request of which a webhook says that it is gone.
//!
//! A webhook may come late, or once more: the forge is asked whether it is gone now.

use super::{
    app::App,
    commands::{Unheard, persist},
    connection::as_forge,
    intake::end,
    keep::LeftBehind,
    source,
};
use crate::{
    db::server::{Repository, Run, RunId},
    forge::{ForgeError, GitRef, HookEvent},
};

/// What may be gone.
pub(super) struct Gone {
    git_ref: String,
    /// The number of the pull request, if it is one.
    pull_request: Option<u64>,
}

impl Gone {
    /// What this event says is gone.
    pub(super) fn of(git_ref: &GitRef, event: &HookEvent) -> Self {
        let pull_request = if let HookEvent::PullRequest(pull) = event {
            Some(pull.number)
        } else {
            None
        };
        Self {
            git_ref: git_ref.to_string(),
            pull_request,
        }
    }
}

/// Ends what goes on for it, if it is gone. Returns what came of it, or why nothing did.
pub(super) async fn take_leave(
    app: &App,
    repository: &Repository,
    gone: &Gone,
) -> Result<String, String> {
    let name = &repository.seen.full_name;
    persist(name, || try_to(app, repository, gone)).await
}

async fn try_to(app: &App, repository: &Repository, gone: &Gone) -> Result<String, Unheard> {
    let git_ref = gone.git_ref.clone();
    // Before it is asked: what begins meanwhile is about something newer.
    let runs = app.db.open_runs_of(repository.id, git_ref.clone()).await?;
    let newest = app.db.newest_run_id().await?;
    let left_behind = LeftBehind::of(app, repository).await;
    let api = app.connections().get(&repository.seen.forge);
    if let (Some(number), Some(api)) = (gone.pull_request, api) {
        let known = as_forge(&repository.seen)?;
        let is_open = match api.pull_request(&known, number).await {
            Ok(pull) => pull.is_open,
            Err(ForgeError::Missing(_)) => false,
            Err(error) => return Err(Unheard::Later(error.to_string(), error.wait())),
        };
        return ended(app, repository, (runs, newest), git_ref, is_open).await;
    }
    let refs = source::refs(app, repository)
        .await
        // A token may be put right.
        .map_err(|error| Unheard::Later(error.to_string(), None))?;
    let is_there = refs.find(&git_ref).is_some();
    if gone.pull_request.is_none() {
        left_behind.forget_gone(refs.refs.iter().map(|found| found.name.as_str()));
    }
    ended(app, repository, (runs, newest), git_ref, is_there).await
}

async fn ended(
    app: &App,
    repository: &Repository,
    (runs, newest): (Vec<Run>, RunId),
    git_ref: String,
    is_there: bool,
) -> Result<String, Unheard> {
    if is_there {
        return Ok(format!("{git_ref} is there all the same"));
    }
    let why = format!("{git_ref} is gone");
    for run in runs {
        end(app, &run, &why).await;
    }
    app.db.ref_is_gone(repository.id, git_ref, newest).await?;
    app.wake.publish.notify_one();
    Ok(why)
}
