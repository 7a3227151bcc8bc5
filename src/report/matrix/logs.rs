//! The logs of builds that run and of those that failed, as far as the events told them.
//!
//! Kept only where someone can open them. Bounded: the last part of each log, and less of older ones when there are
//! many; texts are kept as they came and made harmless where they are shown.

use std::{collections::HashMap, time::Duration};

use crate::{
    event::{Event, EventKind, Outcome},
    nix::StorePath,
    report::line_ring::LineRing,
};

/// How much of one log is kept, in bytes.
const LOG_BYTES_MAX: usize = 1 << 20;
/// How much is kept in all, in bytes.
const BYTES_MAX: usize = 64 << 20;
/// How many lines of an old log are left where all together become too much.
const LINES_LEFT: usize = 100;

/// The end of a log.
#[derive(Debug)]
pub(super) struct Log {
    /// The derivation's name.
    pub(super) name: String,
    /// The checks it was built for, as far as told.
    pub(super) checks: Vec<String>,
    /// How it ended, after how long and in which phase; nothing while it runs.
    pub(super) end: Option<(Outcome, Duration, String)>,
    /// Whether it failed and may.
    pub(super) is_allowed: bool,
    /// The last lines.
    pub(super) lines: LineRing,
}

/// All logs.
#[derive(Debug, Default)]
pub(super) struct Logs {
    of: HashMap<StorePath, Log>,
    /// Those that failed and those that run, each in the order in which they came.
    failed: Vec<StorePath>,
    running: Vec<StorePath>,
    bytes: usize,
}

impl Logs {
    /// Takes note of an event.
    pub(super) fn observe(&mut self, event: &Event) {
        match &event.kind {
            EventKind::StepStarted {
                drv_path,
                name,
                substitute: false,
                checks,
                ..
            } => self.begin(drv_path, name, checks),
            EventKind::StepLogged { drv_path, lines } => self.change(drv_path, |log| {
                for line in lines {
                    log.lines.push(line);
                }
            }),
            EventKind::StepRetrying {
                drv_path,
                attempt,
                reason,
            } => self.change(drv_path, |log| {
                log.lines
                    .push(&format!("--- attempt {attempt}, because: {reason}"));
            }),
            EventKind::StepFinished {
                drv_path,
                name,
                outcome,
                duration,
                error,
                log_tail,
                log_lines_before,
                phase,
                checks,
                allowed,
                ..
            } => {
                self.running.retain(|running| running != drv_path);
                if !outcome.is_failed() {
                    self.remove(drv_path);
                    return;
                }
                self.of
                    .entry(drv_path.clone())
                    .or_insert_with(|| empty(name, *log_lines_before));
                self.change(drv_path, |log| {
                    log.checks.clone_from(checks);
                    log.is_allowed = *allowed;
                    if log.lines.is_empty() {
                        for line in log_tail {
                            log.lines.push(line);
                        }
                    }
                    log.lines.push("");
                    error.lines().for_each(|line| log.lines.push(line));
                    log.end = Some((*outcome, *duration, phase.clone().unwrap_or_default()));
                });
                if !self.failed.contains(drv_path) {
                    self.failed.push(drv_path.clone());
                }
                self.shrink();
            }
            EventKind::StepStarted {
                substitute: true, ..
            }
            | EventKind::RunStarted { .. }
            | EventKind::CheckFound { .. }
            | EventKind::EvaluationFailed { .. }
            | EventKind::EvaluationWarning { .. }
            | EventKind::EvaluationFinished { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::StepPhase { .. }
            | EventKind::StepWaiting { .. }
            | EventKind::CheckFinished { .. }
            | EventKind::CheckExplained { .. }
            | EventKind::UploadStarted { .. }
            | EventKind::UploadFinished { .. }
            | EventKind::Warned { .. }
            | EventKind::RunCancelled { .. }
            | EventKind::Ticked { .. }
            | EventKind::RunFinished { .. } => {}
        }
    }

    /// The derivations with a log: those that failed, then those that run, each in the order in which they came.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (&StorePath, &Log)> {
        let all = self.failed.iter().chain(&self.running);
        all.filter_map(|drv_path| Some((drv_path, self.of.get(drv_path)?)))
    }

    /// How many failed.
    pub(super) fn failed(&self) -> usize {
        self.failed.len()
    }

    /// The log of a derivation, if there is one.
    pub(super) fn of(&self, drv_path: &StorePath) -> Option<&Log> {
        self.of.get(drv_path)
    }

    fn begin(&mut self, drv_path: &StorePath, name: &str, checks: &[String]) {
        if self.of.get(drv_path).is_some_and(|log| log.end.is_some()) {
            self.failed.retain(|failed| failed != drv_path);
        }
        if !self.running.contains(drv_path) {
            self.running.push(drv_path.clone());
        }
        let log = self.of.entry(drv_path.clone());
        let log = log.or_insert_with(|| empty(name, 0));
        log.checks = checks.to_vec();
        log.end = None;
    }

    fn change(&mut self, drv_path: &StorePath, change: impl FnOnce(&mut Log)) {
        if let Some(log) = self.of.get_mut(drv_path) {
            self.bytes -= log.lines.bytes();
            change(log);
            self.bytes += log.lines.bytes();
        }
    }

    fn remove(&mut self, drv_path: &StorePath) {
        if let Some(log) = self.of.remove(drv_path) {
            self.bytes -= log.lines.bytes();
        }
    }

    /// Leaves less of the oldest failed logs while all together are too much.
    fn shrink(&mut self) {
        for at in 0..self.failed.len() {
            if self.bytes <= BYTES_MAX {
                return;
            }
            let drv_path = self.failed[at].clone();
            self.change(&drv_path, |log| log.lines.shrink_to(LINES_LEFT));
        }
    }
}

fn empty(name: &str, lines_before: u64) -> Log {
    Log {
        name: name.to_owned(),
        checks: Vec::new(),
        end: None,
        is_allowed: false,
        lines: LineRing::new(LOG_BYTES_MAX, lines_before),
    }
}

#[cfg(test)]
mod tests;
