//! Opens the database: makes it, brings it up to date, and sets a damaged one aside.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

/// The database's file below the folder.
const FILE: &str = "history.sqlite";
/// Held while the database is opened, made, brought up to date or set aside.
const LOCK_FILE: &str = "history.lock";
/// What the tables look like, oldest version first; never changed once released, only added to. What a new one needs
/// besides: `dev/fill-database history`.
const MIGRATIONS: [&str; 1] = [include_str!("schema-1.sql")];
/// How long to wait while another run writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A folder or file cannot be made, read or renamed.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite refuses.
    #[error("{}: {source}", path.display())]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It is of a later version than this program knows.
    #[error("{} is of version {found}, made by a newer nixci; this one knows {}", path.display(), MIGRATIONS.len())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: usize,
    },
}

impl HistoryError {
    /// Whether the database is damaged, so that nothing can be done with it any more.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
            ),
            Self::File { .. } | Self::Newer { .. } => false,
        }
    }

    /// Whether it is only taken at the moment.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            Self::Sqlite { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            ),
            Self::File { .. } | Self::Newer { .. } => false,
        }
    }
}

/// An open database in its folder.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    dir: PathBuf,
}

impl Database {
    /// Opens the database below a folder; makes both where they are not there. A damaged one is set aside: then where
    /// it went comes back, too.
    pub(super) fn open(dir: &Path) -> Result<(Self, Option<PathBuf>), HistoryError> {
        // Names and logs of private projects are nobody else's business.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| HistoryError::File {
                path: dir.to_owned(),
                source,
            })?;
        match connect(dir) {
            Err(error) if error.is_damage() => {
                let aside = set_aside(dir)?;
                Ok((Self::new(connect(dir)?, dir), aside))
            }
            connected => Ok((Self::new(connected?, dir), None)),
        }
    }

    /// Opens the database below a folder if it is there.
    pub(super) fn open_existing(
        dir: &Path,
    ) -> Result<Option<(Self, Option<PathBuf>)>, HistoryError> {
        if dir.join(FILE).exists() {
            Self::open(dir).map(Some)
        } else {
            Ok(None)
        }
    }

    fn new(connection: Connection, dir: &Path) -> Self {
        Self {
            connection,
            dir: dir.to_owned(),
        }
    }

    /// Sets the database aside and makes a new one in its place. Returns where the old one went, unless another run was
    /// quicker.
    pub(super) fn replace(&mut self) -> Result<Option<PathBuf>, HistoryError> {
        let aside = set_aside(&self.dir)?;
        self.connection = connect(&self.dir)?;
        Ok(aside)
    }

    /// Says which database SQLite complains about.
    pub(super) fn failed(&self, source: rusqlite::Error) -> HistoryError {
        failed(&self.dir)(source)
    }
}

fn failed(dir: &Path) -> impl Fn(rusqlite::Error) -> HistoryError {
    move |source| HistoryError::Sqlite {
        path: dir.join(FILE),
        source,
    }
}

fn connect(dir: &Path) -> Result<Connection, HistoryError> {
    // A mere look at a database that somebody else makes at the moment disturbs him.
    let _lock = lock(dir)?;
    let connection = connect_to(&dir.join(FILE)).map_err(failed(dir))?;
    if version(&connection, dir)? == MIGRATIONS.len() {
        return Ok(connection);
    }
    migrate(connection, dir)
}

fn connect_to(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Moving everything out of the write-ahead log waits for the disk: left to the rare run that finds it long.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "normal")?;
    Ok(connection)
}

fn version(connection: &Connection, dir: &Path) -> Result<usize, HistoryError> {
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed(dir))?;
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > MIGRATIONS.len() {
        return Err(HistoryError::Newer {
            path: dir.join(FILE),
            found: version,
        });
    }
    Ok(version)
}

/// Brings the database up to date; only under the lock.
fn migrate(mut connection: Connection, dir: &Path) -> Result<Connection, HistoryError> {
    let failed = failed(dir);
    connection
        .pragma_update(None, "journal_mode", "wal")
        .map_err(&failed)?;
    let transaction = connection.transaction().map_err(&failed)?;
    for migration in &MIGRATIONS[version(&transaction, dir)?..] {
        transaction.execute_batch(migration).map_err(&failed)?;
    }
    let to_version = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    transaction
        .pragma_update(None, "user_version", to_version)
        .map_err(&failed)?;
    transaction.commit().map_err(&failed)?;
    Ok(connection)
}

/// Waits for the lock of the folder, which goes when the file is closed.
fn lock(dir: &Path) -> Result<File, HistoryError> {
    let path = dir.join(LOCK_FILE);
    let locked = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| HistoryError::File { path, source })
}

/// Renames a damaged database with what belongs to it. `None`: somebody else has done so meanwhile.
fn set_aside(dir: &Path) -> Result<Option<PathBuf>, HistoryError> {
    let _lock = lock(dir)?;
    match connect_to(&dir.join(FILE))
        .map_err(failed(dir))
        .and_then(|connection| check(&connection, dir))
    {
        Ok(()) => return Ok(None),
        Err(error) if error.is_damage() => {}
        Err(error) => return Err(error),
    }
    let seconds = Timestamp::now().as_second();
    let mut aside = dir.join(format!("{FILE}.corrupt-{seconds}"));
    for n in 1.. {
        if !aside.exists() {
            break;
        }
        aside = dir.join(format!("{FILE}.corrupt-{seconds}-{n}"));
    }
    for ending in ["", "-wal", "-shm"] {
        let path = dir.join(format!("{FILE}{ending}"));
        let mut to = aside.clone().into_os_string();
        to.push(ending);
        match fs::rename(&path, to) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(HistoryError::File { path, source });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(Some(aside))
}

/// Looks through the whole database.
fn check(connection: &Connection, dir: &Path) -> Result<(), HistoryError> {
    let verdict: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(failed(dir))?;
    if verdict == "ok" {
        return Ok(());
    }
    let damage = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(failed(dir)(rusqlite::Error::SqliteFailure(
        damage,
        Some(verdict),
    )))
}

#[cfg(test)]
mod tests;
