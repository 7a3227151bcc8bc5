//! What is known of repositories for seeing to what is kept for them: what they need of it, and what nobody asks for any more.

use std::collections::HashSet;

use super::{
    database::{DbError, ServerDb},
    repositories::RepositoryId,
};

impl ServerDb {
    /// The repositories of which a run is being looked at, waits for its turn, or goes on.
    pub async fn busy_repositories(&self) -> Result<HashSet<RepositoryId>, DbError> {
        self.read(move |connection| {
            connection
                .prepare(
                    "SELECT DISTINCT repository FROM runs WHERE state IN ('taken', 'queued', 'running')",
                )?
                .query_map([], |row| row.get(0).map(RepositoryId))?
                .collect()
        })
        .await
    }

    /// The commits of a repository that runs are of: what was asked for, what that was merged with, and what is evaluated.
    pub async fn commits_of(&self, repository: RepositoryId) -> Result<HashSet<String>, DbError> {
        self.read(move |connection| {
            connection
                .prepare(
                    "SELECT commit_id FROM runs WHERE repository = ?1
                     UNION SELECT base_commit FROM runs WHERE repository = ?1 AND base_commit IS NOT NULL
                     UNION SELECT tested_commit FROM runs WHERE repository = ?1 AND tested_commit IS NOT NULL",
                )?
                .query_map([repository.0], |row| row.get(0))?
                .collect()
        })
        .await
    }

    /// Forgets the states of commits of which no run is known any more: those that forges have, and that changed before a time
    /// in milliseconds since 1970. Returns how many.
    pub async fn forget_statuses(&self, before: i64) -> Result<usize, DbError> {
        self.write(move |connection| {
            connection.execute(
                "DELETE FROM statuses WHERE changed_at < ?1 AND sent >= version AND NOT EXISTS
                 (SELECT 1 FROM runs WHERE runs.repository = statuses.repository AND runs.commit_id = statuses.commit_id)",
                [before],
            )
        })
        .await
    }
}
