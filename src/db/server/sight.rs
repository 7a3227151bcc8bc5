//! What somebody may see, and what pages read only as far as he may.
//!
//! Whoever shows anything of runs to people asks here, so that a private repository is nowhere by mistake.

use std::fmt::Write as _;

use rusqlite::{OptionalExtension as _, params};

use super::{
    database::{DbError, ServerDb},
    repositories::{self, Repository, RepositoryId},
    results::{CHECK_COLUMNS, CheckRow, check_of_row},
    run::{self, Run, RunId, RunState},
    run_queries::with_repositories,
    statuses::{StatusRow, row_at},
};

/// How many of the newest runs of a repository are searched for a check.
const RUNS_SEARCHED: usize = 200;

/// What everybody is told of trouble that is not theirs.
const TROUBLE: &str = "something is wrong on the server's side; whoever runs it can see what";

/// What somebody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sight {
    /// What everybody may.
    Public,
    /// Private repositories, too, and those that are no longer built.
    Everything,
}

impl Sight {
    /// Whether a repository, and all that belongs to it, may be seen. Of one that is no longer built nobody knows whether
    /// everybody still may: it may have gone by becoming private.
    pub fn shows(self, repository: &Repository) -> bool {
        self == Self::Everything || (repository.enabled && !repository.seen.private)
    }
}

impl Sight {
    /// What is told of trouble on the server's side: in its words may be names of hosts and paths.
    fn trouble(self, what: Option<String>) -> Option<String> {
        match self {
            Self::Everything => what,
            Self::Public => what.map(|_| TROUBLE.to_owned()),
        }
    }

    /// A repository as it may be shown, if it may.
    fn view(self, mut repository: Repository) -> Option<Repository> {
        repository.problem = self.trouble(repository.problem);
        self.shows(&repository).then_some(repository)
    }
}

/// A run that is not over, and when it may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRun {
    /// The run.
    pub run: Run,
    /// Its repository.
    pub repository: Repository,
    /// Not before this time, in milliseconds since 1970.
    pub not_before: i64,
}

/// A status as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldStatus {
    /// What the forge is told.
    pub row: StatusRow,
    /// Whether the forge knows.
    pub is_sent: bool,
    /// What went wrong telling it.
    pub error: Option<String>,
}

impl ServerDb {
    /// A run with its repository, if it is there and may be seen.
    pub async fn seen_run(
        &self,
        sight: Sight,
        id: RunId,
    ) -> Result<Option<(Run, Repository)>, DbError> {
        let Some(run) = self.run(id).await? else {
            return Ok(None);
        };
        let repository = self.repository(run.new.repository).await?;
        let repository = repository.and_then(|repository| sight.view(repository));
        Ok(repository.map(|repository| (run, repository)))
    }

    /// The repository that is called so now, if it is there and may be seen.
    pub async fn seen_repository(
        &self,
        sight: Sight,
        forge: String,
        full_name: String,
    ) -> Result<Option<Repository>, DbError> {
        let repository = self.repository_named(forge, full_name).await?;
        Ok(repository.and_then(|repository| sight.view(repository)))
    }

    /// The repositories that may be seen, by name, each with the newest result of its default branch.
    pub async fn seen_repositories(
        &self,
        sight: Sight,
    ) -> Result<Vec<(Repository, Option<Run>)>, DbError> {
        let mut found = Vec::new();
        for repository in self.repositories().await? {
            if let Some(repository) = sight.view(repository) {
                let git_ref = format!("refs/heads/{}", repository.seen.default_branch);
                let newest = self.newest_result(repository.id, git_ref).await?;
                found.push((repository, newest));
            }
        }
        Ok(found)
    }

    /// The newest runs that may be seen, of one repository or of all, before the run of this number.
    pub async fn seen_runs(
        &self,
        sight: Sight,
        repository: Option<RepositoryId>,
        before: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<(Run, Repository)>, DbError> {
        self.read(move |connection| {
            let runs: Vec<Run> = connection
                .prepare_cached(&format!(
                    "SELECT {} FROM runs WHERE (?1 IS NULL OR repository = ?1) AND id < ?2
                     AND (?3 OR repository IN (SELECT id FROM repositories WHERE enabled AND NOT private))
                     ORDER BY id DESC LIMIT ?4",
                    run::COLUMNS
                ))?
                .query_map(
                    params![
                        repository.map(|id| id.0),
                        before.map_or(i64::MAX, |id| id.0),
                        sight == Sight::Everything,
                        limit
                    ],
                    run::of_row,
                )?
                .collect::<Result<_, _>>()?;
            with_repositories(connection, runs)
        })
        .await
    }

    /// All runs that are not over, oldest first; also those that may not be seen, which are for counting only.
    pub async fn open_runs(&self) -> Result<Vec<OpenRun>, DbError> {
        self.read(|connection| {
            let open: Vec<(Run, i64)> = connection
                .prepare_cached(&format!(
                    "SELECT {}, not_before FROM runs WHERE state <> 'finished' ORDER BY id",
                    run::COLUMNS
                ))?
                .query_map([], |row| Ok((run::of_row(row)?, row.get("not_before")?)))?
                .collect::<Result<_, _>>()?;
            let mut found = Vec::with_capacity(open.len());
            for (run, not_before) in open {
                if let Some(repository) = repositories::find(connection, run.new.repository)? {
                    found.push(OpenRun {
                        run,
                        repository,
                        not_before,
                    });
                }
            }
            Ok(found)
        })
        .await
    }

    /// The newest run of a ref that was carried out, in the repository itself and not for a pull request.
    pub async fn newest_result(
        &self,
        repository: RepositoryId,
        git_ref: String,
    ) -> Result<Option<Run>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {} FROM runs WHERE repository = ?1 AND git_ref = ?2 AND pull_request IS NULL
                     AND outcome IN ('passed', 'failed', 'errored') ORDER BY id DESC LIMIT 1",
                    run::COLUMNS
                ))?
                .query_row(params![repository.0, git_ref], run::of_row)
                .optional()
        })
        .await
    }

    /// What forges are told because of a run.
    pub async fn statuses_of_run(
        &self,
        sight: Sight,
        run: RunId,
    ) -> Result<Vec<ToldStatus>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT context, state, description, target_url, sent >= version, error FROM statuses
                     WHERE run = ?1 ORDER BY context",
                )?
                .query_map([run.0], |row| {
                    Ok(ToldStatus {
                        row: row_at(row, 0)?,
                        is_sent: row.get(4)?,
                        error: sight.trouble(row.get(5)?),
                    })
                })?
                .collect()
        })
        .await
    }

    /// What became of a check in the newest runs of its repository, newest first.
    pub async fn check_before(
        &self,
        repository: RepositoryId,
        path: String,
        limit: usize,
    ) -> Result<Vec<(Run, CheckRow)>, DbError> {
        self.read(move |connection| {
            let runs: Vec<Run> = connection
                .prepare_cached(&format!(
                    "SELECT {} FROM runs WHERE repository = ?1 ORDER BY id DESC LIMIT ?2",
                    run::COLUMNS
                ))?
                .query_map(params![repository.0, RUNS_SEARCHED], run::of_row)?
                .collect::<Result<_, _>>()?;
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {CHECK_COLUMNS} FROM checks WHERE run = ?1 AND path = ?2"
            ))?;
            let mut found = Vec::new();
            for run in runs {
                let check = statement
                    .query_row(params![run.id.0, path], check_of_row)
                    .optional()?;
                if let Some(check) = check {
                    found.push((run, check));
                }
                if found.len() >= limit {
                    break;
                }
            }
            Ok(found)
        })
        .await
    }

    /// A check of a run by its attribute path.
    pub async fn check(&self, run: RunId, path: String) -> Result<Option<CheckRow>, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {CHECK_COLUMNS} FROM checks WHERE run = ?1 AND path = ?2"
                ))?
                .query_row(params![run.0, path], check_of_row)
                .optional()
        })
        .await
    }

    /// What changes whenever a page about the newest runs that may be seen has to.
    pub async fn mark_of_runs(&self, sight: Sight) -> Result<String, DbError> {
        const RUNS: usize = 50;
        let runs = self.seen_runs(sight, None, None, RUNS).await?;
        let open = self.open_runs().await?;
        let mut mark = open.len().to_string();
        for (run, _) in runs {
            let outcome = run.outcome.unwrap_or_default();
            let initial = outcome.get(..1).unwrap_or_default();
            let _ = write!(mark, ".{}{}{initial}", run.id.0, state_letter(run.state));
        }
        Ok(mark)
    }

    /// What changes whenever a page about a run has to; nothing else is known of one that is not there.
    pub async fn mark_of_run(&self, id: RunId) -> Result<String, DbError> {
        self.read(move |connection| {
            connection
                .prepare_cached(
                    "SELECT r.state || r.attempt || coalesce(r.outcome, '') || '.' || coalesce(r.evaluated_at, 0)
                     || '.' || (SELECT count(*) || '.' || count(outcome) FROM checks WHERE run = r.id)
                     || '.' || (SELECT count(*) || '.' || count(outcome) || '.' || count(phase) FROM steps WHERE run = r.id)
                     || '.' || (SELECT total(version) || '.' || total(sent) FROM statuses WHERE run = r.id)
                     || '.' || (SELECT count(*) || '.' || count(outcome) FROM post_builds WHERE run = r.id)
                     FROM runs r WHERE r.id = ?1",
                )?
                .query_row([id.0], |row| row.get(0))
                .optional()
                .map(Option::unwrap_or_default)
        })
        .await
    }
}

fn state_letter(state: RunState) -> char {
    match state {
        RunState::Taken => 't',
        RunState::Approval => 'a',
        RunState::Queued => 'q',
        RunState::Running => 'r',
        RunState::Finished => 'f',
    }
}
