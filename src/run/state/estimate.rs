//! How much longer a run takes, by how long its builds took before.
//!
//! Both bounds are lower ones, and the truth is seldom far above the greater: the work that is left, spread over the
//! slots, and the longest way of steps that have to follow each other. Costs the same at each tick, however many steps
//! there are.

use std::time::{Duration, Instant};

use super::State;
use crate::run::{StepId, step::Means};

/// What a build is taken to last of which nothing is known. Where nothing is known of any, the longest way is that with
/// the most steps.
pub(in crate::run) const GUESS: Duration = Duration::from_secs(10);

/// The builds of one kind that are not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// How long they take one after the other.
    work: Duration,
    /// How many of them ran before.
    known: usize,
    /// How many never did.
    unknown: usize,
}

impl State {
    /// Counts a step as work to be done.
    pub(super) fn count_in(&mut self, id: StepId) {
        let (work, is_known) = self.work_of(id);
        if let Some(left) = self.left_of(id) {
            left.work += work;
            left.known += usize::from(is_known);
            left.unknown += usize::from(!is_known);
            self.steps[id.0].is_counted = true;
        }
    }

    /// Counts a step as done, if it was counted as work.
    pub(super) fn count_out(&mut self, id: StepId) {
        let (work, is_known) = self.work_of(id);
        if std::mem::take(&mut self.steps[id.0].is_counted)
            && let Some(left) = self.left_of(id)
        {
            left.work = left.work.saturating_sub(work);
            left.known -= usize::from(is_known);
            left.unknown -= usize::from(!is_known);
        }
    }

    fn work_of(&self, id: StepId) -> (Duration, bool) {
        let step = &self.steps[id.0];
        (step.work(), step.expected.is_some())
    }

    fn left_of(&mut self, id: StepId) -> Option<&mut Left> {
        match self.steps[id.0].means {
            Means::Local => Some(&mut self.left[0]),
            Means::Remote => Some(&mut self.left[1]),
            Means::Substitute => None,
        }
    }

    /// How much longer the run takes, by what has been found so far. `None` where too little is known.
    pub(super) fn remaining(&mut self, now: Instant) -> Option<Duration> {
        let [local, remote] = self.left;
        let (known, unknown) = (local.known + remote.known, local.unknown + remote.unknown);
        if known == 0 || known < unknown {
            return None;
        }
        let mut done = [Duration::ZERO; 2];
        let mut longest = Duration::ZERO;
        for id in &self.running {
            let step = &self.steps[id.0];
            let ran = step.started.map_or(Duration::ZERO, |started| {
                now.saturating_duration_since(started)
            });
            let ran = ran.min(step.work());
            longest = longest.max(step.priority.rank.saturating_sub(ran));
            match step.means {
                Means::Local => done[0] += ran,
                Means::Remote => done[1] += ran,
                Means::Substitute => {}
            }
        }
        for means in [Means::Local, Means::Remote] {
            let steps = &self.steps;
            let best = self
                .ready
                .best(means, |id| super::steps::is_ready(steps, id, means));
            longest = longest.max(best.unwrap_or_default().rank);
        }
        let spread = |left: Left, done: Duration, slots: usize| {
            left.work.saturating_sub(done) / u32::try_from(slots.max(1)).unwrap_or(u32::MAX)
        };
        Some(
            longest
                .max(spread(local, done[0], self.settings.slots))
                .max(spread(remote, done[1], self.settings.remote_slots)),
        )
    }
}
