//! The repositories, one of them, and its badge.

use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::answer::{Trouble, number, or_trouble, page};
use crate::{
    db::server::{Repository, RunId, Sight},
    server::{access::Viewer, app::App},
    web::{
        Page,
        badge::badge,
        now,
        repository::{RepositoryList, RepositoryPage, RepositoryRows},
    },
};

/// How many runs a page lists.
const RUNS: usize = 25;
/// How many branches, tags and pull requests a page lists.
const REFS: usize = 50;
/// What the address of a badge ends with.
const BADGE: &str = "/badge.svg";

/// What may be asked of a repository.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// Only runs before this one.
    before: Option<String>,
    /// The branch of the badge.
    branch: Option<String>,
}

/// The repositories.
pub(super) async fn list(State(app): State<App>, viewer: Viewer) -> Response {
    page(&app, make_list(&app, viewer.sight).await)
}

async fn make_list(app: &App, sight: Sight) -> Result<RepositoryList, Trouble> {
    let head = Page::new(&app.site(), "Repositories");
    let head = head.live("events", &app.db.mark_of_runs(sight).await?);
    let repositories = app.db.seen_repositories(sight).await?;
    Ok(RepositoryList::new(head, &repositories))
}

/// A repository, or its badge. Names may have any number of parts, so that both have one route.
pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path((forge, name)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let find = |name: &str| {
        app.db
            .seen_repository(viewer.sight, forge.clone(), name.to_owned())
    };
    if let Some(name) = name.strip_suffix(BADGE) {
        match find(name).await {
            Ok(Some(repository)) => return make_badge(&app, &repository, asked.branch).await,
            Ok(None) => {}
            Err(error) => return or_trouble(&app, Err(error.into())),
        }
    }
    let made = async {
        let repository = find(&name).await?.ok_or(Trouble::Missing)?;
        make(&app, viewer.sight, &repository, &asked).await
    };
    page(&app, made.await)
}

async fn make(
    app: &App,
    sight: Sight,
    repository: &Repository,
    asked: &Asked,
) -> Result<RepositoryPage, Trouble> {
    let before = match &asked.before {
        Some(before) => Some(RunId(number(before)?)),
        None => None,
    };
    let mut head = Page::new(&app.site(), &repository.seen.full_name);
    if before.is_none() {
        head = head.live("events", &app.db.mark_of_runs(sight).await?);
    }
    let runs = app
        .db
        .seen_runs(sight, Some(repository.id), before, RUNS + 1);
    let runs: Vec<_> = runs.await?.into_iter().map(|(run, _)| run).collect();
    let refs = app.db.newest_runs(repository.id, REFS).await?;
    let newest = newest(app, repository, None).await?;
    let schedules = app.db.schedules(Some(repository.id)).await?;
    let rows = RepositoryRows {
        repository: repository.clone(),
        newest,
        refs,
        runs,
        schedules,
    };
    Ok(RepositoryPage::new(head, &rows, RUNS, now()))
}

/// The newest result of a branch, or of the default one.
async fn newest(
    app: &App,
    repository: &Repository,
    branch: Option<String>,
) -> Result<Option<crate::db::server::Run>, Trouble> {
    let branch = branch.unwrap_or_else(|| repository.seen.default_branch.clone());
    let git_ref = format!("refs/heads/{branch}");
    Ok(app.db.newest_result(repository.id, git_ref).await?)
}

async fn make_badge(app: &App, repository: &Repository, branch: Option<String>) -> Response {
    let made = newest(app, repository, branch).await.map(|newest| {
        let headers = [
            (header::CONTENT_TYPE, "image/svg+xml"),
            (header::CACHE_CONTROL, "max-age=30"),
        ];
        (headers, badge(newest.as_ref())).into_response()
    });
    or_trouble(app, made)
}
