//! The commit of a CI job, told of a run: `nixci check --report`.
//!
//! On GitHub by check runs where the job's token may make them, which one attempt shows; else, and elsewhere, by commit
//! statuses.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use super::{
    BoxFuture, CheckOutput, CheckRun, CheckState, CiJob, CommitStatus, Conclusion, Forge, ForgeApi,
    ForgeError, ForgeKind, Gitea, Github, Gitlab, IdentError, Repository, StatusPlace, StatusState,
    code_span,
};

/// The commit of a CI job.
#[derive(Debug)]
pub struct JobForge {
    api: Box<dyn ForgeApi>,
    place: StatusPlace,
    shown: Mutex<Shown>,
}

/// What is known of the commit.
#[derive(Debug)]
struct Shown {
    /// Whether check runs are made; false once the token proved to have no right to.
    by_check_runs: bool,
    /// The check runs that were made.
    ids: HashMap<String, u64>,
    /// The contexts of statuses that say from an earlier run that something failed: a check run would not replace them.
    failing_statuses: HashSet<String>,
}

impl JobForge {
    /// Prepares to tell of the commit of this job.
    pub fn new(kind: ForgeKind, job: &CiJob) -> Result<Self, ForgeError> {
        let token = job.token.clone();
        let api: Box<dyn ForgeApi> = match kind {
            ForgeKind::Github => Box::new(Github::with_token(&job.api_url, token)?),
            ForgeKind::Gitea => Box::new(Gitea::new(&job.api_url, token)?),
            ForgeKind::Gitlab => Box::new(Gitlab::new(&job.api_url, token)?),
        };
        let refused = |error: IdentError| ForgeError::Refused(error.to_string());
        let place = StatusPlace {
            repository: Repository {
                id: job.repository.clone(),
                full_name: job.repository.parse().map_err(refused)?,
                default_branch: None,
                is_private: true,
                installation: None,
            },
            commit: job.revision.to_lowercase().parse().map_err(refused)?,
            branch: job.branch.clone(),
            pipeline: job.pipeline,
            target_url: job.target_url.clone(),
        };
        let shown = Shown {
            by_check_runs: match kind {
                ForgeKind::Github => true,
                ForgeKind::Gitea | ForgeKind::Gitlab => false,
            },
            ids: HashMap::new(),
            failing_statuses: HashSet::new(),
        };
        Ok(Self {
            api,
            place,
            shown: Mutex::new(shown),
        })
    }

    /// Says it by a check run; returns whether the token could.
    async fn set_check_run(&self, status: &CommitStatus) -> Result<bool, ForgeError> {
        if !self.lock().by_check_runs {
            return Ok(false);
        }
        let run = self.check_run(status);
        let id = self.lock().ids.get(&status.context).copied();
        let repository = &self.place.repository;
        let told = match id {
            Some(id) => self.api.update_check_run(repository, id, &run).await,
            None => self.api.create_check_run(repository, &run).await.map(|id| {
                self.lock().ids.insert(status.context.clone(), id);
            }),
        };
        match told {
            Ok(()) => Ok(true),
            // Only before the first one: what was begun as a check run has to end as one.
            Err(error) if error.is_of_token() && self.lock().ids.is_empty() => {
                self.lock().by_check_runs = false;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn check_run(&self, status: &CommitStatus) -> CheckRun {
        let conclusion = match status.state {
            StatusState::Pending => None,
            StatusState::Success => Some(Conclusion::Success),
            StatusState::Failure | StatusState::Error => Some(Conclusion::Failure),
        };
        CheckRun {
            name: status.context.clone(),
            commit: self.place.commit.clone(),
            details_url: self.place.target_url.clone(),
            external_id: String::new(),
            state: conclusion.map_or(CheckState::InProgress, |conclusion| CheckState::Completed {
                conclusion,
                at: None,
            }),
            started_at: None,
            output: Some(CheckOutput {
                title: status.description.clone(),
                summary: code_span(&status.description),
                ..CheckOutput::default()
            }),
            buttons: Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().expect("nothing panics while it is held")
    }
}

impl Forge for JobForge {
    fn set_status<'a>(&'a self, status: &'a CommitStatus) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let is_told = self.set_check_run(status).await?;
            if is_told && !self.lock().failing_statuses.contains(&status.context) {
                return Ok(());
            }
            self.api.set_status(&self.place, status).await
        })
    }

    fn failing<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, HashSet<String>> {
        Box::pin(async move {
            // A token sees nothing of what it has no right to, and could not replace it.
            let statuses = self.api.statuses(&self.place, prefix).await;
            let statuses = match statuses {
                Err(error) if error.is_of_token() => Vec::new(),
                statuses => statuses?,
            };
            let failing = statuses
                .into_iter()
                .filter(|status| status.state.is_failed());
            let mut failing: HashSet<String> = failing.map(|status| status.context).collect();
            self.lock().failing_statuses.clone_from(&failing);
            let runs = self.api.check_runs(&self.place).await.unwrap_or_default();
            let runs = runs
                .into_iter()
                .filter(|run| run.is_failed && run.name.starts_with(prefix));
            failing.extend(runs.map(|run| run.name));
            Ok(failing)
        })
    }

    fn pace(&self) -> Duration {
        self.api.pace()
    }
}
