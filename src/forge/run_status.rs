//! Which statuses the events of a run make: one for the evaluation, one for the build, one for each failure up to a cap.
//!
//! Pure. Checks that pass make no status, since a forge limits how many there may be; they only take back what an earlier
//! run on the same commit said.

use super::{CommitStatus, News, StatusState};
use crate::{
    event::{Counts, Event, EventKind, Outcome, RunOutcome},
    nix::StorePath,
};

/// How many failures get a status of their own. The number is buildbot-nix's, so that a commit has at most 50.
const FAILURES_MAX: usize = 47;
/// The exit code of a run whose machine is at fault.
const INFRASTRUCTURE: u8 = 4;

/// What the contexts of a run are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusContexts {
    /// That of the evaluation.
    pub eval: String,
    /// That of the build.
    pub build: String,
    /// What those of single checks begin with.
    pub check_prefix: String,
    /// How many of these there are at most.
    pub failures: usize,
}

impl StatusContexts {
    /// Contexts that begin with `prefix`, such as `nixci`.
    pub fn new(prefix: &str) -> Self {
        Self {
            eval: format!("{prefix}/eval"),
            build: format!("{prefix}/build"),
            check_prefix: format!("{prefix}/build "),
            failures: FAILURES_MAX,
        }
    }

    /// Contexts of a repository, called `owner/name`, at a forge of this kind. With the prefix `buildbot` they are exactly
    /// those of buildbot-nix, so that branches protected by them stay so.
    pub fn of_repository(prefix: &str, kind: &str, full_name: &str, failures: usize) -> Self {
        let (eval, build) = if prefix == "buildbot" {
            ("nix-eval", "nix-build")
        } else {
            ("eval", "build")
        };
        // buildbot-nix knows no difference.
        let kind = if kind == "forgejo" { "gitea" } else { kind };
        Self {
            eval: format!("{prefix}/{eval}"),
            build: format!("{prefix}/{build}"),
            check_prefix: format!("{prefix}/{build} {kind}:{full_name}#"),
            failures,
        }
    }
}

/// Turns events into statuses.
#[derive(Debug)]
pub struct RunStatuses {
    contexts: StatusContexts,
    attribute: String,
    failures: usize,
    is_evaluating: bool,
    /// Why the evaluation as a whole failed.
    error: Option<String>,
    /// What the machine is to blame for. It is told in the end, since the run may be tried again instead.
    held: Vec<News>,
}

impl RunStatuses {
    /// Makes statuses with these contexts.
    pub fn new(contexts: StatusContexts) -> Self {
        Self {
            contexts,
            attribute: String::new(),
            failures: 0,
            is_evaluating: false,
            error: None,
            held: Vec::new(),
        }
    }

    /// What the contexts of single checks begin with.
    pub fn check_prefix(&self) -> String {
        self.contexts.check_prefix.clone()
    }

    /// Takes an event; returns what is to be told.
    pub fn observe(&mut self, event: &Event) -> Vec<News> {
        match &event.kind {
            EventKind::RunStarted { attribute, .. } => {
                self.attribute.clone_from(attribute);
                self.is_evaluating = true;
                let StatusContexts { eval, build, .. } = &self.contexts;
                let waiting = "waiting for the evaluation";
                vec![
                    status(eval, StatusState::Pending, "evaluating"),
                    status(build, StatusState::Pending, waiting),
                ]
            }
            EventKind::EvaluationFailed {
                check: None, error, ..
            } => {
                // Whose fault that is, is said in the end.
                self.error = Some(first_line(error).to_owned());
                Vec::new()
            }
            EventKind::EvaluationFinished { checks, failed, .. } => {
                let (state, text) = match failed {
                    0 => (StatusState::Success, many(*checks, "check")),
                    failed => (
                        StatusState::Failure,
                        format!("{failed} of {} cannot be evaluated", many(*checks, "check")),
                    ),
                };
                let mut news = self.end_evaluation(state, &text);
                news.push(status(
                    &self.contexts.build,
                    StatusState::Pending,
                    "building",
                ));
                news
            }
            EventKind::CheckFinished {
                check,
                outcome,
                cause,
                reason,
                allowed,
                ..
            } => {
                let context = format!("{}{}", self.contexts.check_prefix, self.path(check));
                if outcome.is_passed() || *allowed {
                    return vec![News::Passed { context }];
                }
                if !outcome.is_failed() || self.failures >= self.contexts.failures {
                    return Vec::new();
                }
                self.failures += 1;
                let cause = cause.as_ref().map(StorePath::name);
                let description = describe(*outcome, cause, reason.as_deref());
                if *outcome == Outcome::InfrastructureFailed {
                    self.held
                        .push(status(&context, StatusState::Error, &description));
                    return Vec::new();
                }
                vec![status(&context, StatusState::Failure, &description)]
            }
            EventKind::RunFinished {
                outcome,
                counts,
                error,
                exit_code,
                ..
            } => {
                let state = match outcome {
                    RunOutcome::Passed => StatusState::Success,
                    RunOutcome::Failed => StatusState::Failure,
                    // The flake cannot be evaluated, or says what cannot be done.
                    RunOutcome::Errored if *exit_code != INFRASTRUCTURE => StatusState::Failure,
                    RunOutcome::Cancelled | RunOutcome::Errored => StatusState::Error,
                };
                let mut news = self.end_unfinished_evaluation(*exit_code);
                news.append(&mut self.held);
                let text = match (outcome, error) {
                    (_, Some(error)) => first_line(error).to_owned(),
                    (RunOutcome::Cancelled, None) => format!("stopped: {}", tally(counts)),
                    (_, None) => tally(counts),
                };
                news.push(status(&self.contexts.build, state, &text));
                news
            }
            EventKind::CheckFound { .. }
            | EventKind::EvaluationFailed { check: Some(_), .. }
            | EventKind::EvaluationWarning { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::StepStarted { .. }
            | EventKind::StepPhase { .. }
            | EventKind::StepWaiting { .. }
            | EventKind::CheckExplained { .. }
            | EventKind::UploadStarted { .. }
            | EventKind::UploadFinished { .. }
            | EventKind::StepLogged { .. }
            | EventKind::StepRetrying { .. }
            | EventKind::StepFinished { .. }
            | EventKind::Warned { .. }
            | EventKind::RunCancelled { .. }
            | EventKind::Ticked { .. } => Vec::new(),
        }
    }

    /// The end of an evaluation that the run did not get over.
    fn end_unfinished_evaluation(&mut self, exit_code: u8) -> Vec<News> {
        match self.error.take() {
            Some(error) if exit_code == INFRASTRUCTURE => {
                self.end_evaluation(StatusState::Error, &error)
            }
            Some(error) => self.end_evaluation(StatusState::Failure, &error),
            None => self.end_evaluation(StatusState::Error, "stopped"),
        }
    }

    fn end_evaluation(&mut self, state: StatusState, text: &str) -> Vec<News> {
        if !std::mem::replace(&mut self.is_evaluating, false) {
            return Vec::new();
        }
        vec![status(&self.contexts.eval, state, text)]
    }

    /// The check with the attribute it is below.
    fn path(&self, check: &str) -> String {
        match (self.attribute.as_str(), check) {
            ("", check) => check.to_owned(),
            (attribute, "") => attribute.to_owned(),
            (attribute, check) => format!("{attribute}.{check}"),
        }
    }
}

fn status(context: &str, state: StatusState, description: &str) -> News {
    News::Status(CommitStatus {
        context: context.to_owned(),
        state,
        description: description.to_owned(),
    })
}

fn describe(outcome: Outcome, cause: Option<&str>, reason: Option<&str>) -> String {
    let why = match (outcome, cause) {
        (Outcome::DependencyFailed, Some(cause)) => {
            return format!("{} failed", cause.strip_suffix(".drv").unwrap_or(cause));
        }
        (Outcome::TimedOut, _) => "took too long",
        (Outcome::EvaluationFailed, _) => "cannot be evaluated",
        (Outcome::InfrastructureFailed, _) => "infrastructure failed",
        _ => "failed",
    };
    match reason {
        Some(reason) => format!("{why}: {}", first_line(reason)),
        None => why.to_owned(),
    }
}

fn first_line(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| !line.is_empty()).unwrap_or_default()
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How many checks ended how, in words.
fn tally(counts: &Counts) -> String {
    let (passed, failed) = (counts.passed(), counts.failed());
    let other = counts.total() - passed - failed;
    let parts = [(passed, "passed"), (failed, "failed"), (other, "not built")];
    let text: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if text.is_empty() {
        "no checks".to_owned()
    } else {
        text.join(", ")
    }
}

#[cfg(test)]
mod tests;
