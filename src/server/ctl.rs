//! What `nixci ctl` asks and orders: JSON over a Unix socket that only the server's user and root may use, with the key that
//! lies beside it, or over HTTPS with a token.
//!
//! Whoever gets here may do everything. Every order is written to the audit log with who gave it.

mod key;
mod orders;
mod questions;
mod stream;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::IncomingStream,
};
use secrecy::SecretString;
use serde_json::json;
use tokio::net::UnixListener;
use tracing::warn;

pub(super) use self::key::make_key;
use super::{
    access::{shows_one_of, token_name},
    app::App,
    client::Client,
};

/// The longest answer that says what is wrong, in bytes.
const ERROR_BYTES: usize = 1 << 20;

/// Who gives orders, for the audit log.
#[derive(Clone, Debug)]
pub(super) struct Operator(String);

/// Who is at the other end of a Unix socket, as the kernel says.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// Answers those who reach the Unix socket and have its key until the server ends.
pub(super) async fn answer_socket(app: App, socket: UnixListener, key: SecretString) {
    let done = app.closing.clone();
    let service = routes(&app)
        .layer(middleware::from_fn(name_peer))
        .layer(middleware::from_fn_with_state(Arc::from([key]), unlock))
        .with_state(app)
        .into_make_service_with_connect_info::<Peer>();
    let answered = axum::serve(socket, service)
        .with_graceful_shutdown(async move { done.cancelled().await })
        .await;
    if let Err(error) = answered {
        warn!(%error, "no more orders are taken");
    }
}

/// Turns away who has not the key of the socket.
async fn unlock(State(keys): State<Arc<[SecretString]>>, request: Request, next: Next) -> Response {
    if shows_one_of(request.headers(), &keys) {
        return next.run(request).await;
    }
    refuse(
        StatusCode::UNAUTHORIZED,
        "whoever gives orders by the socket shows the key that lies beside it: `Authorization: Bearer KEY`",
    )
}

/// Notes who gives an order by the socket.
async fn name_peer(
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let who = uid.map_or_else(|| "socket".to_owned(), |uid| format!("socket:uid {uid}"));
    request.extensions_mut().insert(Operator(who));
    next.run(request).await
}

/// The routes below `/api` for everybody who has a token.
pub(super) fn with_token(app: &App) -> Router<App> {
    routes(app).layer(middleware::from_fn_with_state(app.clone(), authorize))
}

async fn authorize(
    State(app): State<App>,
    client: Client,
    mut request: Request,
    next: Next,
) -> Response {
    match token_name(&app, client, request.headers()) {
        Ok(Some(name)) => {
            let who = Operator(format!("token:{name}"));
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Ok(None) => refuse(
            StatusCode::UNAUTHORIZED,
            "a token of this server is needed: `Authorization: Bearer TOKEN`",
        ),
        Err(unheard) => unheard.answer(Json(json!({ "error": unheard.to_string() }))),
    }
}

fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/api/v1/runs", get(questions::runs).post(orders::run))
        .route("/api/v1/runs/{run}", get(questions::run))
        .route("/api/v1/runs/{run}/events", get(stream::events))
        .route("/api/v1/runs/{run}/log", get(stream::log))
        .route("/api/v1/runs/{run}/cancel", post(orders::cancel))
        .route("/api/v1/runs/{run}/rebuild", post(orders::rebuild))
        .route("/api/v1/runs/{run}/approve", post(orders::approve))
        .route("/api/v1/repositories", get(questions::repositories))
        .route("/api/v1/schedules", get(questions::schedules))
        .route("/api/v1/pause", post(orders::pause))
        .route("/api/v1/forget", post(orders::forget))
        .route("/api/v1/sweep", post(orders::sweep))
        .route("/api/v1/audit", get(questions::audit))
        .route("/api/v1/reload", post(orders::reload))
        .route("/api/v1/doctor", get(questions::doctor))
        .layer(middleware::from_fn_with_state(Arc::clone(app), hide))
}

/// Takes secrets out of an answer that says what is wrong: nobody knows what all stands in an error.
async fn hide(State(app): State<App>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    if answer.status().is_success() {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let text = to_bytes(body, ERROR_BYTES).await.unwrap_or_default();
    let shown = app.redaction.now().hide_bytes(&text).into_owned();
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, shown.into())
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
