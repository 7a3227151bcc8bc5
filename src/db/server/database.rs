//! The server's database: one thread writes, a few connections read.
//!
//! Whoever writes waits until it is on disk. What comes while a transaction is being written makes the next one, so that
//! a thousand writers at once cost a few of the disk's round trips and not a thousand.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, config::DbConfig};
use tokio::sync::{Semaphore, oneshot};

use crate::redact::Redaction;

/// The database's file below the state folder.
const FILE: &str = "nixci.sqlite";
/// Held as long as a server uses the folder.
const LOCK_FILE: &str = "nixci.lock";
/// What the tables look like, oldest version first; never changed once released, only added to. What a new one needs
/// besides: `dev/fill-database server`.
const MIGRATIONS: [&str; 7] = [
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
    include_str!("schema-7.sql"),
];
/// How long to wait for another program that looks into the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How many connections read at once.
const READERS: usize = 4;
/// How many jobs one transaction has at most.
const BATCH_MAX: usize = 512;

/// Why the database does not do what it should.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DbError {
    /// A file cannot be made, opened or locked.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another server has the folder.
    #[error("{} is used by another nixci server", .0.display())]
    Taken(PathBuf),
    /// It was made by a later version of this program.
    #[error("{} is of version {found}, made by a newer nixci; this one knows {} at most: run the newer one, or put back a copy from before it", path.display(), MIGRATIONS.len())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: usize,
    },
    /// What was to be written with it made SQLite undo all of it.
    #[error("the database has undone it together with something else that could not be written")]
    Undone,
    /// The disk is full.
    #[error("the disk of the database is full")]
    Full,
    /// SQLite refuses.
    #[error("the database: {0}")]
    Sqlite(String),
    /// What is to be written does not fit the tables.
    #[error("the database does not take it: {0}")]
    Unfit(String),
    /// The thread that writes is gone.
    #[error("the database is closed")]
    Closed,
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                Self::Unfit(error.to_string())
            }
            Some(_) | None => Self::Sqlite(error.to_string()),
        }
    }
}

impl DbError {
    /// Whether it will be the same the next time.
    pub fn is_lasting(&self) -> bool {
        matches!(self, Self::Unfit(_) | Self::Closed)
    }
}

/// What is to be done in a transaction, or why there is none. Returns what tells whoever asked, once it is known whether
/// all of it is on disk.
type Job = Box<dyn FnOnce(Result<&Connection, DbError>) -> Tell + Send>;
type Tell = Box<dyn FnOnce(Result<(), DbError>) + Send>;

/// The database of a server. Clones are the same database.
#[derive(Clone)]
pub struct ServerDb {
    inner: Arc<Inner>,
    /// What no text for people has in it once it is here.
    redaction: Redaction,
}

struct Inner {
    jobs_tx: mpsc::Sender<Job>,
    readers: Mutex<Vec<Connection>>,
    reading: Arc<Semaphore>,
    path: PathBuf,
    /// How long writing takes, in seconds.
    write_times: Histogram,
    /// Keeps other servers out as long as it is open.
    _lock: File,
}

impl ServerDb {
    /// Opens the database of a state folder; makes both where they are not there, and brings it up to date.
    pub fn open(dir: &Path) -> Result<Self, DbError> {
        let file_error = |path: &Path, error: &io::Error| DbError::File {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| file_error(dir, &error))?;
        let lock_path = dir.join(LOCK_FILE);
        let lock = File::create(&lock_path).map_err(|error| file_error(&lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(DbError::Taken(dir.to_owned())),
            Err(fs::TryLockError::Error(error)) => return Err(file_error(&lock_path, &error)),
        }
        let path = dir.join(FILE);
        let mut writer = connect(&path, OpenFlags::default())?;
        migrate(&mut writer, &path, &MIGRATIONS)?;
        let readers = (0..READERS)
            .map(|_| open_reader(&path))
            .collect::<Result<_, _>>()?;
        let (jobs_tx, jobs_rx) = mpsc::channel();
        thread::Builder::new()
            .name("nixci-database".into())
            .spawn(move || write_all(&mut writer, &jobs_rx))
            .map_err(|error| file_error(&path, &error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                jobs_tx,
                readers: Mutex::new(readers),
                reading: Arc::new(Semaphore::new(READERS)),
                path,
                // From 0.25 ms to 4 s.
                write_times: Histogram::new(exponential_buckets(0.00025, 2.0, 15)),
                _lock: lock,
            }),
            redaction: Redaction::default(),
        })
    }

    /// Keeps these secrets out of texts for people.
    #[must_use]
    pub fn hiding(self, redaction: Redaction) -> Self {
        Self { redaction, ..self }
    }

    /// Takes secrets out of texts.
    pub(super) fn clean<'t>(&self, texts: impl IntoIterator<Item = &'t mut String>) {
        for text in texts {
            self.redaction.clean(text);
        }
    }

    /// Does something in a transaction of its own or together with others; returns when it is on disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbError> {
        let began = Instant::now();
        let (done_tx, done_rx) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let result = connection.and_then(|connection| Ok(in_savepoint(connection, act)?));
            Box::new(move |committed| {
                let _ = done_tx.send(result.and_then(|done| committed.map(|()| done)));
            })
        });
        self.inner.jobs_tx.send(job).map_err(|_| DbError::Closed)?;
        let done = done_rx.await.unwrap_or(Err(DbError::Closed));
        self.inner
            .write_times
            .observe(began.elapsed().as_secs_f64());
        done
    }

    /// How long changes take until they are on disk, in seconds.
    pub fn write_times(&self) -> Histogram {
        self.inner.write_times.clone()
    }

    /// Asks something; sees all that was written before.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DbError> {
        let reading = Arc::clone(&self.inner.reading);
        let permit = reading.acquire_owned().await;
        let permit = permit.map_err(|_| DbError::Closed)?;
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || {
            // Whoever asked may be gone by now: the next one comes when the connection is back.
            let _permit = permit;
            let readers = || inner.readers.lock().unwrap_or_else(PoisonError::into_inner);
            // One that broke down with whoever had it is gone.
            let connection = readers().pop();
            let connection = connection.map_or_else(|| open_reader(&inner.path), Ok)?;
            let result = ask(&connection).map_err(DbError::from);
            readers().push(connection);
            result
        })
        .await
        .map_err(|_| DbError::Closed)?
    }

    /// Returns once a row has gone through the thread that writes, and another was read.
    pub async fn answers(&self) -> Result<(), DbError> {
        self.write(|_| Ok(())).await?;
        self.read(|connection| {
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        })
        .await
    }

    /// Lets go of pages and statements that are kept for the next question.
    pub async fn give_back(&self) -> Result<(), DbError> {
        self.write(shrink).await?;
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || {
            // Those in use are used again soon.
            let readers = inner.readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.iter().try_for_each(shrink).map_err(DbError::from)
        })
        .await
        .map_err(|_| DbError::Closed)?
    }
}

/// Copies the database of this state folder, which a server may use, to a new file for its owner alone. What fails leaves no
/// file.
pub fn backup(state_dir: &Path, to: &Path) -> Result<(), DbError> {
    let file_error = |error: io::Error| DbError::File {
        path: to.to_owned(),
        reason: error.to_string(),
    };
    let connection = open_reader(&state_dir.join(FILE))?;
    // What is there already is somebody's, and stays.
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(file_error)?;
    let copied = connection
        .execute("VACUUM INTO ?1", [to.to_string_lossy()])
        .map_err(DbError::from)
        .and_then(|_| file.sync_all().map_err(file_error));
    if copied.is_err() {
        // The error that made it worthless says more than one about this.
        let _ = fs::remove_file(to);
    }
    copied
}

fn open_reader(path: &Path) -> Result<Connection, DbError> {
    connect(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, DbError> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| DbError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // What is written is on disk before anybody is told so: a forge does not say a thing twice. What is deleted is
    // overwritten: the bodies of webhooks have in them whatever people write into commits. The system keeps pages, too, so
    // that each connection needs few (in KiB).
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
         PRAGMA secure_delete = ON; PRAGMA cache_size = -512;",
    )?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn shrink(connection: &Connection) -> rusqlite::Result<()> {
    connection.flush_prepared_statement_cache();
    connection.execute_batch("PRAGMA shrink_memory")
}

/// Brings a database up to date, a version after the other, each wholly or not at all.
fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), DbError> {
    let found: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > migrations.len() {
        return Err(DbError::Newer {
            path: path.to_owned(),
            found,
        });
    }
    for (version, migration) in migrations.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// What fails leaves nothing behind and costs the others nothing.
fn in_savepoint<T>(
    connection: &Connection,
    act: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.execute_batch("SAVEPOINT job")?;
    let result = act(connection);
    if result.is_err() && connection.is_autocommit() {
        // SQLite has undone the whole transaction: there is nothing left to go back to.
        return result;
    }
    if result.is_err() {
        connection.execute_batch("ROLLBACK TO job")?;
    }
    connection.execute_batch("RELEASE job")?;
    result
}

fn write_all(connection: &mut Connection, jobs_rx: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs_rx.recv() {
        // Taken at once: another program that writes is waited for here, and not met half-way.
        let transaction = match connection.transaction_with_behavior(TransactionBehavior::Immediate)
        {
            Ok(transaction) => transaction,
            Err(error) => {
                first(Err(error.into()))(Ok(()));
                continue;
            }
        };
        let mut told = vec![first(Ok(&transaction))];
        // Some errors of a disk make SQLite undo the whole transaction. What came after that would stand by itself, and be
        // told that it does not.
        while !transaction.is_autocommit()
            && told.len() < BATCH_MAX
            && let Ok(job) = jobs_rx.try_recv()
        {
            told.push(job(Ok(&transaction)));
        }
        let committed = if transaction.is_autocommit() {
            Err(DbError::Undone)
        } else {
            transaction.commit().map_err(DbError::from)
        };
        for tell in told {
            tell(committed.clone());
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod versions;
