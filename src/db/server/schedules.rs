//! What is built again and again, and how far that is.

use rusqlite::{Connection, Row, params};

use super::{
    database::{DbError, ServerDb},
    repositories::RepositoryId,
    run::RunId,
};
use crate::config::Cron;

/// Who says that something is built again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScheduleOrigin {
    /// The server's settings.
    Server,
    /// The repository itself.
    Repository,
}

impl ScheduleOrigin {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Repository => "repository",
        }
    }
}

/// What a schedule of a repository is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScheduleKey {
    /// The repository.
    pub repository: RepositoryId,
    /// Who says so.
    pub origin: ScheduleOrigin,
    /// What it is called.
    pub name: String,
}

/// A schedule of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleRow {
    /// What it is known by.
    pub key: ScheduleKey,
    /// When it is time.
    pub cron: String,
    /// The branch that is built.
    pub branch: String,
    /// All of its times until then are dealt with; in milliseconds since 1970.
    pub done_until: i64,
    /// The run that came of it last.
    pub run: Option<RunId>,
    /// Why nothing came of it the last time.
    pub problem: Option<String>,
}

impl ScheduleRow {
    /// When it is time next, in milliseconds since 1970; in the past where it is time now.
    pub fn next(&self) -> Option<i64> {
        Cron::parse(&self.cron).ok()?.next_after(self.done_until)
    }
}

const COLUMNS: &str = "repository, origin, name, cron, branch, done_until, run, problem";

fn of_row(row: &Row<'_>) -> rusqlite::Result<ScheduleRow> {
    let origin: String = row.get(1)?;
    let origin = match origin.as_str() {
        "server" => ScheduleOrigin::Server,
        _ => ScheduleOrigin::Repository,
    };
    Ok(ScheduleRow {
        key: ScheduleKey {
            repository: RepositoryId(row.get(0)?),
            origin,
            name: row.get(2)?,
        },
        cron: row.get(3)?,
        branch: row.get(4)?,
        done_until: row.get(5)?,
        run: row.get::<_, Option<_>>(6)?.map(RunId),
        problem: row.get(7)?,
    })
}

impl ServerDb {
    /// All schedules of a repository, or of all repositories.
    pub async fn schedules(
        &self,
        repository: Option<RepositoryId>,
    ) -> Result<Vec<ScheduleRow>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM schedules WHERE ?1 IS NULL OR repository = ?1 ORDER BY repository, origin DESC, name"
                ))?
                .query_map([repository.map(|id| id.0)], of_row)?
                .collect()
        })
        .await
    }

    /// Forgets schedules, and puts others in the place of those that are known by the same.
    pub async fn change_schedules(
        &self,
        gone: Vec<ScheduleKey>,
        put: Vec<ScheduleRow>,
    ) -> Result<(), DbError> {
        if gone.is_empty() && put.is_empty() {
            return Ok(());
        }
        self.write(move |connection| {
            let mut forget = connection.prepare_cached(
                "DELETE FROM schedules WHERE repository = ?1 AND origin = ?2 AND name = ?3",
            )?;
            for key in &gone {
                forget.execute(params![key.repository.0, key.origin.as_str(), key.name])?;
            }
            let mut insert = connection.prepare_cached(&format!(
                "INSERT OR REPLACE INTO schedules ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            ))?;
            for row in &put {
                insert.execute(params![
                    row.key.repository.0,
                    row.key.origin.as_str(),
                    row.key.name,
                    row.cron,
                    row.branch,
                    row.done_until,
                    row.run.map(|run| run.0),
                    row.problem
                ])?;
            }
            Ok(())
        })
        .await
    }

    /// Notes why nothing comes of a schedule. With a time, in milliseconds since 1970, it is not tried again for what was
    /// due until then.
    pub async fn schedule_failed(
        &self,
        key: ScheduleKey,
        problem: String,
        done_until: Option<i64>,
    ) -> Result<(), DbError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE schedules SET problem = ?4, done_until = coalesce(?5, done_until)
                     WHERE repository = ?1 AND origin = ?2 AND name = ?3",
                )?
                .execute(params![
                    key.repository.0,
                    key.origin.as_str(),
                    key.name,
                    problem,
                    done_until
                ])?;
            Ok(())
        })
        .await
    }
}

/// Notes what came of a schedule: this run, or none where one goes on already.
pub(super) fn carried_out(
    connection: &Connection,
    key: &ScheduleKey,
    run: Option<RunId>,
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE schedules SET done_until = ?4, run = coalesce(?5, run), problem = NULL
             WHERE repository = ?1 AND origin = ?2 AND name = ?3",
        )?
        .execute(params![
            key.repository.0,
            key.origin.as_str(),
            key.name,
            now,
            run.map(|run| run.0)
        ])?;
    Ok(())
}
