//! Runs written down for tests: events without ceremony.

mod any;

use std::{collections::BTreeMap, time::Duration};

pub(crate) use any::any_events;

use crate::{
    event::{Counts, Event, EventKind, Outcome, Progress, RunOutcome},
    nix::{StorePath, System},
};

/// Events, one after the other.
#[derive(Default)]
pub(super) struct Script {
    now: Duration,
    counts: Counts,
    pub(super) events: Vec<Event>,
}

/// The derivation of a name: always the same one.
pub(super) fn drv(name: &str) -> StorePath {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut digits = String::new();
    for i in 0..32 {
        for byte in name.bytes().chain([i]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        digits.push(char::from(
            b"0123456789abcdfghijklmnpqrsvwxyz"[(hash >> 40) as usize % 32],
        ));
    }
    StorePath::parse(&format!("/nix/store/{digits}-{name}.drv")).unwrap()
}

fn system_of(check: &str) -> System {
    System::of_derivation(check.split('.').next().unwrap())
}

fn row_of(check: &str) -> String {
    check
        .split_once('.')
        .map_or(check, |(_, name)| name)
        .to_owned()
}

impl Script {
    /// A run that has begun, for these systems.
    pub(super) fn start(systems: &[&str]) -> Self {
        Self::default().then(EventKind::RunStarted {
            format: 1,
            run: "0195".into(),
            flake: ".".into(),
            title: "my-flake".into(),
            revision: Some("3f2c1ab +dirty".into()),
            attribute: "checks".into(),
            systems: systems
                .iter()
                .map(|system| System::of_derivation(system))
                .collect(),
            evaluator: "builtin".into(),
            nix_version: "2.34.8".into(),
            slots: 4,
            eval_workers: 2,
        })
    }

    /// Goes to this moment.
    pub(super) fn at(mut self, millis: u64) -> Self {
        self.now = Duration::from_millis(millis);
        self
    }

    pub(super) fn then(mut self, kind: EventKind) -> Self {
        let started: jiff::Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        if let EventKind::CheckFinished { outcome, .. } = &kind {
            self.counts.add(*outcome);
        }
        self.events.push(Event {
            at: started + self.now,
            elapsed: self.now,
            kind,
        });
        self
    }

    /// A check is found; its derivation has the name of its row.
    pub(super) fn found(self, check: &str) -> Self {
        let name = row_of(check);
        let drv_path = drv(&name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        self.found_as(check, &name, &drv_path)
    }

    pub(super) fn found_as(self, check: &str, name: &str, drv_path: &StorePath) -> Self {
        self.then(EventKind::CheckFound {
            check: check.into(),
            system: system_of(check),
            name: name.into(),
            drv_path: drv_path.clone(),
            outputs: BTreeMap::new(),
            extra: None,
        })
    }

    pub(super) fn evaluated(self, checks: usize, failed: usize) -> Self {
        let duration = self.now;
        self.then(EventKind::EvaluationFinished {
            checks,
            failed,
            duration,
            cached: false,
            systems_available: vec![System::of_derivation("x86_64-linux")],
        })
    }

    pub(super) fn step(self, name: &str, machine: &str, checks: &[&str]) -> Self {
        self.then(EventKind::StepStarted {
            drv_path: drv(name),
            name: name.into(),
            system: System::of_derivation("x86_64-linux"),
            machine: machine.into(),
            substitute: false,
            expected: (name == "clippy").then(|| Duration::from_secs(190)),
            checks: checks.iter().map(ToString::to_string).collect(),
        })
    }

    pub(super) fn download(mut self, name: &str) -> Self {
        self = self.step(name, "", &[]);
        if let Some(EventKind::StepStarted { substitute, .. }) =
            self.events.last_mut().map(|event| &mut event.kind)
        {
            *substitute = true;
        }
        self
    }

    pub(super) fn phase(self, name: &str, phase: &str) -> Self {
        self.then(EventKind::StepPhase {
            drv_path: drv(name),
            phase: phase.into(),
        })
    }

    pub(super) fn log(self, name: &str, lines: &[&str]) -> Self {
        self.then(EventKind::StepLogged {
            drv_path: drv(name),
            lines: lines.iter().map(ToString::to_string).collect(),
        })
    }

    pub(super) fn step_ends(
        self,
        name: &str,
        outcome: Outcome,
        millis: u64,
        checks: &[&str],
    ) -> Self {
        let failed = outcome.is_failed();
        let error =
            "Cannot build it.\nReason: builder failed with exit code 1.\nLast 2 log lines:\n> x\n";
        self.then(EventKind::StepFinished {
            drv_path: drv(name),
            name: name.into(),
            system: System::of_derivation("x86_64-linux"),
            outcome,
            duration: Duration::from_millis(millis),
            machine: String::new(),
            error: if failed { error.into() } else { String::new() },
            log_tail: (1..=if failed { 3 } else { 0 })
                .map(|i| format!("line {i} of {name}"))
                .collect(),
            log_lines_before: if failed { 1231 } else { 0 },
            phase: failed.then(|| "checkPhase".into()),
            checks: checks.iter().map(ToString::to_string).collect(),
            allowed: false,
            may_pass: false,
        })
    }

    pub(super) fn check_ends(self, check: &str, outcome: Outcome, millis: u64) -> Self {
        let name = row_of(check);
        let drv_path = drv(&name.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        self.then(EventKind::CheckFinished {
            check: check.into(),
            system: system_of(check),
            name,
            drv_path: Some(drv_path),
            kind: None,
            outcome,
            duration: Duration::from_millis(millis),
            outputs: BTreeMap::new(),
            cause: None,
            reason: None,
            allowed: false,
            previous: None,
        })
    }

    /// As [`Self::check_ends`], by another derivation or for a reason in words.
    pub(super) fn check_ends_by(
        mut self,
        check: &str,
        outcome: Outcome,
        by: Option<&str>,
        why: Option<&str>,
    ) -> Self {
        self = self.check_ends(check, outcome, 0);
        if let Some(EventKind::CheckFinished { cause, reason, .. }) =
            self.events.last_mut().map(|event| &mut event.kind)
        {
            *cause = by.map(drv);
            *reason = why.map(ToOwned::to_owned);
        }
        self
    }

    /// What the last event tells is a failure that fails nothing.
    pub(super) fn allowed(mut self) -> Self {
        if let Some(
            EventKind::CheckFinished { allowed, .. }
            | EventKind::StepFinished { allowed, .. }
            | EventKind::EvaluationFailed { allowed, .. },
        ) = self.events.last_mut().map(|event| &mut event.kind)
        {
            *allowed = true;
        }
        self
    }

    /// As told by the last event, a check that ended like this before.
    pub(super) fn with_previous(mut self, before: Option<Outcome>) -> Self {
        if let Some(EventKind::CheckFinished { previous, .. }) =
            self.events.last_mut().map(|event| &mut event.kind)
        {
            *previous = before;
        }
        self
    }

    pub(super) fn tick(self, progress: Progress) -> Self {
        self.then(EventKind::Ticked {
            progress,
            downloads: Vec::new(),
        })
    }

    pub(super) fn end(self, outcome: RunOutcome) -> Self {
        self.end_with(outcome, None)
    }

    pub(super) fn end_with(self, outcome: RunOutcome, error: Option<&str>) -> Self {
        let (counts, duration) = (self.counts.clone(), self.now);
        self.then(EventKind::RunFinished {
            outcome,
            counts,
            duration,
            exit_code: 1,
            error: error.map(ToOwned::to_owned),
            allowed: 0,
        })
    }
}

/// The figures of a run in its midst.
pub(super) fn progress() -> Progress {
    Progress {
        evaluated: 240,
        attributes: 240,
        evaluating: false,
        building: 4,
        queued: 31,
        downloading: 3,
        downloaded_bytes: 41 << 20,
        download_bytes: 120 << 20,
        uploading: 12,
        remaining: Some(Duration::from_secs(240)),
    }
}
