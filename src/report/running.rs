//! The steps that run now, as events tell of them.
//!
//! Kept for the live block and for the heartbeat of the plain lines. Bounded: a few short texts per running step,
//! whatever a build writes.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use super::{
    format::bytes,
    sanitize::{fit, log_line},
    words::step_name,
};
use crate::{
    event::{Download, Event, EventKind},
    nix::StorePath,
};

/// How much of a text is kept; no terminal shows more of it.
const TEXT_COLUMNS_MAX: usize = 240;
/// How many of its last lines are kept of a step.
const LAST_LINES: usize = 5;

/// A step that runs. All texts are harmless.
#[derive(Debug)]
pub(super) struct RunningStep {
    order: u64,
    /// The derivation's name.
    pub name: String,
    /// The first check that needs it; empty if none is known.
    pub check: String,
    /// How many other checks need it.
    pub more_checks: usize,
    /// The machine it runs on; empty: this one.
    pub machine: String,
    /// Whether it is downloaded and not built.
    pub substitute: bool,
    /// When it began, from the start of the run.
    pub started: Duration,
    /// How long it took before, where known.
    pub expected: Option<Duration>,
    /// The phase it is in; empty if it has named none.
    pub phase: String,
    /// What outside of the run it waits for; empty if nothing.
    pub waits_for: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// What its log said last.
    pub last_line: String,
    /// How far its download is, and where it comes from.
    pub download: Option<Download>,
    /// The last lines of its log, empty ones left out.
    pub last_lines: VecDeque<String>,
    /// When it last said anything, from the start of the run.
    pub heard: Duration,
    /// Its silence was told when it had lasted this long.
    silence_told: Duration,
}

impl RunningStep {
    fn new(name: String, order: u64, started: Duration) -> Self {
        Self {
            order,
            name,
            check: String::new(),
            more_checks: 0,
            machine: String::new(),
            substitute: false,
            started,
            expected: None,
            phase: String::new(),
            waits_for: String::new(),
            attempt: 1,
            last_line: String::new(),
            download: None,
            last_lines: VecDeque::new(),
            heard: started,
            silence_told: Duration::ZERO,
        }
    }

    /// It said something, or entered a phase.
    fn hear(&mut self, now: Duration) {
        self.heard = now;
        self.silence_told = Duration::ZERO;
    }

    fn say(&mut self, line: &str) {
        let line = line.trim_end();
        if line.trim_start().is_empty() {
            return;
        }
        line.trim_start().clone_into(&mut self.last_line);
        if self.last_lines.len() == LAST_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line.to_owned());
    }

    /// What it is at: the phase, the download, what it waits for.
    pub(super) fn stage(&self) -> String {
        let stage = if !self.waits_for.is_empty() {
            // As the daemon has it: "waiting for lock on …".
            match self.waits_for.strip_prefix("waiting ") {
                Some(rest) => format!("waits {rest}"),
                None => format!("waits: {}", self.waits_for),
            }
        } else if !self.phase.is_empty() {
            self.phase.clone()
        } else if let Some(Download {
            done_bytes,
            expected_bytes: expected @ 1..,
            ..
        }) = self.download
        {
            let (done, all) = (bytes(done_bytes), bytes(expected));
            // "3.0 of 12 MiB": of two equal units one is enough.
            let unit = all.split_once(' ').map_or("", |(_, unit)| unit);
            let done = done.strip_suffix(unit).map_or(&*done, str::trim_end);
            format!("{done} of {all}")
        } else if self.substitute {
            "downloading".to_owned()
        } else {
            "building".to_owned()
        };
        if self.attempt > 1 {
            format!("{stage}, attempt {}", self.attempt)
        } else {
            stage
        }
    }

    /// The same in a word, for where there is little room.
    pub(super) fn short_stage(&self) -> String {
        if let Some(Download {
            done_bytes,
            expected_bytes: expected @ 1..,
            ..
        }) = &self.download
        {
            let percent = u128::from(*done_bytes) * 100 / u128::from(*expected);
            format!("load {}%", percent.min(100))
        } else {
            let stage = self.stage();
            stage.strip_suffix("Phase").unwrap_or(&stage).to_owned()
        }
    }

    /// The newest there is to say of it: the last line of its log, or where its download comes from.
    pub(super) fn news(&self) -> String {
        match &self.download {
            Some(Download { source, .. }) if self.substitute && !source.is_empty() => {
                format!("from {source}")
            }
            Some(_) | None => self.last_line.clone(),
        }
    }
}

/// All steps that run.
#[derive(Debug, Default)]
pub(super) struct RunningSteps {
    steps: HashMap<StorePath, RunningStep>,
    started: u64,
}

impl RunningSteps {
    /// Takes note of an event.
    pub(super) fn observe(&mut self, event: &Event) {
        let kept = |text: &str| fit(text, TEXT_COLUMNS_MAX, "");
        match &event.kind {
            EventKind::StepStarted {
                drv_path,
                name,
                system: _,
                machine,
                substitute,
                expected,
                checks,
            } => {
                let attempt = self.steps.get(drv_path).map_or(1, |step| step.attempt);
                let step = RunningStep {
                    check: kept(checks.first().map_or("", String::as_str)),
                    more_checks: checks.len().saturating_sub(1),
                    machine: kept(machine),
                    substitute: *substitute,
                    expected: *expected,
                    attempt,
                    ..RunningStep::new(kept(name), self.started, event.elapsed)
                };
                self.started += 1;
                self.steps.insert(drv_path.clone(), step);
            }
            EventKind::StepPhase { drv_path, phase } => self.change(drv_path, |step| {
                step.hear(event.elapsed);
                step.phase = kept(phase);
                step.waits_for.clear();
            }),
            EventKind::StepWaiting {
                drv_path,
                reason,
                checks,
            } => {
                let order = self.started;
                // Whoever waits for a lock has not begun, and holds a slot all the same.
                let step = self
                    .steps
                    .entry(drv_path.clone())
                    .or_insert_with(|| RunningStep {
                        check: kept(checks.first().map_or("", String::as_str)),
                        more_checks: checks.len().saturating_sub(1),
                        ..RunningStep::new(kept(step_name(drv_path)), order, event.elapsed)
                    });
                step.waits_for = kept(reason);
                self.started += 1;
            }
            EventKind::StepLogged { drv_path, lines } => self.change(drv_path, |step| {
                step.hear(event.elapsed);
                step.waits_for.clear();
                // Lines may come by the thousand, and only the last ones matter.
                let said: Vec<_> = lines
                    .iter()
                    .rev()
                    .map(|line| log_line(line, false, TEXT_COLUMNS_MAX, ""))
                    .filter(|line| !line.trim().is_empty())
                    .take(LAST_LINES)
                    .collect();
                said.iter().rev().for_each(|line| step.say(line));
            }),
            EventKind::StepRetrying {
                drv_path,
                attempt,
                reason: _,
            } => self.change(drv_path, |step| {
                step.hear(event.elapsed);
                step.attempt = *attempt;
                step.phase.clear();
                step.waits_for.clear();
            }),
            EventKind::StepFinished { drv_path, .. } => _ = self.steps.remove(drv_path),
            EventKind::Ticked { downloads, .. } => {
                for download in downloads {
                    self.change(&download.drv_path, |step| {
                        step.download = Some(Download {
                            source: kept(&download.source),
                            ..download.clone()
                        });
                    });
                }
            }
            EventKind::RunStarted { .. }
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
            | EventKind::CheckExplained { .. }
            | EventKind::RunFinished { .. } => {}
        }
    }

    fn change(&mut self, drv_path: &StorePath, change: impl FnOnce(&mut RunningStep)) {
        if let Some(step) = self.steps.get_mut(drv_path) {
            change(step);
        }
    }

    /// The step of a derivation, if it runs.
    pub(super) fn of(&self, drv_path: &StorePath) -> Option<&RunningStep> {
        self.steps.get(drv_path)
    }

    /// The builds that have been silent for so long, each once for every such time; what waits for something else is not
    /// silent.
    pub(super) fn newly_silent(&mut self, now: Duration, limit: Duration) -> Vec<&RunningStep> {
        let mut silent: Vec<_> = self
            .steps
            .values_mut()
            .filter(|step| !step.substitute && step.waits_for.is_empty())
            .filter(|step| {
                now.saturating_sub(step.heard) >= step.silence_told.saturating_add(limit)
            })
            .map(|step| {
                step.silence_told = now.saturating_sub(step.heard);
                &*step
            })
            .collect();
        silent.sort_unstable_by_key(|step| step.order);
        silent
    }

    /// How many run.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// The steps that run: builds first, and the oldest first among them.
    pub(super) fn in_order(&self) -> Vec<&RunningStep> {
        let mut steps: Vec<_> = self.steps.values().collect();
        steps.sort_unstable_by_key(|step| (step.substitute, step.order));
        steps
    }
}
