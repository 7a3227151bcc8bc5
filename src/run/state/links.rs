//! Which step waits for which: linking, ranks, and the way up to the checks.

use std::collections::{HashSet, VecDeque};

use super::{State, steps::outcome_above};
use crate::{
    event::Outcome,
    graph::{How, PlannedStep},
    run::{
        StepId,
        step::{Means, Status, Step},
    },
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

    /// The checks that need a step, at most [`CHECKS_IN_EVENT`]; the search goes through at most `detours` steps that no
    /// check asks for by itself.
    pub(super) fn checks_above(&self, id: StepId, mut detours: usize) -> Vec<String> {
        let mut names = Vec::new();
        let mut seen = HashSet::from([id]);
        // The nearest first.
        let mut queue = VecDeque::from([id]);
        while let Some(id) = queue.pop_front() {
            let step = &self.steps[id.0];
            for check in &step.checks {
                if names.len() == CHECKS_IN_EVENT {
                    return names;
                }
                names.push(self.checks[check.0].path.clone());
            }
            if step.checks.is_empty() {
                if detours == 0 {
                    continue;
                }
                detours -= 1;
            }
            queue.extend(step.dependents.iter().filter(|above| seen.insert(**above)));
        }
        names
    }
}
