//! Derivations whose builds failed: they are not built again until somebody wants it or they are old.

use rusqlite::params;

use super::{
    database::{DbError, ServerDb},
    run::RunId,
};

/// A derivation whose build failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedBuild {
    /// The derivation.
    pub drv_path: String,
    /// The run it failed in first.
    pub run: RunId,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Why.
    pub reason: String,
}

/// What says of which run it is that a derivation failed in it before.
const BEFORE: &str = "it failed in run ";

impl FailedBuild {
    /// Why it is not built once more.
    pub fn refusal(&self) -> String {
        format!("{BEFORE}{} already: {}", self.run.0, self.reason)
    }

    /// The run that a [`Self::refusal`] is about; none: the text is no refusal.
    pub fn run_of_refusal(text: &str) -> Option<RunId> {
        let (run, _) = text.strip_prefix(BEFORE)?.split_once(" already: ")?;
        run.parse().ok().map(RunId)
    }
}

impl ServerDb {
    /// Remembers that a derivation failed, in place of what is known of it.
    pub async fn remember_failed(&self, failed: FailedBuild) -> Result<(), DbError> {
        self.write(move |connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO failed_builds (drv_path, run, at, reason) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![failed.drv_path, failed.run.0, failed.at, failed.reason])?;
            Ok(())
        })
        .await
    }

    /// All that failed since a time in milliseconds since 1970; what failed before is forgotten.
    pub async fn failed_since(&self, since: i64) -> Result<Vec<FailedBuild>, DbError> {
        self.write(move |connection| {
            connection.execute("DELETE FROM failed_builds WHERE at < ?1", [since])?;
            connection
                .prepare("SELECT drv_path, run, at, reason FROM failed_builds")?
                .query_map([], |row| {
                    Ok(FailedBuild {
                        drv_path: row.get(0)?,
                        run: RunId(row.get(1)?),
                        at: row.get(2)?,
                        reason: row.get(3)?,
                    })
                })?
                .collect()
        })
        .await
    }

    /// Forgets that these derivations failed; all of them if none is named. Returns how many did.
    pub async fn forget_failed(&self, drv_paths: Vec<String>) -> Result<usize, DbError> {
        self.write(move |connection| {
            if drv_paths.is_empty() {
                return connection.execute("DELETE FROM failed_builds", []);
            }
            let mut forgotten = 0;
            for drv_path in &drv_paths {
                forgotten += connection
                    .execute("DELETE FROM failed_builds WHERE drv_path = ?1", [drv_path])?;
            }
            Ok(forgotten)
        })
        .await
    }

    /// The derivations of a run that failed, with those that one of its checks failed by; with a check, only what that one
    /// failed by.
    pub async fn failed_of_run(
        &self,
        run: RunId,
        check: Option<String>,
    ) -> Result<Vec<String>, DbError> {
        self.read(move |connection| {
            if let Some(check) = check {
                return connection
                    .prepare(
                        "SELECT coalesce(cause, drv_path) FROM checks WHERE run = ?1 AND path = ?2
                         AND coalesce(cause, drv_path) IS NOT NULL",
                    )?
                    .query_map(params![run.0, check], |row| row.get(0))?
                    .collect();
            }
            connection
                .prepare(
                    "SELECT drv_path FROM steps WHERE run = ?1 AND outcome IN ('failed', 'timed_out')
                     UNION SELECT cause FROM checks WHERE run = ?1 AND cause IS NOT NULL",
                )?
                .query_map([run.0], |row| row.get(0))?
                .collect()
        })
        .await
    }
}
