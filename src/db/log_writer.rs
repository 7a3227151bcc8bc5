//! Writes what builds say into files, on a thread of its own.
//!
//! A build's line is only copied into memory here; the thread appends what has gathered to the files ten times a second,
//! so that whoever reads them sees a build go on. For its first second that is put off: most short builds need no file. A disk that is slow, full or not there costs lines, never time.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    mem,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::{ShortLogs, Warn, recorder::FINISH_LIMIT};
use crate::{event::LogFolder, nix::StorePath};

/// How often the files are written.
const DELAY: Duration = Duration::from_millis(100);
/// How much may wait for the disk, in bytes, all builds together.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// How much is worth not waiting for the next time, in bytes.
const WAITING_BYTES_MANY: usize = 1 << 20;
/// How much of one build's log is kept, in bytes.
const LOG_BYTES_MAX: u64 = 64 << 20;
/// How long a log may be that gets no file, in bytes: making one costs more than a build that short.
const SHORT_BYTES_MAX: usize = 2048;
/// How long it is waited whether a log stays that short.
const SHORT_FOR: Duration = Duration::from_secs(1);
/// How much of all logs of a run is kept, in bytes.
const RUN_BYTES_MAX: u64 = 1 << 30;

/// Writes the logs of one run.
pub struct LogWriter {
    desk: Arc<Desk>,
    /// Says by its end that the thread is done.
    done_rx: Mutex<mpsc::Receiver<()>>,
    next: AtomicU64,
}

#[derive(Default)]
struct Desk {
    inbox: Mutex<Inbox>,
    arrived: Condvar,
}

#[derive(Default)]
struct Inbox {
    /// What gathered since the thread looked last, by attempt.
    logs: HashMap<u64, Gathered>,
    bytes: usize,
    is_last: bool,
    /// Nobody takes anything out any more.
    is_closed: bool,
}

/// What one attempt at a build said since the thread looked last.
struct Gathered {
    drv_path: StorePath,
    /// When its first line came.
    since: Instant,
    text: Vec<u8>,
    /// Lines for which there was no room.
    dropped: u64,
    is_over: bool,
    is_passed: bool,
}

impl Inbox {
    /// Takes back what was not written.
    fn put_back(&mut self, attempt: u64, mut log: Gathered) {
        self.bytes += log.text.len();
        if let Some(newer) = self.logs.remove(&attempt) {
            log.text.extend(newer.text);
            log = Gathered {
                text: log.text,
                since: log.since,
                ..newer
            };
        }
        self.logs.insert(attempt, log);
    }
}

impl Desk {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogWriter {
    /// Starts the thread. Folder and files are made when there is something to write; `short_logs` takes the logs of
    /// builds that passed at once with few words.
    pub fn start(folder: LogFolder, short_logs: ShortLogs, warn: &Warn) -> Self {
        let desk = Arc::new(Desk::default());
        let files = Files {
            folder,
            open: HashMap::new(),
            bytes: 0,
        };
        let (done_tx, done_rx) = mpsc::channel();
        let thread = {
            let (desk, warn) = (Arc::clone(&desk), Arc::clone(warn));
            thread::Builder::new()
                .name("nixci-logs".into())
                .spawn(move || {
                    write_all(&desk, files, &short_logs, &warn);
                    drop(done_tx);
                })
        };
        if let Err(error) = &thread {
            desk.inbox().is_closed = true;
            warn(format!("no logs are kept: no thread: {error}"));
        }
        Self {
            desk,
            done_rx: Mutex::new(done_rx),
            next: AtomicU64::new(0),
        }
    }

    /// Begins the log of an attempt at a build: in place of what an earlier attempt said.
    pub fn begin(&self, drv_path: &StorePath) -> LogSink {
        LogSink {
            desk: Arc::clone(&self.desk),
            attempt: self.next.fetch_add(1, Ordering::Relaxed),
            drv_path: drv_path.clone(),
            has_lines: false,
            is_passed: false,
        }
    }

    /// Writes what is left, and ends; not for ever on a disk that does not answer.
    pub fn finish(&self) {
        self.desk.inbox().is_last = true;
        self.desk.arrived.notify_one();
        let done_rx = self.done_rx.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = done_rx.recv_timeout(FINISH_LIMIT);
    }
}

/// Takes the lines of one attempt at a build. The log is whole when it is dropped.
pub struct LogSink {
    desk: Arc<Desk>,
    attempt: u64,
    drv_path: StorePath,
    has_lines: bool,
    is_passed: bool,
}

impl LogSink {
    /// Notes that the build passed, so that nobody will be in a hurry to see its log.
    pub fn passed(&mut self) {
        self.is_passed = true;
    }

    /// Adds a line, which has no end of its own.
    pub fn line(&mut self, line: &str) {
        self.has_lines = true;
        self.gather(|log, room| {
            if line.len() < room {
                log.text.extend_from_slice(line.as_bytes());
                log.text.push(b'\n');
                line.len() + 1
            } else {
                log.dropped += 1;
                0
            }
        });
    }

    fn gather(&self, add: impl FnOnce(&mut Gathered, usize) -> usize) {
        let mut inbox = self.desk.inbox();
        if inbox.is_closed {
            return;
        }
        let (was_empty, before) = (inbox.logs.is_empty(), inbox.bytes);
        let log = inbox.logs.entry(self.attempt).or_insert_with(|| Gathered {
            drv_path: self.drv_path.clone(),
            since: Instant::now(),
            text: Vec::new(),
            dropped: 0,
            is_over: false,
            is_passed: false,
        });
        let after = before + add(log, WAITING_BYTES_MAX - before);
        inbox.bytes = after;
        if was_empty || (before < WAITING_BYTES_MANY && after >= WAITING_BYTES_MANY) {
            self.desk.arrived.notify_one();
        }
    }
}

impl Drop for LogSink {
    fn drop(&mut self) {
        if self.has_lines {
            self.gather(|log, _| {
                log.is_over = true;
                log.is_passed = self.is_passed;
                0
            });
        }
    }
}

fn write_all(desk: &Desk, mut files: Files, short_logs: &ShortLogs, warn: &Warn) {
    loop {
        let mut inbox = desk.inbox();
        while inbox.logs.is_empty() && !inbox.is_last {
            let woken = desk.arrived.wait(inbox);
            inbox = woken.unwrap_or_else(PoisonError::into_inner);
        }
        if inbox.bytes < WAITING_BYTES_MANY && !inbox.is_last {
            let woken = desk.arrived.wait_timeout(inbox, DELAY);
            inbox = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        inbox.bytes = 0;
        let gathered = mem::take(&mut inbox.logs);
        let is_last = inbox.is_last;
        drop(inbox);
        let mut put_back_bytes = 0;
        for (attempt, log) in gathered {
            // So many that they are worth not waiting for are written.
            let has_room = put_back_bytes + log.text.len() < WAITING_BYTES_MANY / 2;
            if !is_last && has_room && files.may_stay_short(attempt, &log) {
                put_back_bytes += log.text.len();
                desk.inbox().put_back(attempt, log);
                continue;
            }
            if files.is_short(attempt, &log) {
                short_logs(&log.drv_path, log.text);
                continue;
            }
            if let Err(error) = files.append(attempt, &log) {
                let folder = files.folder.path().display();
                warn(format!(
                    "the logs of builds are not kept below {folder}: {error}"
                ));
                *desk.inbox() = Inbox {
                    is_closed: true,
                    ..Inbox::default()
                };
                return;
            }
        }
        if is_last {
            return;
        }
    }
}

/// The files of attempts that go on.
struct Files {
    folder: LogFolder,
    open: HashMap<u64, Log>,
    /// Bytes written in all.
    bytes: u64,
}

struct Log {
    file: File,
    bytes: u64,
    is_full: bool,
}

impl Files {
    /// Whether this is the whole log of a build that passed, and not worth a file.
    fn is_short(&self, attempt: u64, log: &Gathered) -> bool {
        log.is_over
            && log.is_passed
            && log.dropped == 0
            && log.text.len() <= SHORT_BYTES_MAX
            && !self.open.contains_key(&attempt)
    }

    /// Whether this may become such a log.
    fn may_stay_short(&self, attempt: u64, log: &Gathered) -> bool {
        !log.is_over
            && log.dropped == 0
            && log.text.len() <= SHORT_BYTES_MAX
            && log.since.elapsed() < SHORT_FOR
            && !self.open.contains_key(&attempt)
    }

    fn append(&mut self, attempt: u64, gathered: &Gathered) -> io::Result<()> {
        let log = match self.open.entry(attempt) {
            std::collections::hash_map::Entry::Occupied(log) => log.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let path = self.folder.file(&gathered.drv_path);
                place.insert(Log {
                    file: create(&path, self.folder.path())?,
                    bytes: 0,
                    is_full: false,
                })
            }
        };
        if !log.is_full {
            let room = (LOG_BYTES_MAX - log.bytes).min(RUN_BYTES_MAX.saturating_sub(self.bytes));
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let mut text = gathered.text.as_slice();
            if text.len() > room {
                // Whole lines only.
                let end = text[..room].iter().rposition(|b| *b == b'\n');
                text = &text[..end.map_or(0, |end| end + 1)];
                log.is_full = true;
            }
            log.file.write_all(text)?;
            log.bytes += text.len() as u64;
            self.bytes += text.len() as u64;
            if log.is_full {
                log.file
                    .write_all(b"[nixci] the rest of this log was too long to be kept\n")?;
            } else if gathered.dropped > 0 {
                let dropped = gathered.dropped;
                writeln!(log.file, "[nixci] {dropped} lines came too fast to be kept")?;
            }
        }
        if gathered.is_over {
            self.open.remove(&attempt);
        }
        Ok(())
    }
}

fn create(path: &PathBuf, folder: &std::path::Path) -> io::Result<File> {
    match File::create(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            File::create(path)
        }
        file => file,
    }
}

#[cfg(test)]
mod tests;
