//! Runs written down for tests: events without ceremony.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::sanitize::tests::hostile;
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
            outcome,
            duration: Duration::from_millis(millis),
            outputs: BTreeMap::new(),
            cause: None,
            reason: None,
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

    pub(super) fn tick(self, progress: Progress) -> Self {
        self.then(EventKind::Ticked { progress })
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
        remaining: Some(Duration::from_secs(240)),
    }
}

/// Any events in any order, about few checks and steps, so that they meet.
pub(super) fn any_events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((any_kind(), 0_u64..100_000_000), 0..60).prop_map(|kinds| {
        let mut script = Script::default();
        for (kind, millis) in kinds {
            script = script.at(millis).then(kind);
        }
        script.events
    })
}

fn any_kind() -> impl Strategy<Value = EventKind> {
    let text = || prop_oneof!["[a-c]{0,2}", hostile(), Just("long".repeat(150))];
    let texts = move || prop::collection::vec(text(), 0..4);
    let drv_path = || "[a-d]".prop_map(|name| drv(&name));
    let check = || prop_oneof!["[a-d]", "x86_64-linux\\.[a-d]", hostile()];
    let system = || {
        prop_oneof!["", "x86_64-linux", "aarch64-(linux|darwin)", hostile()]
            .prop_map(|s| System::of_derivation(&s))
    };
    let took = || (0..u64::MAX / 4).prop_map(Duration::from_millis);
    let outcome = || prop::sample::select(Outcome::ALL.to_vec());
    let started = (
        text(),
        text(),
        prop::collection::vec(system(), 0..4),
        any::<usize>(),
    );
    let finished = (
        (drv_path(), text(), system(), outcome(), took()),
        (
            text(),
            text(),
            texts(),
            any::<u64>(),
            prop::option::of(text()),
            prop::collection::vec(check(), 0..9),
        ),
    );
    let check_finished = (
        (check(), system(), check(), prop::option::of(drv_path())),
        (
            outcome(),
            took(),
            prop::option::of(drv_path()),
            prop::option::of(text()),
        ),
    );
    let figures = (
        any::<[usize; 5]>(),
        any::<[u64; 2]>(),
        any::<bool>(),
        prop::option::of(took()),
    );
    prop_oneof![
        started.prop_map(|(title, revision, systems, n)| EventKind::RunStarted {
            format: 1,
            run: String::new(),
            flake: title.clone(),
            title,
            revision: Some(revision.clone()),
            attribute: revision.clone(),
            systems,
            evaluator: revision.clone(),
            nix_version: revision,
            slots: n,
            eval_workers: n,
        }),
        (check(), system(), check(), drv_path()).prop_map(|(check, system, name, drv_path)| {
            EventKind::CheckFound {
                check,
                system,
                name,
                drv_path,
                outputs: BTreeMap::new(),
            }
        }),
        (prop::option::of(check()), text(), any::<Option<u32>>()).prop_map(
            |(check, error, line)| {
                EventKind::EvaluationFailed {
                    check,
                    file: line.map(|_| error.clone()),
                    error,
                    line,
                    column: line,
                }
            }
        ),
        (prop::option::of(check()), text())
            .prop_map(|(check, message)| EventKind::EvaluationWarning { check, message }),
        (
            any::<usize>(),
            took(),
            any::<bool>(),
            prop::collection::vec(system(), 0..4)
        )
            .prop_map(|(n, duration, cached, systems_available)| {
                EventKind::EvaluationFinished {
                    checks: n,
                    failed: n / 2,
                    duration,
                    cached,
                    systems_available,
                }
            }),
        (any::<usize>(), any::<u64>()).prop_map(|(n, download_bytes)| EventKind::PlanChanged {
            to_build: n,
            to_substitute: n / 2,
            download_bytes,
        }),
        (
            drv_path(),
            text(),
            system(),
            any::<bool>(),
            prop::option::of(took()),
            prop::collection::vec(check(), 0..9)
        )
            .prop_map(|(drv_path, name, system, substitute, expected, checks)| {
                EventKind::StepStarted {
                    drv_path,
                    machine: name.clone(),
                    name,
                    system,
                    substitute,
                    expected,
                    checks,
                }
            }),
        (drv_path(), text()).prop_map(|(drv_path, phase)| EventKind::StepPhase { drv_path, phase }),
        (drv_path(), text())
            .prop_map(|(drv_path, reason)| EventKind::StepWaiting { drv_path, reason }),
        (drv_path(), texts())
            .prop_map(|(drv_path, lines)| EventKind::StepLogged { drv_path, lines }),
        (drv_path(), any::<u32>(), text()).prop_map(|(drv_path, attempt, reason)| {
            EventKind::StepRetrying {
                drv_path,
                attempt,
                reason,
            }
        }),
        finished.prop_map(
            |(
                (drv_path, name, system, outcome, duration),
                (machine, error, log_tail, log_lines_before, phase, checks),
            )| EventKind::StepFinished {
                drv_path,
                name,
                system,
                outcome,
                duration,
                machine,
                error,
                log_tail,
                log_lines_before,
                phase,
                checks,
            }
        ),
        check_finished.prop_map(
            |((check, system, name, drv_path), (outcome, duration, cause, reason))| {
                EventKind::CheckFinished {
                    check,
                    system,
                    name,
                    drv_path,
                    outcome,
                    duration,
                    outputs: BTreeMap::new(),
                    cause,
                    reason,
                }
            }
        ),
        text().prop_map(|message| EventKind::Warned { message }),
        text().prop_map(|reason| EventKind::RunCancelled { reason }),
        figures.prop_map(|(n, bytes, evaluating, remaining)| EventKind::Ticked {
            progress: Progress {
                evaluated: n[0],
                attributes: n[1],
                evaluating,
                building: n[2],
                queued: n[3],
                downloading: n[4],
                downloaded_bytes: bytes[0],
                download_bytes: bytes[1],
                remaining,
            }
        }),
        (outcome(), took(), prop::option::of(text())).prop_map(|(outcome, duration, error)| {
            let mut counts = Counts::default();
            counts.add(outcome);
            let run = if outcome.is_passed() {
                RunOutcome::Passed
            } else {
                RunOutcome::Errored
            };
            EventKind::RunFinished {
                outcome: run,
                counts,
                duration,
                exit_code: 0,
                error,
            }
        }),
    ]
}
