//! Which request goes where.

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    routing::{get, post},
};

use super::{app::App, ctl, pages, webhook};
use crate::forge::HOOK_BYTES;

/// All routes for people and forges.
pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/webhook/{forge}", post(webhook::take))
        .route("/change_hook/{dialect}", post(webhook::take_as_buildbot))
        .layer(DefaultBodyLimit::max(HOOK_BYTES))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .merge(ctl::with_token(&app))
        .merge(pages::router())
        .with_state(app)
}

/// Whether new work is taken, and the database answers.
async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match app.db.answers().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        ),
    }
}
