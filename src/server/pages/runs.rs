//! The newest runs, and a run.

use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use serde::Deserialize;

use super::answer::{Trouble, number, page};
use crate::{
    db::server::{RunId, RunState, Sight},
    server::{access::Viewer, app::App},
    web::{
        Page, now,
        run::{RunPage, RunRows},
        run_list::RunList,
    },
};

/// How many runs a page lists.
const RUNS: usize = 50;

/// What may be asked of a list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    /// Only runs before this one.
    before: Option<String>,
    /// Everything, however much it is.
    all: Option<String>,
}

/// The newest runs.
pub(super) async fn list(
    State(app): State<App>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
) -> Response {
    page(&app, make_list(&app, viewer.sight, &asked).await)
}

async fn make_list(app: &App, sight: Sight, asked: &Asked) -> Result<RunList, Trouble> {
    let before = match &asked.before {
        Some(before) => Some(RunId(number(before)?)),
        None => None,
    };
    let mut head = Page::new(&app.site(), "Newest runs");
    if before.is_none() {
        // Before the rows are read, so that nothing is missed in between.
        head = head.live("events", &app.db.mark_of_runs(sight).await?);
    }
    let runs = app.db.seen_runs(sight, None, before, RUNS + 1).await?;
    Ok(RunList::new(head, &runs, RUNS, now()))
}

/// A run.
pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path(run): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    page(&app, make_run(&app, viewer.sight, &run, &asked).await)
}

async fn make_run(app: &App, sight: Sight, run: &str, asked: &Asked) -> Result<RunPage, Trouble> {
    let id = RunId(number(run)?);
    let mark = app.db.mark_of_run(id).await?;
    let (run, repository) = app.db.seen_run(sight, id).await?.ok_or(Trouble::Missing)?;
    let title = format!("Run {} of {}", id.0, repository.seen.full_name);
    let mut head = Page::new(&app.site(), &title);
    if run.state != RunState::Finished {
        head = head.live(&format!("runs/{}/events", id.0), &mark);
    }
    let rows = RunRows {
        checks: app.db.checks_of(id).await?,
        steps: app.db.steps_of(id).await?,
        compared: app.db.compared(&run).await?,
        post_builds: app.db.post_builds_of(id).await?,
        statuses: app.db.statuses_of_run(sight, id).await?,
        warnings: app.db.warnings_of(id).await?,
        run,
        repository,
    };
    Ok(RunPage::new(head, &rows, asked.all.is_some(), now()))
}
