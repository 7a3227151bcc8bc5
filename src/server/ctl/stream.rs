//! What goes on while somebody listens: the events of a run, and logs.

use std::{
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::{self, Query, State},
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
/// What is said where a log begins anew.
const ANEW: &str = "[nixci] it is tried again\n";

const EVENTS: &str = "application/jsonl";
const TEXT: &str = "text/plain; charset=utf-8";

/// The events of a run from its beginning, a line each, until it is over, or begins anew: those are to be asked for then.
pub(super) async fn events(
    State(app): State<App>,
    client: Client,
    extract::Path(run): extract::Path<i64>,
) -> Response {
    match get(&app, run).await {
        Ok(_) => follow(
            &app,
            client,
            RunId(run),
            logs::events_file(&app, RunId(run)),
            EVENTS,
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
    extract::Path(run): extract::Path<i64>,
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
                follow(&app, client, run, file, TEXT)
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
    if query.follow || file.exists() {
        return follow(&app, client, run, file, TEXT);
    }
    let step = steps.iter().find(|step| &step.drv_path == drv_path);
    match step {
        Some(step) => match app.db.short_log(step.id).await {
            Ok(log) => ([(header::CONTENT_TYPE, TEXT)], log.unwrap_or_default()).into_response(),
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
    let anew = (content_type == TEXT).then_some(ANEW);
    tokio::spawn(async move {
        let _place = place;
        let is_over = || async {
            !matches!(app.db.run(run).await, Ok(Some(run)) if run.state != RunState::Finished)
        };
        if let Err(error) = send(&file, anew, is_over, &pieces_tx).await {
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

/// Sends what is added to a file until it is over. Where the file begins anew, `anew` is sent and then the file from its
/// beginning; without one that is the end.
async fn send<F: Future<Output = bool>>(
    path: &Path,
    anew: Option<&'static str>,
    is_over: impl Fn() -> F,
    pieces_tx: &mpsc::Sender<io::Result<Bytes>>,
) -> io::Result<()> {
    let mut open: Option<(File, u64)> = None;
    loop {
        // Looked at first: what is written before the end is sent.
        let is_over = is_over().await;
        if open.is_none() {
            open = match File::open(path).await {
                Ok(file) => Some((file, 0)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
        if let Some((file, sent)) = &mut open {
            let begins_anew = begins_anew(file, *sent, path).await?;
            loop {
                let mut piece = Vec::with_capacity(PIECE);
                if file.read_buf(&mut piece).await? == 0 {
                    break;
                }
                *sent += piece.len() as u64;
                if pieces_tx.send(Ok(piece.into())).await.is_err() {
                    return Ok(());
                }
            }
            if begins_anew {
                let Some(anew) = anew else {
                    return Ok(());
                };
                if pieces_tx.send(Ok(anew.into())).await.is_err() {
                    return Ok(());
                }
                open = None;
                continue;
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

/// Whether a file of which so many bytes are sent was emptied, or another lies in its place.
async fn begins_anew(file: &File, sent: u64, path: &Path) -> io::Result<bool> {
    let mine = file.metadata().await?;
    let there = match tokio::fs::metadata(path).await {
        Ok(there) => there,
        // It goes with its run.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(mine.len() < sent || (mine.dev(), mine.ino()) != (there.dev(), there.ino()))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use super::*;

    /// Somebody who follows a file.
    struct Follower {
        pieces_rx: mpsc::Receiver<io::Result<Bytes>>,
        is_over: Arc<AtomicBool>,
    }

    impl Follower {
        fn of(path: &Path, anew: Option<&'static str>) -> Self {
            let (pieces_tx, pieces_rx) = mpsc::channel(4);
            let (path, is_over) = (path.to_owned(), Arc::new(AtomicBool::new(false)));
            let over = Arc::clone(&is_over);
            tokio::spawn(async move {
                let is_over = || std::future::ready(over.load(Ordering::Relaxed));
                send(&path, anew, is_over, &pieces_tx).await.unwrap();
            });
            Self { pieces_rx, is_over }
        }

        /// What it gets next; `None`: the end.
        async fn next(&mut self) -> Option<String> {
            let piece = self.pieces_rx.recv().await?.unwrap();
            Some(String::from_utf8(piece.to_vec()).unwrap())
        }
    }

    #[tokio::test]
    async fn a_log_that_begins_anew_is_sent_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        fs::write(&path, "first attempt\n").unwrap();
        let mut follower = Follower::of(&path, Some(ANEW));
        assert_eq!(follower.next().await.unwrap(), "first attempt\n");
        // Emptied in place.
        fs::write(&path, "second\n").unwrap();
        assert_eq!(follower.next().await.unwrap(), ANEW);
        assert_eq!(follower.next().await.unwrap(), "second\n");
        follower.is_over.store(true, Ordering::Relaxed);
        assert_eq!(follower.next().await, None);
    }

    #[tokio::test]
    async fn events_end_where_they_begin_anew_however_many_there_are_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut old = fs::File::create(&path).unwrap();
        let mut follower = Follower::of(&path, None);
        let write = |file: &mut fs::File, text: &str| {
            std::io::Write::write_all(file, text.as_bytes()).unwrap();
        };
        write(&mut old, "1\n");
        assert_eq!(follower.next().await.unwrap(), "1\n");
        write(&mut old, "2\n");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "1\n2\n3\n4\n").unwrap();
        assert_eq!(follower.next().await.unwrap(), "2\n");
        assert_eq!(follower.next().await, None);
    }
}
