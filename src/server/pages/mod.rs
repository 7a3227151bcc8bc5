//! Answers the requests of people: pages, their live events, logs.
//!
//! Finds rows as far as the [`Viewer`](super::access::Viewer) sees, hands them to [`crate::web`], and adds the headers
//! that keep a browser from doing anything with what comes from outside but showing it.

mod answer;
mod checks;
mod log;
mod log_file;
mod queue;
mod repositories;
mod runs;
mod stream;

use axum::{Router, middleware, routing::get};

use super::{app::App, metrics};

/// The routes for people.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/", get(runs::list))
        .route("/events", get(stream::all_runs))
        .route("/runs/{run}", get(runs::show))
        .route("/runs/{run}/events", get(stream::one_run))
        .route("/runs/{run}/checks/{path}", get(checks::show))
        .route("/runs/{run}/steps/{step}", get(log::show))
        .route("/runs/{run}/steps/{step}/raw", get(log::raw))
        .route("/runs/{run}/steps/{step}/events", get(stream::log_lines))
        .route("/runs/{run}/post-builds/{id}", get(log::show_post_build))
        .route("/runs/{run}/post-builds/{id}/raw", get(log::raw_post_build))
        .route(
            "/runs/{run}/post-builds/{id}/events",
            get(stream::post_build_lines),
        )
        .route("/repositories", get(repositories::list))
        .route("/repositories/{forge}/{*name}", get(repositories::show))
        .route("/queue", get(queue::show))
        .route("/metrics", get(metrics::show))
        .route("/assets/{name}", get(answer::asset))
        .fallback(answer::nothing_here)
        .layer(middleware::map_response(answer::with_headers))
}
