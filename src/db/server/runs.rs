//! Runs, from the moment in which a webhook asks for one.
//!
//! ```text
//!  taken ──► queued ──► running ──► finished
//!    └──► approval ──┘    └──► queued (the server stopped, or was killed)
//! ```

use std::fmt::Write as _;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    database::{DbError, ServerDb},
    deliveries::handled,
    repositories::{Repository, RepositoryId, find},
    schedules::{ScheduleKey, carried_out},
    sight::Sight,
    statuses::{NewStatus, end_pending, set_status},
    warnings::forget_warnings,
};

/// The number of a run on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub i64);

/// What asked for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunKind {
    /// A branch moved.
    Push,
    /// A tag came.
    Tag,
    /// A pull request was opened or changed.
    PullRequest,
    /// A merge queue asks.
    MergeQueue,
    /// Somebody asked for it.
    Manual,
    /// It was time.
    Schedule,
}

impl RunKind {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Tag => "tag",
            Self::PullRequest => "pull_request",
            Self::MergeQueue => "merge_queue",
            Self::Manual => "manual",
            Self::Schedule => "schedule",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Push,
            Self::Tag,
            Self::PullRequest,
            Self::MergeQueue,
            Self::Manual,
            Self::Schedule,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == text)
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// A webhook asked for it; nothing was looked at.
    Taken,
    /// It waits until somebody approves it.
    Approval,
    /// It waits for its turn.
    Queued,
    /// It goes on.
    Running,
    /// It is over.
    Finished,
}

impl RunState {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Approval => "approval",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [
            Self::Taken,
            Self::Approval,
            Self::Queued,
            Self::Running,
            Self::Finished,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// How far what a run builds is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Its author may write to the repository.
    Trusted,
    /// Somebody who may write has approved this commit.
    Approved,
    /// Neither; the server builds it all the same.
    Stranger,
}

impl Trust {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trusted => "trusted",
            Self::Approved => "approved",
            Self::Stranger => "stranger",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Trusted, Self::Approved, Self::Stranger]
            .into_iter()
            .find(|trust| trust.as_str() == text)
    }
}

/// What is known of a run when it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRun {
    /// The repository.
    pub repository: RepositoryId,
    /// What asked for it.
    pub kind: RunKind,
    /// The full ref.
    pub git_ref: String,
    /// The commit that statuses go to.
    pub commit: String,
    /// Of a pull request or merge queue the full ref it goes into.
    pub base_ref: Option<String>,
    /// The number of the pull request.
    pub pull_request: Option<i64>,
    /// A line for people: of a commit's message or a pull request.
    pub title: String,
    /// Who caused it, for people.
    pub actor: String,
    /// The forge's id and the name of who wrote what is built, where that decides on trust.
    pub author: Option<(String, String)>,
    /// Why it was asked for, where somebody said so.
    pub reason: Option<String>,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    /// What was known when it was asked for.
    pub new: NewRun,
    /// What is evaluated.
    pub tested_commit: Option<String>,
    /// Its tree.
    pub tree: Option<String>,
    /// The commit of the branch a pull request goes into.
    pub base_commit: Option<String>,
    /// How far it is.
    pub state: RunState,
    /// How far it is trusted, once that was asked.
    pub trust: Option<Trust>,
    /// How often it began.
    pub attempt: u32,
    /// How it ended: `passed`, `failed`, `cancelled`, `errored`.
    pub outcome: Option<String>,
    /// Why, where that is not because of its checks.
    pub error: Option<String>,
    /// How many checks ended how, as JSON.
    pub counts: Option<String>,
    /// How many checks it has.
    pub checks: Option<i64>,
    /// The run whose result was taken over.
    pub reused_from: Option<RunId>,
    /// When it was asked for, in milliseconds since 1970.
    pub created_at: i64,
    /// When it began.
    pub started_at: Option<i64>,
    /// When its evaluation was over.
    pub evaluated_at: Option<i64>,
    /// When it was over.
    pub finished_at: Option<i64>,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunEnd {
    /// `passed`, `failed`, `cancelled` or `errored`.
    pub outcome: String,
    /// Why, where that is not because of its checks.
    pub error: Option<String>,
    /// How many checks ended how, as JSON.
    pub counts: Option<String>,
    /// How many checks there were.
    pub checks: Option<i64>,
    /// The run whose result was taken over.
    pub reused_from: Option<RunId>,
}

impl RunEnd {
    /// A run that ends without a result, for this reason.
    pub fn cancelled(why: &str) -> Self {
        Self {
            outcome: "cancelled".to_owned(),
            error: Some(why.to_owned()),
            ..Self::default()
        }
    }

    /// A run that could not be carried out, for this reason.
    pub fn errored(why: &str) -> Self {
        Self {
            outcome: "errored".to_owned(),
            error: Some(why.to_owned()),
            ..Self::default()
        }
    }
}

pub(super) const COLUMNS: &str = "id, repository, kind, git_ref, commit_id, base_ref, pull_request, title, actor, author_id, author,
    reason, tested_commit, tree, base_commit, state, trust, attempt, outcome, error, counts, checks, reused_from,
    created_at, started_at, evaluated_at, finished_at";

pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    let text = |column: usize| row.get::<_, String>(column);
    let author_id: Option<String> = row.get(9)?;
    let author: Option<String> = row.get(10)?;
    let trust: Option<String> = row.get(16)?;
    Ok(Run {
        id: RunId(row.get(0)?),
        new: NewRun {
            repository: RepositoryId(row.get(1)?),
            kind: RunKind::parse(&text(2)?).unwrap_or(RunKind::Manual),
            git_ref: text(3)?,
            commit: text(4)?,
            base_ref: row.get(5)?,
            pull_request: row.get(6)?,
            title: text(7)?,
            actor: text(8)?,
            author: author_id.zip(author),
            reason: row.get(11)?,
        },
        tested_commit: row.get(12)?,
        tree: row.get(13)?,
        base_commit: row.get(14)?,
        state: RunState::parse(&text(15)?).unwrap_or(RunState::Finished),
        trust: trust.as_deref().and_then(Trust::parse),
        attempt: row.get(17)?,
        outcome: row.get(18)?,
        error: row.get(19)?,
        counts: row.get(20)?,
        checks: row.get(21)?,
        reused_from: row.get::<_, Option<_>>(22)?.map(RunId),
        created_at: row.get(23)?,
        started_at: row.get(24)?,
        evaluated_at: row.get(25)?,
        finished_at: row.get(26)?,
    })
}

/// What to do about an event, all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct TakeUp {
    /// The webhook that is handled thereby.
    pub delivery: Option<i64>,
    /// The schedule for which it is time.
    pub schedule: Option<ScheduleKey>,
    /// What came of it, for people.
    pub result: String,
    /// The runs that are asked for, each with what is told at once.
    pub runs: Vec<(NewRun, Vec<NewStatus>)>,
    /// Whether to begin anew although the same commit of the same ref was built already.
    pub anew: bool,
}

impl ServerDb {
    /// Takes up an event. Returns the runs that came of it, without those that are there already.
    pub async fn take_up(&self, mut event: TakeUp) -> Result<Vec<RunId>, DbError> {
        self.clean([&mut event.result]);
        for (run, statuses) in &mut event.runs {
            self.clean([&mut run.title].into_iter().chain(&mut run.reason));
            self.clean(statuses.iter_mut().map(|status| &mut status.description));
        }
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            let mut ids = Vec::new();
            for (run, statuses) in &event.runs {
                if is_known(connection, run, event.anew)? {
                    continue;
                }
                let id = insert(connection, run, now)?;
                for status in statuses {
                    let status = NewStatus {
                        target_url: status.target_url.replace("RUN", &id.0.to_string()),
                        ..status.clone()
                    };
                    set_status(
                        connection,
                        run.repository,
                        &run.commit,
                        Some(id),
                        &status,
                        now,
                    )?;
                }
                ids.push(id);
            }
            if let Some(delivery) = event.delivery {
                let mut result = event.result.clone();
                for id in &ids {
                    let _ = write!(result, " run {}", id.0);
                }
                handled(connection, delivery, &result, now)?;
            }
            if let Some(schedule) = &event.schedule {
                carried_out(connection, schedule, ids.first().copied(), now)?;
            }
            Ok(ids)
        })
        .await
    }

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

    /// The newest run of a commit that nobody asked for by hand.
    pub async fn run_of_commit(
        &self,
        repository: RepositoryId,
        commit: String,
    ) -> Result<Option<Run>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM runs WHERE repository = ?1 AND commit_id = ?2 ORDER BY id DESC LIMIT 1"
                ))?
                .query_row(params![repository.0, commit], of_row)
                .optional()
        })
        .await
    }

    /// Whether a commit was to be built for another reason than that it was time.
    pub async fn knows_commit(
        &self,
        repository: RepositoryId,
        commit: String,
    ) -> Result<bool, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT 1 FROM runs WHERE repository = ?1 AND commit_id = ?2 AND kind <> 'schedule'",
                )?
                .exists(params![repository.0, commit])
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

    /// The runs that are not over of what a run makes pointless: older ones of the same ref and pull request. Those for
    /// which it was time make nothing pointless, and are not made so.
    pub async fn superseded_by(&self, run: &Run) -> Result<Vec<Run>, DbError> {
        let run = run.clone();
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM runs WHERE state <> 'finished' AND repository = ?1 AND id <> ?2
                     AND git_ref = ?3 AND pull_request IS ?4 AND id < ?2 AND kind NOT IN ('manual', 'schedule')
                     AND ?5 <> 'schedule'"
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

    /// Notes what is to be evaluated, and lets the run wait for its turn.
    pub async fn queue_run(
        &self,
        id: RunId,
        trust: Trust,
        mut tested: Tested,
    ) -> Result<(), DbError> {
        self.clean([&mut tested.title]);
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE runs SET state = 'queued', trust = ?2, tested_commit = ?3, tree = ?4, base_commit = ?5,
                     settings = ?6, title = CASE title WHEN '' THEN ?7 ELSE title END
                     WHERE id = ?1 AND state IN ('taken', 'approval')",
                )?
                .execute(params![
                    id.0,
                    trust.as_str(),
                    tested.commit,
                    tested.tree,
                    tested.base_commit,
                    tested.settings,
                    tested.title
                ])?;
            Ok(())
        })
        .await
    }

    /// Lets a run wait for approval.
    pub async fn await_approval(&self, id: RunId) -> Result<(), DbError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE runs SET state = 'approval' WHERE id = ?1 AND state = 'taken'",
                [id.0],
            )?;
            Ok(())
        })
        .await
    }

    /// Lets a run be looked at anew, not before a time in milliseconds since 1970.
    pub async fn retake_run(&self, id: RunId, not_before: i64) -> Result<(), DbError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE runs SET state = 'taken', not_before = ?2 WHERE id = ?1 AND state IN ('taken', 'approval')",
                [id.0, not_before],
            )?;
            Ok(())
        })
        .await
    }

    /// Begins a run. Returns whether it was still waiting for that.
    pub async fn begin_run(&self, id: RunId) -> Result<bool, DbError> {
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            let begun = connection
                .prepare_cached(
                    "UPDATE runs SET state = 'running', started_at = ?2, attempt = attempt + 1
                     WHERE id = ?1 AND state = 'queued'",
                )?
                .execute([id.0, now])?;
            // What an attempt that was cut short left.
            connection.execute("DELETE FROM checks WHERE run = ?1", [id.0])?;
            connection.execute("DELETE FROM steps WHERE run = ?1", [id.0])?;
            forget_warnings(connection, id)?;
            Ok(begun > 0)
        })
        .await
    }

    /// Lets all runs that were running when the server ended wait for their turn again. Returns how many.
    pub async fn requeue_running(&self) -> Result<usize, DbError> {
        self.write(|connection| {
            connection.execute(
                "UPDATE runs SET state = 'queued' WHERE state = 'running'",
                [],
            )
        })
        .await
    }

    /// Lets a run wait for its turn again, not before a time in milliseconds since 1970.
    pub async fn requeue_run(&self, id: RunId, not_before: i64) -> Result<(), DbError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE runs SET state = 'queued', not_before = ?2 WHERE id = ?1 AND state = 'running'",
                [id.0, not_before],
            )?;
            Ok(())
        })
        .await
    }

    /// Ends a run, with what is told last of it; whatever of it still is pending is ended, too. Returns whether it was not
    /// over before.
    pub async fn finish_run(
        &self,
        id: RunId,
        mut end: RunEnd,
        mut statuses: Vec<NewStatus>,
    ) -> Result<bool, DbError> {
        self.clean(&mut end.error);
        self.clean(statuses.iter_mut().map(|status| &mut status.description));
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            let run: Option<(i64, String)> = connection
                .prepare_cached(
                    "UPDATE runs SET state = 'finished', outcome = ?2, error = ?3, counts = coalesce(?4, counts),
                     checks = coalesce(?5, checks), reused_from = ?6, finished_at = ?7
                     WHERE id = ?1 AND state <> 'finished' RETURNING repository, commit_id",
                )?
                .query_row(
                    params![
                        id.0,
                        end.outcome,
                        end.error,
                        end.counts,
                        end.checks,
                        end.reused_from.map(|run| run.0),
                        now
                    ],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((repository, commit)) = run else {
                return Ok(false);
            };
            for status in &statuses {
                set_status(connection, RepositoryId(repository), &commit, Some(id), status, now)?;
            }
            end_pending(connection, id, end.error.as_deref().unwrap_or(&end.outcome), now)?;
            Ok(true)
        })
        .await
    }

    /// Approves a commit of a pull request. Returns the runs that waited for that.
    pub async fn approve(
        &self,
        repository: RepositoryId,
        pull_request: i64,
        commit: String,
        who: String,
    ) -> Result<Vec<RunId>, DbError> {
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            connection.execute(
                "INSERT OR IGNORE INTO approvals (repository, pull_request, commit_id, who, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![repository.0, pull_request, commit, who, now],
            )?;
            connection
                .prepare_cached(
                    "UPDATE runs SET state = 'taken', not_before = 0 WHERE repository = ?1 AND pull_request = ?2
                     AND commit_id = ?3 AND state = 'approval' RETURNING id",
                )?
                .query_map(params![repository.0, pull_request, commit], |row| row.get(0).map(RunId))?
                .collect()
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

    /// Forgets the runs that were over before a time in milliseconds since 1970, but for the newest of each ref. Returns
    /// which.
    pub async fn forget_runs(&self, before: i64) -> Result<Vec<RunId>, DbError> {
        self.write(move |connection| {
            connection
                .prepare(
                    "DELETE FROM runs WHERE finished_at < ?1 AND id NOT IN
                     (SELECT max(id) FROM runs GROUP BY repository, git_ref) RETURNING id",
                )?
                .query_map([before], |row| row.get(0).map(RunId))?
                .collect()
        })
        .await
    }
}

/// What a run evaluates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The commit: of a pull request, its head merged with its base.
    pub commit: String,
    /// The tree of the commit.
    pub tree: String,
    /// The commit of the base.
    pub base_commit: Option<String>,
    /// All else that decides the result.
    pub settings: String,
    /// The first line of the commit's message, where there is no title yet.
    pub title: String,
}

/// Whether a run is there already that does the same.
fn is_known(connection: &Connection, run: &NewRun, anew: bool) -> rusqlite::Result<bool> {
    if run.kind == RunKind::Schedule {
        return is_timed(connection, run);
    }
    // A pull request that is opened again may have another base by now.
    let is_over_too = !anew && run.pull_request.is_none();
    connection
        .prepare_cached(
            "SELECT 1 FROM runs WHERE repository = ?1 AND commit_id = ?2 AND (git_ref = ?3 OR (kind = 'merge_queue' AND ?4 = 'merge_queue'))
             AND kind <> 'schedule' AND base_ref IS ?5 AND (state IN ('taken', 'approval', 'queued') OR (state = 'running' AND NOT ?7) OR (?6 AND outcome IN ('passed', 'failed')))",
        )?
        .exists(params![
            run.repository.0,
            run.commit,
            run.git_ref,
            run.kind.as_str(),
            run.base_ref,
            is_over_too,
            anew
        ])
}

/// Whether a run of this ref for which it was time waits or goes on. One that is not looked at yet may be out of date.
fn is_timed(connection: &Connection, run: &NewRun) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM runs WHERE state <> 'finished' AND repository = ?1 AND git_ref = ?2 AND kind = 'schedule'
             AND (state <> 'taken' OR commit_id = ?3)",
        )?
        .exists(params![run.repository.0, run.git_ref, run.commit])
}

fn insert(connection: &Connection, run: &NewRun, now: i64) -> rusqlite::Result<RunId> {
    let (author_id, author) = run.author.clone().unzip();
    connection
        .prepare_cached(
            "INSERT INTO runs (repository, kind, git_ref, commit_id, base_ref, pull_request, title, actor, author_id,
             author, reason, state, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'taken', ?12)",
        )?
        .execute(params![
            run.repository.0,
            run.kind.as_str(),
            run.git_ref,
            run.commit,
            run.base_ref,
            run.pull_request,
            run.title,
            run.actor,
            author_id,
            author,
            run.reason,
            now
        ])?;
    Ok(RunId(connection.last_insert_rowid()))
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
