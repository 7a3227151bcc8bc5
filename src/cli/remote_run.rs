//! The events of a run on another machine, on their way to whoever shows them here.
//!
//! Pure. What comes in may be anything; what goes out keeps the promises of a run: it begins once, ends once, and every
//! check that it names ends once, also where the other machine falls silent. Its names, times and numbers are those of
//! this machine.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use serde::Deserialize;

use crate::{
    event::{Counts, Event, EventKind, FORMAT, Outcome, RunOutcome},
    nix::{StorePath, System},
    run::Stop,
};

/// How many checks one run may have.
const CHECKS_MAX: usize = 200_000;
/// How many steps may run at once.
const STEPS_MAX: usize = 100_000;
/// How long the path of a check may be, in bytes.
const PATH_BYTES_MAX: usize = 16 << 10;
/// How much of a line that makes no sense is shown, in bytes.
const LINE_SHOWN_MAX: usize = 200;

/// What this machine knows better.
#[derive(Debug, Default)]
pub(super) struct Here {
    /// The id of the run.
    pub(super) run: String,
    /// The flake as the user named it.
    pub(super) flake: String,
    /// The flake's name for people.
    pub(super) title: String,
    /// The commit, where known.
    pub(super) revision: Option<String>,
    /// How checks ended the last time.
    pub(super) previous: HashMap<String, Outcome>,
}

/// How far a run on another machine is.
#[derive(Debug, Default)]
pub(super) struct RemoteRun {
    here: Here,
    has_begun: bool,
    /// The exit code, when it is over.
    exit_code: Option<u8>,
    /// Checks that have not ended.
    open: HashMap<String, OpenCheck>,
    /// Those that have.
    ended: HashSet<String>,
    counts: Counts,
    allowed: usize,
    /// Steps that run.
    steps: HashMap<StorePath, OpenStep>,
}

#[derive(Debug)]
struct OpenCheck {
    name: String,
    system: System,
    drv_path: StorePath,
}

#[derive(Debug)]
struct OpenStep {
    name: String,
    system: System,
    machine: String,
}

/// Why a run ends that does not say so itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut<'a> {
    /// Someone here wanted it to.
    Stopped(Stop),
    /// Nothing more is heard of it, for this reason.
    Lost(&'a str),
}

/// What no run says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nonsense {
    /// It is no event.
    #[error("it writes `{}`, which is no event of nixci", .0.escape_debug())]
    NoEvent(String),
    /// Another form of events.
    #[error(
        "its events have the form {0}, and {FORMAT} is known here: install the same nixci on both machines"
    )]
    Format(u32),
    /// Events in an order that no run has.
    #[error("its events make no sense: {0}")]
    Order(&'static str),
}

impl RemoteRun {
    pub(super) fn new(here: Here) -> Self {
        Self {
            here,
            ..Self::default()
        }
    }

    /// The exit code, when the run is over.
    pub(super) fn exit_code(&self) -> Option<u8> {
        self.exit_code
    }

    /// Whether the run has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes a line that the other machine wrote. Returns what happened by it: nothing, if it is of a kind that is not
    /// known here.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<Vec<EventKind>, Nonsense> {
        let Some(mut kind) = parse(line)? else {
            return Ok(Vec::new());
        };
        let is_first = matches!(kind, EventKind::RunStarted { .. });
        if is_first == self.has_begun {
            return Err(Nonsense::Order("a run begins once, and before all else"));
        }
        if self.exit_code.is_some() {
            return Err(Nonsense::Order("it goes on after its end"));
        }
        if let EventKind::RunFinished {
            outcome,
            exit_code,
            error,
            duration,
            ..
        } = kind
        {
            return Ok(self.take_end((outcome, exit_code), error, duration));
        }
        let is_shown = self.note(&mut kind)?;
        Ok(if is_shown { vec![kind] } else { Vec::new() })
    }

    /// Takes note of an event, and puts in what is known better here. Whether it is to be shown.
    fn note(&mut self, kind: &mut EventKind) -> Result<bool, Nonsense> {
        let is_shown = match kind {
            EventKind::RunStarted { format, .. } => {
                if *format != FORMAT {
                    return Err(Nonsense::Format(*format));
                }
                self.has_begun = true;
                self.rename(kind);
                true
            }
            EventKind::CheckFound {
                check,
                system,
                name,
                drv_path,
                ..
            } => {
                self.has_room_for(check, name)?;
                let found = OpenCheck {
                    name: name.clone(),
                    system: system.clone(),
                    drv_path: drv_path.clone(),
                };
                !self.ended.contains(check) && self.open.insert(check.clone(), found).is_none()
            }
            EventKind::CheckFinished {
                check,
                name,
                outcome,
                allowed,
                previous,
                ..
            } => {
                self.has_room_for(check, name)?;
                self.open.remove(check);
                *previous = self.here.previous.get(check).copied();
                let is_new = self.ended.insert(check.clone());
                if is_new {
                    self.counts.add(*outcome);
                    self.allowed += usize::from(*allowed && outcome.is_failed());
                }
                is_new
            }
            EventKind::StepStarted {
                drv_path,
                name,
                system,
                machine,
                ..
            } => {
                if self.steps.len() >= STEPS_MAX {
                    return Err(Nonsense::Order("more runs at once than can be"));
                }
                let step = OpenStep {
                    name: name.clone(),
                    system: system.clone(),
                    machine: machine.clone(),
                };
                self.steps.insert(drv_path.clone(), step);
                true
            }
            EventKind::StepFinished { drv_path, .. } => {
                self.steps.remove(drv_path);
                true
            }
            EventKind::EvaluationFailed { .. }
            | EventKind::EvaluationWarning { .. }
            | EventKind::EvaluationFinished { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::StepPhase { .. }
            | EventKind::StepWaiting { .. }
            | EventKind::StepLogged { .. }
            | EventKind::StepRetrying { .. }
            | EventKind::UploadStarted { .. }
            | EventKind::UploadFinished { .. }
            | EventKind::Warned { .. }
            | EventKind::RunCancelled { .. }
            | EventKind::Ticked { .. }
            | EventKind::CheckExplained { .. }
            | EventKind::RunFinished { .. } => true,
        };
        Ok(is_shown)
    }

    /// Gives a run that begins the names it has here.
    fn rename(&self, kind: &mut EventKind) {
        if let EventKind::RunStarted {
            run,
            flake,
            title,
            revision,
            ..
        } = kind
        {
            run.clone_from(&self.here.run);
            flake.clone_from(&self.here.flake);
            title.clone_from(&self.here.title);
            *revision = self.here.revision.clone().or(revision.take());
        }
    }

    /// Takes the end that the other machine tells.
    fn take_end(
        &mut self,
        mut verdict: (RunOutcome, u8),
        mut error: Option<String>,
        duration: Duration,
    ) -> Vec<EventKind> {
        let mut happened = Vec::new();
        if !self.open.is_empty() {
            let why = "the other machine does not tell how it ended";
            happened = self.end_checks(Outcome::InfrastructureFailed, Some(why));
            verdict = (RunOutcome::Errored, 4);
            error = error.or_else(|| Some(why.to_owned()));
        }
        happened.push(self.finish(verdict, error, duration));
        happened
    }

    /// Ends the run from here, after this time. Returns what happens by it.
    pub(super) fn cut(&mut self, cut: Cut<'_>, duration: Duration) -> Vec<EventKind> {
        let (reason, check_end, verdict, error) = match cut {
            Cut::Stopped(stop) => (
                stop.as_str(),
                Outcome::Cancelled,
                (RunOutcome::Cancelled, stop.exit_code()),
                None,
            ),
            Cut::Lost(why) => (
                why,
                Outcome::InfrastructureFailed,
                (RunOutcome::Errored, 4),
                Some(why.to_owned()),
            ),
        };
        let mut happened = vec![EventKind::RunCancelled {
            reason: reason.to_owned(),
        }];
        let steps = std::mem::take(&mut self.steps).into_iter();
        happened.extend(steps.map(|(drv_path, step)| step.cancelled(drv_path)));
        happened.extend(self.end_checks(check_end, error.as_deref()));
        happened.push(self.finish(verdict, error, duration));
        happened
    }

    fn end_checks(&mut self, outcome: Outcome, reason: Option<&str>) -> Vec<EventKind> {
        let mut open: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
        open.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let end = |(check, found): (String, OpenCheck)| {
            self.counts.add(outcome);
            EventKind::CheckFinished {
                previous: self.here.previous.get(&check).copied(),
                check,
                system: found.system,
                name: found.name,
                drv_path: Some(found.drv_path),
                kind: None,
                outcome,
                duration: Duration::ZERO,
                outputs: BTreeMap::new(),
                cause: None,
                reason: reason.map(str::to_owned),
                allowed: false,
            }
        };
        open.into_iter().map(end).collect()
    }

    fn finish(
        &mut self,
        (outcome, exit_code): (RunOutcome, u8),
        error: Option<String>,
        duration: Duration,
    ) -> EventKind {
        self.exit_code = Some(exit_code);
        EventKind::RunFinished {
            outcome,
            counts: self.counts.clone(),
            duration,
            exit_code,
            error,
            allowed: self.allowed,
        }
    }

    fn has_room_for(&self, check: &str, name: &str) -> Result<(), Nonsense> {
        if self.open.len() + self.ended.len() >= CHECKS_MAX {
            return Err(Nonsense::Order("more checks than a run can have"));
        }
        if check.len().max(name.len()) > PATH_BYTES_MAX {
            return Err(Nonsense::Order("a check with an endless name"));
        }
        Ok(())
    }
}

impl OpenStep {
    fn cancelled(self, drv_path: StorePath) -> EventKind {
        EventKind::StepFinished {
            drv_path,
            name: self.name,
            system: self.system,
            outcome: Outcome::Cancelled,
            duration: Duration::ZERO,
            machine: self.machine,
            error: String::new(),
            log_tail: Vec::new(),
            log_lines_before: 0,
            phase: None,
            checks: Vec::new(),
            allowed: false,
            may_pass: false,
        }
    }
}

/// The event of a line; `None` if it is of a kind that this version does not know.
fn parse(line: &[u8]) -> Result<Option<EventKind>, Nonsense> {
    #[derive(Deserialize)]
    struct Any {
        #[serde(rename = "event")]
        _event: String,
    }
    if let Ok(event) = serde_json::from_slice::<Event>(line) {
        return Ok(Some(event.kind));
    }
    serde_json::from_slice::<Any>(line)
        .map(|_| None)
        .map_err(|_| {
            let start = &line[..line.len().min(LINE_SHOWN_MAX)];
            Nonsense::NoEvent(String::from_utf8_lossy(start).into_owned())
        })
}

#[cfg(test)]
mod tests;
