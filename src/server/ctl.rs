//! What `nixci ctl` asks and orders: JSON over a Unix socket that only the server's user and root may use, or over HTTPS
//! with a token.
//!
//! Whoever gets here may do everything. Every order is written to the audit log with who gave it.

mod orders;
mod questions;
mod stream;

use axum::{
    Extension, Json, Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use super::{access::is_authorized, app::App};

/// Who gives orders, for the audit log.
#[derive(Clone, Debug)]
pub(super) struct Operator(String);

/// The routes behind the Unix socket.
pub(super) fn on_socket(app: App) -> Router {
    routes()
        .layer(Extension(Operator("socket".to_owned())))
        .with_state(app)
}

/// The routes below `/api` for everybody who has a token.
pub(super) fn with_token(app: &App) -> Router<App> {
    routes()
        .layer(Extension(Operator("token".to_owned())))
        .layer(middleware::from_fn_with_state(app.clone(), authorize))
}

async fn authorize(State(app): State<App>, request: Request, next: Next) -> Response {
    if is_authorized(&app, request.headers()) {
        return next.run(request).await;
    }
    refuse(
        StatusCode::UNAUTHORIZED,
        "a token of this server is needed: `Authorization: Bearer TOKEN`",
    )
}

fn routes() -> Router<App> {
    Router::new()
        .route("/api/v1/runs", get(questions::runs).post(orders::run))
        .route("/api/v1/runs/{run}", get(questions::run))
        .route("/api/v1/runs/{run}/events", get(stream::events))
        .route("/api/v1/runs/{run}/log", get(stream::log))
        .route("/api/v1/runs/{run}/cancel", post(orders::cancel))
        .route("/api/v1/runs/{run}/rebuild", post(orders::rebuild))
        .route("/api/v1/runs/{run}/approve", post(orders::approve))
        .route("/api/v1/repositories", get(questions::repositories))
        .route("/api/v1/pause", post(orders::pause))
        .route("/api/v1/forget", post(orders::forget))
        .route("/api/v1/sweep", post(orders::sweep))
        .route("/api/v1/doctor", get(questions::doctor))
}

/// An answer that says what is wrong.
fn refuse(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

fn broken(error: &dyn std::fmt::Display) -> Response {
    refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
}

fn missing(what: &str) -> Response {
    refuse(StatusCode::NOT_FOUND, &format!("there is no {what}"))
}
