//! The logs of builds that run and of those that failed, as far as the events told them.
//!
//! Kept only where someone can open them. Bounded: the last part of each log, and less of older ones when there are
//! many; texts are kept as they came and made harmless where they are shown.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::{
    event::{Event, EventKind, Outcome},
    nix::StorePath,
};

/// How much of one log is kept, in bytes.
const LOG_BYTES_MAX: usize = 1 << 20;
/// How much of a single line is kept, in bytes.
const LINE_BYTES_MAX: usize = 16 << 10;
/// How much is kept in all, in bytes.
const BYTES_MAX: usize = 64 << 20;
/// What a line costs besides its text.
const LINE_COST: usize = 32;
/// How many lines of an old log are left where all together become too much.
const LINES_LEFT: usize = 100;

/// The end of a log.
#[derive(Debug)]
pub(super) struct Log {
    /// The derivation's name.
    pub(super) name: String,
    /// The checks it was built for, as far as told.
    pub(super) checks: Vec<String>,
    /// How many lines came before the first one that is kept.
    pub(super) before: u64,
    /// How it ended, after how long and in which phase; nothing while it runs.
    pub(super) end: Option<(Outcome, Duration, String)>,
    /// Whether it failed and may.
    pub(super) is_allowed: bool,
    lines: VecDeque<Box<str>>,
    bytes: usize,
}

impl Log {
    /// The number of the line after the last one, counted from the first line of all.
    pub(super) fn end_line(&self) -> u64 {
        self.before + self.lines.len() as u64
    }

    /// The lines from this number on, as far as kept.
    pub(super) fn lines_from(
        &self,
        number: u64,
    ) -> impl DoubleEndedIterator<Item = (u64, &str)> + ExactSizeIterator {
        let skipped = usize::try_from(number.saturating_sub(self.before)).unwrap_or(usize::MAX);
        let begin = skipped.min(self.lines.len());
        let first = self.before + begin as u64;
        self.lines
            .range(begin..)
            .enumerate()
            .map(move |(at, line)| (first + at as u64, &**line))
    }

    fn push(&mut self, line: &str) {
        let mut end = line.len().min(LINE_BYTES_MAX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        self.lines.push_back(line[..end].into());
        self.bytes += end + LINE_COST;
        while self.bytes > LOG_BYTES_MAX && self.lines.len() > 1 {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.len() + LINE_COST;
            self.before += 1;
        }
    }
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
            EventKind::StepLogged { drv_path, lines } => {
                self.change(drv_path, |log| lines.iter().for_each(|line| log.push(line)));
            }
            EventKind::StepRetrying {
                drv_path,
                attempt,
                reason,
            } => self.change(drv_path, |log| {
                log.push(&format!("--- attempt {attempt}, because: {reason}"));
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
                self.of.entry(drv_path.clone()).or_insert_with(|| Log {
                    before: *log_lines_before,
                    ..empty(name)
                });
                self.change(drv_path, |log| {
                    log.checks.clone_from(checks);
                    log.is_allowed = *allowed;
                    if log.lines.is_empty() {
                        for line in log_tail {
                            log.push(line);
                        }
                    }
                    log.push("");
                    error.lines().for_each(|line| log.push(line));
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
        let log = log.or_insert_with(|| empty(name));
        log.checks = checks.to_vec();
        log.end = None;
    }

    fn change(&mut self, drv_path: &StorePath, change: impl FnOnce(&mut Log)) {
        if let Some(log) = self.of.get_mut(drv_path) {
            self.bytes -= log.bytes;
            change(log);
            self.bytes += log.bytes;
        }
    }

    fn remove(&mut self, drv_path: &StorePath) {
        if let Some(log) = self.of.remove(drv_path) {
            self.bytes -= log.bytes;
        }
    }

    /// Leaves less of the oldest failed logs while all together are too much.
    fn shrink(&mut self) {
        for at in 0..self.failed.len() {
            if self.bytes <= BYTES_MAX {
                return;
            }
            let drv_path = self.failed[at].clone();
            self.change(&drv_path, |log| {
                while log.lines.len() > LINES_LEFT {
                    log.drop_first();
                }
            });
        }
    }
}

fn empty(name: &str) -> Log {
    Log {
        name: name.to_owned(),
        checks: Vec::new(),
        before: 0,
        end: None,
        is_allowed: false,
        lines: VecDeque::new(),
        bytes: 0,
    }
}

#[cfg(test)]
mod tests;
