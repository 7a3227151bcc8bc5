//! Writes down what a run says, and what a forge is to be told of it, as it goes on.

mod desk;

use std::{fs::File, io::Write as _, path::Path, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::warn;

pub(super) use self::desk::{Desk, Waiting};
use super::{annotations::Annotations, app::App, insist::insist, logs, required::Required, texts};
use crate::{
    db::server::{NewStatus, Repository, Run},
    event::{Event, EventKind},
    forge::RunStatuses,
    nix::StorePath,
};

/// How long events wait for others to be written with them.
const BATCH_DELAY: Duration = Duration::from_millis(200);
/// How much the file of the events has of what builds say, in bytes: for those who follow a run. Each log has a file, too.
const LOGGED_BYTES_MAX: usize = 16 << 20;

/// What there is to be written down.
pub(super) enum Entry {
    /// Something happened.
    Event(Box<Event>),
    /// The whole log of a build that said little.
    ShortLog(StorePath, Vec<u8>),
}

/// Writes down the entries of one run until there are no more. Returns the statuses of its last event, and that event.
pub(super) async fn keep(
    app: App,
    run: Arc<Run>,
    repository: Repository,
    attribute: String,
    mut required: Required,
    mut entries_rx: mpsc::UnboundedReceiver<Entry>,
    waiting: Waiting,
) -> (Vec<NewStatus>, Option<Event>) {
    let mut statuses = RunStatuses::new(texts::contexts(&app.config(), &repository));
    let url = app.run_url(run.id.0);
    let mut end = None;
    let mut last = Vec::new();
    let mut annotations = Annotations::of(&app, &run, &repository);
    let mut file = EventsFile::create(&logs::events_file(&app, run.id));
    while let Some(first) = entries_rx.recv().await {
        let mut entries = vec![first];
        // The first words about a run are for the forge, and do not wait.
        tokio::time::sleep(BATCH_DELAY).await;
        while let Ok(entry) = entries_rx.try_recv() {
            entries.push(entry);
        }
        let (mut events, mut logs, mut news) = (Vec::new(), Vec::new(), Vec::new());
        let mut places = Vec::new();
        for entry in entries {
            let mut event = match entry {
                Entry::ShortLog(drv_path, text) => {
                    logs.push((drv_path.to_string(), text));
                    continue;
                }
                Entry::Event(event) => *event,
            };
            required.observe(&mut event);
            annotations.observe(&event);
            places.extend(annotations.due(&event).await);
            file.add(&event);
            waiting.taken(&event);
            let told = statuses.observe(&event).into_iter();
            let told = told.map(|news| texts::of_news(news, &url));
            if matches!(event.kind, EventKind::RunFinished { .. }) {
                last.extend(told);
                end = Some(event);
            } else {
                news.extend(told);
                if let EventKind::EvaluationFinished { duration, .. } = &event.kind {
                    app.metrics.evaluated(*duration);
                }
                // The database has nothing of what builds say, and may not take the rest for long.
                if !matches!(event.kind, EventKind::StepLogged { .. }) {
                    events.push(event);
                }
            }
        }
        file.write();
        let is_news = !news.is_empty();
        // What comes meanwhile waits in the channel.
        let written = insist("what a run says", || async {
            let db = &app.db;
            db.record(run.id, attribute.clone(), events.clone()).await?;
            db.keep_short_logs(run.id, logs.clone()).await?;
            for (part, rows) in &places {
                db.annotate(run.id, *part, rows.clone()).await?;
            }
            let commit = run.new.commit.clone();
            db.set_statuses(repository.id, commit, Some(run.id), news.clone())
                .await
        });
        if let Err(error) = written.await {
            warn!(run = run.id.0, %error, "what a run says is not written down");
        }
        app.hub.changed(run.id);
        if is_news {
            app.wake.publish.notify_one();
        }
    }
    (last, end)
}

/// The events of a run in a file, for whoever follows it.
struct EventsFile {
    file: Option<File>,
    waiting: Vec<u8>,
    /// How many bytes of lines of logs there may be yet.
    room_for_logs: usize,
}

impl EventsFile {
    /// Begins it anew: an attempt before this one was cut short.
    fn create(path: &Path) -> Self {
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        // Another file, and not the same one emptied: whoever follows the old one is to see its end.
        let _ = std::fs::remove_file(path);
        let file = made.and_then(|()| File::create(path));
        if let Err(error) = &file {
            warn!(path = %path.display(), %error, "events are not kept");
        }
        Self {
            file: file.ok(),
            waiting: Vec::new(),
            room_for_logs: LOGGED_BYTES_MAX,
        }
    }

    fn add(&mut self, event: &Event) {
        if self.file.is_none() {
            return;
        }
        let before = self.waiting.len();
        if serde_json::to_writer(&mut self.waiting, event).is_err() {
            self.waiting.truncate(before);
            return;
        }
        self.waiting.push(b'\n');
        if matches!(event.kind, EventKind::StepLogged { .. }) {
            let size = self.waiting.len() - before;
            if size > self.room_for_logs {
                self.waiting.truncate(before);
            }
            self.room_for_logs = self.room_for_logs.saturating_sub(size);
        }
    }

    fn write(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(&waiting)
        {
            warn!(%error, "events are no longer kept");
            self.file = None;
        }
    }
}
