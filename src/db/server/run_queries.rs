//! Runs as they are asked for: by their number, their state, and what they build.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    database::{DbError, ServerDb},
    repositories::{Repository, RepositoryId, find},
    run::{COLUMNS, NewRun, OUT_OF_DATE, Run, RunId, RunState, of_row},
    sight::Sight,
};

impl ServerDb {
    /// The run of this number.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE id = ?1"))?
                .query_row([id.0], of_row)
                .optional()
        })
        .await
    }

    /// The newest run of a commit: one that nobody asked for by hand, if there is one.
    pub async fn run_of_commit(
        &self,
        repository: RepositoryId,
        commit: String,
    ) -> Result<Option<Run>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM runs WHERE repository = ?1 AND commit_id = ?2
                     ORDER BY kind = 'manual', id DESC LIMIT 1"
                ))?
                .query_row(params![repository.0, commit], of_row)
                .optional()
        })
        .await
    }

    /// Whether a forge has told already that what a run would build is where it is, however that ended, unless because it
    /// was not there. A run that goes on finds out by itself where the ref is now.
    pub async fn knows(&self, run: NewRun) -> Result<bool, DbError> {
        let was_there = format!(
            "NOT gone AND NOT (outcome IS 'cancelled' AND coalesce(error, '') LIKE '{OUT_OF_DATE}%')"
        );
        self.read(move |connection| is_known(connection, &run, &was_there, "l.state = 'finished'"))
            .await
    }

    /// The number of the newest run of all.
    pub async fn newest_run_id(&self) -> Result<RunId, DbError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT coalesce(max(id), 0) FROM runs")?
                .query_row([], |row| row.get(0).map(RunId))
        })
        .await
    }

    /// The newest run of a pull request at a commit.
    pub async fn run_of_pull_request(
        &self,
        repository: RepositoryId,
        number: i64,
        commit: String,
    ) -> Result<Option<Run>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM runs WHERE repository = ?1 AND pull_request = ?2 AND commit_id = ?3
                     ORDER BY id DESC LIMIT 1"
                ))?
                .query_row(params![repository.0, number, commit], of_row)
                .optional()
        })
        .await
    }

    /// The runs of a state with their repositories, oldest first.
    pub async fn runs_in(&self, state: RunState) -> Result<Vec<(Run, Repository)>, DbError> {
        let now = Timestamp::now().as_millisecond();
        self.read(move |connection| {
            let runs: Vec<Run> = connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM runs WHERE state = ?1 AND state <> 'finished' AND not_before <= ?2 ORDER BY id"
                ))?
                .query_map(params![state.as_str(), now], of_row)?
                .collect::<Result<_, _>>()?;
            with_repositories(connection, runs)
        })
        .await
    }

    /// The newest runs, of one repository or of all, before the run of this number.
    pub async fn recent_runs(
        &self,
        repository: Option<RepositoryId>,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<(Run, Repository)>, DbError> {
        self.seen_runs(Sight::Everything, repository, before, limit)
            .await
    }

    /// The newest run of each ref of a repository.
    pub async fn newest_runs(
        &self,
        repository: RepositoryId,
        limit: usize,
    ) -> Result<Vec<Run>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM runs WHERE id IN
                     (SELECT max(id) FROM runs WHERE repository = ?1 GROUP BY git_ref) ORDER BY id DESC LIMIT ?2"
                ))?
                .query_map(params![repository.0, limit], of_row)?
                .collect()
        })
        .await
    }

    /// The runs of a ref that are not over.
    pub async fn open_runs_of(
        &self,
        repository: RepositoryId,
        git_ref: String,
    ) -> Result<Vec<Run>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM runs WHERE state <> 'finished' AND repository = ?1 AND git_ref = ?2"
                ))?
                .query_map(params![repository.0, git_ref], of_row)?
                .collect()
        })
        .await
    }

    /// The newest run that has taken the place of an older one at its ref.
    pub async fn overtaken_by(&self, run: RunId) -> Result<Option<RunId>, DbError> {
        self.read(move |connection| overtaken_by(connection, run))
            .await
    }

    /// The runs that are not over of what a run makes pointless: older ones of the same ref and pull request. What somebody
    /// asked for, or it was time for, makes nothing pointless, and is not made so.
    pub async fn superseded_by(&self, run: &Run) -> Result<Vec<Run>, DbError> {
        let run = run.clone();
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM runs WHERE state <> 'finished' AND repository = ?1 AND id <> ?2
                     AND git_ref = ?3 AND pull_request IS ?4 AND id < ?2 AND kind NOT IN ('manual', 'schedule')
                     AND ?5 NOT IN ('manual', 'schedule')"
                ))?
                .query_map(
                    params![
                        run.new.repository.0,
                        run.id.0,
                        run.new.git_ref,
                        run.new.pull_request,
                        run.new.kind.as_str()
                    ],
                    of_row,
                )?
                .collect()
        })
        .await
    }

    /// The run whose result stands for every later one of the same tree and settings. One that is to leave something
    /// behind for `git_ref` needs the last that has.
    pub async fn run_of_tree(
        &self,
        repository: RepositoryId,
        tree: String,
        settings: String,
        git_ref: Option<String>,
    ) -> Result<Option<Run>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM runs WHERE repository = ?1 AND tree = ?2 AND settings = ?3
                     AND state = 'finished' AND outcome = 'passed' AND reused_from IS NULL
                     AND (?4 IS NULL OR id = (SELECT max(id) FROM runs WHERE repository = ?1 AND git_ref = ?4
                         AND kind IN ('push', 'tag', 'schedule') AND outcome IN ('passed', 'failed') AND reused_from IS NULL))
                     ORDER BY id DESC LIMIT 1"
                ))?
                .query_row(params![repository.0, tree, settings, git_ref], of_row)
                .optional()
        })
        .await
    }

    /// Whether a commit of a pull request was approved.
    pub async fn is_approved(
        &self,
        repository: RepositoryId,
        pull_request: i64,
        commit: String,
    ) -> Result<bool, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT 1 FROM approvals WHERE repository = ?1 AND pull_request = ?2 AND commit_id = ?3",
                )?
                .exists(params![repository.0, pull_request, commit])
        })
        .await
    }
}

/// The newest run of another commit that its ref was moved to after a run was asked for: what that one made is older than
/// what this one makes or made. One that is not looked at yet may be out of date, and one that was ended before it began has
/// made nothing.
pub(super) fn overtaken_by(connection: &Connection, run: RunId) -> rusqlite::Result<Option<RunId>> {
    connection
        .prepare_cached(
            "SELECT max(newer.id) FROM runs newer JOIN runs older ON older.id = ?1
             WHERE newer.repository = older.repository AND newer.git_ref = older.git_ref AND newer.id > older.id
             AND newer.kind IN ('push', 'tag') AND newer.commit_id <> older.commit_id AND newer.state <> 'taken'
             AND (newer.outcome IS NULL OR newer.outcome NOT IN ('cancelled', 'errored') OR newer.started_at IS NOT NULL)",
        )?
        .query_row([run.0], |row| Ok(row.get::<_, Option<i64>>(0)?.map(RunId)))
}

/// Whether there is a run of the same commit, ref and base for which `how` holds, and none since of another for which
/// `elsewhere` does. What somebody asked for, and what it was time for, says nothing about where a ref is; nor does a run that was cancelled: what
/// was told may have been out of date.
pub(super) fn is_known(
    connection: &Connection,
    run: &NewRun,
    how: &str,
    elsewhere: &str,
) -> rusqlite::Result<bool> {
    let sql = format!(
        "SELECT 1 FROM runs r WHERE repository = ?1 AND commit_id = ?2 AND git_ref = ?3 AND base_ref IS ?4
         AND kind <> 'schedule' AND (kind <> 'manual' OR ?5 = 'manual') AND {how}
         AND NOT EXISTS (SELECT 1 FROM runs l WHERE l.repository = ?1 AND l.git_ref = ?3 AND l.id > r.id
             AND (l.commit_id <> ?2 OR l.base_ref IS NOT ?4) AND l.kind NOT IN ('schedule', 'manual')
             AND l.outcome IS NOT 'cancelled' AND {elsewhere})"
    );
    connection.prepare_cached(&sql)?.exists(params![
        run.repository.0,
        run.commit,
        run.git_ref,
        run.base_ref,
        run.kind.as_str()
    ])
}

pub(super) fn with_repositories(
    connection: &Connection,
    runs: Vec<Run>,
) -> rusqlite::Result<Vec<(Run, Repository)>> {
    let mut found = Vec::with_capacity(runs.len());
    for run in runs {
        if let Some(repository) = find(connection, run.new.repository)? {
            found.push((run, repository));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
