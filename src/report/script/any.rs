//! Runs that nobody would write: any events in any order, with hostile texts.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{Script, drv};
use crate::{
    event::{
        Counts, Download, Event, EventKind, Outcome, Progress, RunOutcome, UploadOutcome, Wait,
        WaitReason,
    },
    nix::System,
    report::sanitize::tests::hostile,
};

/// Any events in any order, about few checks and steps, so that they meet.
pub(crate) fn any_events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((any_kind(), 0_u64..100_000_000), 0..60).prop_map(|kinds| {
        let mut script = Script::default();
        for (kind, millis) in kinds {
            script = script.at(millis).then(kind);
        }
        script.events
    })
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
fn any_kind() -> impl Strategy<Value = EventKind> {
    let text = || prop_oneof!["[a-c]{0,2}", hostile(), Just("long".repeat(150))];
    let texts = move || prop::collection::vec(text(), 0..4);
    let drv_path = || "[a-d]".prop_map(|name| drv(&name));
    let check = || prop_oneof!["[a-d]", "x86_64-linux\\.[a-d]", hostile()];
    let system = || {
        prop_oneof!["", "x86_64-linux", "aarch64-(linux|darwin)", hostile()]
            .prop_map(|s| System::of_derivation(&s))
    };
    let took = || (0..1_u64 << 44).prop_map(Duration::from_millis);
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
                extra: None,
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
                    allowed: false,
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
        (drv_path(), text(), prop::collection::vec(check(), 0..9)).prop_map(
            |(drv_path, reason, checks)| EventKind::StepWaiting {
                drv_path,
                reason,
                checks,
            }
        ),
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
                allowed: outcome.is_failed() && duration.as_millis() % 2 == 1,
                may_pass: outcome.is_failed() && duration.as_millis() % 3 == 1,
            }
        ),
        check_finished.prop_map(
            |((check, system, name, drv_path), (outcome, duration, cause, reason))| {
                EventKind::CheckFinished {
                    check,
                    system,
                    name,
                    drv_path,
                    kind: None,
                    outcome,
                    duration,
                    outputs: BTreeMap::new(),
                    cause,
                    reason,
                    allowed: outcome.is_failed() && duration.as_millis() % 2 == 1,
                    previous: None,
                }
            }
        ),
        (text(), prop::collection::vec(drv_path(), 0..4))
            .prop_map(|(destination, paths)| EventKind::UploadStarted { destination, paths }),
        (
            text(),
            prop::collection::vec(drv_path(), 0..4),
            any::<bool>(),
            took(),
            text()
        )
            .prop_map(|(destination, paths, is_there, duration, error)| {
                EventKind::UploadFinished {
                    destination,
                    paths,
                    outcome: if is_there {
                        UploadOutcome::Uploaded
                    } else {
                        UploadOutcome::UploadFailed
                    },
                    duration,
                    error,
                }
            }),
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
                uploading: n[0],
                remaining,
            },
            downloads: vec![Download {
                drv_path: drv("a"),
                source: "\u{1b}[2Jhttps://cache".into(),
                done_bytes: bytes[0],
                expected_bytes: bytes[1],
            }],
        }),
        (
            check(),
            prop::collection::vec((drv_path(), text(), any::<usize>()), 0..4)
        )
            .prop_map(|(check, waits)| {
                let wait = |(drv_path, name, n)| Wait {
                    drv_path,
                    name,
                    reason: match n % 3 {
                        0 => WaitReason::Steps { open: n },
                        1 => WaitReason::Slot {
                            ahead: n,
                            slots: n / 2,
                        },
                        _ => WaitReason::End,
                    },
                };
                let waits = waits.into_iter().map(wait).collect();
                EventKind::CheckExplained { check, waits }
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
                allowed: 0,
            }
        }),
    ]
}
