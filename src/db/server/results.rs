//! The checks and steps of runs.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::{Connection, Row, params};

use super::{
    database::{DbError, ServerDb},
    run::RunId,
    warnings::record_warning,
};
use crate::{
    db::duration,
    event::{Event, EventKind, Outcome},
    nix::System,
};

/// How long the error of an evaluation may be, in characters.
const REASON_CHARS_MAX: usize = 10_000;

/// A check of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRow {
    /// Its attribute path below the flake's outputs.
    pub path: String,
    /// Its row in the matrix.
    pub name: String,
    /// Its column.
    pub system: String,
    /// Its derivation; none: it could not be evaluated.
    pub drv_path: Option<String>,
    /// Its outputs by name, as far as known, as JSON.
    pub outputs: Option<String>,
    /// How it ended; `None`: it is not over.
    pub outcome: Option<String>,
    /// How long it took, in milliseconds.
    pub duration: Option<i64>,
    /// The derivation it failed by.
    pub cause: Option<String>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Whether it may fail.
    pub allowed: bool,
}

/// A step of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// Its number: of its page and its log.
    pub id: i64,
    /// Its derivation, or the path that was downloaded.
    pub drv_path: String,
    /// Its name.
    pub name: String,
    /// Its system.
    pub system: String,
    /// Where it was built; empty: here.
    pub machine: String,
    /// The phase it was in last.
    pub phase: Option<String>,
    /// How it ended; `None`: it is not over.
    pub outcome: Option<String>,
    /// When it began, in milliseconds since 1970.
    pub started_at: Option<i64>,
    /// How long it took, in milliseconds.
    pub duration: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Its last lines, if it failed.
    pub log_tail: Option<String>,
}

pub(super) const CHECK_COLUMNS: &str =
    "path, name, system, drv_path, outputs, outcome, duration, cause, reason, allowed";

pub(super) fn check_of_row(row: &Row<'_>) -> rusqlite::Result<CheckRow> {
    Ok(CheckRow {
        path: row.get(0)?,
        name: row.get(1)?,
        system: row.get(2)?,
        drv_path: row.get(3)?,
        outputs: row.get(4)?,
        outcome: row.get(5)?,
        duration: row.get(6)?,
        cause: row.get(7)?,
        reason: row.get(8)?,
        allowed: row.get(9)?,
    })
}

const STEP_COLUMNS: &str =
    "id, drv_path, name, system, machine, phase, outcome, started_at, duration, error, log_tail";

fn step_of_row(row: &Row<'_>) -> rusqlite::Result<StepRow> {
    Ok(StepRow {
        id: row.get(0)?,
        drv_path: row.get(1)?,
        name: row.get(2)?,
        system: row.get(3)?,
        machine: row.get(4)?,
        phase: row.get(5)?,
        outcome: row.get(6)?,
        started_at: row.get(7)?,
        duration: row.get(8)?,
        error: row.get(9)?,
        log_tail: row.get(10)?,
    })
}

impl ServerDb {
    /// Writes down what events of a run tell.
    pub async fn record(
        &self,
        run: RunId,
        attribute: String,
        events: Vec<Event>,
    ) -> Result<(), DbError> {
        self.write(move |connection| {
            for event in &events {
                record_one(connection, run, &attribute, event)?;
            }
            Ok(())
        })
        .await
    }

    /// Keeps whole logs of builds that said little, by their derivations.
    pub async fn keep_short_logs(
        &self,
        run: RunId,
        logs: Vec<(String, Vec<u8>)>,
    ) -> Result<(), DbError> {
        if logs.is_empty() {
            return Ok(());
        }
        self.write(move |connection| {
            let mut statement = connection
                .prepare_cached("UPDATE steps SET log = ?3 WHERE run = ?1 AND drv_path = ?2")?;
            for (drv_path, text) in &logs {
                statement.execute(params![run.0, drv_path, text])?;
            }
            Ok(())
        })
        .await
    }

    /// The whole log of a step that said little, if it is kept here.
    pub async fn short_log(&self, step: i64) -> Result<Option<Vec<u8>>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached("SELECT log FROM steps WHERE id = ?1")?
                .query_map([step], |row| row.get(0))?
                .next()
                .transpose()
                .map(Option::flatten)
        })
        .await
    }

    /// The checks of a run, by row and column.
    pub async fn checks_of(&self, run: RunId) -> Result<Vec<CheckRow>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {CHECK_COLUMNS} FROM checks WHERE run = ?1 ORDER BY name, system"
                ))?
                .query_map([run.0], check_of_row)?
                .collect()
        })
        .await
    }

    /// The steps of a run, in the order in which they began.
    pub async fn steps_of(&self, run: RunId) -> Result<Vec<StepRow>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {STEP_COLUMNS} FROM steps WHERE run = ?1 ORDER BY id"
                ))?
                .query_map([run.0], step_of_row)?
                .collect()
        })
        .await
    }

    /// The step of this number, with its run.
    pub async fn step(&self, id: i64) -> Result<Option<(RunId, StepRow)>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {STEP_COLUMNS}, run FROM steps WHERE id = ?1"
                ))?
                .query_map([id], |row| Ok((RunId(row.get(11)?), step_of_row(row)?)))?
                .next()
                .transpose()
        })
        .await
    }

    /// How long steps of these names and systems took before: the median of the last ten.
    pub async fn expected_durations(
        &self,
        of: Vec<(String, System)>,
    ) -> Result<Vec<Option<Duration>>, DbError> {
        self.read(move |connection| {
            of.iter()
                .map(|(name, system)| duration::expected(connection, name, system.as_str()))
                .collect()
        })
        .await
    }

    /// Forgets durations that no longer count.
    pub async fn prune_durations(&self) -> Result<(), DbError> {
        self.write(duration::prune).await
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The attribute path of a check below the flake's outputs.
pub fn path_of(attribute: &str, check: &str) -> String {
    match (attribute, check) {
        ("", check) => check.to_owned(),
        (attribute, "") => attribute.to_owned(),
        (attribute, check) => format!("{attribute}.{check}"),
    }
}

fn record_one(
    connection: &Connection,
    run: RunId,
    attribute: &str,
    event: &Event,
) -> rusqlite::Result<()> {
    let at = event.at.as_millisecond();
    match &event.kind {
        EventKind::CheckFound {
            check,
            system,
            name,
            drv_path,
            ..
        } => connection
            .prepare_cached(
                "INSERT OR REPLACE INTO checks (run, path, name, system, drv_path) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                run.0,
                path_of(attribute, check),
                name,
                system.as_str(),
                drv_path.to_string()
            ])?,
        EventKind::CheckFinished {
            check,
            system,
            name,
            drv_path,
            outcome,
            duration,
            outputs,
            cause,
            reason,
            allowed,
            ..
        } => {
            let outputs: BTreeMap<_, _> = outputs
                .iter()
                .map(|(name, path)| (name, path.as_ref().map(ToString::to_string)))
                .collect();
            connection
                .prepare_cached(
                    "INSERT INTO checks (run, path, name, system, drv_path, outputs, outcome, duration, cause, reason, allowed)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                     ON CONFLICT (run, path) DO UPDATE SET name = ?3, system = ?4, drv_path = ?5, outputs = ?6, outcome = ?7,
                     duration = ?8, cause = ?9, reason = coalesce(?10, reason), allowed = ?11",
                )?
                .execute(params![
                    run.0,
                    path_of(attribute, check),
                    name,
                    system.as_str(),
                    drv_path.as_ref().map(ToString::to_string),
                    serde_json::to_string(&outputs).ok(),
                    outcome.as_str(),
                    millis(*duration),
                    cause.as_ref().map(ToString::to_string),
                    reason,
                    allowed
                ])?
        }
        // What it is the check's end says.
        EventKind::EvaluationFailed {
            check: Some(check),
            error,
            ..
        } => connection
            .prepare_cached(
                "INSERT INTO checks (run, path, name, system, reason) VALUES (?1, ?2, '', '', ?3)
                 ON CONFLICT (run, path) DO UPDATE SET reason = ?3",
            )?
            .execute(params![
                run.0,
                path_of(attribute, check),
                error.chars().take(REASON_CHARS_MAX).collect::<String>()
            ])?,
        EventKind::EvaluationFinished { checks, .. } => connection
            .prepare_cached("UPDATE runs SET evaluated_at = ?2, checks = ?3 WHERE id = ?1")?
            .execute(params![run.0, at, checks])?,
        EventKind::StepStarted { .. }
        | EventKind::StepPhase { .. }
        | EventKind::StepFinished { .. } => record_step(connection, run, event)?,
        EventKind::EvaluationWarning { check, message } => {
            let path = check.as_ref().map(|check| path_of(attribute, check));
            record_warning(connection, run, path.as_deref(), message)?
        }
        EventKind::Warned { message } => record_warning(connection, run, None, message)?,
        EventKind::RunStarted { .. }
        | EventKind::EvaluationFailed { check: None, .. }
        | EventKind::PlanChanged { .. }
        | EventKind::StepWaiting { .. }
        | EventKind::StepLogged { .. }
        | EventKind::StepRetrying { .. }
        | EventKind::UploadStarted { .. }
        | EventKind::UploadFinished { .. }
        | EventKind::CheckExplained { .. }
        | EventKind::RunCancelled { .. }
        | EventKind::RunFinished { .. }
        | EventKind::Ticked { .. } => 0,
    };
    Ok(())
}

fn record_step(connection: &Connection, run: RunId, event: &Event) -> rusqlite::Result<usize> {
    if let EventKind::StepStarted {
        drv_path,
        name,
        system,
        machine,
        ..
    } = &event.kind
    {
        return connection
            .prepare_cached(
                "INSERT INTO steps (run, drv_path, name, system, machine, started_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (run, drv_path) DO UPDATE SET machine = ?5",
            )?
            .execute(params![
                run.0,
                drv_path.to_string(),
                name,
                system.as_str(),
                machine,
                event.at.as_millisecond()
            ]);
    }
    if let EventKind::StepPhase { drv_path, phase } = &event.kind {
        return connection
            .prepare_cached("UPDATE steps SET phase = ?3 WHERE run = ?1 AND drv_path = ?2")?
            .execute(params![run.0, drv_path.to_string(), phase]);
    }
    let EventKind::StepFinished {
        drv_path,
        name,
        system,
        outcome,
        duration: took,
        machine,
        error,
        log_tail,
        ..
    } = &event.kind
    else {
        return Ok(0);
    };
    // One that never began, such as one that is not tried again, has no row yet.
    connection
        .prepare_cached(
            "INSERT INTO steps (run, drv_path, name, system, machine, outcome, duration, error, log_tail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (run, drv_path) DO UPDATE SET machine = ?5, outcome = ?6, duration = ?7, error = ?8, log_tail = ?9",
        )?
        .execute(params![
            run.0,
            drv_path.to_string(),
            name,
            system.as_str(),
            machine,
            outcome.as_str(),
            millis(*took),
            error,
            (!log_tail.is_empty()).then(|| log_tail.join("\n"))
        ])?;
    if *outcome == Outcome::Built {
        let at = event.at.as_millisecond();
        duration::add(connection, name, system.as_str(), at, millis(*took))?;
    }
    Ok(1)
}
