//! What the schedule knows of a single worker.

use std::collections::VecDeque;

use super::{Effect, Task, request::Request};
use crate::eval::builtin::worker::WorkerId;

/// What a worker is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Idle,
    Looking(Request),
    /// Loads the flake while another worker finds out what there is to do.
    WarmingUp,
    Leaving,
}

/// A worker, as far as the schedule knows it.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) is_fresh: bool,
    /// How many attributes its next request has at most.
    pub(super) request_size: usize,
}

impl Phase {
    /// What is being looked at.
    pub(super) fn task(&self) -> Option<&Task> {
        match self {
            Self::Looking(request) => request.tasks.front(),
            Self::WarmingUp | Self::Starting | Self::Idle | Self::Leaving => None,
        }
    }
}

impl State {
    /// Lets it look at these.
    pub(super) fn look(&mut self, worker: WorkerId, tasks: VecDeque<Task>) -> Effect {
        let paths = tasks.iter().map(|task| task.path.clone()).collect();
        self.is_fresh = false;
        self.phase = Phase::Looking(Request {
            tasks,
            is_slow: false,
        });
        Effect::Look(worker, paths)
    }
}
