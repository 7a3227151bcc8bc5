//! Checks: how they are found, what they wait for, and that each ends exactly once.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    time::Duration,
};

use super::{Ending, State};
use crate::{
    config::CheckOptions,
    eval::{EvalFailure, EvaluatedCheck, EvaluatedOutput},
    event::{EventKind, Outcome},
    nix::{AttrPath, OutputKind, StorePath, System},
    run::{
        StepId,
        step::{Means, Status},
    },
};

/// How many checks are named that are missing.
const MISSING_NAMED: usize = 5;

/// The number of a check in its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::run) struct CheckId(pub(in crate::run) usize);

/// One attribute to be built.
#[derive(Debug)]
pub(super) struct Check {
    /// The attribute path below the attribute asked for, quoted.
    pub(super) path: String,
    pub(super) name: String,
    pub(super) system: System,
    pub(super) kind: Option<OutputKind>,
    pub(super) drv_path: Option<StorePath>,
    pub(super) outputs: BTreeMap<String, Option<StorePath>>,
    /// The steps it waits for: its derivation, or the downloads of its outputs.
    pub(super) steps: Vec<StepId>,
    pub(super) outcome: Option<Outcome>,
    /// What was said about it beforehand.
    pub(super) options: CheckOptions,
}

/// How a check ends.
#[derive(Clone, Debug)]
pub(super) struct CheckEnd {
    pub(super) outcome: Outcome,
    pub(super) duration: Duration,
    pub(super) cause: Option<StorePath>,
    pub(super) reason: Option<String>,
}

impl CheckEnd {
    /// An end about which there is nothing more to say.
    pub(super) fn plain(outcome: Outcome) -> Self {
        Self {
            outcome,
            duration: Duration::ZERO,
            cause: None,
            reason: None,
        }
    }
}

impl State {
    pub(super) fn check_found(&mut self, found: EvaluatedCheck) {
        if !self.is_wanted(&found.path) {
            return;
        }
        self.by_name |= found.path.is_empty();
        let check = Check {
            drv_path: Some(found.drv_path.clone()),
            outputs: found.outputs,
            ..self.check_at(&found.path, Some(found.system))
        };
        self.emit(EventKind::CheckFound {
            check: check.path.clone(),
            system: check.system.clone(),
            name: check.name.clone(),
            drv_path: found.drv_path.clone(),
            outputs: check.outputs.clone(),
            extra: found.extra,
        });
        let id = self.add_check(check);
        match self.by_target.get(&found.drv_path).copied() {
            Some(step) => self.attach(id, vec![step]),
            None => self.unplanned.push(id),
        }
    }

    pub(super) fn check_not_evaluated(&mut self, path: &AttrPath, failure: EvalFailure) {
        if !self.is_wanted(path) {
            return;
        }
        self.by_name |= path.is_empty();
        self.evaluation.failed += 1;
        let check = self.check_at(path, None);
        self.emit_evaluation_failed(Some(check.path.clone()), failure, check.options.may_fail);
        let id = self.add_check(check);
        self.finish_check(id, CheckEnd::plain(Outcome::EvaluationFailed));
    }

    /// Something is as it should be and needs no build.
    pub(super) fn output_found(&mut self, output: EvaluatedOutput) {
        let EvaluatedOutput { path, drv_path } = output;
        if !self.is_wanted(&path) {
            return;
        }
        let check = Check {
            drv_path,
            ..self.check_at(&path, None)
        };
        let id = self.add_check(check);
        self.finish_check(id, CheckEnd::plain(Outcome::Evaluated));
    }

    /// A check of which only its place is known, and the system its derivation says.
    fn check_at(&self, path: &AttrPath, of_derivation: Option<System>) -> Check {
        let (name, system) = self.name_and_system(path);
        let output = path.names().first().filter(|_| self.settings.flake_check);
        Check {
            path: path.to_string(),
            name,
            system: system
                .or(of_derivation)
                .unwrap_or_else(|| System::of_derivation("")),
            kind: output.map(|output| OutputKind::of(output)),
            drv_path: None,
            outputs: BTreeMap::new(),
            steps: Vec::new(),
            outcome: None,
            options: self.settings.rules.options(path),
        }
    }

    fn is_wanted(&self, path: &AttrPath) -> bool {
        let only = self.settings.only.as_ref();
        only.is_none_or(|only| only.contains(&path.to_string()))
    }

    /// Tells which of the checks that were asked for by name are not there.
    pub(super) fn tell_missing(&mut self) {
        let Some(only) = &self.settings.only else {
            return;
        };
        let found: HashSet<&str> = self.checks.iter().map(|check| &*check.path).collect();
        let missing = only.iter().filter(|path| !found.contains(path.as_str()));
        let mut missing: Vec<&str> = missing.map(String::as_str).collect();
        if missing.is_empty() {
            return;
        }
        missing.sort_unstable();
        let (all, named) = (missing.len(), missing.len().min(MISSING_NAMED));
        let mut message = missing[..named].join(", ");
        if all > named {
            let _ = write!(message, " and {} more", all - named);
        }
        let (is, what) = if all == 1 {
            ("is", "check")
        } else {
            ("are", "checks")
        };
        self.emit(EventKind::Warned {
            message: format!(
                "no longer there {is} the {what} that failed the last time: {message}"
            ),
        });
    }

    /// The row and, where its path or the attribute names one, the system of a check.
    fn name_and_system(&self, path: &AttrPath) -> (String, Option<System>) {
        let attribute = AttrPath::parse(&self.settings.attribute).unwrap_or_default();
        let (name, system) = path.split_system();
        let system = system.or_else(|| attribute.split_system().1);
        let name = if name.is_empty() {
            AttrPath::new(attribute.names().last().cloned()).to_string()
        } else {
            name.to_string()
        };
        (name, system.map(System::of_derivation))
    }

    fn add_check(&mut self, check: Check) -> CheckId {
        self.checks.push(check);
        self.open_checks += 1;
        CheckId(self.checks.len() - 1)
    }

    /// Makes a check wait for these steps, or ends it if there is nothing to wait for.
    pub(super) fn attach(&mut self, id: CheckId, steps: Vec<StepId>) {
        for step in &steps {
            self.steps[step.0].checks.push(id);
        }
        self.checks[id.0].steps.clone_from(&steps);
        if self.checks[id.0].outcome.is_none() {
            let own = self.checks[id.0].steps.clone();
            self.want(steps);
            if self.checks[id.0].options.is_local {
                for step in own {
                    self.keep_here(step);
                }
            }
            self.finish_check_by_steps(id);
        } else {
            self.unwant(steps);
        }
    }

    /// Ends a check if all its steps are done.
    pub(super) fn finish_check_by_steps(&mut self, id: CheckId) {
        let mut worst: Option<(StepId, Outcome, Option<StepId>)> = None;
        for step in &self.checks[id.0].steps {
            let Status::Done(outcome, cause) = self.steps[step.0].status else {
                let to_build = self.steps[step.0].means != Means::Substitute;
                if self.settings.no_build && to_build {
                    self.finish_check(
                        id,
                        CheckEnd {
                            reason: Some("would be built".into()),
                            ..CheckEnd::plain(Outcome::Skipped)
                        },
                    );
                }
                return;
            };
            // A download that turned out to be there already does not hide one that was done.
            let weight = |outcome: Outcome| match outcome {
                Outcome::Cached | Outcome::Evaluated => 0,
                Outcome::Substituted => 1,
                Outcome::Built => 2,
                Outcome::Failed
                | Outcome::TimedOut
                | Outcome::DependencyFailed
                | Outcome::EvaluationFailed
                | Outcome::InfrastructureFailed
                | Outcome::Unsupported
                | Outcome::Skipped
                | Outcome::Cancelled => 3,
            };
            if worst.is_none_or(|(_, so_far, _)| weight(outcome) > weight(so_far)) {
                worst = Some((*step, outcome, cause));
            }
        }
        let Some((step, outcome, cause)) = worst else {
            return;
        };
        let step = &self.steps[step.0];
        let cause = cause.map(|cause| &self.steps[cause.0]);
        let end = CheckEnd {
            outcome,
            duration: step.duration,
            reason: cause.unwrap_or(step).reason.clone(),
            cause: cause.map(|cause| cause.drv_path.clone()),
        };
        self.finish_check(id, end);
    }

    /// Ends a check, unless it has ended.
    pub(super) fn finish_check(&mut self, id: CheckId, end: CheckEnd) {
        let check = &mut self.checks[id.0];
        if check.outcome.is_some() {
            return;
        }
        check.outcome = Some(end.outcome);
        let allowed = check.options.may_fail && is_own_failure(end.outcome);
        self.open_checks -= 1;
        self.counts.add(end.outcome);
        self.allowed += usize::from(allowed);
        let event = EventKind::CheckFinished {
            check: check.path.clone(),
            system: check.system.clone(),
            name: check.name.clone(),
            kind: check.kind,
            drv_path: check.drv_path.clone(),
            outcome: end.outcome,
            duration: end.duration,
            outputs: check.outputs.clone(),
            cause: end.cause,
            reason: end.reason,
            allowed,
            previous: self.settings.previous.get(&check.path).copied(),
        };
        self.emit(event);
        if end.outcome.is_passed() {
            self.upload_check(id);
        }
        if end.outcome.is_failed() && !allowed && self.settings.fail_fast {
            self.end(Ending::FailFast);
        }
    }
}

/// Whether a check failed by what is checked; whoever lets it fail does not mean a lost daemon.
pub(super) fn is_own_failure(outcome: Outcome) -> bool {
    outcome.is_failed() && outcome != Outcome::InfrastructureFailed
}
