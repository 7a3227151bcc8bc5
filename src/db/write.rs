//! Writes the rows of one run into the tables.

use std::collections::HashSet;

use rusqlite::Connection;

use super::{
    duration,
    row::{Row, full_path},
};
use crate::event::Outcome;

const CHECK_FINISHED: &str = "
    INSERT INTO checks (run, path, drv_path, outcome, duration, cause, reason)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT DO UPDATE SET outcome = excluded.outcome, duration = excluded.duration,
        cause = excluded.cause, reason = coalesce(excluded.reason, reason)";
const STEP_STARTED: &str = "
    INSERT INTO steps (run, drv_path, system, machine) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET system = excluded.system, machine = excluded.machine";
const STEP_FINISHED: &str = "
    INSERT INTO steps (run, drv_path, system, machine, outcome, duration, phase)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT DO UPDATE SET system = excluded.system, machine = excluded.machine,
        outcome = excluded.outcome, duration = excluded.duration, phase = excluded.phase";
const STEP_LOG: &str = "
    INSERT INTO steps (run, drv_path, system, machine, log) VALUES (?1, ?2, '', '', ?3)
    ON CONFLICT DO UPDATE SET log = excluded.log";
/// A page that stays as it is need not be written.
const VERDICT: &str = "
    INSERT INTO verdicts VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET outcome = excluded.outcome, at = excluded.at
    WHERE outcome <> excluded.outcome OR at < excluded.at - 86400000";

/// What the rows of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct RunKey {
    /// The flake, by a name that is the same for every run of it.
    flake: String,
    /// Its number in the tables and its attribute, once it has begun.
    begun: Option<(i64, String)>,
    /// Its first row, to be written again into a new database.
    first: Option<Row>,
}

impl RunKey {
    pub(super) fn new(flake: String) -> Self {
        Self {
            flake,
            begun: None,
            first: None,
        }
    }

    /// Writes rows in one transaction. After an error none of them is written.
    pub(super) fn write(
        &mut self,
        connection: &mut Connection,
        rows: &[Row],
    ) -> rusqlite::Result<()> {
        let before = self.begun.clone();
        let result = (|| {
            let transaction =
                connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let ended = Ended::of(rows);
            for row in rows.iter().filter(|row| !ended.makes_idle(row)) {
                self.write_row(&transaction, row)?;
            }
            transaction.commit()
        })();
        if result.is_err() {
            self.begun = before;
        }
        result
    }

    /// Makes the run known to a database that has nothing of it.
    pub(super) fn move_to(&mut self, connection: &mut Connection) -> rusqlite::Result<()> {
        self.begun = None;
        match self.first.clone() {
            Some(first) => self.write(connection, &[first]),
            None => Ok(()),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of row")]
    fn write_row(&mut self, connection: &Connection, row: &Row) -> rusqlite::Result<()> {
        if let Row::RunStarted {
            run,
            attribute,
            revision,
            at,
        } = row
        {
            execute(
                connection,
                "INSERT INTO runs (run, flake, attribute, revision, started_at, process) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (
                    run,
                    &self.flake,
                    attribute,
                    revision,
                    at,
                    std::process::id(),
                ),
            )?;
            self.begun = Some((connection.last_insert_rowid(), attribute.clone()));
            self.first = Some(row.clone());
            return Ok(());
        }
        // The first event of a run is its start.
        let Some((id, attribute)) = &self.begun else {
            return Ok(());
        };
        match row {
            Row::RunStarted { .. } => {}
            Row::CheckFound { check, drv_path } => {
                execute(
                    connection,
                    "INSERT OR IGNORE INTO checks (run, path, drv_path) VALUES (?1, ?2, ?3)",
                    (id, full_path(attribute, check), drv_path),
                )?;
            }
            Row::EvaluationFailed { check, error } => {
                execute(
                    connection,
                    "INSERT OR REPLACE INTO checks (run, path, reason) VALUES (?1, ?2, ?3)",
                    (id, full_path(attribute, check), error),
                )?;
            }
            Row::CheckFinished {
                check,
                drv_path,
                outcome,
                duration,
                cause,
                reason,
                at,
            } => {
                let path = full_path(attribute, check);
                execute(
                    connection,
                    CHECK_FINISHED,
                    (
                        id,
                        &path,
                        drv_path,
                        outcome.as_str(),
                        duration,
                        cause,
                        reason,
                    ),
                )?;
                if outcome.is_passed() || outcome.is_failed() {
                    execute(
                        connection,
                        VERDICT,
                        (&self.flake, &path, outcome.as_str(), at),
                    )?;
                }
            }
            Row::StepStarted {
                drv_path,
                system,
                machine,
            } => {
                execute(connection, STEP_STARTED, (id, drv_path, system, machine))?;
            }
            Row::StepFinished {
                drv_path,
                name,
                system,
                machine,
                outcome,
                duration,
                phase,
                at,
            } => {
                execute(
                    connection,
                    STEP_FINISHED,
                    (
                        id,
                        drv_path,
                        system,
                        machine,
                        outcome.as_str(),
                        duration,
                        phase,
                    ),
                )?;
                if *outcome == Outcome::Built {
                    duration::add(connection, name, system, *at, *duration)?;
                }
            }
            Row::StepLog { drv_path, text } => {
                execute(connection, STEP_LOG, (id, drv_path, text))?;
            }
            Row::RunFinished {
                outcome,
                duration,
                counts,
            } => {
                let (passed, failed) = (counts.passed(), counts.failed());
                execute(
                    connection,
                    "UPDATE runs SET outcome = ?2, duration = ?3, passed = ?4, failed = ?5, others = ?6 WHERE id = ?1",
                    (
                        id,
                        outcome.as_str(),
                        duration,
                        number(passed),
                        number(failed),
                        number(counts.total() - passed - failed),
                    ),
                )?;
            }
        }
        Ok(())
    }
}

/// What ends in a batch of rows.
struct Ended<'r>(HashSet<&'r str>);

impl<'r> Ended<'r> {
    fn of(rows: &'r [Row]) -> Self {
        Self(
            rows.iter()
                .filter_map(|row| match row {
                    Row::CheckFinished { check: name, .. }
                    | Row::StepFinished { drv_path: name, .. } => Some(name.as_str()),
                    Row::RunStarted { .. }
                    | Row::CheckFound { .. }
                    | Row::EvaluationFailed { .. }
                    | Row::StepStarted { .. }
                    | Row::StepLog { .. }
                    | Row::RunFinished { .. } => None,
                })
                .collect(),
        )
    }

    /// Whether a row tells of a beginning whose end comes with it and says all of it again.
    fn makes_idle(&self, row: &Row) -> bool {
        match row {
            Row::CheckFound { check: name, .. } | Row::StepStarted { drv_path: name, .. } => {
                self.0.contains(name.as_str())
            }
            Row::RunStarted { .. }
            | Row::EvaluationFailed { .. }
            | Row::CheckFinished { .. }
            | Row::StepFinished { .. }
            | Row::StepLog { .. }
            | Row::RunFinished { .. } => false,
        }
    }
}

fn execute<P: rusqlite::Params>(
    connection: &Connection,
    sql: &str,
    params: P,
) -> rusqlite::Result<usize> {
    connection.prepare_cached(sql)?.execute(params)
}

fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
