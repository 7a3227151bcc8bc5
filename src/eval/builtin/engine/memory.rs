//! Keeps the workers of an evaluation within their memory.
//!
//! Apart from the rest of the engine since nothing else looks at sizes; how much is too much is decided by the budget.

use super::{Engine, Running};
use crate::eval::{EvalError, budget, builtin::worker::WorkerId};

impl Engine<'_, '_> {
    /// Sees how large a worker is between two attributes.
    pub(super) fn weigh(&mut self, id: WorkerId) {
        let Some(running) = self.workers.get_mut(&id) else {
            return;
        };
        if running.has_answered && !budget::IS_CHEAP {
            return;
        }
        let Some(bytes) = running.worker.resident_bytes() else {
            return;
        };
        if !running.has_answered {
            running.has_answered = true;
            self.budget.loaded(bytes);
            self.limit_workers();
        }
        if self.budget.is_worn_out(bytes, self.schedule.workers_max()) {
            self.schedule.dismiss(id);
            self.stop(id);
        }
    }

    pub(super) fn limit_workers(&mut self) {
        let wanted = if self.jobs.is_some() {
            1
        } else {
            self.request.workers
        };
        self.schedule.limit_workers(self.budget.workers(wanted));
    }

    pub(super) fn watch_memory(&mut self) -> Result<(), EvalError> {
        let size =
            |(id, running): (&WorkerId, &Running)| Some((*id, running.worker.resident_bytes()?));
        let sizes: Vec<_> = self.workers.iter().filter_map(size).collect();
        let Some(victim) = self.budget.victim(&sizes) else {
            return Ok(());
        };
        let task = self.schedule.evict(victim);
        self.stop(victim);
        match task {
            Some(task) if task.is_alone => {
                let budget = self.request.memory_budget_bytes >> 20;
                let why = format!(
                    "its evaluation needs more than {budget} MiB, even alone: raise the budget with `--eval-memory`"
                );
                self.done(task, Err(&why))
            }
            Some(task) => {
                self.schedule.retry_alone(task);
                Ok(())
            }
            None => Ok(()),
        }
    }
}
