//! What the events so far say, as the block shows it.
//!
//! Pure state; an event costs the same however many checks there are (one that names checks costs by their number).
//! Texts are kept as they came and made harmless where they are written.

mod check;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

pub(super) use self::check::{CLASSES, Check, Class, Stage};
use crate::{
    event::{Counts, Event, EventKind, Progress, Wait},
    nix::{StorePath, System},
    report::{
        running::{RunningStep, RunningSteps},
        sanitize::columns,
    },
};

/// More systems than this get no column of their own; no terminal has room for them.
const SYSTEMS_MAX: usize = 64;
/// How long lines of ended steps stay reserved, so that the block does not jump with every short build.
const RESERVED_FOR: Duration = Duration::from_secs(2);
/// How much of a reason is kept for each check, in characters.
const NOTE_CHARS_MAX: usize = 80;

/// A row of the matrix.
#[derive(Debug)]
pub(super) struct Row {
    name: Arc<str>,
    /// Its checks, with the number of their system; `None` for one without a column.
    cells: Vec<(Option<usize>, usize)>,
    /// What became of its checks.
    pub class: Class,
}

/// All that the block shows.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// The flake, for people.
    pub title: String,
    /// The commit and whether the tree is dirty; empty if unknown.
    pub revision: String,
    /// The attribute below the flake's outputs; what a row without a name stands for.
    pub attribute: String,
    /// The systems that have checks, in the order in which they came up.
    pub systems: Vec<System>,
    /// How wide the widest name of a row is, in columns, up to a bound.
    pub name_columns: usize,
    /// How many rows there are of each class, by its number.
    pub rows_by_class: [usize; CLASSES],
    /// How many checks ended how.
    pub outcomes: Counts,
    /// How many failed that may.
    pub allowed: usize,
    /// The steps that run.
    pub running: RunningSteps,
    /// How many builds may run at once on the machine that builds.
    pub slots: usize,
    /// How many lines running steps may take before the block has to grow.
    pub reserved: usize,
    /// The latest figures.
    pub progress: Progress,
    /// Why the run is being stopped, if it is.
    pub stopping: Option<String>,
    /// Whether the run is over.
    pub is_over: bool,
    /// The check that was asked about last, and what it waits for.
    pub explained: Option<(String, Vec<Wait>)>,
    /// Whether figures come with the events.
    has_figures: bool,
    /// Whether the evaluation is over.
    is_evaluated: bool,
    reserved_since: Duration,
    systems_asked_for: Vec<System>,
    rows: Vec<Row>,
    row_of: BTreeMap<Arc<str>, usize>,
    checks: Vec<Check>,
    check_of: HashMap<Arc<str>, usize>,
    /// The checks that wait for a running step, by their numbers, in order.
    held: HashMap<StorePath, Vec<usize>>,
}

impl Model {
    /// Takes note of an event.
    pub(super) fn observe(&mut self, event: &Event) {
        self.running.observe(event);
        self.reserve(event.elapsed);
        match &event.kind {
            EventKind::RunStarted {
                title,
                revision,
                attribute,
                systems,
                slots,
                ..
            } => {
                self.slots = *slots;
                self.title.clone_from(title);
                self.attribute.clone_from(attribute);
                self.revision = revision.clone().unwrap_or_default();
                self.systems_asked_for.clone_from(systems);
            }
            EventKind::CheckFound {
                check,
                system,
                name,
                drv_path,
                ..
            } => {
                let at = self.check(check, system, name);
                self.checks[at].drv_path = Some(drv_path.clone());
            }
            // A step that waits for a lock has not begun, and is waited for all the same.
            EventKind::StepStarted {
                drv_path, checks, ..
            }
            | EventKind::StepWaiting {
                drv_path, checks, ..
            } => self.hold(drv_path, checks),
            EventKind::StepFinished { drv_path, .. } => self.release(drv_path),
            EventKind::CheckFinished {
                check,
                system,
                name,
                outcome,
                duration,
                cause,
                reason,
                allowed,
                ..
            } => {
                let at = self.check(check, system, name);
                let cause = cause
                    .as_ref()
                    .map(|drv| drv.name().trim_end_matches(".drv"));
                let note = reason.as_deref().or(cause).unwrap_or_default();
                if self.checks[at].stage == Stage::Waiting {
                    self.outcomes.add(*outcome);
                    self.allowed += usize::from(*allowed);
                    self.change(at, |check| {
                        check.is_allowed = *allowed;
                        check.stage = Stage::Ended(*outcome, *duration);
                        check.note = note.chars().take(NOTE_CHARS_MAX).collect();
                    });
                }
            }
            EventKind::RunCancelled { reason } => {
                self.stopping.get_or_insert_with(|| reason.clone());
            }
            EventKind::Ticked { progress, .. } => {
                self.progress = *progress;
                self.has_figures = true;
            }
            EventKind::CheckExplained { check, waits } => {
                self.explained = Some((check.clone(), waits.clone()));
            }
            EventKind::RunFinished { .. } => self.is_over = true,
            EventKind::EvaluationFinished { .. } => self.is_evaluated = true,
            EventKind::EvaluationFailed { .. }
            | EventKind::EvaluationWarning { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::StepPhase { .. }
            | EventKind::StepLogged { .. }
            | EventKind::StepRetrying { .. }
            | EventKind::UploadStarted { .. }
            | EventKind::UploadFinished { .. }
            | EventKind::Warned { .. } => {}
        }
        if !self.has_figures {
            self.count();
        }
    }

    /// Counts what the events tell: those of a server's run come without figures.
    fn count(&mut self) {
        let checks = self.checks.len();
        self.progress = Progress {
            evaluated: checks,
            attributes: if self.is_evaluated { checks } else { 0 },
            evaluating: !self.is_evaluated && !self.is_over,
            ..self.progress
        };
    }

    /// The rows in the order of their names.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.row_of.values().map(|at| &self.rows[*at])
    }

    /// Every check, in the order in which they were found.
    pub(super) fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The checks of a row.
    pub(super) fn checks_of<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a Check> {
        row.cells.iter().map(|(_, at)| &self.checks[*at])
    }

    /// The step that a check waits for, of those that run the one that began first; its own one if that runs.
    pub(super) fn blocker(&self, check: &Check) -> Option<&RunningStep> {
        if let Some(own) = check.drv_path.as_ref().filter(|_| check.is_running) {
            return self.running.of(own);
        }
        if check.dependencies_running == 0 {
            return None;
        }
        let holds = |held: &Vec<usize>| held.binary_search(&check.at).is_ok();
        let drv_paths = self.held.iter().filter(|(_, held)| holds(held));
        drv_paths
            .filter_map(|(drv_path, _)| self.running.of(drv_path))
            .min_by_key(|step| step.started)
    }

    /// Whether what could begin has to wait until a build has ended.
    pub(super) fn is_full(&self) -> bool {
        self.slots > 0 && self.progress.building >= self.slots
    }

    /// How many rows there are.
    pub(super) fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// What a row is called.
    pub(super) fn name<'a>(&'a self, row: &'a Row) -> &'a str {
        if row.name.is_empty() {
            &self.attribute
        } else {
            &row.name
        }
    }

    /// The check of a row for a system, by its number; `None` asks for the one without a column.
    pub(super) fn cell(&self, row: &Row, system: Option<usize>) -> Option<&Check> {
        let (_, at) = row.cells.iter().find(|(known, _)| *known == system)?;
        self.checks.get(*at)
    }

    /// The numbers of the systems in the order of their columns: as asked for, then as they came up.
    pub(super) fn columns(&self) -> Vec<usize> {
        let mut columns: Vec<_> = (0..self.systems.len()).collect();
        let asked = |at: &usize| {
            self.systems_asked_for
                .iter()
                .position(|system| *system == self.systems[*at])
        };
        columns.sort_by_key(|at| asked(at).unwrap_or(usize::MAX));
        columns
    }

    /// The number of a check; makes it, and its row and column, if it is new.
    fn check(&mut self, check: &str, system: &System, name: &str) -> usize {
        if let Some(&at) = self.check_of.get(check) {
            return at;
        }
        let system = self.system(system);
        let taken = |row: &usize| {
            self.rows[*row]
                .cells
                .iter()
                .any(|(known, _)| *known == system)
        };
        let row = match self.row_of.get(name) {
            Some(row) if system.is_some() && !taken(row) => *row,
            None if system.is_some() => self.new_row(name),
            // Another attribute has the cell, or none is known: it gets a row under its full name.
            _ => self.new_row(check),
        };
        let at = self.checks.len();
        let path: Arc<str> = check.into();
        self.checks.push(Check {
            at,
            path: Arc::clone(&path),
            row,
            drv_path: None,
            stage: Stage::Waiting,
            is_allowed: false,
            note: Box::default(),
            is_running: false,
            dependencies_running: 0,
        });
        self.check_of.insert(path, at);
        self.rows[row].cells.push((system, at));
        self.classify(row);
        at
    }

    fn new_row(&mut self, name: &str) -> usize {
        if let Some(row) = self.row_of.get(name) {
            return *row;
        }
        let at = self.rows.len();
        let name: Arc<str> = name.into();
        self.rows.push(Row {
            name: Arc::clone(&name),
            cells: Vec::new(),
            class: Class::Neutral,
        });
        self.rows_by_class[Class::Neutral as usize] += 1;
        let shown = if name.is_empty() {
            &self.attribute
        } else {
            &*name
        };
        let shown: String = shown.chars().take(NOTE_CHARS_MAX).collect();
        self.name_columns = self.name_columns.max(columns(&shown));
        self.row_of.insert(name, at);
        at
    }

    fn system(&mut self, system: &System) -> Option<usize> {
        if system.as_str().is_empty() {
            return None;
        }
        let known = self.systems.iter().position(|known| known == system);
        if known.is_none() && self.systems.len() < SYSTEMS_MAX {
            self.systems.push(system.clone());
            return Some(self.systems.len() - 1);
        }
        known
    }

    fn change(&mut self, check: usize, change: impl FnOnce(&mut Check)) {
        change(&mut self.checks[check]);
        self.classify(self.checks[check].row);
    }

    fn classify(&mut self, row: usize) {
        let row = &mut self.rows[row];
        let classes = row
            .cells
            .iter()
            .map(|(_, check)| self.checks[*check].class());
        let class = classes.min().unwrap_or(Class::Neutral);
        self.rows_by_class[row.class as usize] -= 1;
        self.rows_by_class[class as usize] += 1;
        row.class = class;
    }

    /// A step runs: these checks wait for it.
    fn hold(&mut self, drv_path: &StorePath, checks: &[String]) {
        self.release(drv_path);
        let mut held: Vec<_> = checks
            .iter()
            .filter_map(|check| self.check_of.get(check.as_str()).copied())
            .collect();
        held.sort_unstable();
        for &at in &held {
            self.change(at, |check| {
                if check.drv_path.as_ref() == Some(drv_path) {
                    check.is_running = true;
                } else {
                    check.dependencies_running += 1;
                }
            });
        }
        self.held.insert(drv_path.clone(), held);
    }

    /// A step runs no more: nothing waits for it.
    fn release(&mut self, drv_path: &StorePath) {
        for at in self.held.remove(drv_path).unwrap_or_default() {
            self.change(at, |check| {
                if check.drv_path.as_ref() == Some(drv_path) {
                    check.is_running = false;
                } else {
                    check.dependencies_running = check.dependencies_running.saturating_sub(1);
                }
            });
        }
    }

    fn reserve(&mut self, now: Duration) {
        let running = self.running.len();
        if running >= self.reserved || now.saturating_sub(self.reserved_since) > RESERVED_FOR {
            self.reserved = running;
            self.reserved_since = now;
        }
    }
}

#[cfg(test)]
mod tests;
