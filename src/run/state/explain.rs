//! Answers for people who look closely: what a check waits for, and how far downloads are. Changes nothing.

use super::{CheckId, State};
use crate::{
    event::{Download, Wait, WaitReason},
    run::{
        StepId,
        step::{Means, Status},
    },
};

/// How many links of a chain are told.
const LINKS_MAX: usize = 200;

impl State {
    /// The checks that are not over.
    pub(super) fn open_checks(&self) -> impl Iterator<Item = CheckId> + '_ {
        (0..self.checks.len())
            .map(CheckId)
            .filter(|id| self.checks[id.0].outcome.is_none())
    }

    /// The chain of steps that a check waits for, from its own one down.
    pub(super) fn explain(&self, name: &str) -> Vec<Wait> {
        let check = self
            .open_checks()
            .find(|id| self.checks[id.0].path == name)
            .map(|id| &self.checks[id.0]);
        let mut waits = Vec::new();
        let mut next = check.and_then(|check| self.weightiest(&check.steps));
        while let Some(id) = next
            && waits.len() < LINKS_MAX
        {
            let step = &self.steps[id.0];
            let reason = match step.status {
                Status::Blocked => WaitReason::Steps {
                    open: step.open_inputs,
                },
                Status::Ready => self.wait_for_slot(id),
                Status::Running | Status::Done(..) => WaitReason::End,
            };
            waits.push(Wait {
                drv_path: step.drv_path.clone(),
                name: step.name.clone(),
                reason,
            });
            next = self.weightiest(&step.inputs);
        }
        waits
    }

    /// The open step with the most below it: what still waits for others takes longer than what runs.
    fn weightiest(&self, steps: &[StepId]) -> Option<StepId> {
        let open = steps.iter().filter(|id| !self.steps[id.0].is_done());
        let weight = |id: &&StepId| {
            let step = &self.steps[id.0];
            let stage = match step.status {
                Status::Blocked => 2,
                Status::Ready => 1,
                Status::Running | Status::Done(..) => 0,
            };
            (stage, step.priority.depth)
        };
        // Of equals the first.
        open.rev().max_by_key(weight).copied()
    }

    fn wait_for_slot(&self, id: StepId) -> WaitReason {
        let step = &self.steps[id.0];
        let goes_first = |other: &(usize, &crate::run::step::Step)| {
            let (at, other) = other;
            other.status == Status::Ready
                && other.is_wanted
                && other.means == step.means
                && (other.priority, std::cmp::Reverse(*at))
                    > (step.priority, std::cmp::Reverse(id.0))
        };
        WaitReason::Slot {
            ahead: self.steps.iter().enumerate().filter(goes_first).count(),
            slots: match step.means {
                Means::Local => self.settings.slots,
                Means::Remote => self.settings.remote_slots,
                Means::Substitute => self.settings.substitute_slots,
            },
        }
    }

    /// How far each running download is.
    pub(super) fn running_downloads(&self) -> Vec<Download> {
        self.running
            .iter()
            .map(|id| &self.steps[id.0])
            .filter(|step| step.means == Means::Substitute)
            .map(|step| Download {
                drv_path: step.drv_path.clone(),
                source: step.source.clone(),
                done_bytes: step.download.0,
                expected_bytes: step.download.1,
            })
            .collect()
    }
}
