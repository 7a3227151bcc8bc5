use std::time::Duration;

use insta::assert_snapshot;

use super::Plain;
use crate::{
    event::{EventKind, Outcome, Progress},
    report::{
        ReportOptions,
        line::Weight,
        options::tests::options,
        reporter::tests::Written,
        script::{Script, drv, progress},
        styles::Styles,
    },
};

fn plain(verbosity: i8) -> (Plain, Written) {
    let written = Written::default();
    let options = ReportOptions {
        verbosity,
        ..options()
    };
    (Plain::new(Box::new(written.clone()), &options), written)
}

/// What a plain report writes besides the lines of events.
fn heartbeats(script: &Script) -> String {
    let (mut plain, written) = plain(0);
    for event in &script.events {
        plain
            .report(event, (Weight::Log, Vec::new()), &Styles::default())
            .unwrap();
    }
    written.text()
}

#[test]
fn every_half_a_minute_is_told_what_runs() {
    let mut script = Script::start(&["x86_64-linux"]).step("clippy", "", &["x86_64-linux.clippy"]);
    script = script
        .at(5_000)
        .phase("clippy", "buildPhase")
        .download("curl")
        .step("openssl", "", &[]);
    for second in 0..70 {
        script = script.at(second * 1_000).tick(Progress {
            evaluating: second < 40,
            ..progress()
        });
    }
    script = script
        .step_ends("clippy", Outcome::Built, 1, &[])
        .at(95_000)
        .tick(Progress::default());
    assert_snapshot!(heartbeats(&script), @r"
         Running 30.0s: 240 checks evaluated; clippy (buildPhase, 30.0s), openssl (building, 25.0s), curl (downloading, 25.0s); 31 queued
         Running 1m00s: clippy (buildPhase, 1m00s), openssl (building, 55.0s), curl (downloading, 55.0s); 31 queued
         Running 1m35s: openssl (building, 1m30s), curl (downloading, 1m30s)
    ");
}

#[test]
fn many_steps_are_counted() {
    let mut script = Script::default();
    for i in 0..12 {
        script = script.step(&format!("s{i}"), "", &[]);
    }
    let text = heartbeats(&script.at(30_000).tick(Progress::default()));
    assert!(text.ends_with("s7 (building, 30.0s), 4 more\n"), "{text}");
}

#[test]
fn nothing_is_told_while_nothing_runs_or_nobody_wants_to_know() {
    let idle = Script::default().at(40_000).tick(Progress::default());
    assert_eq!(heartbeats(&idle), "");
    let (mut plain, written) = plain(-1);
    let busy = Script::default()
        .step("a", "", &[])
        .at(40_000)
        .tick(progress());
    for event in &busy.events {
        plain
            .report(
                event,
                (Weight::Failure, vec!["x".into()]),
                &Styles::default(),
            )
            .unwrap();
    }
    assert_eq!(written.text(), "");
    assert_eq!(plain.running.len(), 1);
    assert_eq!(plain.last_heartbeat, Duration::ZERO);
}

#[test]
fn commands_of_a_ci_are_broken_up_wherever_they_stand() {
    let (mut plain, written) = plain(0);
    plain
        .write(&["a ##[group]b".into(), "##vso[task.complete]".into()])
        .unwrap();
    assert_eq!(written.text(), "a # #[group]b\n# #vso[task.complete]\n");
}

#[test]
fn what_a_silent_build_said_last_is_told_once_in_a_while() {
    let mut script = Script::default()
        .step("test", "", &[])
        .step("quiet", "", &[])
        .step("waits", "", &[])
        .download("curl")
        .then(EventKind::StepWaiting {
            drv_path: drv("waits"),
            reason: "a lock".into(),
            checks: Vec::new(),
        })
        .phase("test", "checkPhase")
        .at(1_000)
        .log("test", &["one", "", "two", "three", "four"])
        .log("test", &["five", "  ##[error]six\u{1b}[2J\rseven", "   "]);
    for second in 0..=13 {
        script = script.at(1_000 + second * 1_000).tick(Progress::default());
    }
    script = script
        .at(15_000)
        .log("test", &["eight"])
        .tick(Progress::default())
        .at(18_000)
        .tick(Progress::default())
        .at(21_000)
        .tick(Progress::default());
    let written = Written::default();
    let options = ReportOptions {
        stall_timeout: Some(Duration::from_secs(6)),
        ..options()
    };
    let mut plain = Plain::new(Box::new(written.clone()), &options);
    for event in &script.events {
        plain
            .report(event, (Weight::Log, Vec::new()), &Styles::default())
            .unwrap();
    }
    assert_snapshot!(written.text());
}
