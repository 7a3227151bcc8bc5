//! What a run says of its post-build steps, and of those that it has not.

use std::fmt::Write as _;

use tracing::{info, warn};

use super::has_steps;
use crate::{
    db::server::{NewStatus, PostBuildOutcome, Repository, Run, RunId},
    report::counted,
    server::{app::App, texts},
};

/// Says of a commit that is built for itself that what is run after other builds is not run after its.
pub(in crate::server) async fn say_left_out(app: &App, run: &Run, repository: &Repository) {
    let as_usual = Run {
        for_itself: false,
        ..run.clone()
    };
    if run.for_itself && has_steps(app, &as_usual, repository) {
        let why = "no post-build steps: its branch or tag is no longer at this commit";
        say(app, run.id, why.to_owned()).await;
    }
}

/// Says something on the page of a run, and where else its warnings are shown.
pub(in crate::server) async fn say(app: &App, run: RunId, why: String) {
    info!(run = run.0, why, "said of a run");
    if let Err(error) = app.db.warn_of(run, why).await {
        warn!(run = run.0, %error, "that is not written down");
    }
}

/// Says in the status of the build that steps failed whose failure changes nothing.
pub(in crate::server) async fn tell_warnings(
    app: &App,
    run: &Run,
    repository: &Repository,
    statuses: &mut [NewStatus],
) {
    let rows = app.db.post_builds_of(run.id).await.unwrap_or_default();
    let failed = rows.iter().filter(|row| {
        row.new.warn_only
            && row
                .outcome
                .is_some_and(|end| end != PostBuildOutcome::Passed)
    });
    let count = failed.count();
    let build = texts::contexts(&app.config(), repository).build;
    if count > 0
        && let Some(status) = statuses.iter_mut().find(|status| status.context == build)
    {
        let _ = write!(
            status.description,
            ", {} failed without effect",
            counted(count, "post-build step")
        );
    }
}
