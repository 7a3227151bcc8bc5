//! Refs that are gone, and runs that are forgotten.

use jiff::Timestamp;
use rusqlite::params;

use super::{
    database::{DbError, ServerDb},
    repositories::RepositoryId,
    run::RunId,
    said::weigh_ref,
};

impl ServerDb {
    /// Notes that a ref is gone, or that a pull request is closed: what its runs up to this one say of commits that others are
    /// of counts no more.
    pub async fn ref_is_gone(
        &self,
        repository: RepositoryId,
        git_ref: String,
        newest: RunId,
    ) -> Result<(), DbError> {
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE runs SET gone = 1 WHERE repository = ?1 AND git_ref = ?2 AND id <= ?3 AND NOT gone",
                )?
                .execute(params![repository.0, git_ref, newest.0])?;
            weigh_ref(connection, repository, &git_ref, now)
        })
        .await
    }

    /// Forgets the runs that were over before a time in milliseconds since 1970, but for those by which it is known of a
    /// ref that is not gone what was built of it. Returns which.
    pub async fn forget_runs(&self, before: i64) -> Result<Vec<RunId>, DbError> {
        self.write(move |connection| {
            connection
                .prepare(
                    "DELETE FROM runs WHERE finished_at < ?1 AND id NOT IN
                     (SELECT max(id) FROM runs WHERE NOT gone GROUP BY repository, git_ref
                      UNION SELECT max(id) FROM runs WHERE NOT gone AND kind NOT IN ('schedule', 'manual')
                      AND outcome IS NOT 'cancelled' GROUP BY repository, git_ref) RETURNING id",
                )?
                .query_map([before], |row| row.get(0).map(RunId))?
                .collect()
        })
        .await
    }
}
