//! Runs, from the moment in which a webhook asks for one.
//!
//! ```text
//!  taken ──► queued ──► running ──► finished
//!    └──► approval ──┘    └──► queued (the server stopped, or was killed)
//! ```

use std::fmt::Write as _;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    annotations::forget_annotations,
    commands::{CommandKey, note_command},
    database::{DbError, ServerDb},
    deliveries::handled,
    repositories::RepositoryId,
    run::{NewRun, RunEnd, RunId, RunKind, Tested, Trust},
    run_queries::is_known,
    said::weigh_run,
    schedules::{ScheduleKey, carried_out},
    statuses::{NewStatus, end_pending, set_status},
    warnings::forget_warnings,
};

/// What to do about an event, all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct TakeUp {
    /// The webhook that is handled thereby.
    pub delivery: Option<i64>,
    /// The command that is carried out thereby.
    pub command: Option<CommandKey>,
    /// The schedule for which it is time.
    pub schedule: Option<ScheduleKey>,
    /// What came of it, for people.
    pub result: String,
    /// The runs that are asked for, each with what is told at once.
    pub runs: Vec<(NewRun, Vec<NewStatus>)>,
    /// The run that ends since these take its place, and why.
    pub instead_of: Option<(RunId, String)>,
    /// The runs that are not to be, for a reason that lies in the commit.
    pub skipped: Vec<(NewRun, String)>,
    /// Whether to begin anew although the same commit of the same ref was built already.
    pub anew: bool,
}

/// How often a run begins at most that goes on whenever the server ends.
const BEGUN_MAX: u32 = 100;
/// Why a run is wanted that somebody wants anew.
const ANEW: &str = "once more";

impl ServerDb {
    /// Takes up an event. Returns the runs that came of it, without those that are there already.
    pub async fn take_up(&self, mut event: TakeUp) -> Result<Vec<RunId>, DbError> {
        self.clean([&mut event.result]);
        for (run, statuses) in &mut event.runs {
            self.clean([&mut run.title].into_iter().chain(&mut run.reason));
            self.clean(statuses.iter_mut().map(|status| &mut status.description));
            if event.anew {
                run.reason.get_or_insert_with(|| ANEW.to_owned());
            }
        }
        for (run, _) in &mut event.skipped {
            self.clean([&mut run.title]);
        }
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            if let Some((id, why)) = &event.instead_of {
                finish(connection, *id, &RunEnd::cancelled(why), &[], now)?;
            }
            let mut ids = Vec::new();
            for (run, statuses) in &event.runs {
                if is_there(connection, run, event.anew)? {
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
            for (run, why) in &event.skipped {
                if !is_known(connection, run, "1", "1")? {
                    let id = insert(connection, run, now)?;
                    connection
                        .prepare_cached(
                            "UPDATE runs SET state = 'finished', outcome = 'cancelled', error = ?2, finished_at = ?3
                             WHERE id = ?1",
                        )?
                        .execute(params![id.0, why, now])?;
                }
            }
            if let Some(delivery) = event.delivery {
                let mut result = event.result.clone();
                for id in &ids {
                    let _ = write!(result, " run {}", id.0);
                }
                handled(connection, delivery, &result, now)?;
            }
            if let Some(command) = &event.command {
                note_command(connection, command, now)?;
            }
            if let Some(schedule) = &event.schedule {
                carried_out(connection, schedule, ids.first().copied(), now)?;
            }
            Ok(ids)
        })
        .await
    }

    /// Notes how far a pull request's run is trusted that is looked at: what it says counts by that.
    pub async fn trust_run(&self, id: RunId, trust: Trust) -> Result<(), DbError> {
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            let changed = connection
                .prepare_cached(
                    "UPDATE runs SET trust = ?2 WHERE id = ?1 AND trust IS NOT ?2 AND state = 'taken'",
                )?
                .execute(params![id.0, trust.as_str()])?;
            if changed > 0 {
                weigh_run(connection, id, now)?;
            }
            Ok(())
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

    /// Lets a run wait for approval, and says so.
    pub async fn await_approval(
        &self,
        id: RunId,
        mut statuses: Vec<NewStatus>,
    ) -> Result<(), DbError> {
        self.clean(statuses.iter_mut().map(|status| &mut status.description));
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            let waits: Option<(i64, String)> = connection
                .prepare_cached(
                    "UPDATE runs SET state = 'approval' WHERE id = ?1 AND state = 'taken' RETURNING repository, commit_id",
                )?
                .query_row([id.0], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            if let Some((repository, commit)) = waits {
                for status in &statuses {
                    set_status(connection, RepositoryId(repository), &commit, Some(id), status, now)?;
                }
            }
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

    /// Has what a run builds fetched anew that has begun and found that it is not there.
    pub async fn fetch_anew(&self, id: RunId) -> Result<(), DbError> {
        self.write(move |connection| {
            connection.execute(
                "UPDATE runs SET state = 'taken', retries = retries + 1 WHERE id = ?1 AND state = 'running'",
                [id.0],
            )?;
            Ok(())
        })
        .await
    }

    /// Lets a run that is looked at build its commit for itself, wherever its ref is.
    pub async fn build_for_itself(&self, id: RunId) -> Result<(), DbError> {
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE runs SET kind = ?2, for_itself = 1 WHERE id = ?1 AND state = 'taken'",
                )?
                .execute(params![id.0, RunKind::Manual.as_str()])?;
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
            if begun == 0 {
                return Ok(false);
            }
            // What an attempt that was cut short left.
            connection.execute("DELETE FROM checks WHERE run = ?1", [id.0])?;
            connection.execute("DELETE FROM steps WHERE run = ?1", [id.0])?;
            forget_warnings(connection, id)?;
            forget_annotations(connection, id)?;
            Ok(true)
        })
        .await
    }

    /// Lets all runs that were running when the server ended wait for their turn again, unless they were so often that it
    /// may have ended because of them. Returns how many.
    pub async fn requeue_running(&self) -> Result<usize, DbError> {
        let now = Timestamp::now().as_millisecond();
        self.write(move |connection| {
            let deadly: Vec<i64> = connection
                .prepare("SELECT id FROM runs WHERE state = 'running' AND attempt - retries >= ?1")?
                .query_map([BEGUN_MAX], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            for id in deadly {
                let why = format!("the server ended {BEGUN_MAX} times while it went on");
                finish(connection, RunId(id), &RunEnd::errored(&why), &[], now)?;
            }
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
                "UPDATE runs SET state = 'queued', retries = retries + 1, not_before = ?2
                 WHERE id = ?1 AND state = 'running'",
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
        self.write(move |connection| finish(connection, id, &end, &statuses, now))
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
}

/// Ends a run. Returns whether it was not over before.
fn finish(
    connection: &Connection,
    id: RunId,
    end: &RunEnd,
    statuses: &[NewStatus],
    now: i64,
) -> rusqlite::Result<bool> {
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
    for status in statuses {
        set_status(
            connection,
            RepositoryId(repository),
            &commit,
            Some(id),
            status,
            now,
        )?;
    }
    let why = end.error.as_deref().unwrap_or(&end.outcome);
    end_pending(connection, id, why, now)?;
    weigh_run(connection, id, now)?;
    Ok(true)
}

/// Whether a run is there already that does the same.
fn is_there(connection: &Connection, run: &NewRun, anew: bool) -> rusqlite::Result<bool> {
    // What goes on may have begun before what it is to begin anew for.
    let waits = "state IN ('taken', 'approval', 'queued')";
    let goes_on = "state <> 'finished'";
    // What was there before and is there again is built again.
    let stands = "(state <> 'finished' OR outcome IN ('passed', 'failed')) AND NOT gone";
    let how = match (anew, run.pull_request) {
        (true, _) => waits,
        // One that is opened again may have another base by now.
        (false, Some(_)) => goes_on,
        (false, None) => stands,
    };
    match run.kind {
        RunKind::Schedule => is_timed(connection, run),
        // Two events tell of it, and the ref is there for this commit alone.
        RunKind::MergeQueue => connection
            .prepare_cached(&format!(
                "SELECT 1 FROM runs WHERE repository = ?1 AND commit_id = ?2 AND kind = 'merge_queue' AND {how}"
            ))?
            .exists(params![run.repository.0, run.commit]),
        RunKind::Push | RunKind::Tag | RunKind::PullRequest | RunKind::Manual => {
            is_known(connection, run, how, "1")
        }
    }
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
