//! The logs of running builds, kept for a CI's log, where each is written as one fold when its build ends.
//!
//! Apart from the steps that run since nobody else needs whole logs. Bounded: of a long log the beginning goes.

use std::collections::HashMap;

use jiff::Timestamp;

use super::line_ring::LineRing;
use crate::{
    event::{Event, EventKind},
    nix::StorePath,
};

/// How many lines of a log are kept.
const LINES_MAX: usize = 5_000;
/// How many bytes of a log are kept.
const BYTES_MAX: usize = 512 << 10;

/// What a build wrote.
#[derive(Debug)]
pub(super) struct BuildLog {
    /// When it began.
    pub began: Timestamp,
    /// The last lines.
    pub lines: LineRing,
}

/// The logs of all builds that run.
#[derive(Debug, Default)]
pub(super) struct BuildLogs(HashMap<StorePath, BuildLog>);

impl BuildLogs {
    /// Takes note of an event. Returns the log of a build that ended, if it wrote anything.
    pub(super) fn observe(&mut self, event: &Event) -> Option<BuildLog> {
        match &event.kind {
            EventKind::StepStarted {
                drv_path,
                substitute: false,
                ..
            } => {
                let log = BuildLog {
                    began: event.at,
                    lines: LineRing::new(BYTES_MAX, 0),
                };
                self.0.insert(drv_path.clone(), log);
                None
            }
            EventKind::StepLogged { drv_path, lines } => {
                if let Some(log) = self.0.get_mut(drv_path) {
                    for line in lines {
                        log.lines.push(line);
                    }
                    log.lines.shrink_to(LINES_MAX);
                }
                None
            }
            EventKind::StepFinished { drv_path, .. } => {
                let log = self.0.remove(drv_path)?;
                (!log.lines.is_empty()).then_some(log)
            }
            EventKind::StepStarted { .. }
            | EventKind::StepPhase { .. }
            | EventKind::StepWaiting { .. }
            | EventKind::StepRetrying { .. }
            | EventKind::RunStarted { .. }
            | EventKind::CheckFound { .. }
            | EventKind::EvaluationFailed { .. }
            | EventKind::EvaluationWarning { .. }
            | EventKind::EvaluationFinished { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::CheckFinished { .. }
            | EventKind::UploadStarted { .. }
            | EventKind::UploadFinished { .. }
            | EventKind::Warned { .. }
            | EventKind::RunCancelled { .. }
            | EventKind::Ticked { .. }
            | EventKind::CheckExplained { .. }
            | EventKind::RunFinished { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
