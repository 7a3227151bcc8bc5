//! What live pages listen to: server-sent events (WHATWG HTML, §9.2).
//!
//! A stream of changes says no more than that something changed, and what the page is to be fetched for; it carries the
//! mark of what it saw last as its id, so that whoever comes back misses nothing. A stream of a log carries its lines as
//! HTML, with the place behind them as its id. Nobody is sent more than he takes.

use std::{io, time::Duration};

use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};
use serde::Deserialize;
use tokio::{io::DuplexStream, time::Instant};

use super::{
    answer::{Trouble, number, or_trouble},
    log::{blocking, coloured, find, find_post_build, send, streamed},
    log_file::{Log, PIECE},
};
use crate::{
    db::server::{PostBuildRow, RunId, RunState, Sight, StepRow},
    server::{access::Viewer, app::App, client::Client},
    web::log::NumberedLines,
};

/// How often something is said, so that nobody in between takes the connection for dead.
const PING: Duration = Duration::from_secs(15);
/// How often to look although nobody said that something changed.
const LOOK: Duration = Duration::from_secs(5);
/// How long changes gather.
const GATHER: Duration = Duration::from_millis(300);
/// How often a log that grows is looked at.
const LOG_LOOK: Duration = Duration::from_millis(250);

/// Where a client wants to go on.
#[derive(Debug, Deserialize)]
pub(super) struct From {
    mark: Option<String>,
    from: Option<String>,
}

impl From {
    /// What it heard last: by itself when it comes back, else by its page.
    fn last(self, headers: &HeaderMap) -> String {
        let id = headers.get("last-event-id");
        let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        id.or(self.mark).or(self.from).unwrap_or_default()
    }
}

/// Changes of the newest runs.
pub(super) async fn all_runs(
    State(app): State<App>,
    viewer: Viewer,
    client: Client,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Response {
    let last = from.last(&headers);
    let answer = changes(&app, viewer.sight, client, None, last);
    or_trouble(&app, answer)
}

/// Changes of a run.
pub(super) async fn one_run(
    State(app): State<App>,
    viewer: Viewer,
    client: Client,
    Path(run): Path<String>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Response {
    let last = from.last(&headers);
    let answer = async {
        let id = RunId(number(&run)?);
        let seen = app.db.seen_run(viewer.sight, id).await?;
        seen.ok_or(Trouble::Missing)?;
        changes(&app, viewer.sight, client, Some(id), last)
    };
    or_trouble(&app, answer.await)
}

fn changes(
    app: &App,
    sight: Sight,
    client: Client,
    run: Option<RunId>,
    mut last: String,
) -> Result<Response, Trouble> {
    let permit = app.listeners.enter(client)?;
    let app = app.clone();
    Ok(events(move |mut pipe| async move {
        let _permit = permit;
        let mut heard = app.hub.listen();
        let mut pinged = Instant::now();
        loop {
            let mark = match run {
                Some(run) => app.db.mark_of_run(run).await,
                None => app.marks.of(sight, || app.db.mark_of_runs(sight)).await,
            };
            let mark = mark.map_err(io::Error::other)?;
            if mark != last {
                let event = format!("id: {mark}\nevent: changed\ndata:\n\n");
                send(&mut pipe, event.as_bytes()).await?;
                last = mark;
                pinged = Instant::now();
            } else if pinged.elapsed() >= PING {
                send(&mut pipe, b": ping\n\n").await?;
                pinged = Instant::now();
            }
            tokio::select! {
                () = app.closing.cancelled() => return Ok(()),
                () = heard.next(run) => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }))
}

/// The lines of a log as they come.
pub(super) async fn log_lines(
    State(app): State<App>,
    viewer: Viewer,
    client: Client,
    Path((run, step)): Path<(String, String)>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Response {
    let place = Place::parse(&from.last(&headers));
    let answer = async {
        let (run, _, step) = find(&app, viewer.sight, &run, &step).await?;
        let permit = app.listeners.enter(client)?;
        let app = app.clone();
        Ok(events(move |mut pipe| async move {
            let _permit = permit;
            follow(&app, &mut pipe, run.id, Logged::Step(step), place).await
        }))
    };
    or_trouble(&app, answer.await)
}

/// What is run after a check, as it says it.
pub(super) async fn post_build_lines(
    State(app): State<App>,
    viewer: Viewer,
    client: Client,
    Path((run, id)): Path<(String, String)>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Response {
    let place = Place::parse(&from.last(&headers));
    let answer = async {
        let (run, _, row) = find_post_build(&app, viewer.sight, &run, &id).await?;
        let permit = app.listeners.enter(client)?;
        let app = app.clone();
        Ok(events(move |mut pipe| async move {
            let _permit = permit;
            follow(&app, &mut pipe, run.id, Logged::PostBuild(row), place).await
        }))
    };
    or_trouble(&app, answer.await)
}

/// What a log is of.
enum Logged {
    Step(StepRow),
    PostBuild(PostBuildRow),
}

impl Logged {
    async fn open(&self, app: &App, run: RunId) -> Result<Option<Log>, Trouble> {
        match self {
            Self::Step(step) => Log::open(app, run, step).await,
            Self::PostBuild(row) => Log::open_post_build(app, row).await,
        }
    }

    /// Whether it ended by itself. A run that begins anew has other rows.
    async fn has_ended(&self, app: &App) -> Result<bool, Trouble> {
        Ok(match self {
            Self::Step(step) => {
                let step = app.db.step(step.id).await?;
                step.is_none_or(|(_, step)| step.outcome.is_some())
            }
            Self::PostBuild(row) => {
                let row = app.db.post_build(row.id).await?;
                row.is_none_or(|row| row.outcome.is_some())
            }
        })
    }
}

/// Where a log goes on: the bytes before, and the number of the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    at: u64,
    line: u64,
}

impl Place {
    const START: Self = Self { at: 0, line: 1 };

    fn parse(text: &str) -> Self {
        let parsed = text.split_once('-').and_then(|(at, line)| {
            Some(Self {
                at: at.parse().ok()?,
                line: line.parse().ok()?,
            })
        });
        parsed.unwrap_or(Self::START)
    }
}

/// Sends what is added to a log, until its step is over and all of it is sent.
async fn follow(
    app: &App,
    pipe: &mut DuplexStream,
    run: RunId,
    logged: Logged,
    mut place: Place,
) -> io::Result<()> {
    let mut pinged = Instant::now();
    let mut lines: Option<NumberedLines> = None;
    loop {
        // Asked before the log is read: what is written before the end is sent before it.
        let is_over = is_over(app, run, &logged).await.map_err(|_| broken())?;
        let log = logged.open(app, run).await.map_err(|_| broken())?;
        if let Some(mut log) = log {
            if log.bytes()? < place.at {
                // The build is tried again.
                (place, lines) = (Place::START, None);
                send(pipe, b"event: restarted\ndata:\n\n").await?;
            }
            let mut numbered = if let Some(lines) = lines.take() {
                lines
            } else {
                let begun = move |log: &mut Log| coloured(log, place.at, place.line);
                let numbered;
                (log, numbered) = blocking(log, begun).await?;
                numbered
            };
            loop {
                let at = place.at;
                let mut piece;
                (log, piece) = blocking(log, move |log| log.piece(at, PIECE)).await?;
                let end = piece.iter().rposition(|byte| *byte == b'\n');
                match end {
                    Some(end) => piece.truncate(end + 1),
                    // A line is sent when it is whole, unless it never will be.
                    None if piece.len() < PIECE && !is_over => break,
                    None => {}
                }
                if piece.is_empty() {
                    break;
                }
                let mut html = String::new();
                numbered.feed(&piece, &mut html);
                if end.is_none() && piece.len() < PIECE {
                    numbered.finish(&mut html);
                }
                place = Place {
                    at: at + piece.len() as u64,
                    line: numbered.next_number(),
                };
                let data = serde_json::to_string(&html).map_err(io::Error::other)?;
                let id = format!("{}-{}", place.at, place.line);
                let event = format!("id: {id}\nevent: lines\ndata: {data}\n\n");
                send(pipe, event.as_bytes()).await?;
                pinged = Instant::now();
            }
            lines = Some(numbered);
        }
        if is_over {
            return send(pipe, b"event: end\ndata:\n\n").await;
        }
        if pinged.elapsed() >= PING {
            send(pipe, b": ping\n\n").await?;
            pinged = Instant::now();
        }
        tokio::select! {
            () = app.closing.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOG_LOOK) => {}
        }
    }
}

/// Whether nothing is added to a log any more.
async fn is_over(app: &App, run: RunId, logged: &Logged) -> Result<bool, Trouble> {
    if logged.has_ended(app).await? {
        return Ok(true);
    }
    let run = app.db.run(run).await?;
    Ok(run.is_none_or(|run| run.state != RunState::Running))
}

fn broken() -> io::Error {
    io::Error::other("the log cannot be read")
}

/// A stream of events that a task writes.
fn events<F: Future<Output = io::Result<()>> + Send + 'static>(
    write: impl FnOnce(DuplexStream) -> F + Send + 'static,
) -> Response {
    let mut answer = streamed(write);
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-store"),
    );
    // nginx would keep events until it has many.
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    answer
}
