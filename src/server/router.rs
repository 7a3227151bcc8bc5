//! Which request goes where.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};

use super::{app::App, ctl, pages, webhook};

/// How many bytes have to be free where the state is, for runs to come to anything.
const ROOM: u64 = 8 << 20;

/// All routes for people and forges.
pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/webhook/{forge}", post(webhook::take))
        .route("/change_hook/{dialect}", post(webhook::take_as_buildbot))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .merge(ctl::with_token(&app))
        .merge(pages::router())
        .with_state(app)
}

/// Whether new work is taken, there is room for it, and the database answers.
async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.draining.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    let room = rustix::fs::statvfs(&app.config().state_dir);
    if room.is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < ROOM) {
        return (StatusCode::SERVICE_UNAVAILABLE, "the disk is full\n");
    }
    match app.db.answers().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the database does not answer\n",
        ),
    }
}
