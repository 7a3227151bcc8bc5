//! The commands that are run after checks have passed.
//!
//! A row is there before its command begins. One without an outcome was cut short, and is begun again with its run.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    database::{DbError, ServerDb},
    run::RunId,
    run_queries::overtaken_by,
};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostBuildOutcome {
    /// It did what it should.
    Passed,
    /// It did not.
    Failed,
    /// It took too long.
    TimedOut,
    /// The run was stopped.
    Cancelled,
}

impl PostBuildOutcome {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Passed, Self::Failed, Self::TimedOut, Self::Cancelled]
            .into_iter()
            .find(|outcome| outcome.as_str() == text)
    }
}

/// A command that is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPostBuild {
    /// Its run.
    pub run: RunId,
    /// The attribute path of its check below the flake's outputs.
    pub path: String,
    /// What the step is called.
    pub name: String,
    /// A digest of all it is given but for its secrets.
    pub digest: String,
    /// Whether its failure changes nothing.
    pub warn_only: bool,
}

/// Whether a command is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is, under this number.
    Now(i64),
    /// The last run of the ref did the very same: this one.
    DoneIn(RunId),
    /// It is not: its ref was moved on, and what this run was for is that one's.
    Overtaken(RunId),
}

/// A command that was run, or is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostBuildRow {
    /// Its number: of its page and its log.
    pub id: i64,
    /// What was known when it began.
    pub new: NewPostBuild,
    /// How it ended; `None`: it is not over, or was cut short.
    pub outcome: Option<PostBuildOutcome>,
    /// Why it did not do what it should.
    pub reason: Option<String>,
    /// The run that did the very same before, so that nothing was done.
    pub done_in: Option<RunId>,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// How long it took, in milliseconds.
    pub duration: Option<i64>,
}

const COLUMNS: &str =
    "id, run, path, name, digest, warn_only, outcome, reason, done_in, started_at, duration";

fn of_row(row: &Row<'_>) -> rusqlite::Result<PostBuildRow> {
    let outcome: Option<String> = row.get(6)?;
    Ok(PostBuildRow {
        id: row.get(0)?,
        new: NewPostBuild {
            run: RunId(row.get(1)?),
            path: row.get(2)?,
            name: row.get(3)?,
            digest: row.get(4)?,
            warn_only: row.get(5)?,
        },
        outcome: outcome.as_deref().and_then(PostBuildOutcome::parse),
        reason: row.get(7)?,
        done_in: row.get::<_, Option<_>>(8)?.map(RunId),
        started_at: row.get(9)?,
        duration: row.get(10)?,
    })
}

impl ServerDb {
    /// Notes that a command begins, unless the ref of its run was moved on, or it did the very same before: in an earlier attempt of this run, or, if
    /// `once`, when it was run last for this check and ref.
    pub async fn begin_post_build(&self, new: NewPostBuild, once: bool) -> Result<Begun, DbError> {
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            if let Some(newer) = overtaken_by(connection, new.run)? {
                return Ok(Begun::Overtaken(newer));
            }
            let last = last(connection, &new)?;
            let same = last.filter(|last| {
                last.outcome == Some(PostBuildOutcome::Passed)
                    && last.new.digest == new.digest
                    && (once || last.new.run == new.run)
            });
            let done_in = same.as_ref().map(|last| last.done_in.unwrap_or(last.new.run));
            if let Some(done_in) = done_in
                && same.is_some_and(|last| last.new.run == new.run)
            {
                // Its row and its log are there.
                return Ok(Begun::DoneIn(done_in));
            }
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO post_builds (run, path, name, digest, warn_only, outcome, done_in, started_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    new.run.0,
                    new.path,
                    new.name,
                    new.digest,
                    new.warn_only,
                    done_in.map(|_| PostBuildOutcome::Passed.as_str()),
                    done_in.map(|run| run.0),
                    now
                ])?;
            Ok(done_in.map_or_else(|| Begun::Now(connection.last_insert_rowid()), Begun::DoneIn))
        })
        .await
    }

    /// Notes how a command ended.
    pub async fn end_post_build(
        &self,
        id: i64,
        outcome: PostBuildOutcome,
        mut reason: Option<String>,
    ) -> Result<(), DbError> {
        self.clean(&mut reason);
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE post_builds SET outcome = ?2, reason = ?3, duration = ?4 - started_at WHERE id = ?1",
                )?
                .execute(params![id, outcome.as_str(), reason, now])?;
            Ok(())
        })
        .await
    }

    /// The commands of a run, by check and in the order in which they began.
    pub async fn post_builds_of(&self, run: RunId) -> Result<Vec<PostBuildRow>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM post_builds WHERE run = ?1 ORDER BY path, id"
                ))?
                .query_map([run.0], of_row)?
                .collect()
        })
        .await
    }

    /// The command of this number.
    pub async fn post_build(&self, id: i64) -> Result<Option<PostBuildRow>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM post_builds WHERE id = ?1"))?
                .query_row([id], of_row)
                .optional()
        })
        .await
    }
}

/// The newest row of the same step, check and ref.
fn last(connection: &Connection, new: &NewPostBuild) -> rusqlite::Result<Option<PostBuildRow>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM post_builds p WHERE path = ?2 AND name = ?3 AND EXISTS
             (SELECT 1 FROM runs r, runs own WHERE r.id = p.run AND own.id = ?1
              AND r.repository = own.repository AND r.git_ref = own.git_ref)
             ORDER BY id DESC LIMIT 1"
        ))?
        .query_row(params![new.run.0, new.path, new.name], of_row)
        .optional()
}
