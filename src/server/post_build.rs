//! What is run after a check has passed: the steps of `[[post_build]]`, which whoever runs the server has written.
//!
//! Stands between the engine and the journal: the end of a check that passed is held back until its steps are over, and
//! is told as a failure where one of them failed. So everything behind sees one end of each check, and the right one.
//! A step is begun again if the server was killed meanwhile; it may be run twice, and is never left out.

mod command;
mod scope;
mod telling;
mod workspace;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::{
    command::{End, Job, StepLog},
    workspace::{Workspace, once_there_is_room},
};
pub(super) use self::{
    telling::{say, say_left_out, tell_warnings},
    workspace::clean_up,
};
use super::{
    app::App,
    insist::{AGAIN, insist},
    journal::Entry,
    logs,
    outputs::{self, Outputs},
};
use crate::{
    config::{CheckRules, PostBuildStep, Properties, write_file},
    db::server::{Begun, NewPostBuild, PostBuildOutcome, Repository, Run, RunId, RunKind},
    event::{Event, EventKind, Outcome, RunOutcome},
    nix::{AttrPath, StorePath},
};

/// How often the store is asked where the outputs of a check are.
const LOOK_UPS_MAX: u32 = 6;

/// The steps that are run after the checks of a run.
pub(super) struct PostBuild {
    app: App,
    run: Arc<Run>,
    repository: Repository,
    steps: Vec<PostBuildStep>,
    /// What the checks are below.
    attribute: String,
    rules: CheckRules,
    cancel: CancellationToken,
    /// Whether it was said that nothing is run any more, since the ref was moved on.
    overtaken: AtomicBool,
}

/// A check that has passed.
struct Passed {
    check: String,
    system: String,
    drv_path: String,
    outputs: Outputs,
}

impl PostBuild {
    /// The steps for a run; `None`: there are none. They end early when `cancel` is cancelled.
    pub(super) fn of_run(
        app: &App,
        run: &Arc<Run>,
        repository: &Repository,
        attribute: &str,
        rules: CheckRules,
        cancel: CancellationToken,
    ) -> Option<Self> {
        let steps = scope::steps_for(&app.config().post_builds, run, repository);
        (!steps.is_empty()).then(|| Self {
            app: Arc::clone(app),
            run: Arc::clone(run),
            repository: repository.clone(),
            steps,
            attribute: attribute.to_owned(),
            rules,
            cancel,
            overtaken: AtomicBool::new(false),
        })
    }

    /// Passes on what a run says, until it says nothing more and all steps are over.
    pub(super) async fn relay(
        self,
        mut entries_rx: mpsc::UnboundedReceiver<Entry>,
        entries_tx: mpsc::UnboundedSender<Entry>,
    ) {
        let own = Arc::new(self);
        let mut held: JoinSet<(Event, Option<String>)> = JoinSet::new();
        let mut end = None;
        let mut failures = Vec::new();
        let mut is_open = true;
        loop {
            tokio::select! {
                entry = entries_rx.recv(), if is_open => match entry {
                    None => is_open = false,
                    Some(Entry::Event(event)) => match own.passed(&event) {
                        Some(mut passed) => {
                            let own = Arc::clone(&own);
                            held.spawn(async move {
                                let failure = match own.look_up(&mut passed).await {
                                    Ok(()) => own.after(&passed).await,
                                    Err(why) => Some(why),
                                };
                                (*event, failure)
                            });
                        }
                        None if matches!(event.kind, EventKind::RunFinished { .. }) => end = Some(event),
                        None => { let _ = entries_tx.send(Entry::Event(event)); }
                    },
                    Some(entry) => { let _ = entries_tx.send(entry); }
                },
                Some(done) = held.join_next() => match done {
                    Ok((mut event, failure)) => {
                        if let Some(reason) = failure {
                            failures.extend(own.fail(&mut event, reason));
                        }
                        let _ = entries_tx.send(Entry::Event(Box::new(event)));
                    }
                    Err(error) => warn!(run = own.run.id.0, %error, "a step after a build broke down"),
                },
                else => break,
            }
        }
        if let Some(mut end) = end {
            count(&mut end, &failures);
            let _ = entries_tx.send(Entry::Event(end));
        }
    }

    /// What passed, if something is run after it.
    fn passed(&self, event: &Event) -> Option<Passed> {
        let EventKind::CheckFinished {
            check,
            system,
            drv_path: Some(drv_path),
            outcome,
            outputs,
            ..
        } = &event.kind
        else {
            return None;
        };
        let is_meant = outcome.is_passed() && self.steps_of(check).next().is_some();
        is_meant.then(|| Passed {
            check: check.clone(),
            system: system.to_string(),
            drv_path: drv_path.to_string(),
            outputs: outputs.clone(),
        })
    }

    fn steps_of(&self, check: &str) -> impl Iterator<Item = &PostBuildStep> {
        let path = AttrPath::parse(check).ok();
        self.steps.iter().filter(move |step| {
            step.checks.as_ref().is_none_or(|patterns| {
                path.as_ref()
                    .is_some_and(|path| self.rules.is_named(patterns, path))
            })
        })
    }

    /// Finds out where the outputs are, if that is only known now. An error says why that cannot be.
    async fn look_up(&self, passed: &mut Passed) -> Result<(), String> {
        if outputs::are_known(&passed.outputs) {
            return Ok(());
        }
        let pool = Arc::clone(&self.app.engine.means().pool);
        let drv_path = StorePath::parse(&passed.drv_path).map_err(|error| error.to_string())?;
        let mut tries = 1;
        loop {
            let built = std::iter::once((&drv_path, &mut passed.outputs));
            match outputs::look_up(&pool, built).await {
                Ok(()) => return Ok(()),
                Err(error) if tries == LOOK_UPS_MAX => {
                    return Err(format!("it is not known where its outputs are: {error}"));
                }
                // A daemon that restarts is soon back.
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
            tries += 1;
        }
    }

    /// Makes the end of a check a failure. Returns how it would have ended, and whether it may fail.
    fn fail(&self, event: &mut Event, why: String) -> Option<(Outcome, bool)> {
        let EventKind::CheckFinished {
            check,
            outcome,
            reason,
            allowed,
            ..
        } = &mut event.kind
        else {
            return None;
        };
        let before = *outcome;
        *outcome = Outcome::Failed;
        *reason = Some(why);
        let path = AttrPath::parse(check).ok();
        *allowed = path.is_some_and(|path| self.rules.options(&path).may_fail);
        Some((before, *allowed))
    }

    /// Runs the steps of a check, one after the other. Returns why it fails by them, if it does.
    async fn after(&self, passed: &Passed) -> Option<String> {
        for step in self.steps_of(&passed.check) {
            let (outcome, why) = match self.carry_out(step, passed).await {
                Ok(ended) => ended,
                Err(error) => {
                    warn!(run = self.run.id.0, step = step.name, %error, "a step is not begun");
                    (PostBuildOutcome::Failed, Some(error.to_string()))
                }
            };
            let why = why.unwrap_or_default();
            info!(
                run = self.run.id.0,
                check = passed.check,
                step = step.name,
                outcome = outcome.as_str(),
                why,
                "a step after a build is over"
            );
            if outcome != PostBuildOutcome::Passed && !step.warn_only {
                return Some(format!("the post-build step `{}` failed: {why}", step.name));
            }
        }
        None
    }

    async fn carry_out(
        &self,
        step: &PostBuildStep,
        passed: &Passed,
    ) -> Result<(PostBuildOutcome, Option<String>), crate::db::server::DbError> {
        let app = &self.app;
        let stopped = || {
            let why = "the run was stopped".to_owned();
            Ok((PostBuildOutcome::Cancelled, Some(why)))
        };
        let _permit = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return stopped(),
            permit = app.post_builds.acquire() => permit,
        };
        let properties = scope::properties(
            &app.config(),
            &self.run,
            &self.repository,
            &passed.check,
            &passed.system,
            &passed.drv_path,
            out_path(&passed.outputs),
        );
        let new = NewPostBuild {
            run: self.run.id,
            path: crate::db::server::path_of(&self.attribute, &passed.check),
            name: step.name.clone(),
            digest: digest(step, &properties, passed),
            warn_only: step.warn_only,
        };
        // What somebody asks for by hand is done again.
        let once = self.run.new.kind != RunKind::Manual;
        let note = insist("that a step after a build begins", || {
            app.db.begin_post_build(new.clone(), once)
        });
        let begun = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return stopped(),
            answer = note => answer?,
        };
        let id = match begun {
            Begun::Now(id) => id,
            Begun::DoneIn(_) => return Ok((PostBuildOutcome::Passed, None)),
            Begun::Overtaken(newer) => {
                if !self.overtaken.swap(true, Ordering::Relaxed) {
                    let why = format!("no post-build steps: run {} is newer", newer.0);
                    say(app, self.run.id, why).await;
                }
                return Ok((PostBuildOutcome::Passed, None));
            }
        };
        app.hub.changed(self.run.id);
        let (outcome, reason) = self.execute(step, passed, &properties, id).await;
        let end = || app.db.end_post_build(id, outcome, reason.clone());
        // What it did is done, whatever is written down of it.
        if let Err(error) = insist("the end of a step after a build", end).await {
            warn!(run = self.run.id.0, step = step.name, %error, "its end is not written down");
        }
        app.hub.changed(self.run.id);
        Ok((outcome, reason))
    }

    async fn execute(
        &self,
        step: &PostBuildStep,
        passed: &Passed,
        properties: &Properties,
        id: i64,
    ) -> (PostBuildOutcome, Option<String>) {
        let failed = |why: String| (PostBuildOutcome::Failed, Some(why));
        let stopped = || {
            let why = "the run was stopped".to_owned();
            (PostBuildOutcome::Cancelled, Some(why))
        };
        let file = log_file(&self.app, self.run.id, id);
        let make = || {
            let folder = Workspace::make(&self.app, id, passed)?;
            write_file(&file, b"")?;
            let log = StepLog::open(&file, self.app.redaction.redactor())?;
            Ok((folder, log))
        };
        let (folder, mut log) = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return stopped(),
            ready = once_there_is_room(make) => match ready {
                Ok(ready) => ready,
                Err(error) => return failed(format!("its folder or its log cannot be made: {error}")),
            },
        };
        let mut words = step.command.iter().map(|word| word.fill(properties));
        let environment = step
            .environment
            .iter()
            .map(|(name, value)| (name.clone(), value.fill(properties)));
        let job = Job {
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
            environment: environment.collect(),
            folder: folder.path(),
            timeout: step.timeout,
        };
        let end = command::run(job, &mut log, &self.cancel).await;
        log.finish();
        match end {
            End::Exited(status) if status.success() => (PostBuildOutcome::Passed, None),
            End::Exited(status) => failed(status.to_string()),
            End::NotStarted(why) => failed(why),
            End::TimedOut => {
                let why = format!("it took longer than {} s", step.timeout.as_secs());
                (PostBuildOutcome::TimedOut, Some(why))
            }
            End::Stopped => stopped(),
        }
    }
}

/// Whether something is run after the checks of a run.
pub(super) fn has_steps(app: &App, run: &Run, repository: &Repository) -> bool {
    !scope::steps_for(&app.config().post_builds, run, repository).is_empty()
}

/// The file with what a step said.
pub(super) fn log_file(app: &App, run: RunId, id: i64) -> PathBuf {
    logs::folder(app, run)
        .path()
        .join(format!("post-build-{id}.log"))
}

fn out_path(outputs: &Outputs) -> Option<&StorePath> {
    let out = outputs.get("out").or_else(|| outputs.values().next());
    out.and_then(Option::as_ref)
}

/// What decides whether a step would do what it did already: all that it is given, and what was built.
fn digest(step: &PostBuildStep, properties: &Properties, passed: &Passed) -> String {
    let mut digest = Sha256::new();
    let mut add = |text: &str| {
        digest.update(text.len().to_le_bytes());
        digest.update(text);
    };
    for word in &step.command {
        add(&word.without_secrets(properties));
    }
    for (name, value) in &step.environment {
        add(name);
        add(&value.without_secrets(properties));
    }
    for (name, path) in &passed.outputs {
        add(name);
        add(path.as_ref().map(StorePath::as_str).unwrap_or_default());
    }
    crate::nix::hex(&digest.finalize())
}

/// Counts checks as failed that the engine has as passed.
fn count(end: &mut Event, failures: &[(Outcome, bool)]) {
    let EventKind::RunFinished {
        outcome,
        counts,
        exit_code,
        allowed,
        ..
    } = &mut end.kind
    else {
        return;
    };
    for (before, may_fail) in failures {
        counts.move_one(*before, Outcome::Failed);
        if *may_fail {
            *allowed += 1;
        } else if *outcome == RunOutcome::Passed {
            (*outcome, *exit_code) = (RunOutcome::Failed, 1);
        }
    }
}

#[cfg(test)]
mod tests;
