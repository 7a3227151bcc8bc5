//! How a run comes to its end, and with which exit code.

use std::time::Instant;

use super::{CheckEnd, CheckId, Ending, State};
use crate::{
    event::{EventKind, Outcome, RunOutcome},
    run::{Effect, step::Means},
};

impl Ending {
    /// A later reason replaces an earlier one only if it weighs more.
    fn weight(&self) -> u8 {
        match self {
            Self::FailFast => 0,
            Self::Errored { .. } => 1,
            Self::Stopped(_) => 2,
        }
    }
}

impl State {
    /// Lets nothing new start and stops what runs.
    pub(super) fn end(&mut self, ending: Ending) {
        if self.finished {
            return;
        }
        if self
            .ending
            .as_ref()
            .is_some_and(|now| now.weight() >= ending.weight())
        {
            return;
        }
        let reason = match &ending {
            Ending::FailFast => "--fail-fast".to_owned(),
            // Why has been told.
            Ending::Errored {
                exit_code: 2 | 3, ..
            } => "the evaluation failed".to_owned(),
            Ending::Errored { message, .. } => message.clone(),
            Ending::Stopped(stop) => stop.as_str().to_owned(),
        };
        self.ending = Some(ending);
        // Where nothing is cut short there is nothing to tell but the end itself.
        if self.open_checks > 0 || !self.evaluation.ended || self.uploads.open() > 0 {
            self.emit(EventKind::RunCancelled { reason });
        }
        self.effects.push(Effect::CancelAll);
    }

    /// Whether every check has ended and there will be no other.
    pub(super) fn is_all_done(&self) -> bool {
        let is_planned = self.unplanned.is_empty() && self.planning.is_empty();
        self.evaluation.ended && self.open_checks == 0 && is_planned
    }

    /// Ends the run if nothing is left to be done or waited for.
    pub(super) fn finish_if_over(&mut self, now: Instant) {
        let is_all_done = self.is_all_done();
        let running = [Means::Local, Means::Remote, Means::Substitute]
            .into_iter()
            .any(|means| self.ready.running(means) > 0);
        if self.finished
            || running
            || self.uploads.open() > 0
            || !self.evaluation.ended
            || !(is_all_done || self.ending.is_some())
        {
            return;
        }
        self.finished = true;
        for id in (0..self.checks.len()).map(CheckId) {
            let end = match &self.ending {
                Some(Ending::Errored {
                    exit_code: 4,
                    message,
                }) => CheckEnd {
                    reason: Some(message.clone()),
                    ..CheckEnd::plain(Outcome::InfrastructureFailed)
                },
                Some(_) | None => CheckEnd::plain(Outcome::Cancelled),
            };
            self.finish_check(id, end);
        }
        let (outcome, exit_code, error) = self.verdict();
        self.emit(EventKind::RunFinished {
            outcome,
            counts: self.counts.clone(),
            duration: now.duration_since(self.began),
            exit_code,
            error,
            allowed: self.allowed,
        });
        self.effects.push(Effect::Finish(exit_code));
    }

    fn verdict(&self) -> (RunOutcome, u8, Option<String>) {
        match &self.ending {
            Some(Ending::Stopped(stop)) => return (RunOutcome::Cancelled, stop.exit_code(), None),
            Some(Ending::Errored { exit_code, message }) => {
                return (RunOutcome::Errored, *exit_code, Some(message.clone()));
            }
            Some(Ending::FailFast) | None => {}
        }
        if self.counts.of(Outcome::InfrastructureFailed) > 0 {
            let error = self.steps.iter().find_map(|step| {
                (step.is_infrastructure_failure()).then(|| step.reason.clone().unwrap_or_default())
            });
            (RunOutcome::Errored, 4, error)
        } else if self.counts.failed() > self.allowed
            || (self.by_name && self.counts.of(Outcome::Unsupported) > 0)
            // Nobody stopped the run, but not all that was asked for passed.
            || self.counts.of(Outcome::Cancelled) > 0
        {
            (RunOutcome::Failed, 1, None)
        } else if let Some(error) = &self.upload_error {
            (RunOutcome::Errored, 4, Some(error.clone()))
        } else {
            (RunOutcome::Passed, 0, None)
        }
    }
}
