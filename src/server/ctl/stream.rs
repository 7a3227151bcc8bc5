//! What goes on while somebody listens: the events of a run, and logs.

use std::{io, path::PathBuf, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::{fs::File, io::AsyncReadExt as _, sync::mpsc};

use super::{
    broken, missing,
    questions::{find_check, get},
    refuse,
};
use crate::{
    db::server::{RunId, RunState},
    nix::StorePath,
    server::{app::App, client::Client, logs, post_build, streams::RETRY_AFTER},
};

/// How often to look whether a file has grown.
const LOOK: Duration = Duration::from_millis(200);
/// How much is read at once, in bytes.
const PIECE: usize = 64 << 10;

/// The events of a run from its beginning, a line each, until it is over.
pub(super) async fn events(
    State(app): State<App>,
    client: Client,
    Path(run): Path<i64>,
) -> Response {
    match get(&app, run).await {
        Ok(_) => follow(
            &app,
            client,
            RunId(run),
            logs::events_file(&app, RunId(run)),
            "application/jsonl",
        ),
        Err(answer) => answer,
    }
}

#[derive(Deserialize)]
pub(super) struct LogQuery {
    check: String,
    /// What was run after the check, by its name, and not its build.
    post_build: Option<String>,
    #[serde(default)]
    follow: bool,
}

/// The log of a check: of its own derivation, or of the one that it failed by.
pub(super) async fn log(
    State(app): State<App>,
    client: Client,
    Path(run): Path<i64>,
    Query(query): Query<LogQuery>,
) -> Response {
    let run = match get(&app, run).await {
        Ok((run, _)) => run.id,
        Err(answer) => return answer,
    };
    let check = match find_check(&app, run, &query.check).await {
        Ok(check) => check,
        Err(answer) => return answer,
    };
    let steps = match app.db.steps_of(run).await {
        Ok(steps) => steps,
        Err(error) => return broken(&error),
    };
    if let Some(name) = &query.post_build {
        let rows = match app.db.post_builds_of(run).await {
            Ok(rows) => rows,
            Err(error) => return broken(&error),
        };
        let row = rows
            .iter()
            .find(|row| row.new.path == check.path && row.new.name == *name);
        return match row {
            Some(row) => {
                let file = post_build::log_file(&app, run, row.id);
                follow(&app, client, run, file, "text/plain; charset=utf-8")
            }
            None => missing(&format!(
                "post-build step {name} of {} in run {}",
                check.path, run.0
            )),
        };
    }
    let Some(drv_path) = check.cause.as_ref().or(check.drv_path.as_ref()) else {
        return missing("log: it could not be evaluated");
    };
    let file = StorePath::parse(drv_path).map(|path| logs::folder(&app, run).file(&path));
    let Ok(file) = file else {
        return missing("log");
    };
    let text = "text/plain; charset=utf-8";
    if query.follow || file.exists() {
        return follow(&app, client, run, file, text);
    }
    let step = steps.iter().find(|step| &step.drv_path == drv_path);
    match step {
        Some(step) => match app.db.short_log(step.id).await {
            Ok(log) => ([(header::CONTENT_TYPE, text)], log.unwrap_or_default()).into_response(),
            Err(error) => broken(&error),
        },
        None => missing("log: it was not built in this run"),
    }
}

/// Sends a file as it grows, until the run is over.
fn follow(
    app: &App,
    client: Client,
    run: RunId,
    file: PathBuf,
    content_type: &'static str,
) -> Response {
    let place = match app.followers.enter(client) {
        Ok(place) => place,
        Err(full) => {
            let why = "too many runs and logs are being followed; try again in a moment";
            let headers = [(header::RETRY_AFTER, RETRY_AFTER)];
            return (headers, refuse(full.status(), why)).into_response();
        }
    };
    let app = app.clone();
    let (pieces_tx, mut pieces_rx) = mpsc::channel::<io::Result<Bytes>>(4);
    tokio::spawn(async move {
        let _place = place;
        if let Err(error) = send(&app, run, &file, &pieces_tx).await {
            let _ = pieces_tx.send(Err(error)).await;
        }
    });
    let stream = futures_util::stream::poll_fn(move |context| pieces_rx.poll_recv(context));
    (
        [(header::CONTENT_TYPE, content_type)],
        Body::from_stream(stream),
    )
        .into_response()
}

async fn send(
    app: &App,
    run: RunId,
    path: &std::path::Path,
    pieces_tx: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let mut file = None;
    loop {
        // Looked at first: what is written before a run is over is sent.
        let is_over =
            !matches!(app.db.run(run).await, Ok(Some(run)) if run.state != RunState::Finished);
        if file.is_none() {
            file = match File::open(path).await {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        if let Some(file) = &mut file {
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                if file.read_buf(&mut piece).await? == 0 {
                    break;
                }
                if pieces_tx.send(Ok(piece.into())).await.is_err() {
                    return Ok(());
                }
            }
        }
        if is_over {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = pieces_tx.closed() => return Ok(()),
        }
    }
}
