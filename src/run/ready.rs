//! The steps that wait for a slot, best first.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{StepId, step::Means};

/// Queues of ready steps and the slots they wait for, one for each way to obtain a step.
#[derive(Debug)]
pub(super) struct Ready {
    local: Queue,
    remote: Queue,
    substitute: Queue,
}

#[derive(Debug)]
struct Queue {
    /// Highest rank first, then the one that was found first. A step whose rank grew is in it twice.
    heap: BinaryHeap<(u32, Reverse<StepId>)>,
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

    pub(super) fn push(&mut self, means: Means, rank: u32, step: StepId) {
        self.queue(means).heap.push((rank, Reverse(step)));
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
