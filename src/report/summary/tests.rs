use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{Ending, Extent, Summary};
use crate::{
    event::{Event, EventKind, Outcome, RunOutcome, UploadOutcome},
    report::{
        ReportOptions,
        options::tests::options,
        sanitize::tests::assert_harmless,
        script::{Script, any_events, drv},
        styles::Styles,
    },
};

pub(in crate::report) const X86: &str = "x86_64-linux";

fn collect(events: &[Event], log_lines: usize) -> Summary {
    let mut summary = Summary::new(log_lines);
    for event in events {
        summary.observe(event);
    }
    summary
}

pub(super) fn lines(
    events: &[Event],
    extent: Extent,
    options: &ReportOptions,
    styles: &Styles,
) -> Vec<String> {
    let summary = collect(events, options.log_lines);
    let Some(EventKind::RunFinished {
        outcome,
        counts,
        duration,
        error,
        ..
    }) = events.last().map(|event| &event.kind)
    else {
        panic!("the run has no end");
    };
    let ending = Ending {
        outcome: *outcome,
        counts,
        duration: *duration,
        error: error.as_deref(),
    };
    summary.lines(ending, extent, options, styles)
}

fn shown(script: &Script, extent: Extent) -> String {
    lines(
        &script.events,
        extent,
        &options(),
        &Styles::new(false, true),
    )
    .join("\n")
}

pub(super) fn last_line(script: &Script) -> String {
    lines(
        &script.events,
        Extent::Full,
        &options(),
        &Styles::new(false, true),
    )
    .pop()
    .unwrap()
}

fn evaluation_failed(
    script: Script,
    check: Option<&str>,
    error: &str,
    line: Option<u32>,
) -> Script {
    script.then(EventKind::EvaluationFailed {
        check: check.map(ToOwned::to_owned),
        error: error.into(),
        file: line.map(|_| "checks/a.nix".into()),
        line,
        column: line.map(|_| 7),
        allowed: false,
    })
}

fn warned(script: Script, check: Option<&str>, message: &str) -> Script {
    script.then(EventKind::EvaluationWarning {
        check: check.map(ToOwned::to_owned),
        message: message.into(),
    })
}

/// A run with failures of checks that may fail, and one that fails such a check and another.
pub(in crate::report) fn lenient() -> Script {
    let check = |name: &str| format!("{X86}.{name}");
    let mut script = Script::start(&[X86]);
    script = evaluation_failed(script, Some(&check("throws")), "oh no", Some(3)).allowed();
    script
        .check_ends(&check("throws"), Outcome::EvaluationFailed, 0)
        .allowed()
        .step_ends("lint", Outcome::Failed, 3_100, &[&check("lint")])
        .allowed()
        .check_ends(&check("lint"), Outcome::Failed, 3_100)
        .allowed()
        .step_ends(
            "lib",
            Outcome::Failed,
            900,
            &[&check("may"), &check("must")],
        )
        .check_ends_by(&check("may"), Outcome::DependencyFailed, Some("lib"), None)
        .allowed()
        .check_ends_by(&check("must"), Outcome::DependencyFailed, Some("lib"), None)
        .check_ends(&check("fine"), Outcome::Built, 1_000)
        .end(RunOutcome::Failed)
}

#[test]
fn what_may_fail_is_told_apart_and_last() {
    assert_snapshot!("lenient", shown(&lenient(), Extent::Failures));
    let only = Script::start(&[X86])
        .check_ends("x86_64-linux.a", Outcome::Failed, 0)
        .allowed()
        .end(RunOutcome::Passed);
    assert_eq!(last_line(&only), "! 1 failed, as it may  in 0.0s");
}

/// A run in which everything went wrong that can.
pub(in crate::report) fn disaster() -> Script {
    let many: Vec<_> = (0..12).map(|i| format!("{X86}.needs-lib-{i}")).collect();
    let names: Vec<_> = many.iter().map(String::as_str).collect();
    let mut script = Script::start(&[X86]);
    script = warned(
        script,
        Some("x86_64-linux.a"),
        "`lib.old` is deprecated,\nuse `lib.new`",
    );
    script = warned(
        script,
        Some("x86_64-linux.b"),
        "`lib.old` is deprecated,\nuse `lib.new`",
    );
    script = warned(script, None, "Git tree is \u{1b}[31mdirty\u{7}");
    script = evaluation_failed(
        script,
        Some("x86_64-linux.throws"),
        "oh no\n\n       … while calling it",
        Some(3),
    );
    for check in ["x86_64-linux.it's", "x86_64-linux.two"] {
        script = evaluation_failed(script, Some(check), "attribute 'lib' missing", None);
        script = script.check_ends(check, Outcome::EvaluationFailed, 0);
    }
    script = script
        .check_ends("x86_64-linux.throws", Outcome::EvaluationFailed, 0)
        .step_ends("lib-1.0", Outcome::Failed, 72_000, &names);
    for name in &many {
        script = script.check_ends_by(name, Outcome::DependencyFailed, Some("lib-1.0"), None);
    }
    // Found after its dependency had failed.
    script = script
        .check_ends_by(
            "x86_64-linux.late",
            Outcome::DependencyFailed,
            Some("lib-1.0"),
            None,
        )
        .step_ends("slow", Outcome::TimedOut, 3_600_000, &["x86_64-linux.slow"])
        .check_ends("x86_64-linux.slow", Outcome::TimedOut, 3_600_000)
        .step_ends(
            "gone",
            Outcome::InfrastructureFailed,
            10,
            &["x86_64-linux.gone"],
        )
        .check_ends("x86_64-linux.gone", Outcome::InfrastructureFailed, 10)
        .check_ends_by(
            "x86_64-linux.lost",
            Outcome::InfrastructureFailed,
            None,
            Some("the disk is full\nreally"),
        )
        .check_ends_by(
            "x86_64-linux.odd",
            Outcome::DependencyFailed,
            Some("unheard-of"),
            None,
        )
        .check_ends("x86_64-linux.good", Outcome::Built, 1)
        .check_ends("x86_64-linux.there", Outcome::Cached, 0)
        .check_ends("x86_64-linux.here", Outcome::Substituted, 0)
        .check_ends_by(
            "x86_64-linux.kvm",
            Outcome::Unsupported,
            None,
            Some("no builder offers kvm"),
        )
        .check_ends_by(
            "x86_64-linux.kvm-2",
            Outcome::Unsupported,
            None,
            Some("no builder offers kvm"),
        )
        .check_ends("aarch64-darwin.fmt", Outcome::Unsupported, 0)
        .check_ends("x86_64-linux.skip", Outcome::Skipped, 0);
    for (paths, outcome, error) in [
        (vec![drv("good")], UploadOutcome::Uploaded, ""),
        (
            vec![drv("there"), drv("here")],
            UploadOutcome::UploadFailed,
            "HTTP error 507\n\u{1b}[2Jfull",
        ),
    ] {
        script = script.then(EventKind::UploadFinished {
            destination: "s3://cache".into(),
            paths,
            outcome,
            duration: Duration::ZERO,
            error: error.into(),
        });
    }
    script.at(123_456).end(RunOutcome::Failed)
}

#[test]
fn every_failure_is_told_once_with_what_it_breaks() {
    assert_snapshot!("disaster", shown(&disaster(), Extent::Full));
}

#[test]
fn less_is_told_where_less_is_wanted() {
    assert_snapshot!("disaster_failures", shown(&disaster(), Extent::Failures));
    assert_snapshot!("disaster_headings", shown(&disaster(), Extent::Headings));
}

#[test]
fn ascii_is_enough_and_old_nix_gets_its_own_command() {
    let script = Script::start(&[X86])
        .step_ends("lib", Outcome::Failed, 10, &["x86_64-linux.lib"])
        .check_ends("x86_64-linux.lib", Outcome::Failed, 10)
        .end(RunOutcome::Failed);
    let options = ReportOptions {
        nix_version: (2, 8),
        log_lines: 1,
        ..options()
    };
    let text = lines(&script.events, Extent::Full, &options, &Styles::default()).join("\n");
    assert!(text.is_ascii());
    let drv_path = drv("lib");
    assert_snapshot!(text.replace(drv_path.hash_part(), "HASH"), @r"

    x lib failed after 0.0s in checkPhase
        breaks   x86_64-linux.lib
        | Cannot build it.
        | Reason: builder failed with exit code 1.
        log      the last 1 of 1,234 lines
        | line 3 of lib
        rerun    nix build /nix/store/HASH-lib.drv -L
                 nixci check '.#checks.x86_64-linux.lib'
        full log nix log /nix/store/HASH-lib.drv

    x 1 failed  in 0.0s
    ");
}

#[test]
fn colours_change_nothing_but_the_look() {
    let script = disaster();
    let lines = |color| {
        lines(
            &script.events,
            Extent::Full,
            &options(),
            &Styles::new(color, true),
        )
        .join("\n")
    };
    assert_eq!(console::strip_ansi_codes(&lines(true)), lines(false));
    assert!(lines(true).contains("\u{1b}[31m\u{1b}[1m✖ lib-1.0\u{1b}[0m failed"));
}

#[test]
fn why_nothing_could_be_done_is_told_once() {
    let script = evaluation_failed(
        Script::start(&[X86]),
        None,
        "cannot find flake 'flake:nope'\nin the registries",
        None,
    );
    let script = script.end_with(RunOutcome::Errored, Some("cannot find flake 'flake:nope'"));
    assert_snapshot!(shown(&script, Extent::Full), @r"

    ✖ the flake failed to evaluate
        │ cannot find flake 'flake:nope'
        │ in the registries

    ✖ nothing was checked  in 0.0s
    ");
    let script = Script::start(&[X86])
        .end_with(RunOutcome::Errored, Some("the daemon\u{7} was lost\ntwice"));
    assert_snapshot!(shown(&script, Extent::Full), @r"

    ✖ error: the daemon\u{7} was lost
        │ twice

    ✖ nothing was checked  in 0.0s
    ");
}

#[test]
fn only_the_first_time_is_news() {
    let mut summary = Summary::new(5);
    let script = disaster();
    let news: Vec<_> = script
        .events
        .iter()
        .map(|event| (summary.observe(event), &event.kind))
        .collect();
    let warnings = news
        .iter()
        .filter(|(_, kind)| matches!(kind, EventKind::EvaluationWarning { .. }));
    assert_eq!(
        warnings.map(|(news, _)| *news).collect::<Vec<_>>(),
        [true, false, true]
    );
    let errors = news
        .iter()
        .filter(|(_, kind)| matches!(kind, EventKind::EvaluationFailed { .. }));
    assert_eq!(
        errors.map(|(news, _)| *news).collect::<Vec<_>>(),
        [true, true, false]
    );
    let checks = news.iter().filter_map(|(news, kind)| {
        let EventKind::CheckFinished { check, .. } = kind else {
            return None;
        };
        news.then_some(check.as_str())
    });
    assert_eq!(
        checks.collect::<Vec<_>>(),
        ["x86_64-linux.lost", "x86_64-linux.odd"]
    );
}

#[test]
fn lines_of_an_error_stand_behind_a_bar() {
    let mut script = Script::default().step_ends("a", Outcome::Failed, 1, &[]);
    if let EventKind::StepFinished { error, .. } = &mut script.events[0].kind {
        *error = "it failed\n  ::add-mask::x\n".into();
    }
    let text = shown(&script.end(RunOutcome::Failed), Extent::Full);
    assert!(
        text.contains("\n    │ it failed\n    │ ::add-mask::x\n"),
        "{text}"
    );
}

#[test]
fn what_is_kept_of_many_failures_is_bounded() {
    let mut summary = Summary::new(25);
    let log: Vec<_> = (0..25).map(|_| "x".repeat(4_000)).collect();
    for i in 0..1_000 {
        let mut script = Script::default().step_ends(&format!("step-{i}"), Outcome::Failed, 1, &[]);
        if let EventKind::StepFinished { log_tail, .. } = &mut script.events[0].kind {
            log_tail.clone_from(&log);
        }
        summary.observe(&script.events[0]);
    }
    let kept: usize = summary
        .failures
        .iter()
        .flat_map(|failure| &failure.log_tail)
        .map(String::len)
        .sum();
    assert_eq!(summary.failures.len(), 1_000);
    assert!((15 << 20..17 << 20).contains(&kept), "{kept}");
}

proptest! {
    #[test]
    fn no_line_begins_with_a_text_from_outside(events in any_events(), colors: bool, log_lines in 0_usize..30) {
        let mut script = Script::default().end(RunOutcome::Failed);
        script.events.splice(..0, events);
        let options = ReportOptions { log_lines, ..options() };
        for line in lines(&script.events, Extent::Full, &options, &Styles::new(colors, true)) {
            assert_harmless(&line, colors);
            let plain = console::strip_ansi_codes(&line).into_owned();
            let start = plain.trim_start();
            prop_assert!(!start.starts_with("::") && !start.starts_with("##"), "{line:?}");
        }
    }
}

#[test]
fn what_failed_before_is_told_apart_from_what_is_new() {
    let failing = |script: Script, check: &str, previous| {
        let full = format!("{X86}.{check}");
        let script = script.step_ends(check, Outcome::Failed, 1000, &[&full]);
        script
            .check_ends(&full, Outcome::Failed, 1000)
            .with_previous(previous)
    };
    let mut script = Script::start(&[X86]);
    script = failing(script, "old", Some(Outcome::DependencyFailed));
    script = failing(script, "fresh", Some(Outcome::Built));
    script = failing(script, "first", None);
    script = script
        .check_ends(&format!("{X86}.mended"), Outcome::Built, 1000)
        .with_previous(Some(Outcome::TimedOut))
        .check_ends(&format!("{X86}.fine"), Outcome::Cached, 0)
        .with_previous(Some(Outcome::Built))
        .end(RunOutcome::Failed);
    let text = shown(&script, Extent::Headings);
    assert_snapshot!(text, @r"
    ✖ old failed after 1.0s in checkPhase (failed before, too)
    ✖ fresh failed after 1.0s in checkPhase (new)
    ✖ first failed after 1.0s in checkPhase (new)
    ✔ 2 passed (1 built, 1 cached), 1 fixed  ✖ 3 failed, 2 new  in 0.0s
    ");
}
