use std::{fmt::Write as _, time::Duration};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{Weight, lines};
use crate::{
    event::{Event, EventKind, Outcome, RunOutcome, UploadOutcome},
    report::{
        sanitize::tests::assert_harmless,
        script::{Script, any_events, drv, progress},
        styles::Styles,
        summary::tests::lenient,
    },
};

#[expect(clippy::too_many_lines, reason = "one for each kind of event")]
/// An event of every kind, and a step and a check of every outcome.
fn everything() -> Script {
    let mut script = Script::start(&["x86_64-linux", "aarch64-linux"])
        .then(EventKind::RunStarted {
            format: 1,
            run: String::new(),
            flake: ".".into(),
            title: "::error::title".into(),
            revision: None,
            attribute: "packages".into(),
            systems: Vec::new(),
            evaluator: "none".into(),
            nix_version: "2.8.0".into(),
            slots: 1,
            eval_workers: 0,
        })
        .found("x86_64-linux.fmt")
        .then(EventKind::EvaluationFailed {
            check: Some("x86_64-linux.broken".into()),
            error: "attribute 'lib' missing\nat flake.nix".into(),
            file: Some("flake.nix".into()),
            line: Some(12),
            column: Some(5),
            allowed: false,
        })
        .then(EventKind::EvaluationFailed {
            check: None,
            error: "cannot find flake".into(),
            file: None,
            line: None,
            column: None,
            allowed: false,
        })
        .then(EventKind::EvaluationWarning {
            check: Some("x86_64-linux.fmt".into()),
            message: "deprecated\u{1b}[2J\n".into(),
        })
        .then(EventKind::EvaluationWarning {
            check: None,
            message: "Git tree is dirty".into(),
        })
        .at(12_450)
        .evaluated(240, 1)
        .evaluated(1, 0)
        .then(EventKind::UploadStarted {
            destination: "s3://cache".into(),
            paths: vec![drv("a"), drv("b")],
        })
        .then(EventKind::UploadFinished {
            destination: "s3://cache".into(),
            paths: vec![drv("a")],
            outcome: UploadOutcome::Uploaded,
            duration: Duration::from_millis(1_200),
            error: String::new(),
        })
        .then(EventKind::UploadFinished {
            destination: "s3://cache".into(),
            paths: vec![drv("b")],
            outcome: UploadOutcome::UploadFailed,
            duration: Duration::from_millis(1_200),
            error: "HTTP error 403\u{1b}[2J\nmore".into(),
        })
        .then(EventKind::PlanChanged {
            to_build: 31,
            to_substitute: 1,
            download_bytes: 41 << 20,
        })
        .step(
            "clippy",
            "build-2",
            &[
                "x86_64-linux.clippy",
                "x86_64-linux.all",
                "aarch64-linux.all",
            ],
        )
        .step("openssl", "", &[])
        .download("curl")
        .phase("clippy", "buildPhase")
        .then(EventKind::StepWaiting {
            drv_path: drv("clippy"),
            reason: "waiting for a machine".into(),
            checks: Vec::new(),
        })
        .log(
            "clippy",
            &[
                "::error::x",
                "\u{1b}[32mok\u{1b}[0m\u{1b}[2J",
                "",
                "10%\r100%",
            ],
        )
        .then(EventKind::StepRetrying {
            drv_path: drv("clippy"),
            attempt: 2,
            reason: "the daemon hung up\n".into(),
        })
        .then(EventKind::Warned {
            message: "the evaluation cache cannot be written\u{7}".into(),
        })
        .then(EventKind::RunCancelled {
            reason: "SIGINT".into(),
        })
        .tick(progress());
    for outcome in Outcome::ALL {
        script = script.step_ends("clippy", outcome, 72_000, &["x86_64-linux.clippy"]);
    }
    for outcome in Outcome::ALL {
        script = script.check_ends_by("x86_64-linux.clippy", outcome, None, None);
    }
    script
        .check_ends_by(
            "x86_64-linux.clippy",
            Outcome::DependencyFailed,
            Some("openssl"),
            Some("it failed\n"),
        )
        .end(RunOutcome::Failed)
}

fn shown(events: &[Event], styles: &Styles) -> String {
    let mut out = String::new();
    for event in events {
        let (weight, lines) = lines(event, true, styles);
        for line in lines {
            _ = writeln!(out, "{:<8} {line}", format!("{weight:?}"));
        }
    }
    out
}

#[test]
fn every_event_has_its_line() {
    assert_snapshot!(
        "everything",
        shown(&everything().events, &Styles::new(false, true))
    );
}

#[test]
fn what_may_fail_is_told_softly() {
    assert_snapshot!(
        "lenient",
        shown(&lenient().events, &Styles::new(false, true))
    );
}

#[test]
fn colours_are_of_our_choice_or_the_build_s_own() {
    let colored = shown(&everything().events, &Styles::new(true, true));
    let plain = shown(&everything().events, &Styles::new(false, true));
    assert_eq!(console::strip_ansi_codes(&colored), plain);
    assert!(colored.contains("\u{1b}[32mok\u{1b}[0m"));
}

#[test]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only some kinds can be repeated"
)]
fn what_was_said_before_weighs_less() {
    let script = everything();
    let weight = |news| {
        script
            .events
            .iter()
            .map(|event| lines(event, news, &Styles::default()).0)
            .collect::<Vec<_>>()
    };
    for (event, (first, again)) in script
        .events
        .iter()
        .zip(weight(true).into_iter().zip(weight(false)))
    {
        let expected = match event.kind {
            EventKind::EvaluationFailed { check: None, .. } => (Weight::Detail, Weight::Detail),
            EventKind::EvaluationFailed { .. } => (Weight::Failure, Weight::Detail),
            EventKind::EvaluationWarning { .. } => (Weight::Progress, Weight::Detail),
            EventKind::CheckFinished { .. } => (first, Weight::Detail),
            _ => (first, first),
        };
        assert_eq!((first, again), expected);
    }
}

proptest! {
    /// GitHub's runner takes a line for a command that begins with `::` behind spaces.
    #[test]
    fn no_line_begins_with_a_text_from_outside(events in any_events(), colors: bool) {
        for event in &events {
            for line in lines(event, true, &Styles::new(colors, true)).1 {
                assert_harmless(&line, colors);
                let start = console::strip_ansi_codes(&line).trim_start().to_owned();
                prop_assert!(start.starts_with(|c: char| c.is_ascii_alphanumeric()), "{line:?}");
            }
        }
    }
}
