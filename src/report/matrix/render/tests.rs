use std::{fmt::Write as _, time::Duration};

use console::measure_text_width;
use insta::assert_snapshot;
use proptest::prelude::*;

use super::{View, block, result};
use crate::{
    event::{Download, EventKind, Outcome, Progress},
    report::{
        matrix::{Size, model::Model},
        sanitize::tests::assert_harmless,
        script::{Script, any_events, drv, progress},
        styles::Styles,
    },
};

const X86: &str = "x86_64-linux";
const BOTH: [&str; 2] = ["x86_64-linux", "aarch64-linux"];

fn model(script: &Script) -> (Model, Duration) {
    let mut model = Model::default();
    let mut now = Duration::ZERO;
    for event in &script.events {
        model.observe(event);
        now = event.elapsed;
    }
    (model, now)
}

fn shown(script: &Script, columns: usize, lines: usize, styles: &Styles) -> String {
    let (model, now) = model(script);
    checked(
        &block(
            &model,
            &View::default(),
            Size { columns, lines },
            now,
            styles,
        ),
        columns,
        lines,
    )
}

fn checked(block: &[String], columns: usize, lines: usize) -> String {
    assert!(block.len() <= lines, "{} lines", block.len());
    for line in block {
        assert!(measure_text_width(line) <= columns, "{line:?}");
        assert_harmless(line, true);
    }
    block.join("\n")
}

/// The block at several widths, without colours.
fn at_widths(script: &Script, lines: usize) -> String {
    let (model, now) = model(script);
    let styles = Styles::new(false, true);
    let mut out = String::new();
    for columns in [40, 80, 200] {
        let block = block(
            &model,
            &View::default(),
            Size { columns, lines },
            now,
            &styles,
        );
        _ = writeln!(
            out,
            "{:-<columns$}\n{}",
            "",
            checked(&block, columns, lines)
        );
    }
    out
}

/// A run on two systems in its midst, as the picture in the design has it.
fn midst() -> Script {
    let mut script = Script::start(&BOTH);
    for check in ["clippy", "fmt", "nixos-login", "unit-tests"] {
        for system in BOTH {
            script = script.found(&format!("{system}.{check}"));
        }
    }
    script
        .at(2_000)
        .evaluated(8, 0)
        .check_ends("x86_64-linux.fmt", Outcome::Cached, 0)
        .check_ends("aarch64-linux.fmt", Outcome::Cached, 0)
        .check_ends_by(
            "aarch64-linux.nixos-login",
            Outcome::Unsupported,
            None,
            Some("no builder offers kvm"),
        )
        .check_ends("x86_64-linux.clippy", Outcome::Built, 12_450)
        .step(
            "openssl-3.0",
            "",
            &["x86_64-linux.unit-tests", "aarch64-linux.unit-tests"],
        )
        .at(51_000)
        .step("clippy", "build-2", &["aarch64-linux.clippy"])
        .phase("clippy", "buildPhase")
        .log(
            "clippy",
            &[
                "Compiling syn",
                "   Compiling \u{1b}[32mserde\u{1b}[0m v1.0\t(x)",
                "",
            ],
        )
        .download("curl-8")
        .step_ends(
            "nixos-login",
            Outcome::Failed,
            3_100,
            &["x86_64-linux.nixos-login"],
        )
        .check_ends("x86_64-linux.nixos-login", Outcome::Failed, 3_100)
        .at(123_400)
        .tick(progress())
}

#[test]
fn a_step_that_waits_for_a_lock_is_told_and_downloads_say_where_they_come_from() {
    let script = Script::start(&[X86])
        .found("x86_64-linux.a")
        .found("x86_64-linux.b")
        .then(EventKind::StepWaiting {
            drv_path: drv("library"),
            reason: "waiting for lock on '/nix/store/library.lock'".into(),
            checks: vec!["x86_64-linux.a".into(), "x86_64-linux.b".into()],
        })
        .download("curl")
        .at(3_000)
        .then(EventKind::Ticked {
            progress: Progress::default(),
            downloads: vec![Download {
                drv_path: drv("curl"),
                source: "https://cache.example.org".into(),
                done_bytes: 3 << 20,
                expected_bytes: 12 << 20,
            }],
        });
    assert_snapshot!("waits_and_downloads", at_widths(&script, 12));
}

/// Checks `first` to `last` on x86_64-linux.
fn found(script: Script, numbers: std::ops::Range<usize>) -> Script {
    found_on(script, X86, numbers)
}

fn found_on(mut script: Script, system: &str, numbers: std::ops::Range<usize>) -> Script {
    for i in numbers {
        script = script.found(&format!("{system}.check-{i:03}"));
    }
    script
}

#[test]
fn a_run_in_its_midst() {
    assert_snapshot!("midst", at_widths(&midst(), 20));
}

#[test]
fn colours_change_nothing_but_the_look() {
    let colored = shown(&midst(), 80, 20, &Styles::new(true, true));
    let plain = shown(&midst(), 80, 20, &Styles::new(false, true));
    assert_eq!(console::strip_ansi_codes(&colored), plain);
    assert_snapshot!("colors", colored.replace('\u{1b}', "␛"));
}

#[test]
fn ascii_is_enough() {
    let ascii = shown(&midst(), 80, 20, &Styles::default());
    assert!(ascii.is_ascii());
    assert_snapshot!("ascii", ascii);
}

#[test]
fn the_evaluation_goes_on_while_builds_run() {
    let evaluating = |attributes| Progress {
        evaluated: 12,
        attributes,
        evaluating: true,
        ..Progress::default()
    };
    let empty = Script::start(&[X86]).at(400).tick(evaluating(0));
    let some = found(Script::start(&[X86]), 0..3)
        .at(1_200)
        .step("check-001", "", &["x86_64-linux.check-001"])
        .at(1_400)
        .tick(evaluating(240));
    assert_snapshot!("evaluating", at_widths(&empty, 10) + &at_widths(&some, 10));
}

#[test]
fn what_may_fail_has_a_sign_of_its_own_and_comes_behind_what_goes_on() {
    let mut script = Script::start(&BOTH);
    for check in ["bad", "fine", "may"] {
        for system in BOTH {
            script = script.found(&format!("{system}.{check}"));
        }
    }
    for i in 0..9 {
        let check = format!("{X86}.may-too-{i}");
        script = script.check_ends(&check, Outcome::Failed, 900).allowed();
    }
    let script = script
        .check_ends("x86_64-linux.may", Outcome::Failed, 3_100)
        .allowed()
        .check_ends("x86_64-linux.bad", Outcome::Failed, 3_100)
        .check_ends("x86_64-linux.fine", Outcome::Built, 3_100)
        .check_ends("aarch64-linux.may", Outcome::DependencyFailed, 0)
        .allowed()
        .step("fine", "", &["aarch64-linux.fine"]);
    assert_snapshot!("may_fail", at_widths(&script, 9));
}

#[test]
fn what_could_begin_waits_for_a_slot_and_what_is_left_may_be_uploads() {
    let waiting = |systems: &[&str]| {
        let mut script = Script::start(systems);
        for system in systems {
            script = found_on(script, system, 0..3);
        }
        script.step("check-001", "", &["x86_64-linux.check-001"])
    };
    let full = Progress {
        evaluating: true,
        building: 4,
        queued: 2,
        uploading: 1,
        remaining: Some(Duration::from_secs(40)),
        ..Progress::default()
    };
    let ending = Progress {
        uploading: 2,
        ..Progress::default()
    };
    let shown = [
        waiting(&[X86]).tick(full),
        waiting(&BOTH).tick(full),
        waiting(&[X86]).tick(ending),
    ];
    let shown: String = shown.iter().map(|script| at_widths(script, 10)).collect();
    assert_snapshot!("for_a_slot", shown);
}

#[test]
fn one_system_makes_a_list_with_reasons() {
    let script = found(Script::start(&[X86]), 0..9)
        .check_ends("x86_64-linux.check-000", Outcome::Cached, 0)
        .check_ends("x86_64-linux.check-001", Outcome::Built, 1_234)
        .check_ends_by(
            "x86_64-linux.check-002",
            Outcome::DependencyFailed,
            Some("openssl-3.0"),
            None,
        )
        .check_ends_by(
            "x86_64-linux.check-003",
            Outcome::Unsupported,
            None,
            Some("no builder for a\u{1b}-b"),
        )
        .check_ends_by(
            "x86_64-linux.check-004",
            Outcome::InfrastructureFailed,
            None,
            Some("the daemon was lost"),
        )
        .check_ends("x86_64-linux.check-005", Outcome::EvaluationFailed, 0)
        .check_ends("x86_64-linux.check-006", Outcome::TimedOut, 3_600_000)
        .check_ends("x86_64-linux.check-007", Outcome::Skipped, 0)
        .check_ends("x86_64-linux.check-008", Outcome::Cancelled, 0)
        .then(EventKind::RunCancelled {
            reason: "SIGINT".into(),
        })
        .at(4_000)
        .tick(Progress {
            evaluated: 9,
            attributes: 9,
            ..Progress::default()
        });
    assert_snapshot!("list", at_widths(&script, 20));
}

#[test]
fn what_does_not_fit_is_folded_by_how_pressing_it_is() {
    let mut script = found(Script::start(&[X86]), 0..240);
    for i in 0..212 {
        script = script.check_ends(&format!("{X86}.check-{i:03}"), Outcome::Cached, 0);
    }
    script = script
        .check_ends("x86_64-linux.check-230", Outcome::Failed, 400)
        .check_ends("x86_64-linux.check-231", Outcome::Skipped, 400)
        .step("check-235", "", &["x86_64-linux.check-235"])
        .step("check-220", "", &["x86_64-linux.check-220"])
        .at(900)
        .tick(progress());
    let (model, now) = model(&script);
    let mut out = String::new();
    for lines in [1, 2, 4, 6, 10] {
        let block = block(
            &model,
            &View::default(),
            Size { columns: 80, lines },
            now,
            &Styles::new(false, true),
        );
        _ = writeln!(out, "-- {lines} lines\n{}", checked(&block, 80, lines));
    }
    let result = result(
        &model,
        Size {
            columns: 80,
            lines: 8,
        },
        now,
        &Styles::new(false, true),
    );
    _ = writeln!(out, "-- result\n{}", checked(&result, 80, 8));
    assert_snapshot!("folded", out);
}

#[test]
fn rows_stay_where_they_are() {
    let names = |model: &Model| {
        let block = block(
            model,
            &View::default(),
            Size {
                columns: 80,
                lines: 9,
            },
            Duration::ZERO,
            &Styles::default(),
        );
        let rows = block.iter().filter(|line| line[3..].starts_with("check-"));
        rows.map(|line| line[3..12].to_owned()).collect::<Vec<_>>()
    };
    let mut script = found(Script::start(&[X86]), 0..40);
    let (before, _) = model(&script);
    script = found(Script::start(&[X86]), 0..40)
        .step("check-003", "", &["x86_64-linux.check-003"])
        .check_ends("x86_64-linux.check-005", Outcome::Failed, 0);
    let (after, _) = model(&script);
    assert_eq!(
        names(&before),
        [
            "check-000",
            "check-001",
            "check-002",
            "check-003",
            "check-004",
            "check-005"
        ]
    );
    // One line less for the step that runs; nothing else has moved.
    assert_eq!(
        names(&after),
        [
            "check-000",
            "check-001",
            "check-002",
            "check-003",
            "check-005"
        ]
    );
}

#[test]
fn lines_of_ended_steps_stay_a_while() {
    let script = || {
        found(Script::start(&[X86]), 0..2)
            .step("check-000", "", &["x86_64-linux.check-000"])
            .step("check-001", "", &["x86_64-linux.check-001"])
            .at(1_000)
            .tick(progress())
            .step_ends("check-000", Outcome::Built, 1_000, &[])
    };
    let height = |script| shown(&script, 80, 20, &Styles::default()).lines().count();
    assert_eq!(height(script()), 6);
    assert_eq!(height(script().at(2_900).tick(progress())), 6);
    assert_eq!(height(script().at(3_100).tick(progress())), 5);
}

#[test]
fn systems_without_room_share_a_column() {
    let systems = [
        X86,
        "aarch64-linux",
        "aarch64-darwin",
        "x86_64-darwin",
        "riscv64-linux",
    ];
    let mut script = Script::start(&systems);
    for (i, system) in systems.iter().enumerate() {
        script = script
            .found(&format!("{system}.fmt"))
            .found(&format!("{system}.a-check-with-a-longer-name"));
        let outcome = [
            Outcome::Cached,
            Outcome::Built,
            Outcome::Cached,
            Outcome::Failed,
            Outcome::Skipped,
        ][i];
        script = script.check_ends(&format!("{system}.fmt"), outcome, 800);
    }
    assert_snapshot!("systems", at_widths(&script, 20));
}

#[test]
fn hostile_names_stay_in_their_place() {
    let any = drv("x");
    let mut script = Script::start(&BOTH).then(EventKind::RunStarted {
        format: 1,
        run: String::new(),
        flake: String::new(),
        title: "evil\u{1b}]0;title\u{7}\n::error::".into(),
        revision: None,
        attribute: "checks".into(),
        systems: Vec::new(),
        evaluator: "none".into(),
        nix_version: String::new(),
        slots: 1,
        eval_workers: 0,
    });
    let names = [
        "",
        "esc\u{1b}[2Jape",
        "日本語の検査",
        "e\u{301}\u{301}\u{301}combining",
        "right\u{202e}left",
        "nul\0tab\tline\n",
        &"x".repeat(10_000),
    ];
    for name in names {
        script = script.found_as(&format!("{X86}.{name}"), name, &any);
        script = script.found_as(&format!("aarch64-linux.{name}"), name, &any);
    }
    // Another attribute for a cell that is taken, and one without a system.
    script = script
        .found_as("x86_64-linux.other.fmt", "fmt", &any)
        .found_as("x86_64-linux.fmt", "fmt", &any)
        .check_ends(".lost", Outcome::EvaluationFailed, 0)
        .step("fmt", "host\u{1b}c", &["x86_64-linux.fmt\u{1b}"])
        .phase("fmt", "phase\r\u{9b}31m")
        .log("fmt", &["\u{1b}]52;c;x\u{7}all\u{1b}[31m well\u{7}"]);
    assert_snapshot!("hostile", at_widths(&script, 20));
}

#[test]
fn an_empty_run_has_a_status_line_and_no_result() {
    let empty = Model::default();
    let size = Size {
        columns: 80,
        lines: 5,
    };
    assert_eq!(
        block(
            &empty,
            &View::default(),
            size,
            Duration::ZERO,
            &Styles::default()
        ),
        ["", " eval 0 | 0.0s"]
    );
    assert_eq!(
        result(&empty, size, Duration::ZERO, &Styles::default()),
        Vec::<String>::new()
    );
}

proptest! {
    #[test]
    fn any_run_fits_any_terminal(
        events in any_events(),
        columns in prop_oneof![1_usize..20, 20_usize..=500],
        lines in 1_usize..=200,
        colors: bool,
        unicode: bool,
    ) {
        let mut model = Model::default();
        let styles = Styles::new(colors, unicode);
        for event in &events {
            model.observe(event);
            let size = Size { columns, lines };
            checked(&block(&model, &View::default(), size, event.elapsed, &styles), columns, lines);
            checked(&result(&model, size, event.elapsed, &styles), columns, lines);
        }
    }
}
