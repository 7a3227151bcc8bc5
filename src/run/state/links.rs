//! Which step waits for which: linking, ranks, and the way up to the checks.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use super::{CheckId, State, steps::outcome_above};
use crate::{
    event::Outcome,
    graph::{How, PlannedStep},
    run::{
        StepId,
        step::{Means, Status, Step},
    },
    store::BuildLimits,
};

/// How many names of checks an event about a step carries at most.
const CHECKS_IN_EVENT: usize = 1000;

impl State {
    pub(super) fn add_step(&mut self, planned: PlannedStep) {
        let means = match planned.how {
            How::Substitute => Means::Substitute,
            How::Build { local: false } => Means::Remote,
            How::Build { local: true } | How::Unsupported { .. } => Means::Local,
        };
        let id = StepId(self.steps.len());
        let mut step = Step::new(
            planned.target.clone(),
            planned.drv_path,
            planned.system,
            means,
            self.settings.log_lines,
        );
        step.inputs = planned
            .inputs
            .iter()
            .filter_map(|target| self.by_target.get(target).copied())
            .collect();
        let inputs = step.inputs.clone();
        let below = inputs
            .iter()
            .map(|input| self.steps[input.0].priority.depth + 1);
        step.priority.depth = below.max().unwrap_or(0);
        step.expected = self.expected.remove(&planned.target);
        step.priority.rank = step.work();
        self.by_target.insert(planned.target, id);
        self.steps.push(step);
        if let How::Unsupported { reason } = planned.how {
            self.steps[id.0].reason = Some(reason);
            self.finish_step(id, Outcome::Unsupported, None);
            return;
        }
        self.count_in(id);
        match means {
            Means::Substitute => self.totals.to_substitute += 1,
            Means::Local | Means::Remote => self.totals.to_build += 1,
        }
        // Nothing needed them any more; now something does.
        self.want(inputs.clone());
        let mut to_blame = None;
        for input in inputs {
            match self.steps[input.0].status {
                Status::Done(outcome, _) if outcome.is_passed() => {}
                Status::Done(outcome, cause) => to_blame = Some((outcome, cause.unwrap_or(input))),
                Status::Blocked | Status::Ready | Status::Running => {
                    self.steps[input.0].dependents.push(id);
                    self.steps[id.0].open_inputs += 1;
                }
            }
        }
        if let Some((outcome, cause)) = to_blame {
            self.finish_step(id, outcome_above(outcome), Some(cause));
        } else if self.steps[id.0].open_inputs == 0 {
            self.steps[id.0].status = Status::Ready;
        }
    }

    /// Ranks the steps from `first` on and whatever is below them, the longest remaining way first, and queues those
    /// that are ready. Inputs come before the steps that wait for them, so that backwards each rank is final when it is
    /// handed down: a chain costs time in proportion to its length.
    pub(super) fn rank_from(&mut self, first: usize) {
        for id in (first..self.steps.len()).rev().map(StepId) {
            let mut stack = vec![id];
            while let Some(id) = stack.pop() {
                if self.steps[id.0].is_done() {
                    continue;
                }
                let above = self.steps[id.0].priority.rank;
                for at in 0..self.steps[id.0].inputs.len() {
                    let input = self.steps[id.0].inputs[at];
                    let step = &mut self.steps[input.0];
                    let rank = above + step.work();
                    if step.priority.rank >= rank || step.is_done() {
                        continue;
                    }
                    step.priority.rank = rank;
                    // New ones are reached by the loop around this.
                    if input.0 < first {
                        if step.status == Status::Ready {
                            self.ready.push(step.means, step.priority, input);
                        }
                        stack.push(input);
                    }
                }
            }
            let step = &self.steps[id.0];
            if step.status == Status::Ready {
                self.ready.push(step.means, step.priority, id);
            }
        }
    }

    /// The names of the checks that need a step, as far as [`Self::checks_needing`] finds them.
    pub(super) fn checks_above(&self, id: StepId, detours: usize) -> Vec<String> {
        self.names(&self.checks_needing(id, detours))
    }

    /// What these checks are called.
    pub(super) fn names(&self, checks: &[CheckId]) -> Vec<String> {
        let names = checks.iter().map(|check| self.checks[check.0].path.clone());
        names.collect()
    }

    /// Whether all of these checks may fail, and there is one.
    pub(super) fn may_all_fail(&self, checks: &[CheckId]) -> bool {
        let may_fail = |check: &CheckId| self.checks[check.0].options.may_fail;
        !checks.is_empty() && checks.iter().all(may_fail)
    }

    /// How a build differs from others: it may take as long as the check that may take longest of those that need it, and
    /// stays on this machine if a check wants it to that it is the step of.
    pub(super) fn limits(&self, id: StepId) -> BuildLimits {
        if self.settings.rules.is_empty() {
            return BuildLimits::default();
        }
        let is_local = |check: &CheckId| self.checks[check.0].options.is_local;
        let limit_of = |check: &CheckId| {
            let own = self.checks[check.0].options.timeout;
            own.or(self.settings.timeout).unwrap_or(Duration::MAX)
        };
        let checks = self.checks_needing(id, usize::MAX);
        let longest = checks.iter().map(limit_of).max();
        let usual = self.settings.timeout.unwrap_or(Duration::MAX);
        BuildLimits {
            timeout: longest.filter(|longest| *longest != usual),
            is_local: self.steps[id.0].checks.iter().any(is_local),
        }
    }

    /// Sees to it that a step is built on this machine or not at all.
    pub(super) fn keep_here(&mut self, id: StepId) {
        let step = &mut self.steps[id.0];
        if step.means == Means::Remote && matches!(step.status, Status::Blocked | Status::Ready) {
            step.reason = Some(format!(
                "it is to be built on this machine only, which does not build for {}",
                step.system
            ));
            self.finish_step(id, Outcome::Unsupported, None);
        }
    }

    /// The checks that need a step, at most [`CHECKS_IN_EVENT`]; the search goes through at most `detours` steps that no
    /// check asks for by itself.
    pub(super) fn checks_needing(&self, id: StepId, mut detours: usize) -> Vec<CheckId> {
        let mut found = Vec::new();
        let mut seen = HashSet::from([id]);
        // The nearest first.
        let mut queue = VecDeque::from([id]);
        while let Some(id) = queue.pop_front() {
            let step = &self.steps[id.0];
            for check in &step.checks {
                if found.len() == CHECKS_IN_EVENT {
                    return found;
                }
                found.push(*check);
            }
            if step.checks.is_empty() {
                if detours == 0 {
                    continue;
                }
                detours -= 1;
            }
            queue.extend(step.dependents.iter().filter(|above| seen.insert(**above)));
        }
        found
    }
}
