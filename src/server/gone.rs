//! Ends what goes on for a ref or a pull request of which a webhook says that it is gone.
//!
//! A webhook may come late, or once more: the forge is asked whether it is gone now.

use std::time::Duration;

use tracing::warn;

use super::{app::App, connection::as_forge, intake::end, keep::LeftBehind, source};
use crate::{
    db::server::{Repository, Run},
    forge::ForgeError,
};

/// How often the forge is asked while it is in trouble: for about an hour.
const ATTEMPTS_MAX: u32 = 12;
/// How long to wait before the second attempt; twice as long after each more.
const BACK_OFF: Duration = Duration::from_secs(1);

/// What may be gone.
pub(super) struct Gone {
    pub(super) git_ref: String,
    /// The number of the pull request, if it is one.
    pub(super) pull_request: Option<u64>,
}

/// Ends what goes on for it, if it is gone. Returns what came of it, for the log.
pub(super) async fn take_leave(app: &App, repository: &Repository, gone: &Gone) -> String {
    let mut attempt = 0;
    loop {
        match try_to(app, repository, gone).await {
            Ok(done) => return done,
            Err((why, wait)) if attempt < ATTEMPTS_MAX => {
                warn!(
                    repository = repository.seen.full_name,
                    why, "whether a ref is gone is not known"
                );
                tokio::time::sleep(wait.max(BACK_OFF * 2_u32.pow(attempt))).await;
                attempt += 1;
            }
            Err((why, _)) => return why,
        }
    }
}

/// An error says why the forge cannot be asked, and how long it wants to be left alone.
async fn try_to(
    app: &App,
    repository: &Repository,
    gone: &Gone,
) -> Result<String, (String, Duration)> {
    let git_ref = gone.git_ref.clone();
    // Before it is asked: what begins meanwhile is about something newer.
    let runs = app.db.open_runs_of(repository.id, git_ref.clone()).await;
    let runs = runs.map_err(|error| (error.to_string(), Duration::ZERO))?;
    let left_behind = LeftBehind::of(app, repository);
    let api = app.connections().get(&repository.seen.forge);
    if let (Some(number), Some(api)) = (gone.pull_request, api) {
        let known = as_forge(&repository.seen).map_err(|error| not_asked(&error))?;
        let is_open = match api.pull_request(&known, number).await {
            Ok(pull) => pull.is_open,
            Err(ForgeError::Missing(_)) => false,
            Err(error) => return Err(not_asked(&error)),
        };
        return Ok(ended(app, runs, &git_ref, is_open).await);
    }
    let refs = source::refs(app, repository)
        .await
        .map_err(|error| (error.to_string(), Duration::ZERO))?;
    let is_there = refs.find(&git_ref).is_some();
    if gone.pull_request.is_none() {
        left_behind.forget_gone(refs.refs.iter().map(|found| found.name.as_str()));
    }
    Ok(ended(app, runs, &git_ref, is_there).await)
}

fn not_asked(error: &ForgeError) -> (String, Duration) {
    let why = format!("the forge cannot be asked: {error}");
    match error {
        ForgeError::Later { wait, .. } => (why, (*wait).unwrap_or_default()),
        ForgeError::Refused(_)
        | ForgeError::Unauthorized(_)
        | ForgeError::Forbidden(_)
        | ForgeError::Missing(_) => (why, Duration::ZERO),
    }
}

async fn ended(app: &App, runs: Vec<Run>, git_ref: &str, is_there: bool) -> String {
    if is_there {
        return format!("{git_ref} is there all the same");
    }
    let why = format!("{git_ref} is gone");
    for run in runs {
        end(app, &run, &why).await;
    }
    why
}
