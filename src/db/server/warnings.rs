//! What runs warn of.

use rusqlite::{Connection, params};

use super::{
    database::{DbError, ServerDb},
    run::RunId,
};

/// How many different warnings of a run are kept.
const WARNINGS_MAX: i64 = 100;
/// How long a warning may be, in characters.
const CHARS_MAX: usize = 2000;

/// What runs warn of, as far as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Warnings {
    /// Each text once, in the order in which they came.
    pub kept: Vec<Warning>,
    /// How many there were in all.
    pub total: usize,
}

/// A warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The attribute path below the flake's outputs that it was first about; none: none that is known.
    pub path: Option<String>,
    /// The text.
    pub message: String,
}

impl ServerDb {
    /// Writes down what the server itself has to say of a run.
    pub async fn warn_of(&self, run: RunId, message: String) -> Result<(), DbError> {
        self.write(move |connection| record_warning(connection, run, None, &message).map(drop))
            .await
    }

    /// What a run has warned of.
    pub async fn warnings_of(&self, run: RunId) -> Result<Warnings, DbError> {
        self.read(move |connection| {
            let total = connection
                .prepare_cached("SELECT warnings FROM runs WHERE id = ?1")?
                .query_map([run.0], |row| row.get(0))?
                .next()
                .transpose()?;
            let kept = connection
                .prepare_cached(
                    "SELECT path, message FROM warnings WHERE run = ?1 ORDER BY number",
                )?
                .query_map([run.0], |row| {
                    Ok(Warning {
                        path: row.get(0)?,
                        message: row.get(1)?,
                    })
                })?
                .collect::<Result<_, _>>()?;
            Ok(Warnings {
                kept,
                total: total.unwrap_or_default(),
            })
        })
        .await
    }
}

/// Writes down a warning. The same text again, and what are too many, only count.
pub(super) fn record_warning(
    connection: &Connection,
    run: RunId,
    path: Option<&str>,
    message: &str,
) -> rusqlite::Result<usize> {
    let message: String = message.trim().chars().take(CHARS_MAX).collect();
    connection
        .prepare_cached("UPDATE runs SET warnings = warnings + 1 WHERE id = ?1")?
        .execute([run.0])?;
    connection
        .prepare_cached(
            "INSERT INTO warnings (run, number, path, message)
             SELECT ?1, coalesce(max(number) + 1, 0), ?2, ?3 FROM warnings WHERE run = ?1
             HAVING coalesce(max(number) + 1, 0) < ?4 AND NOT EXISTS (SELECT 1 FROM warnings WHERE run = ?1 AND message = ?3)",
        )?
        .execute(params![run.0, path, message, WARNINGS_MAX])
}

/// Forgets what an attempt that was cut short warned of.
pub(super) fn forget_warnings(connection: &Connection, run: RunId) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM warnings WHERE run = ?1", [run.0])?;
    connection.execute("UPDATE runs SET warnings = 0 WHERE id = ?1", [run.0])?;
    Ok(())
}
