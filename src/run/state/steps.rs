//! Steps: starting, what they say while they run, and what their end means for those above.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{Ending, State, checks::is_own_failure};
use crate::{
    event::{EventKind, Outcome},
    run::{
        Effect, StepEnd, StepId, StepNote,
        input::Start,
        step::{Means, Status, Step},
    },
};

/// How far the checks above are searched for where that is done for every step.
const DETOURS: usize = 250;
/// How often a step is tried.
const ATTEMPTS: u32 = 2;
/// How long to wait before a step is tried again, so that a restarting daemon is back.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// After so many steps in a row that lost the daemon for good, the run gives up.
const LOST_IN_A_ROW: u32 = 3;

impl State {
    pub(super) fn make_ready(&mut self, id: StepId) {
        let step = &mut self.steps[id.0];
        step.status = Status::Ready;
        self.ready.push(step.means, step.priority, id);
    }

    pub(super) fn start_ready(&mut self, now: Instant) {
        if self.ending.is_some() || self.settings.no_build {
            return;
        }
        for means in [Means::Substitute, Means::Local, Means::Remote] {
            while let Some(id) = {
                let steps = &self.steps;
                self.ready.take(means, |id| is_ready(steps, id, means))
            } {
                let limits = self.limits(id);
                self.running.push(id);
                let step = &mut self.steps[id.0];
                step.status = Status::Running;
                step.attempt += 1;
                step.started = Some(now);
                let substitute = means == Means::Substitute;
                let start = Start {
                    step: id,
                    target: if substitute {
                        &step.target
                    } else {
                        &step.drv_path
                    }
                    .clone(),
                    substitute,
                    remote: means == Means::Remote,
                    delay: if step.attempt > 1 {
                        RETRY_DELAY
                    } else {
                        Duration::ZERO
                    },
                    limits,
                };
                self.effects.push(Effect::Start(start));
            }
        }
    }

    pub(super) fn is_running(&self, id: StepId) -> bool {
        self.steps[id.0].status == Status::Running
    }

    pub(super) fn noted(&mut self, id: StepId, notes: Vec<StepNote>, now: Instant) {
        if !self.is_running(id) {
            return;
        }
        let drv_path = self.steps[id.0].drv_path.clone();
        let mut lines = Vec::new();
        for note in notes {
            match note {
                StepNote::Building { machine } => {
                    let step = &mut self.steps[id.0];
                    step.machine = machine;
                    step.started = Some(now);
                    self.announce(id);
                }
                StepNote::Line(line) => {
                    self.announce(id);
                    self.steps[id.0].log.push(line.clone());
                    lines.push(line);
                }
                StepNote::Dropped(count) => self.steps[id.0].log.skip(count),
                StepNote::Phase(phase) => {
                    self.announce(id);
                    self.emit_lines(id, &mut lines);
                    self.steps[id.0].phase = Some(phase.clone());
                    self.emit(EventKind::StepPhase {
                        drv_path: drv_path.clone(),
                        phase,
                    });
                }
                StepNote::Waiting(reason) => {
                    self.steps[id.0].told = true;
                    self.emit(EventKind::StepWaiting {
                        drv_path: drv_path.clone(),
                        reason,
                        checks: self.checks_above(id, DETOURS),
                    });
                }
                StepNote::Source(source) => self.steps[id.0].source = source,
                StepNote::Download { done, expected } => {
                    self.announce(id);
                    let before = std::mem::replace(
                        &mut self.steps[id.0].download,
                        (done, expected.max(done)),
                    );
                    let now = self.steps[id.0].download;
                    let sum = &mut self.downloads;
                    sum.0 = sum.0.saturating_sub(before.0).saturating_add(now.0);
                    sum.1 = sum.1.saturating_sub(before.1).saturating_add(now.1);
                }
            }
        }
        self.emit_lines(id, &mut lines);
    }

    fn emit_lines(&mut self, id: StepId, lines: &mut Vec<String>) {
        if !lines.is_empty() {
            self.emit(EventKind::StepLogged {
                drv_path: self.steps[id.0].drv_path.clone(),
                lines: std::mem::take(lines),
            });
        }
    }

    /// Tells that a step has begun, once.
    fn announce(&mut self, id: StepId) {
        if std::mem::replace(&mut self.steps[id.0].announced, true) {
            return;
        }
        let checks = self.checks_above(id, DETOURS);
        let step = &mut self.steps[id.0];
        step.told = true;
        let event = EventKind::StepStarted {
            drv_path: step.drv_path.clone(),
            name: step.name.clone(),
            system: step.system.clone(),
            machine: step.machine.clone(),
            substitute: step.means == Means::Substitute,
            expected: step.expected,
            checks,
        };
        self.emit(event);
    }

    pub(super) fn step_ended(&mut self, id: StepId, end: StepEnd, now: Instant) {
        if !self.is_running(id) {
            return;
        }
        self.ready.give_back(self.steps[id.0].means);
        self.running.retain(|running| *running != id);
        let step = &mut self.steps[id.0];
        step.duration = step
            .started
            .map_or(Duration::ZERO, |started| now.duration_since(started));
        let was_cancelled = std::mem::take(&mut step.is_cancelled);
        let may_retry = step.attempt < ATTEMPTS && self.ending.is_none();
        let end = match (end, &self.ending) {
            (
                StepEnd::Cancelled
                | StepEnd::NotSubstitutable(_)
                | StepEnd::Transient(_)
                | StepEnd::Lost(_),
                None,
            ) if was_cancelled => return self.put_back(id),
            // Nobody asked it to: a daemon that stops says so, and it is no success.
            (StepEnd::Cancelled, None) => {
                StepEnd::Lost("the daemon gave up the build and does not say why".into())
            }
            // It was cut short by what ends the run, as what waits is.
            (
                StepEnd::Cancelled,
                Some(Ending::Errored {
                    exit_code: 4,
                    message,
                }),
            ) if !was_cancelled => StepEnd::Infrastructure(message.clone()),
            // What would be tried again is not, and has not failed either.
            (
                StepEnd::NotSubstitutable(_)
                | StepEnd::Transient(_)
                | StepEnd::Lost(_)
                | StepEnd::Unreachable(_),
                Some(Ending::FailFast | Ending::Stopped(_)),
            )
            | (StepEnd::NotSubstitutable(_), Some(Ending::Errored { .. })) => StepEnd::Cancelled,
            (end, _) => end,
        };
        let (outcome, reason) = match end {
            StepEnd::Built => (Outcome::Built, None),
            StepEnd::Substituted => (Outcome::Substituted, None),
            StepEnd::AlreadyValid => (Outcome::Cached, None),
            StepEnd::TimedOut(reason) => (Outcome::TimedOut, Some(reason)),
            StepEnd::Unsupported(reason) => (Outcome::Unsupported, Some(reason)),
            StepEnd::DependencyFailed(reason) => (Outcome::DependencyFailed, Some(reason)),
            StepEnd::Cancelled => (Outcome::Cancelled, None),
            StepEnd::NotSubstitutable(reason) => {
                // The substituter broke its promise: the derivation is built instead, with all it needs.
                step.means = Means::Local;
                step.attempt = 0;
                self.count_in(id);
                return self.try_again(id, reason);
            }
            StepEnd::Transient(reason) | StepEnd::Lost(reason) | StepEnd::Unreachable(reason)
                if may_retry =>
            {
                return self.try_again(id, reason);
            }
            // A transient failure that stays is one, too. Nix calls so, among others, whatever fails with access to the
            // network: fixed-output derivations. What was killed for want of memory would be killed again.
            StepEnd::Transient(reason) | StepEnd::Killed(reason) => {
                step.may_pass = true;
                (Outcome::Failed, Some(reason))
            }
            StepEnd::Failed(reason) => (Outcome::Failed, Some(reason)),
            StepEnd::Lost(reason) => {
                self.lost_in_a_row += 1;
                if self.lost_in_a_row >= LOST_IN_A_ROW {
                    self.end(Ending::Errored {
                        exit_code: 4,
                        message: reason.clone(),
                    });
                }
                (Outcome::InfrastructureFailed, Some(reason))
            }
            StepEnd::Unreachable(reason) | StepEnd::Infrastructure(reason) => {
                self.end(Ending::Errored {
                    exit_code: 4,
                    message: reason.clone(),
                });
                (Outcome::InfrastructureFailed, Some(reason))
            }
        };
        if outcome.is_passed() {
            self.lost_in_a_row = 0;
        }
        self.steps[id.0].reason = reason;
        self.finish_step(id, outcome, None);
    }

    fn try_again(&mut self, id: StepId, reason: String) {
        let step = &mut self.steps[id.0];
        step.announced = false;
        step.told = true;
        let _ = step.log.take();
        let event = EventKind::StepRetrying {
            drv_path: step.drv_path.clone(),
            attempt: step.attempt + 1,
            reason,
        };
        self.make_ready(id);
        self.emit(event);
    }

    /// Ends a step, tells of it if it had begun, and passes its end on to the steps and checks above.
    pub(super) fn finish_step(&mut self, id: StepId, outcome: Outcome, cause: Option<StepId>) {
        let ran = self.is_running(id);
        self.set_done(id, outcome, cause);
        if outcome == Outcome::Built {
            self.upload_step(id);
        }
        let is_work = !matches!(outcome, Outcome::Cached | Outcome::Cancelled);
        if ran && (self.steps[id.0].told || is_work) {
            if is_work {
                self.announce(id);
            }
            self.tell_end(id, outcome);
        }
        self.finish_checks_of(id);
        let dependents = std::mem::take(&mut self.steps[id.0].dependents);
        if outcome.is_passed() {
            for above in dependents {
                let step = &mut self.steps[above.0];
                step.open_inputs -= 1;
                if step.open_inputs == 0 && step.status == Status::Blocked {
                    self.make_ready(above);
                }
            }
        } else {
            let cause = cause.unwrap_or(id);
            let mut queue = VecDeque::from(dependents);
            while let Some(above) = queue.pop_front() {
                if !self.steps[above.0].is_done() {
                    self.set_done(above, outcome_above(outcome), Some(cause));
                    self.finish_checks_of(above);
                    queue.extend(std::mem::take(&mut self.steps[above.0].dependents));
                }
            }
        }
    }

    /// Tells that a step has ended.
    pub(super) fn tell_end(&mut self, id: StepId, outcome: Outcome) {
        // A failure passes its end on to all of them anyway.
        let detours = if outcome.is_passed() {
            DETOURS
        } else {
            usize::MAX
        };
        let checks = self.checks_needing(id, detours);
        let allowed = is_own_failure(outcome) && self.may_all_fail(&checks);
        let checks = self.names(&checks);
        let step = &mut self.steps[id.0];
        let (log_tail, log_lines_before) = match step.log.take() {
            _ if outcome.is_passed() => Default::default(),
            tail => tail,
        };
        let event = EventKind::StepFinished {
            drv_path: step.drv_path.clone(),
            name: step.name.clone(),
            system: step.system.clone(),
            outcome,
            duration: step.duration,
            machine: step.machine.clone(),
            error: step.reason.clone().unwrap_or_default(),
            log_tail,
            log_lines_before,
            phase: step.phase.take(),
            checks,
            allowed,
            may_pass: step.may_pass,
        };
        self.emit(event);
    }

    fn set_done(&mut self, id: StepId, outcome: Outcome, cause: Option<StepId>) {
        self.count_out(id);
        let step = &mut self.steps[id.0];
        if !std::mem::replace(&mut step.is_wanted, true) {
            self.totals.steps_unwanted -= 1;
        }
        step.status = Status::Done(outcome, cause);
        step.inputs = Vec::new();
        self.totals.steps_done += 1;
    }

    fn finish_checks_of(&mut self, id: StepId) {
        for check in std::mem::take(&mut self.steps[id.0].checks) {
            self.finish_check_by_steps(check);
        }
    }
}

/// Whether a step waits for a slot of this kind.
pub(super) fn is_ready(steps: &[Step], id: StepId, means: Means) -> bool {
    let step = &steps[id.0];
    step.status == Status::Ready && step.means == means && step.is_wanted
}

/// What the end of a step means for a step above it.
pub(super) fn outcome_above(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Unsupported
        | Outcome::Skipped
        | Outcome::Cancelled
        | Outcome::InfrastructureFailed => outcome,
        Outcome::Built
        | Outcome::Substituted
        | Outcome::Cached
        | Outcome::Evaluated
        | Outcome::Failed
        | Outcome::TimedOut
        | Outcome::DependencyFailed
        | Outcome::EvaluationFailed => Outcome::DependencyFailed,
    }
}
