//! A check of a run.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::answer::{Trouble, number, page};
use crate::{
    db::server::{RunId, RunState, Sight, StepRow},
    server::{access::Viewer, app::App},
    web::{
        Page,
        check::{CheckPage, CheckRows},
        now,
    },
};

/// In how many runs a check is shown.
const BEFORE: usize = 10;

/// A check of a run, by its attribute path.
pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path((run, path)): Path<(String, String)>,
) -> Response {
    page(&app, make(&app, viewer.sight, &run, path).await)
}

async fn make(app: &App, sight: Sight, run: &str, path: String) -> Result<CheckPage, Trouble> {
    let id = RunId(number(run)?);
    let mark = app.db.mark_of_run(id).await?;
    let (run, repository) = app.db.seen_run(sight, id).await?.ok_or(Trouble::Missing)?;
    let check = app.db.check(id, path.clone()).await?;
    let check = check.ok_or(Trouble::Missing)?;
    let steps = app.db.steps_of(id).await?;
    let step_of = |drv_path: &Option<String>| -> Option<StepRow> {
        let drv_path = drv_path.as_ref()?;
        steps
            .iter()
            .find(|step| step.drv_path == *drv_path)
            .cloned()
    };
    let mut head = Page::new(&app.site(), &format!("{path} in run {}", id.0));
    if run.state != RunState::Finished {
        head = head.live(&format!("runs/{}/events", id.0), &mark);
    }
    let cause = check
        .cause
        .clone()
        .filter(|cause| check.drv_path.as_ref() != Some(cause));
    let rows = CheckRows {
        step: step_of(&check.drv_path),
        cause: step_of(&cause),
        post_builds: {
            let mut rows = app.db.post_builds_of(id).await?;
            rows.retain(|row| row.new.path == path);
            rows
        },
        before: app.db.check_before(repository.id, path, BEFORE).await?,
        check,
        run,
        repository,
    };
    Ok(CheckPage::new(head, &rows, now()))
}
