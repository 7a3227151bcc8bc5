//! Records a run as it goes on, on a thread of its own, and answers what the run wants to know of earlier ones.
//!
//! Whoever notes an event only appends to a list, which a run bounds by its number of checks and steps; the thread takes
//! the whole list at once and writes it in one transaction. What goes wrong is said once, and then nothing is recorded.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{
    HistoryError, duration,
    open::Database,
    prune::prune,
    row::{Row, millis_of},
    write::RunKey,
};
use crate::{
    event::{Event, Outcome},
    nix::{StorePath, System},
};

/// How long rows wait for others to be written with them.
const BATCH_DELAY: Duration = Duration::from_millis(500);
/// How many rows may wait. A run of 100,000 checks has a few times as many.
const ROWS_MAX: usize = 1_000_000;
/// How long a run waits for an answer before it does without.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// How long the end of a run waits for the disk.
pub(super) const FINISH_LIMIT: Duration = Duration::from_secs(10);

/// Takes the whole log of a build.
pub type ShortLogs = Box<dyn Fn(&StorePath, Vec<u8>) + Send>;

/// Takes a sentence about what went wrong.
pub type Warn = Arc<dyn Fn(String) + Send + Sync>;

/// Records one run.
pub struct Recorder {
    desk: Arc<Desk>,
    verdicts_rx: Mutex<mpsc::Receiver<HashMap<String, Outcome>>>,
    /// Says by its end that the thread is done.
    done_rx: Mutex<mpsc::Receiver<()>>,
}

#[derive(Default)]
struct Desk {
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

#[derive(Default)]
struct Inbox {
    rows: Vec<Row>,
    questions: Vec<Question>,
    is_last: bool,
    /// Nobody takes anything out any more.
    is_closed: bool,
}

struct Question {
    steps: Vec<(String, System)>,
    answer_tx: oneshot::Sender<Vec<Option<Duration>>>,
}

impl Desk {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, row: Row) {
        let mut inbox = self.inbox();
        if !inbox.is_closed && inbox.rows.len() < ROWS_MAX {
            inbox.rows.push(row);
            // The thread waits for the first one only.
            if inbox.rows.len() == 1 {
                self.arrived.notify_one();
            }
        }
    }
}

impl Recorder {
    /// Starts the thread, which opens the database below `dir`. `flake` is a name of the flake that is the same for
    /// every run of it; `logs` is the folder that holds those of the logs.
    pub fn start(dir: &Path, logs: &Path, flake: String, warn: &Warn) -> Self {
        let desk = Arc::new(Desk::default());
        let (verdicts_tx, verdicts_rx) = mpsc::channel();
        let (done_tx, done_rx) = mpsc::channel();
        let writer = Writer {
            desk: Arc::clone(&desk),
            dir: dir.to_owned(),
            logs: logs.to_owned(),
            run: RunKey::new(flake.clone()),
            flake,
            warn: Arc::clone(warn),
            set_aside: false,
        };
        let thread = thread::Builder::new()
            .name("nixci-history".into())
            .spawn(move || {
                writer.run(&verdicts_tx);
                drop(done_tx);
            });
        if let Err(error) = &thread {
            desk.inbox().is_closed = true;
            warn(format!("this run is not recorded: no thread: {error}"));
        }
        Self {
            desk,
            verdicts_rx: Mutex::new(verdicts_rx),
            done_rx: Mutex::new(done_rx),
        }
    }

    /// How each check of the flake, by its attribute path below the flake's outputs, ended when it last passed or
    /// failed. Waits for the database, but not for long; to be called once.
    /// `None` if it cannot be read, or not soon.
    pub fn verdicts(&self) -> Option<HashMap<String, Outcome>> {
        let verdicts_rx = self.verdicts_rx.lock();
        let verdicts_rx = verdicts_rx.unwrap_or_else(PoisonError::into_inner);
        verdicts_rx.recv_timeout(ANSWER_LIMIT).ok()
    }

    /// Takes note of an event.
    pub fn note(&self, event: &Event) {
        if let Some(row) = Row::of(event) {
            self.desk.add(row);
        }
    }

    /// Makes the place for logs that are too short for a file of their own.
    pub fn short_logs(&self) -> ShortLogs {
        let desk = Arc::clone(&self.desk);
        Box::new(move |drv_path, text| {
            desk.add(Row::StepLog {
                drv_path: drv_path.to_string(),
                text,
            });
        })
    }

    /// Makes the question how long steps of these names and systems may take; it can be asked from anywhere.
    pub fn expected(
        &self,
    ) -> impl Fn(Vec<(String, System)>) -> ExpectedAnswer + Send + Sync + 'static {
        let desk = Arc::clone(&self.desk);
        move |steps| {
            let (answer_tx, answer_rx) = oneshot::channel();
            let mut inbox = desk.inbox();
            if !inbox.is_closed {
                inbox.questions.push(Question { steps, answer_tx });
                desk.arrived.notify_one();
            }
            Box::pin(async move {
                match tokio::time::timeout(ANSWER_LIMIT, answer_rx).await {
                    Ok(Ok(answer)) => answer,
                    Ok(Err(_)) | Err(_) => Vec::new(),
                }
            })
        }
    }

    /// Writes what is left, and ends. Where that takes too long, as on a disk that does not answer, it is left to itself.
    /// A run that is stopped at once need not call it.
    pub fn finish(self) {
        self.desk.inbox().is_last = true;
        self.desk.arrived.notify_one();
        let done_rx = self.done_rx.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = done_rx.recv_timeout(FINISH_LIMIT);
    }
}

/// The answer to a question about durations, in the order of the question; empty where nothing is known.
pub type ExpectedAnswer = std::pin::Pin<Box<dyn Future<Output = Vec<Option<Duration>>> + Send>>;

/// What the thread has.
struct Writer {
    desk: Arc<Desk>,
    dir: PathBuf,
    logs: PathBuf,
    run: RunKey,
    flake: String,
    warn: Warn,
    /// Whether a damaged database was set aside already; one that is damaged again is not worth a third.
    set_aside: bool,
}

impl Writer {
    fn run(mut self, verdicts_tx: &mpsc::Sender<HashMap<String, Outcome>>) {
        if let Err(error) = self.record(verdicts_tx) {
            (self.warn)(format!("this run is not recorded: {error}"));
        }
        let mut inbox = self.desk.inbox();
        *inbox = Inbox {
            is_closed: true,
            ..Inbox::default()
        };
    }

    fn record(
        &mut self,
        verdicts_tx: &mpsc::Sender<HashMap<String, Outcome>>,
    ) -> Result<(), HistoryError> {
        let (mut database, aside) = Database::open(&self.dir)?;
        self.say_aside(aside);
        let verdicts = self.careful(&mut database, |this, database| {
            read_verdicts(database, &this.flake)
        })?;
        let _ = verdicts_tx.send(verdicts);
        self.careful(&mut database, |this, database| {
            let now = millis_of(Timestamp::now());
            prune(
                &database.connection,
                &this.dir,
                &this.logs,
                &this.flake,
                now,
            )
        })?;
        loop {
            let (rows, questions, is_last) = self.take();
            for question in questions {
                let answer = self.careful(&mut database, |_, database| {
                    let one = |(name, system): &(String, System)| {
                        duration::expected(&database.connection, name, system.as_str())
                    };
                    question.steps.iter().map(one).collect()
                })?;
                let _ = question.answer_tx.send(answer);
            }
            self.careful(&mut database, |this, database| {
                this.run.write(&mut database.connection, &rows)
            })?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Waits until there is something to do. Rows wait a moment for others, questions do not.
    fn take(&self) -> (Vec<Row>, Vec<Question>, bool) {
        let mut inbox = self.desk.inbox();
        let mut since = None;
        loop {
            let waited = since.map(|since: Instant| since.elapsed());
            if inbox.is_last
                || !inbox.questions.is_empty()
                || waited.is_some_and(|waited| waited >= BATCH_DELAY)
            {
                break;
            }
            inbox = if inbox.rows.is_empty() {
                let woken = self.desk.arrived.wait(inbox);
                woken.unwrap_or_else(PoisonError::into_inner)
            } else {
                since.get_or_insert_with(Instant::now);
                let left = BATCH_DELAY.saturating_sub(waited.unwrap_or_default());
                let woken = self.desk.arrived.wait_timeout(inbox, left);
                woken.unwrap_or_else(PoisonError::into_inner).0
            };
        }
        // Whoever waits for an answer does not wait for rows to be written.
        let rows = if inbox.questions.is_empty() || inbox.is_last {
            std::mem::take(&mut inbox.rows)
        } else {
            Vec::new()
        };
        (rows, std::mem::take(&mut inbox.questions), inbox.is_last)
    }

    /// Does something with the database, and once more where another run holds it or, on a new one, where it is damaged.
    fn careful<T>(
        &mut self,
        database: &mut Database,
        mut act: impl FnMut(&mut Self, &mut Database) -> rusqlite::Result<T>,
    ) -> Result<T, HistoryError> {
        let error = match act(self, database) {
            Ok(done) => return Ok(done),
            Err(error) => database.failed(error),
        };
        if error.is_damage() && !self.set_aside {
            let aside = database.replace()?;
            self.say_aside(aside);
            self.run
                .move_to(&mut database.connection)
                .map_err(|error| database.failed(error))?;
        } else if !error.is_busy() {
            return Err(error);
        }
        act(self, database).map_err(|error| database.failed(error))
    }

    fn say_aside(&mut self, aside: Option<PathBuf>) {
        if let Some(aside) = aside {
            self.set_aside = true;
            (self.warn)(format!(
                "the history of earlier runs was damaged: it is now {}, and a new one begins",
                aside.display()
            ));
        }
    }
}

fn read_verdicts(database: &Database, flake: &str) -> rusqlite::Result<HashMap<String, Outcome>> {
    database
        .connection
        .prepare("SELECT path, outcome FROM verdicts WHERE flake = ?1")?
        .query_map([flake], |row| {
            let outcome: String = row.get(1)?;
            Ok((row.get(0)?, Outcome::parse(&outcome)))
        })?
        .filter_map(|row| {
            row.map(|(path, outcome)| Some((path, outcome?)))
                .transpose()
        })
        .collect()
}

#[cfg(test)]
mod tests;
