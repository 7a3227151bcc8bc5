//! Keeps what the builds of a run say, as files.

use std::{path::PathBuf, sync::Arc};

use tokio::sync::mpsc;
use tracing::warn;

use super::{app::App, engine::logs_dir, journal::Entry};
use crate::{
    db::server::{RunId, ServerDb},
    db::{LogWriter, Warn},
    event::LogFolder,
    run::{LogNote, Past},
};

/// The folder with the logs of a run.
pub(super) fn folder(app: &App, run: RunId) -> LogFolder {
    LogFolder::of_run(&logs_dir(&app.config().state_dir), &run.0.to_string())
}

/// The file with the events of a run, a line each, as `--format json` writes them; it grows while the run goes on.
pub(super) fn events_file(app: &App, run: RunId) -> PathBuf {
    folder(app, run).path().join("events.jsonl")
}

/// Begins to keep the logs of a run; what is short goes to the journal.
pub(super) fn begin(
    app: &App,
    run: RunId,
    entries_tx: mpsc::UnboundedSender<Entry>,
) -> Arc<LogWriter> {
    let short_logs = Box::new(move |drv_path: &crate::nix::StorePath, text: Vec<u8>| {
        let _ = entries_tx.send(Entry::ShortLog(drv_path.clone(), text));
    });
    let complain: Warn =
        Arc::new(move |text: String| warn!(run = run.0, text, "logs are not kept"));
    Arc::new(LogWriter::start(folder(app, run), short_logs, &complain))
}

/// The ways of a run to the past and into it.
pub(super) fn past(db: &ServerDb, logs: &Arc<LogWriter>) -> Past {
    let (db, logs) = (db.clone(), Arc::clone(logs));
    let (_, warnings) = mpsc::unbounded_channel();
    Past {
        expected: Arc::new(move |steps| {
            let db = db.clone();
            Box::pin(async move { db.expected_durations(steps).await.unwrap_or_default() })
        }),
        keep_log: Arc::new(move |drv_path| {
            let mut sink = logs.begin(drv_path);
            Box::new(move |note| match note {
                LogNote::Line(line) => sink.line(line),
                LogNote::Passed => sink.passed(),
            })
        }),
        warnings,
    }
}
