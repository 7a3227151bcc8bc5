//! Which checks a pull request adds and takes away.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    database::{DbError, ServerDb},
    run::{Run, RunId},
};

/// How many checks are named of each.
const NAMED: usize = 100;

/// The checks of a run beside those of the branch that it goes into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The newest run of that branch that has checks.
    pub base: RunId,
    /// The attribute paths of checks that are new; not all of very many.
    pub added: Vec<String>,
    /// The attribute paths of checks that are gone; not all of very many.
    pub removed: Vec<String>,
}

impl ServerDb {
    /// Compares the checks of a run with those of the branch that it goes into. `None`: it goes into none, or one of both
    /// is not evaluated.
    pub async fn compared(&self, run: &Run) -> Result<Option<Compared>, DbError> {
        let is_evaluated = run.reused_from.is_some() || run.evaluated_at.is_some();
        let Some(base_ref) = run.new.base_ref.clone().filter(|_| is_evaluated) else {
            return Ok(None);
        };
        let (repository, own) = (run.new.repository, run.reused_from.unwrap_or(run.id));
        self.read(move |connection| {
            let base = connection
                .prepare_cached(
                    "SELECT coalesce(reused_from, id) FROM runs WHERE repository = ?1 AND git_ref = ?2
                     AND pull_request IS NULL AND outcome IN ('passed', 'failed') ORDER BY id DESC LIMIT 1",
                )?
                .query_row(params![repository.0, base_ref], |row| row.get(0).map(RunId))
                .optional()?;
            let Some(base) = base else {
                return Ok(None);
            };
            Ok(Some(Compared {
                base,
                added: only_in(connection, own, base)?,
                removed: only_in(connection, base, own)?,
            }))
        })
        .await
    }
}

fn only_in(connection: &Connection, run: RunId, other: RunId) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT path FROM checks WHERE run = ?1 EXCEPT SELECT path FROM checks WHERE run = ?2 ORDER BY 1 LIMIT ?3",
        )?
        .query_map(params![run.0, other.0, NAMED], |row| row.get(0))?
        .collect()
}
