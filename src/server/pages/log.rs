//! The log of a step as a page and as it is.
//!
//! However long it is, a piece of it is in memory: a task writes into a pipe from which the answer is sent, and waits
//! while the other side does not read.

use std::{io, time::Duration};

use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderValue, header},
    response::Response,
};
use serde::Deserialize;
use tokio::io::{AsyncWriteExt as _, DuplexStream};
use tokio_util::io::ReaderStream;

use super::{
    answer::{Trouble, number, or_trouble},
    log_file::{Log, PIECE},
};
use crate::{
    db::server::{PostBuildRow, Repository, Run, RunId, RunState, Sight, StepRow},
    server::{access::Viewer, app::App},
    web::{
        Page,
        log::{LogPage, NumberedLines, left_out},
        now,
    },
};

/// How much of a long log is shown of its start, in bytes.
const HEAD: u64 = 128 << 10;
/// And of its end.
const TAIL: u64 = 384 << 10;
/// How much of the text before is looked at for the colours of a line.
pub(super) const COLOUR_BYTES: u64 = 64 << 10;
/// How long a client may take for a piece.
const CLIENT_LIMIT: Duration = Duration::from_secs(60);

/// What may be asked of a log.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// All of it, however long it is.
    all: Option<String>,
}

/// A step of a run, if both are there and may be seen.
pub(super) async fn find(
    app: &App,
    sight: Sight,
    run: &str,
    step: &str,
) -> Result<(Run, Repository, StepRow), Trouble> {
    let (id, step) = (RunId(number(run)?), number(step)?);
    let (run, repository) = app.db.seen_run(sight, id).await?.ok_or(Trouble::Missing)?;
    let (of_run, step) = app.db.step(step).await?.ok_or(Trouble::Missing)?;
    if of_run != run.id {
        return Err(Trouble::Missing);
    }
    Ok((run, repository, step))
}

/// The page of a step with its log.
pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path((run, step)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let answer = make(&app, viewer.sight, &run, &step, asked.all.is_some()).await;
    or_trouble(&app, answer)
}

async fn make(
    app: &App,
    sight: Sight,
    run: &str,
    step: &str,
    all: bool,
) -> Result<Response, Trouble> {
    let mark = app.db.mark_of_run(RunId(number(run)?)).await?;
    let (run, repository, step) = find(app, sight, run, step).await?;
    let log = Log::open(app, run.id, &step).await?;
    let mut head = Page::new(&app.site(), &format!("{} in run {}", step.name, run.id.0));
    let is_live = run.state == RunState::Running && step.outcome.is_none();
    if is_live {
        head = head.live(&format!("runs/{}/events", run.id.0), &mark);
    }
    // One that goes on will have one.
    let has_log = log.is_some() || is_live;
    let page = LogPage::new(head, &run, &repository, &step, has_log, now());
    answer_with(&page, log, all, is_live)
}

/// What is run after a check of a run, if both are there and may be seen.
pub(super) async fn find_post_build(
    app: &App,
    sight: Sight,
    run: &str,
    id: &str,
) -> Result<(Run, Repository, PostBuildRow), Trouble> {
    let (run, id) = (RunId(number(run)?), number(id)?);
    let (run, repository) = app.db.seen_run(sight, run).await?.ok_or(Trouble::Missing)?;
    let row = app.db.post_build(id).await?;
    let row = row.filter(|row| row.new.run == run.id);
    Ok((run, repository, row.ok_or(Trouble::Missing)?))
}

/// The page of what is run after a check, with its log.
pub(super) async fn show_post_build(
    State(app): State<App>,
    viewer: Viewer,
    Path((run, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    let answer = make_post_build(&app, viewer.sight, &run, &id, asked.all.is_some()).await;
    or_trouble(&app, answer)
}

async fn make_post_build(
    app: &App,
    sight: Sight,
    run: &str,
    id: &str,
    all: bool,
) -> Result<Response, Trouble> {
    let mark = app.db.mark_of_run(RunId(number(run)?)).await?;
    let (run, repository, row) = find_post_build(app, sight, run, id).await?;
    let log = Log::open_post_build(app, &row).await?;
    let mut head = Page::new(
        &app.site(),
        &format!("{} in run {}", row.new.name, run.id.0),
    );
    let is_live = run.state == RunState::Running && row.outcome.is_none();
    if is_live {
        head = head.live(&format!("runs/{}/events", run.id.0), &mark);
    }
    let has_log = log.is_some() || is_live;
    let page = LogPage::of_post_build(head, &run, &repository, &row, has_log, now());
    answer_with(&page, log, all, is_live)
}

/// Sends a page with the lines of its log.
fn answer_with(
    page: &LogPage,
    log: Option<Log>,
    all: bool,
    is_live: bool,
) -> Result<Response, Trouble> {
    let (before, behind) = page.halves()?;
    let mut answer = streamed(move |mut pipe| async move {
        send(&mut pipe, before.as_bytes()).await?;
        if let Some(log) = log {
            write_lines(&mut pipe, log, all, is_live).await?;
        }
        send(&mut pipe, behind.as_bytes()).await
    });
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    Ok(answer)
}

/// Writes the lines of a log; of a long one its start and its end.
async fn write_lines(
    pipe: &mut DuplexStream,
    mut log: Log,
    all: bool,
    is_live: bool,
) -> io::Result<()> {
    let bytes = log.bytes()?;
    let mut at = 0;
    if !all && bytes > HEAD + TAIL {
        let mut lines = NumberedLines::starting_at(1);
        let (head_end, first);
        (log, head_end) = blocking(log, |log| log.line_start(HEAD)).await?;
        (log, _) = write_range(pipe, log, &mut lines, 0, head_end, true).await?;
        (log, at) = blocking(log, move |log| log.line_start(bytes - TAIL)).await?;
        send(pipe, left_out(at.saturating_sub(head_end)).as_bytes()).await?;
        (log, first) = blocking(log, move |log| log.lines_before(at)).await?;
        (log, lines) = blocking(log, move |log| coloured(log, at, first + 1)).await?;
        let (_, next) = write_range(pipe, log, &mut lines, at, bytes, !is_live).await?;
        return send(pipe, place(next, &lines).as_bytes()).await;
    }
    let mut lines = NumberedLines::starting_at(1);
    (_, at) = write_range(pipe, log, &mut lines, at, bytes, !is_live).await?;
    send(pipe, place(at, &lines).as_bytes()).await
}

/// Lines from a place on, in the colours that were chosen before it.
pub(super) fn coloured(log: &mut Log, at: u64, next: u64) -> io::Result<NumberedLines> {
    let mut lines = NumberedLines::starting_at(next);
    let from = at.saturating_sub(COLOUR_BYTES);
    let before = log.piece(from, usize::try_from(at - from).unwrap_or(PIECE))?;
    lines.skip(&before);
    Ok(lines)
}

/// Says where the log goes on.
fn place(at: u64, lines: &NumberedLines) -> String {
    format!("<i hidden data-from=\"{at}-{}\"></i>", lines.next_number())
}

/// Writes the lines between two places. Returns where the last line ended, or if `is_whole` where the log did: what is
/// there of a line that has no end counts as one then.
async fn write_range(
    pipe: &mut DuplexStream,
    mut log: Log,
    lines: &mut NumberedLines,
    from: u64,
    to: u64,
    is_whole: bool,
) -> io::Result<(Log, u64)> {
    let (mut at, mut line_end) = (from, from);
    while at < to {
        let room = usize::try_from(to - at).unwrap_or(usize::MAX).min(PIECE);
        let piece;
        (log, piece) = blocking(log, move |log| log.piece(at, room)).await?;
        if piece.is_empty() {
            break;
        }
        if let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') {
            line_end = at + end as u64 + 1;
        }
        at += piece.len() as u64;
        let mut html = String::new();
        lines.feed(&piece, &mut html);
        send(pipe, html.as_bytes()).await?;
    }
    if is_whole {
        let mut html = String::new();
        lines.finish(&mut html);
        send(pipe, html.as_bytes()).await?;
        line_end = at;
    }
    Ok((log, line_end))
}

/// Does something with a log that may block on the disk.
pub(super) async fn blocking<T: Send + 'static>(
    mut log: Log,
    act: impl FnOnce(&mut Log) -> io::Result<T> + Send + 'static,
) -> io::Result<(Log, T)> {
    tokio::task::spawn_blocking(move || {
        let done = act(&mut log)?;
        Ok((log, done))
    })
    .await
    .map_err(io::Error::other)?
}

/// The log as it is.
pub(super) async fn raw(
    State(app): State<App>,
    viewer: Viewer,
    Path((run, step)): Path<(String, String)>,
) -> Response {
    or_trouble(&app, make_raw(&app, viewer.sight, &run, &step).await)
}

async fn make_raw(app: &App, sight: Sight, run: &str, step: &str) -> Result<Response, Trouble> {
    let (run, _, step) = find(app, sight, run, step).await?;
    let log = Log::open(app, run.id, &step).await?;
    Ok(as_text(log.ok_or(Trouble::Missing)?))
}

/// What was run after a check said, as it is kept.
pub(super) async fn raw_post_build(
    State(app): State<App>,
    viewer: Viewer,
    Path((run, id)): Path<(String, String)>,
) -> Response {
    let answer = async {
        let (_, _, row) = find_post_build(&app, viewer.sight, &run, &id).await?;
        let log = Log::open_post_build(&app, &row).await?;
        Ok(as_text(log.ok_or(Trouble::Missing)?))
    };
    or_trouble(&app, answer.await)
}

fn as_text(mut log: Log) -> Response {
    let mut answer = streamed(move |mut pipe| async move {
        let mut at = 0;
        loop {
            let piece;
            (log, piece) = blocking(log, move |log| log.piece(at, PIECE)).await?;
            if piece.is_empty() {
                return Ok(());
            }
            at += piece.len() as u64;
            send(&mut pipe, &piece).await?;
        }
    });
    answer.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    answer
}

/// An answer that a task writes.
pub(super) fn streamed<F: Future<Output = io::Result<()>> + Send + 'static>(
    write: impl FnOnce(DuplexStream) -> F + Send + 'static,
) -> Response {
    let (ours, theirs) = tokio::io::duplex(PIECE);
    // It ends when the client is gone, or too slow: both are nobody's fault here.
    tokio::spawn(write(ours));
    Response::new(Body::from_stream(ReaderStream::new(theirs)))
}

/// Writes into the pipe; fails if the client does not take it.
pub(super) async fn send(pipe: &mut DuplexStream, bytes: &[u8]) -> io::Result<()> {
    let sent = tokio::time::timeout(CLIENT_LIMIT, pipe.write_all(bytes)).await;
    sent.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
