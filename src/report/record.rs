//! Every check of a run with its outcome, for reports that list them all.
//!
//! Apart from the summary, which only knows causes, and kept only where a file wants it. Bounded by the number of checks
//! a run may have and by the length of all texts together.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use crate::{
    event::{Counts, Event, EventKind, Outcome},
    nix::StorePath,
};

/// How many bytes of evaluation errors are kept in all.
const ERROR_BYTES_MAX: usize = 8 << 20;
/// How many characters of one evaluation error are kept.
const ERROR_CHARS_MAX: usize = 20_000;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CheckRecord {
    /// The attribute path below the attribute asked for.
    pub check: String,
    /// The system it is for; may be empty.
    pub system: String,
    /// The row.
    pub name: String,
    pub outcome: Outcome,
    /// Whether it failed and may.
    pub allowed: bool,
    /// How long its own step ran.
    pub duration: Duration,
    /// The derivation whose failure is the cause, or its own.
    pub culprit: Option<StorePath>,
    /// Why, in words, where there is something to say.
    pub reason: Option<String>,
}

/// All checks of a run.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub title: String,
    pub revision: Option<String>,
    pub began: Option<Timestamp>,
    /// How long after its start something happened last.
    pub elapsed: Duration,
    pub checks: Vec<CheckRecord>,
    /// What was said of checks that could not be evaluated.
    pub evaluation_errors: HashMap<String, String>,
    error_bytes: usize,
}

impl Record {
    /// Takes note of an event.
    pub(super) fn observe(&mut self, event: &Event) {
        self.elapsed = event.elapsed;
        match &event.kind {
            EventKind::RunStarted {
                title, revision, ..
            } => {
                self.title.clone_from(title);
                self.revision.clone_from(revision);
                self.began = Some(event.at);
            }
            EventKind::EvaluationFailed {
                check: Some(check),
                error,
                ..
            } if self.error_bytes < ERROR_BYTES_MAX => {
                let error: String = error.chars().take(ERROR_CHARS_MAX).collect();
                self.error_bytes += error.len();
                self.evaluation_errors.insert(check.clone(), error);
            }
            EventKind::CheckFinished {
                check,
                system,
                name,
                drv_path,
                outcome,
                allowed,
                duration,
                cause,
                reason,
                ..
            } => self.checks.push(CheckRecord {
                check: check.clone(),
                system: system.as_str().to_owned(),
                name: name.clone(),
                outcome: *outcome,
                allowed: *allowed,
                duration: *duration,
                culprit: cause.clone().or_else(|| drv_path.clone()),
                reason: reason.clone(),
            }),
            EventKind::EvaluationFailed { .. }
            | EventKind::CheckFound { .. }
            | EventKind::EvaluationWarning { .. }
            | EventKind::EvaluationFinished { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::StepStarted { .. }
            | EventKind::StepPhase { .. }
            | EventKind::StepWaiting { .. }
            | EventKind::StepLogged { .. }
            | EventKind::StepRetrying { .. }
            | EventKind::StepFinished { .. }
            | EventKind::Warned { .. }
            | EventKind::RunCancelled { .. }
            | EventKind::Ticked { .. }
            | EventKind::CheckExplained { .. }
            | EventKind::UploadStarted { .. }
            | EventKind::UploadFinished { .. }
            | EventKind::RunFinished { .. } => {}
        }
    }

    /// How many checks ended how so far.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for check in &self.checks {
            counts.add(check.outcome);
        }
        counts
    }

    /// The checks that took longest, the longest first.
    pub(super) fn slowest(&self, n: usize) -> Vec<&CheckRecord> {
        let mut checks: Vec<_> = self
            .checks
            .iter()
            .filter(|check| !check.duration.is_zero())
            .collect();
        checks.sort_by_key(|check| std::cmp::Reverse(check.duration));
        checks.truncate(n);
        checks
    }
}
