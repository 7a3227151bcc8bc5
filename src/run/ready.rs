//! The steps that wait for a slot, best first.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use super::{StepId, step::Means};

/// Queues of ready steps and the slots they wait for, one for each way to obtain a step.
#[derive(Debug)]
pub(super) struct Ready {
    local: Queue,
    remote: Queue,
    substitute: Queue,
}

/// What decides between ready steps; among equals the one that was found first goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Priority {
    /// How long it and the steps that have to follow it take on the longest way up: the longest remaining way goes
    /// first.
    pub(super) rank: Duration,
    /// How many steps came before it on the longest way from below: where as little remains of two ways, the one that
    /// was longer so far is more likely the one that everything waits for in the end.
    pub(super) depth: u32,
}

#[derive(Debug)]
struct Queue {
    /// Best first; a step whose rank grew is in it twice.
    heap: BinaryHeap<(Priority, Reverse<StepId>)>,
    free: usize,
    running: usize,
}

impl Ready {
    pub(super) fn new(local: usize, remote: usize, substitute: usize) -> Self {
        let queue = |free| Queue {
            heap: BinaryHeap::new(),
            free,
            running: 0,
        };
        Self {
            local: queue(local),
            remote: queue(remote),
            substitute: queue(substitute),
        }
    }

    pub(super) fn push(&mut self, means: Means, priority: Priority, step: StepId) {
        self.queue(means).heap.push((priority, Reverse(step)));
    }

    /// Takes a slot and the best step for it, if there are both. `is_ready` says whether an entry still counts.
    pub(super) fn take(
        &mut self,
        means: Means,
        is_ready: impl Fn(StepId) -> bool,
    ) -> Option<StepId> {
        let queue = self.queue(means);
        if queue.free == 0 {
            return None;
        }
        while let Some((_, Reverse(step))) = queue.heap.pop() {
            if is_ready(step) {
                queue.free -= 1;
                queue.running += 1;
                return Some(step);
            }
        }
        None
    }

    /// The priority of the best step that waits. `is_ready` as in [`Self::take`].
    pub(super) fn best(
        &mut self,
        means: Means,
        is_ready: impl Fn(StepId) -> bool,
    ) -> Option<Priority> {
        let heap = &mut self.queue(means).heap;
        while let Some((priority, Reverse(step))) = heap.peek() {
            if is_ready(*step) {
                return Some(*priority);
            }
            heap.pop();
        }
        None
    }

    /// Gives a slot back.
    pub(super) fn give_back(&mut self, means: Means) {
        let queue = self.queue(means);
        queue.free += 1;
        queue.running -= 1;
    }

    /// How many steps of this kind run.
    pub(super) fn running(&self, means: Means) -> usize {
        match means {
            Means::Local => self.local.running,
            Means::Remote => self.remote.running,
            Means::Substitute => self.substitute.running,
        }
    }

    fn queue(&mut self, means: Means) -> &mut Queue {
        match means {
            Means::Local => &mut self.local,
            Means::Remote => &mut self.remote,
            Means::Substitute => &mut self.substitute,
        }
    }
}
