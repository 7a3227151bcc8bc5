//! What earlier runs left behind, for those who ask afterwards.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row};
use rustix::process::{Pid, test_kill_process};

use super::{HistoryError, open::Database};
use crate::{
    event::{Outcome, RunOutcome},
    nix::StorePath,
};

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id.
    pub run: String,
    /// When it began.
    pub at: Timestamp,
    /// The attribute below the flake's outputs.
    pub attribute: String,
    /// The commit and whether the tree was dirty, where known.
    pub revision: Option<String>,
    /// How it ended; `None`: it goes on, or was killed.
    pub outcome: Option<RunOutcome>,
    /// Whether it goes on.
    pub is_running: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How many checks passed, failed, and ended otherwise.
    pub counts: Option<(u64, u64, u64)>,
}

/// One check of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRecord {
    /// The run.
    pub run: RunRecord,
    /// The attribute path below the flake's outputs.
    pub path: String,
    /// Its derivation; absent where its evaluation failed.
    pub drv_path: Option<StorePath>,
    /// How it ended; `None`: it goes on, or its run was killed.
    pub outcome: Option<Outcome>,
    /// How long its own step ran, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The derivation whose failure is the cause, where it is another one.
    pub cause: Option<StorePath>,
    /// The phase in which its own step or the cause failed.
    pub phase: Option<String>,
    /// Why, in words.
    pub reason: Option<String>,
}

/// One step of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// The id of the run.
    pub run: String,
    /// What its build wrote, where that was too short for a file.
    pub short_log: Option<Vec<u8>>,
}

const RUN_COLUMNS: &str = "runs.run, started_at, attribute, revision, runs.outcome, process, runs.duration, \
     passed, failed, others";
const CHECK_COLUMNS: &str = "checks.path, checks.drv_path, checks.outcome, checks.duration, checks.cause, \
     checks.reason, (SELECT phase FROM steps WHERE steps.run = runs.id \
     AND steps.drv_path = coalesce(checks.cause, checks.drv_path))";

/// The database, to be asked.
pub struct History {
    database: Database,
}

impl History {
    /// Opens the database below a folder. `None` if there is none, as before the first run. Where a damaged one was set
    /// aside, where it went comes back too.
    ///
    /// # Errors
    ///
    /// The database is of a newer version, or cannot be read.
    pub fn open(dir: &Path) -> Result<Option<(Self, Option<PathBuf>)>, HistoryError> {
        let opened = Database::open_existing(dir)?;
        Ok(opened.map(|(database, aside)| (Self { database }, aside)))
    }

    /// The newest runs of a flake, newest first.
    pub fn runs(&self, flake: &str, limit: u32) -> Result<Vec<RunRecord>, HistoryError> {
        let sql = format!(
            "SELECT {RUN_COLUMNS} FROM runs WHERE flake = ?1 ORDER BY started_at DESC, id DESC LIMIT ?2"
        );
        self.all(&sql, (flake, limit), run_record)
    }

    /// The newest runs of a flake that had this check, newest first.
    pub fn runs_of_check(
        &self,
        flake: &str,
        path: &str,
        limit: u32,
    ) -> Result<Vec<CheckRecord>, HistoryError> {
        let sql = format!(
            "SELECT {RUN_COLUMNS}, {CHECK_COLUMNS} FROM runs JOIN checks ON checks.run = runs.id \
             WHERE flake = ?1 AND path = ?2 ORDER BY started_at DESC, id DESC LIMIT ?3"
        );
        self.all(&sql, (flake, path, limit), check_record)
    }

    /// The attribute paths of all checks known of a flake, in order.
    pub fn check_paths(&self, flake: &str) -> Result<Vec<String>, HistoryError> {
        // A check that goes on for the first time has no verdict yet.
        let sql = "SELECT path FROM verdicts WHERE flake = ?1 UNION SELECT path FROM checks
                   WHERE run = (SELECT id FROM runs WHERE flake = ?1 ORDER BY started_at DESC LIMIT 1)
                   ORDER BY path";
        self.all(sql, [flake], |row| row.get(0))
    }

    /// The runs that had this derivation as a step, newest first.
    pub fn runs_of_step(&self, drv_path: &StorePath) -> Result<Vec<StepRecord>, HistoryError> {
        let sql = "SELECT runs.run, log FROM steps JOIN runs ON runs.id = steps.run
                   WHERE drv_path = ?1 ORDER BY started_at DESC";
        self.all(sql, [drv_path.as_str()], |row| {
            Ok(StepRecord {
                run: row.get(0)?,
                short_log: row.get(1)?,
            })
        })
    }

    /// The derivations that a run is obtaining now, sorted.
    pub fn running_steps(&self, run: &str) -> Result<Vec<StorePath>, HistoryError> {
        let sql = "SELECT drv_path FROM steps JOIN runs ON runs.id = steps.run
                   WHERE runs.run = ?1 AND steps.outcome IS NULL ORDER BY drv_path";
        let paths = self.all(sql, [run], |row| row.get::<_, String>(0))?;
        let paths = paths.iter().map(|path| StorePath::parse(path));
        Ok(paths.filter_map(Result::ok).collect())
    }

    /// A check of a run as it stands now.
    pub fn check(&self, run: &str, path: &str) -> Result<Option<CheckRecord>, HistoryError> {
        let sql = format!(
            "SELECT {RUN_COLUMNS}, {CHECK_COLUMNS} FROM runs JOIN checks ON checks.run = runs.id \
             WHERE runs.run = ?1 AND path = ?2"
        );
        self.database
            .connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_row((run, path), check_record).optional())
            .map_err(|error| self.database.failed(error))
    }

    fn all<T, P: rusqlite::Params>(
        &self,
        sql: &str,
        params: P,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, HistoryError> {
        self.database
            .connection
            .prepare(sql)
            .and_then(|mut statement| statement.query_map(params, read)?.collect())
            .map_err(|error| self.database.failed(error))
    }
}

fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let outcome: Option<String> = row.get(4)?;
    let counts = [number(row, 7)?, number(row, 8)?, number(row, 9)?];
    Ok(RunRecord {
        run: row.get(0)?,
        at: Timestamp::from_millisecond(row.get(1)?).unwrap_or_default(),
        attribute: row.get(2)?,
        revision: row.get(3)?,
        is_running: outcome.is_none() && is_alive(row.get(5)?),
        outcome: outcome.as_deref().and_then(RunOutcome::parse),
        duration_ms: number(row, 6)?,
        counts: counts[0]
            .zip(counts[1])
            .zip(counts[2])
            .map(|((passed, failed), others)| (passed, failed, others)),
    })
}

fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = row.get(at)?;
    Ok(number.and_then(|number| u64::try_from(number).ok()))
}

fn check_record(row: &Row<'_>) -> rusqlite::Result<CheckRecord> {
    let path = |at: usize| -> rusqlite::Result<Option<StorePath>> {
        let text: Option<String> = row.get(at)?;
        Ok(text.and_then(|text| StorePath::parse(&text).ok()))
    };
    let outcome: Option<String> = row.get(12)?;
    Ok(CheckRecord {
        run: run_record(row)?,
        path: row.get(10)?,
        drv_path: path(11)?,
        outcome: outcome.as_deref().and_then(Outcome::parse),
        duration_ms: number(row, 13)?,
        cause: path(14)?,
        reason: row.get(15)?,
        phase: row.get(16)?,
    })
}

/// Whether a process is still there. Another one may have its number by now, which only makes somebody wait in vain.
pub(super) fn is_alive(process: i64) -> bool {
    i32::try_from(process)
        .ok()
        .and_then(Pid::from_raw)
        .is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}
