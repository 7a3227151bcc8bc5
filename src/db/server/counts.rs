//! How much there is of everything, for `/metrics`.

use super::database::{DbError, ServerDb};

/// How much there is of everything. Names no repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Runs by state and outcome, which is empty as long as there is none.
    pub runs: Vec<(String, String, i64)>,
    /// Statuses that forges do not know yet, by forge.
    pub statuses_waiting: Vec<(String, i64)>,
    /// Webhooks that are not handled yet.
    pub deliveries_waiting: i64,
    /// Repositories that are built.
    pub repositories: i64,
}

impl ServerDb {
    /// Counts everything.
    pub async fn counts(&self) -> Result<ServerCounts, DbError> {
        self.read(|connection| {
            let one = |sql: &str| connection.prepare_cached(sql)?.query_row([], |row| row.get(0));
            Ok(ServerCounts {
                runs: connection
                    .prepare_cached(
                        "SELECT state, coalesce(outcome, ''), count(*) FROM runs GROUP BY 1, 2 ORDER BY 1, 2",
                    )?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                    .collect::<Result<_, _>>()?,
                statuses_waiting: connection
                    .prepare_cached(
                        "SELECT r.forge, count(*) FROM statuses s JOIN repositories r ON r.id = s.repository
                         WHERE s.sent < s.version GROUP BY 1",
                    )?
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<Result<_, _>>()?,
                deliveries_waiting: one("SELECT count(*) FROM deliveries WHERE handled_at IS NULL")?,
                repositories: one("SELECT count(*) FROM repositories WHERE enabled")?,
            })
        })
        .await
    }
}
