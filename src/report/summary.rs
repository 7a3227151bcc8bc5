//! What the end of a run has to tell, collected while it goes on.
//!
//! Keeps each failure once with what it broke, whatever the number of checks; how it is written is in
//! [`text`]. Bounded: a few checks by name for each cause, the last lines of a log, and a limit on all of it together.

mod annotations;
mod causes;
mod entry;
mod hash_fix;
mod last_line;
mod noise;
mod passed;
mod text;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

pub(super) use entry::{Entry, of_failure};
pub(super) use hash_fix::{HashFix, locate};
pub(super) use last_line::last_line;
pub(super) use text::{Ending, Extent};

use self::{
    causes::{CHECKS_NAMED, Causes, Checks},
    passed::Passed,
};
use super::source_tree::{SourceTree, excerpt};
use crate::{
    event::{Counts, Event, EventKind, Outcome, UploadOutcome},
    nix::{StorePath, System},
};

/// How long such a text may be, in characters.
const TEXT_CHARS_MAX: usize = 100_000;
/// How many bytes of logs and errors are kept in all.
const TEXT_BYTES_MAX: usize = 16 << 20;

/// A derivation that could not be obtained.
#[derive(Debug)]
pub(super) struct Failure {
    drv_path: StorePath,
    name: String,
    outcome: Outcome,
    duration: Duration,
    machine: String,
    phase: Option<String>,
    error: String,
    log_tail: Vec<String>,
    log_lines_before: u64,
    /// If it is a hash that is wrong.
    fix: Option<HashFix>,
    breaks: Checks,
}

/// Why checks could not be evaluated.
#[derive(Debug, PartialEq, Eq, Hash)]
struct EvaluationError {
    error: String,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
}

/// How the checks of this run did before, as far as known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Past {
    /// Whether anything is known.
    is_known: bool,
    /// How many failed now and before, of those that may not.
    failed_before: usize,
    /// How many failed before and pass now.
    fixed: usize,
}

/// What the end has to tell.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Lines of the flake's files around each evaluation error, by its number.
    excerpts: HashMap<usize, Vec<String>>,
    /// What makes hash mismatches in the evaluation go away, by the number of the error.
    evaluation_fixes: BTreeMap<usize, HashFix>,
    systems: Vec<System>,
    systems_available: Vec<System>,
    failures: Vec<Failure>,
    failure_of: HashMap<StorePath, usize>,
    /// What passed, where all outputs are looked at.
    passed: Passed,
    evaluation_errors: Causes<EvaluationError>,
    /// Checks that failed by no derivation of theirs: what happened instead.
    mishaps: Causes<(Outcome, String)>,
    unsupported: Causes<String>,
    warnings: Causes<String>,
    /// How many outputs were copied elsewhere.
    uploaded: usize,
    /// Outputs that were not, by destination and reason.
    failed_uploads: Causes<(String, String)>,
    /// The checks whose evaluation failed, as far as told, with the place of the error.
    unevaluated: HashMap<String, Option<usize>>,
    /// How the checks ended that failed and may.
    allowed: Counts,
    past: Past,
    cancelled: Option<String>,
    log_lines: usize,
    kept_bytes: usize,
}

impl Summary {
    /// Starts a summary that shows so many lines of each failed build's log.
    pub(super) fn new(log_lines: usize) -> Self {
        Self {
            log_lines,
            ..Self::default()
        }
    }

    /// Takes note of an event. Whether it says what no event before did.
    pub(super) fn observe(&mut self, event: &Event) -> bool {
        match &event.kind {
            EventKind::RunStarted { systems, .. } => self.systems.clone_from(systems),
            EventKind::EvaluationFailed {
                check,
                error,
                file,
                line,
                column,
                ..
            } => {
                let error = EvaluationError {
                    error: self.bounded(error),
                    file: file.clone(),
                    line: *line,
                    column: *column,
                };
                let bytes = error.error.len();
                let added = self.evaluation_errors.add(error, check.as_deref());
                if let Some(check) = check {
                    self.unevaluated.insert(check.clone(), added.at);
                }
                return self.charge(added.is_new, bytes);
            }
            EventKind::EvaluationWarning { check, message } => {
                let message = self.bounded(message.trim());
                let bytes = message.len();
                let added = self.warnings.add(message, check.as_deref());
                return self.charge(added.is_new, bytes);
            }
            EventKind::EvaluationFinished {
                systems_available, ..
            } => {
                self.systems_available.clone_from(systems_available);
            }
            EventKind::StepFinished {
                outcome: Outcome::Failed | Outcome::TimedOut | Outcome::InfrastructureFailed,
                ..
            } => self.add_failure(event),
            EventKind::CheckFinished { .. } => return self.add_check(event),
            EventKind::RunCancelled { reason } => {
                self.cancelled.get_or_insert_with(|| reason.clone());
            }
            EventKind::UploadFinished {
                destination,
                paths,
                outcome,
                error,
                ..
            } => match outcome {
                UploadOutcome::Uploaded => self.uploaded += paths.len(),
                UploadOutcome::UploadFailed => self.add_failed_upload(destination, paths, error),
            },
            EventKind::CheckFound { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::StepStarted { .. }
            | EventKind::StepPhase { .. }
            | EventKind::StepWaiting { .. }
            | EventKind::StepLogged { .. }
            | EventKind::StepRetrying { .. }
            | EventKind::StepFinished { .. }
            | EventKind::UploadStarted { .. }
            | EventKind::Warned { .. }
            | EventKind::Ticked { .. }
            | EventKind::CheckExplained { .. }
            | EventKind::RunFinished { .. } => {}
        }
        true
    }

    /// The failure of a derivation.
    pub(super) fn failure(&self, drv_path: &StorePath) -> Option<&Failure> {
        self.failures.get(*self.failure_of.get(drv_path)?)
    }

    /// Looks into the flake's files for what they tell about the failures.
    pub(super) fn look_into(&mut self, tree: &dyn SourceTree) {
        for (n, (error, _)) in self.evaluation_errors.in_order().into_iter().enumerate() {
            if let Some(fix) = HashFix::parse(&error.error) {
                self.evaluation_fixes.insert(n, fix);
            }
        }
        let of_builds = self
            .failures
            .iter_mut()
            .filter_map(|failure| failure.fix.as_mut());
        hash_fix::locate(of_builds.chain(self.evaluation_fixes.values_mut()), tree);
        for (n, (error, _)) in self.evaluation_errors.in_order().into_iter().enumerate() {
            let (Some(file), Some(line)) = (&error.file, error.line) else {
                continue;
            };
            // Nix shows the lines itself if it read the file for its message.
            if !error.error.lines().any(is_caret)
                && let Some(excerpt) = excerpt(tree, file, line, error.column)
            {
                self.excerpts.insert(n, excerpt);
            }
        }
    }

    fn add_failure(&mut self, event: &Event) {
        let EventKind::StepFinished {
            drv_path,
            name,
            outcome,
            duration,
            machine,
            error,
            log_tail,
            log_lines_before,
            phase,
            checks,
            ..
        } = &event.kind
        else {
            return;
        };
        if self.failure_of.contains_key(drv_path) {
            return;
        }
        let wanted = if self.is_full() { 0 } else { self.log_lines };
        let left_out = log_tail.len().saturating_sub(wanted);
        let mut breaks = Checks::default();
        checks
            .iter()
            .take(CHECKS_NAMED)
            .for_each(|check| breaks.name(check));
        breaks.total = checks.len();
        let failure = Failure {
            drv_path: drv_path.clone(),
            name: name.clone(),
            outcome: *outcome,
            duration: *duration,
            machine: machine.clone(),
            phase: phase.clone(),
            error: self.bounded(error),
            log_tail: log_tail[left_out..]
                .iter()
                .map(|line| self.bounded(line))
                .collect(),
            log_lines_before: log_lines_before.saturating_add(left_out as u64),
            fix: HashFix::parse(error),
            breaks,
        };
        let log_bytes: usize = failure.log_tail.iter().map(String::len).sum();
        self.charge(true, failure.error.len() + log_bytes);
        self.failure_of
            .insert(drv_path.clone(), self.failures.len());
        self.failures.push(failure);
    }

    fn add_failed_upload(&mut self, destination: &str, paths: &[StorePath], error: &str) {
        let error = self.bounded(error.trim());
        let bytes = error.len();
        let mut is_new = false;
        for path in paths {
            let cause = (destination.to_owned(), error.clone());
            is_new |= self.failed_uploads.add(cause, Some(path.name())).is_new;
        }
        self.charge(is_new, bytes);
    }

    fn add_check(&mut self, event: &Event) -> bool {
        let EventKind::CheckFinished {
            check,
            drv_path,
            kind,
            outcome,
            cause,
            reason,
            allowed,
            previous,
            ..
        } = &event.kind
        else {
            return true;
        };
        let failed_before = previous.is_some_and(Outcome::is_failed);
        self.past.is_known |= previous.is_some();
        self.past.fixed += usize::from(failed_before && outcome.is_passed());
        let before = usize::from(failed_before && outcome.is_failed());
        if *allowed {
            self.allowed.add(*outcome);
        } else {
            self.past.failed_before += before;
        }
        let reason = reason.as_deref().unwrap_or_default().trim();
        if *outcome == Outcome::Unsupported {
            let reason = self.bounded(reason);
            let bytes = reason.len();
            let added = self.unsupported.add(reason, Some(check));
            self.charge(added.is_new, bytes);
        }
        if kind.is_some() && outcome.is_passed() {
            self.passed.add(check);
        }
        if !outcome.is_failed() {
            return false;
        }
        if let Some(at) = self.unevaluated.get(check) {
            self.evaluation_errors.end(*at, before, *allowed);
            return false;
        }
        let drv_path = cause.as_ref().or(drv_path.as_ref());
        let failure = drv_path.and_then(|drv_path| self.failure_of.get(drv_path));
        let Some(failure) = failure.and_then(|at| self.failures.get_mut(*at)) else {
            let why = match cause {
                Some(cause) if reason.is_empty() => format!("{cause} failed"),
                _ => self.bounded(reason),
            };
            let bytes = why.len();
            let added = self.mishaps.add((*outcome, why), Some(check));
            self.mishaps.end(added.at, before, *allowed);
            return self.charge(added.is_new, bytes);
        };
        failure.breaks.end(before, *allowed);
        failure.breaks.name(check);
        // The step named the checks known then; while the evaluation goes on there may come more.
        failure.breaks.total = failure.breaks.total.max(failure.breaks.ended);
        false
    }

    /// A text from outside within the bounds of what is kept.
    fn bounded(&self, text: &str) -> String {
        let wanted = if self.is_full() { 0 } else { TEXT_CHARS_MAX };
        text.chars().take(wanted).collect()
    }

    /// Counts in what is kept if it is new; says whether it is.
    fn charge(&mut self, is_new: bool, bytes: usize) -> bool {
        self.kept_bytes += if is_new { bytes } else { 0 };
        is_new
    }

    fn is_full(&self) -> bool {
        self.kept_bytes >= TEXT_BYTES_MAX
    }
}

/// Whether a line is the caret below a line of source: `   |     ^`.
fn is_caret(line: &str) -> bool {
    let rest = line.trim().strip_prefix('|');
    rest.is_some_and(|rest| rest.trim() == "^")
}

#[cfg(test)]
pub(super) mod tests;
