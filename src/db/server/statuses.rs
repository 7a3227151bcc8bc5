//! What forges are to be told: the newest state of every commit and context, and how much of it they know.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    database::{DbError, ServerDb},
    repositories::RepositoryId,
    run::RunId,
    said::{counts, end_said, say, weigh},
};

/// The number of a commit's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatusId(pub i64);

/// A state to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStatus {
    /// The context.
    pub context: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: &'static str,
    /// A sentence for people.
    pub description: String,
    /// The page about it; `RUN` in that of a run that is only asked for stands for its number.
    pub target_url: String,
    /// Whether it only takes back what says that something failed.
    pub only_failing: bool,
}

/// A state that a forge does not know yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueStatus {
    /// Its number.
    pub id: StatusId,
    /// The repository.
    pub repository: RepositoryId,
    /// The forge.
    pub forge: String,
    /// The account whose limits count there, where the forge has several for this server.
    pub account: Option<String>,
    /// Whether it is about a single check, and not about a run.
    pub is_of_check: bool,
    /// The commit.
    pub commit: String,
    /// The run that says so.
    pub run: Option<RunId>,
    /// What is to be told.
    pub row: StatusRow,
    /// Which change of it this is.
    pub version: i64,
    /// How often telling it failed.
    pub attempts: u32,
    /// Whether telling it began before, and nobody learnt whether the forge took it.
    pub is_uncertain: bool,
    /// What the forge calls it, where it has a check run.
    pub remote: Option<u64>,
    /// The run whose annotations that has.
    pub annotated_by: Option<RunId>,
    /// Whether its run waits for approval.
    pub needs_approval: bool,
}

/// A check run as a forge has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    /// What the forge calls it.
    pub id: u64,
    /// The run whose annotations it has: they stay with it.
    pub annotated_by: Option<RunId>,
    /// Whether it has a button that ends its run.
    pub is_cancellable: bool,
}

/// The state of a context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRow {
    /// The context.
    pub context: String,
    /// `pending`, `success`, `failure` or `error`.
    pub state: String,
    /// A sentence for people.
    pub description: String,
    /// The page about it.
    pub target_url: String,
}

pub(super) fn row_at(row: &Row<'_>, first: usize) -> rusqlite::Result<StatusRow> {
    Ok(StatusRow {
        context: row.get(first)?,
        state: row.get(first + 1)?,
        description: row.get(first + 2)?,
        target_url: row.get(first + 3)?,
    })
}

impl ServerDb {
    /// Sets states of a run's commit, unless that run is over: its end has told the last of it.
    pub async fn set_statuses(
        &self,
        repository: RepositoryId,
        commit: String,
        run: Option<RunId>,
        mut statuses: Vec<NewStatus>,
    ) -> Result<(), DbError> {
        self.clean(statuses.iter_mut().map(|status| &mut status.description));
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            let is_over = connection
                .prepare_cached("SELECT 1 FROM runs WHERE id = ?1 AND state = 'finished'")?
                .exists([run.map(|run| run.0)])?;
            if !is_over {
                for status in &statuses {
                    set_status(connection, repository, &commit, run, status, now)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// The states that a forge is to be told now, at most so many, of each account in turn: those of runs before those of
    /// single checks, of each repository in turn the one that changed first.
    pub async fn due_statuses(
        &self,
        forge: String,
        limit: usize,
    ) -> Result<Vec<DueStatus>, DbError> {
        let now = Timestamp::now().as_millisecond();
        self.read(move |connection| {
            connection
                .prepare_cached(
                    // Only the context of a check has a space in it.
                    "SELECT id, repository, forge, commit_id, run, context, state, description, target_url,
                     version, attempts, sending > sent, remote,
                     (SELECT state = 'approval' FROM runs WHERE id = due.run), installation, of_check,
                     annotated_by
                     FROM (SELECT *, row_number() OVER
                           (PARTITION BY installation ORDER BY of_check, turn, changed_at, id) AS turn_of_account
                           FROM (SELECT s.*, r.forge, r.installation, instr(s.context, ' ') > 0 AS of_check,
                                 row_number() OVER (PARTITION BY s.repository, instr(s.context, ' ') > 0
                                                    ORDER BY s.changed_at, s.id) AS turn
                                 FROM statuses s CROSS JOIN repositories r ON r.id = s.repository
                                 WHERE s.sent < s.version AND s.not_before <= ?2 AND r.forge = ?1)) AS due
                     ORDER BY turn_of_account, of_check, changed_at, id LIMIT ?3",
                )?
                .query_map(params![forge, now, limit], |row| {
                    Ok(DueStatus {
                        id: StatusId(row.get(0)?),
                        repository: RepositoryId(row.get(1)?),
                        forge: row.get(2)?,
                        commit: row.get(3)?,
                        run: row.get::<_, Option<_>>(4)?.map(RunId),
                        row: row_at(row, 5)?,
                        version: row.get(9)?,
                        attempts: row.get(10)?,
                        is_uncertain: row.get(11)?,
                        remote: row.get(12)?,
                        needs_approval: row.get::<_, Option<_>>(13)?.unwrap_or(false),
                        account: row.get(14)?,
                        is_of_check: row.get(15)?,
                        annotated_by: row.get::<_, Option<_>>(16)?.map(RunId),
                    })
                })?
                .collect()
        })
        .await
    }

    /// When the next state is due that has to wait, in milliseconds since 1970.
    pub async fn next_due(&self, forge: String) -> Result<Option<i64>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT min(s.not_before) FROM statuses s CROSS JOIN repositories r ON r.id = s.repository
                     WHERE s.sent < s.version AND r.forge = ?1",
                )?
                .query_row([forge], |row| row.get(0))
        })
        .await
    }

    /// Notes that telling a state begins.
    pub async fn status_sending(&self, id: StatusId, version: i64) -> Result<(), DbError> {
        self.write(move |connection| {
            connection
                .prepare_cached("UPDATE statuses SET sending = ?2 WHERE id = ?1")?
                .execute([id.0, version])?;
            Ok(())
        })
        .await
    }

    /// Notes that a forge knows a state, and what it has of it. A button that ends a run that is over by now is taken
    /// away at once.
    pub async fn status_sent(
        &self,
        id: StatusId,
        version: i64,
        remote: Option<Remote>,
    ) -> Result<(), DbError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE statuses SET sent = max(sent, ?2), sending = ?2, attempts = 0, error = NULL,
                     remote = coalesce(?3, remote), annotated_by = ?4, cancellable = ?5,
                     version = version + (?5 AND version = ?2
                         AND EXISTS (SELECT 1 FROM runs WHERE id = statuses.run AND state = 'finished'))
                     WHERE id = ?1",
                )?
                .execute(params![
                    id.0,
                    version,
                    remote.map(|remote| remote.id),
                    remote.and_then(|remote| remote.annotated_by).map(|run| run.0),
                    remote.is_some_and(|remote| remote.is_cancellable)
                ])?;
            Ok(())
        })
        .await
    }

    /// Notes that telling a state failed, and is to be tried again at a time in milliseconds since 1970; whether the forge
    /// may have it all the same.
    pub async fn status_put_off(
        &self,
        id: StatusId,
        mut error: String,
        again_at: i64,
        is_uncertain: bool,
    ) -> Result<(), DbError> {
        self.clean([&mut error]);
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE statuses SET attempts = attempts + 1, not_before = ?2, error = ?3,
                     sending = iif(?4, sending, sent) WHERE id = ?1",
                )?
                .execute(params![id.0, again_at, error, is_uncertain])?;
            Ok(())
        })
        .await
    }

    /// Notes that a forge does not take a state, and never will.
    pub async fn status_refused(
        &self,
        id: StatusId,
        version: i64,
        mut error: String,
    ) -> Result<(), DbError> {
        self.clean([&mut error]);
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE statuses SET sent = max(sent, ?2), sending = ?2, error = ?3 WHERE id = ?1",
                )?
                .execute(params![id.0, version, error])?;
            Ok(())
        })
        .await
    }

    /// The states of a commit, by context, with what went wrong telling them.
    pub async fn statuses_of(
        &self,
        repository: RepositoryId,
        commit: String,
    ) -> Result<Vec<(StatusRow, Option<String>)>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT context, state, description, target_url, error FROM statuses
                     WHERE repository = ?1 AND commit_id = ?2 ORDER BY context",
                )?
                .query_map(params![repository.0, commit], |row| {
                    Ok((row_at(row, 0)?, row.get(4)?))
                })?
                .collect()
        })
        .await
    }
}

/// Sets the state of a context, unless it is that already.
pub(super) fn set_status(
    connection: &Connection,
    repository: RepositoryId,
    commit: &str,
    run: Option<RunId>,
    status: &NewStatus,
    now: i64,
) -> rusqlite::Result<()> {
    if let Some(run) = run {
        // Only the context of a check has a space in it.
        if !status.context.contains(' ') {
            say(connection, run, status)?;
            return weigh(connection, repository, commit, &status.context, now);
        }
        if !counts(connection, repository, commit, run)? {
            return Ok(());
        }
    }
    let run = run.map(|run| run.0);
    if status.only_failing {
        connection
            .prepare_cached(
                "UPDATE statuses SET run = ?4, state = ?5, description = ?6, target_url = ?7, changed_at = ?8,
                 version = version + 1, attempts = 0, not_before = 0
                 WHERE repository = ?1 AND commit_id = ?2 AND context = ?3 AND state IN ('failure', 'error')
                 AND (run IS NULL OR ?4 IS NULL OR run <= ?4)",
            )?
            .execute(params![
                repository.0,
                commit,
                status.context,
                run,
                status.state,
                status.description,
                status.target_url,
                now
            ])?;
        return Ok(());
    }
    let of: Option<i64> = connection
        .prepare_cached(
            "SELECT run FROM statuses WHERE repository = ?1 AND commit_id = ?2 AND context = ?3",
        )?
        .query_row(params![repository.0, commit, status.context], |row| {
            row.get(0)
        })
        .optional()?
        .flatten();
    // What a run that is over says does not come back over what a later one does, unless that is a stranger's.
    if run.is_some()
        && let Some(of) = of.filter(|of| Some(*of) > run)
        && counts(connection, repository, commit, RunId(of))?
    {
        return Ok(());
    }
    let NewStatus {
        state,
        description,
        target_url,
        ..
    } = status;
    let (context, state) = (&*status.context, (*state, &**description, &**target_url));
    write_status(connection, repository, commit, context, run, state, now)
}

/// Writes the state of a context, its description and the page about it, unless it is that already.
pub(super) fn write_status(
    connection: &Connection,
    repository: RepositoryId,
    commit: &str,
    context: &str,
    run: Option<i64>,
    (state, description, target_url): (&str, &str, &str),
    now: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO statuses (repository, commit_id, context, run, state, description, target_url, changed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (repository, commit_id, context) DO UPDATE SET run = ?4, state = ?5, description = ?6,
             target_url = ?7, changed_at = ?8, version = version + 1, attempts = 0, not_before = 0
             WHERE state <> ?5 OR description <> ?6 OR target_url <> ?7",
        )?
        .execute(params![
            repository.0,
            commit,
            context,
            run,
            state,
            description,
            target_url,
            now
        ])?;
    connection
        .prepare_cached(
            "UPDATE statuses SET run = ?4 WHERE repository = ?1 AND commit_id = ?2 AND context = ?3 AND run IS NOT ?4",
        )?
        .execute(params![repository.0, commit, context, run])?;
    Ok(())
}

/// Ends what is pending of a run that is over, and takes away the buttons that would end it.
pub(super) fn end_pending(
    connection: &Connection,
    run: RunId,
    why: &str,
    now: i64,
) -> rusqlite::Result<()> {
    end_said(connection, run, why)?;
    connection
        .prepare_cached(
            "UPDATE statuses SET state = 'error', description = ?2, changed_at = ?3, version = version + 1, attempts = 0,
             not_before = 0 WHERE run = ?1 AND state = 'pending' AND instr(context, ' ') > 0",
        )?
        .execute(params![run.0, why, now])?;
    connection
        .prepare_cached(
            "UPDATE statuses SET changed_at = ?2, version = version + 1, attempts = 0, not_before = 0
             WHERE run = ?1 AND cancellable AND sent = version",
        )?
        .execute(params![run.0, now])?;
    Ok(())
}
