//! Checks that people take out of a run, and the steps that nothing needs then.
//!
//! A step that is not needed stays where it is: it is not started, and one that runs is stopped and put back. So a
//! check that the evaluation finds later, and that needs it, finds it as it was.

use super::{CheckEnd, State};
use crate::{
    event::Outcome,
    run::{Effect, StepId, step::Status},
};

impl State {
    /// Ends the checks of these names that are not over, and stops what only they needed.
    pub(super) fn cancel_checks(&mut self, names: &[String]) {
        let ids: Vec<_> = self
            .open_checks()
            .filter(|id| names.contains(&self.checks[id.0].path))
            .collect();
        for id in ids {
            self.unplanned.retain(|unplanned| *unplanned != id);
            self.finish_check(id, CheckEnd::plain(Outcome::Cancelled));
            self.unwant(self.checks[id.0].steps.clone());
        }
    }

    /// Notes that these steps are needed, and with them everything below.
    pub(super) fn want(&mut self, mut stack: Vec<StepId>) {
        while let Some(id) = stack.pop() {
            let step = &mut self.steps[id.0];
            if step.is_wanted || step.is_done() {
                continue;
            }
            step.is_wanted = true;
            self.totals.steps_unwanted -= 1;
            stack.extend(&step.inputs);
            if step.status == Status::Ready {
                self.make_ready(id);
            }
            self.count_in(id);
        }
    }

    /// Notes that these steps are not needed, unless something else needs them, and likewise everything below.
    pub(super) fn unwant(&mut self, mut stack: Vec<StepId>) {
        while let Some(id) = stack.pop() {
            let step = &self.steps[id.0];
            if !step.is_wanted || step.is_done() || self.is_needed(id) {
                continue;
            }
            let step = &mut self.steps[id.0];
            step.is_wanted = false;
            self.totals.steps_unwanted += 1;
            stack.extend(&step.inputs);
            if step.status == Status::Running && !std::mem::replace(&mut step.is_cancelled, true) {
                self.effects.push(Effect::Cancel(id));
            }
            self.count_out(id);
        }
    }

    /// Whether a check that is not over, or a step for one, waits for this step.
    fn is_needed(&self, id: StepId) -> bool {
        let step = &self.steps[id.0];
        let is_open = |check: &super::CheckId| self.checks[check.0].outcome.is_none();
        let waits = |above: &StepId| {
            let above = &self.steps[above.0];
            above.is_wanted && !above.is_done()
        };
        step.checks.iter().any(is_open) || step.dependents.iter().any(waits)
    }

    /// Puts a step back that was stopped because nothing needed it. If something does by now, it starts anew.
    pub(super) fn put_back(&mut self, id: StepId) {
        if self.steps[id.0].told {
            self.tell_end(id, Outcome::Cancelled);
        }
        let step = &mut self.steps[id.0];
        step.attempt = 0;
        step.started = None;
        step.announced = false;
        step.told = false;
        step.phase = None;
        step.machine.clear();
        let _ = step.log.take();
        self.make_ready(id);
    }
}
