use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{Face, Reporter};
use crate::{
    event::{EventKind, Outcome, RunOutcome},
    report::{
        Format, Look, NoSource, ReportFiles, ReportOptions,
        matrix::{
            Matrix,
            screen::tests::{Terminal, screen},
        },
        options::tests::options,
        plain::Plain,
        sanitize::tests::assert_harmless,
        script::{Script, any_events, drv, progress},
    },
};

/// A stream that can be read afterwards.
#[derive(Clone, Default)]
pub(in crate::report) struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub(in crate::report) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn plain(options: &ReportOptions) -> (Reporter, Written) {
    let written = Written::default();
    let face = Face::Plain(Plain::new(Box::new(written.clone()), options));
    (
        Reporter::with_face(
            options.clone(),
            Box::new(NoSource),
            ReportFiles::default(),
            face,
        ),
        written,
    )
}

fn json(options: &ReportOptions) -> (Reporter, Written, Written) {
    let (stdout, stderr) = (Written::default(), Written::default());
    let face = Face::Json {
        stdout: Box::new(stdout.clone()),
        people: Plain::new(Box::new(stderr.clone()), options),
    };
    (
        Reporter::with_face(
            options.clone(),
            Box::new(NoSource),
            ReportFiles::default(),
            face,
        ),
        stdout,
        stderr,
    )
}

fn matrix(options: &ReportOptions, lines: u16, columns: u16) -> (Reporter, Terminal) {
    let (screen, terminal) = screen(lines, columns);
    let face = Face::Matrix(Box::new(Matrix::on_screen(screen, options.verbosity)));
    (
        Reporter::with_face(
            options.clone(),
            Box::new(NoSource),
            ReportFiles::default(),
            face,
        ),
        terminal,
    )
}

fn with_verbosity(verbosity: i8) -> ReportOptions {
    ReportOptions {
        verbosity,
        ..options()
    }
}

/// A whole run: two checks share a dependency, one fails, one needs what failed, one cannot be evaluated.
fn run() -> Script {
    Script::start(&["x86_64-linux", "aarch64-linux"])
        .at(100)
        .found("x86_64-linux.clippy")
        .then(EventKind::EvaluationWarning {
            check: Some("x86_64-linux.clippy".into()),
            message: "old name".into(),
        })
        .then(EventKind::EvaluationWarning {
            check: Some("x86_64-linux.fmt".into()),
            message: "old name".into(),
        })
        .found("x86_64-linux.fmt")
        .then(EventKind::PlanChanged {
            to_build: 2,
            to_substitute: 1,
            download_bytes: 1 << 20,
        })
        .step("lib", "", &["x86_64-linux.clippy", "x86_64-linux.login"])
        .at(300)
        .tick(progress())
        .found("aarch64-linux.fmt")
        .then(EventKind::EvaluationFailed {
            check: Some("x86_64-linux.broken".into()),
            error: "attribute 'lib' missing".into(),
            file: Some("flake.nix".into()),
            line: Some(3),
            column: Some(9),
            allowed: false,
        })
        .check_ends("x86_64-linux.broken", Outcome::EvaluationFailed, 0)
        .found("x86_64-linux.login")
        .evaluated(5, 1)
        .check_ends("x86_64-linux.fmt", Outcome::Cached, 0)
        .check_ends_by(
            "aarch64-linux.fmt",
            Outcome::Unsupported,
            None,
            Some("no builder for aarch64-linux"),
        )
        .at(1_000)
        .step_ends(
            "lib",
            Outcome::Built,
            900,
            &["x86_64-linux.clippy", "x86_64-linux.login"],
        )
        .step("clippy", "build-2", &["x86_64-linux.clippy"])
        .phase("clippy", "buildPhase")
        .log("clippy", &["Compiling serde", "::error::not a command"])
        .download("curl")
        .step_ends("curl", Outcome::Substituted, 100, &[])
        .step("login-deps", "", &["x86_64-linux.login"])
        .then(EventKind::StepRetrying {
            drv_path: drv("login-deps"),
            attempt: 2,
            reason: "the daemon hung up".into(),
        })
        .at(13_450)
        .tick(progress())
        .step_ends("clippy", Outcome::Built, 12_450, &["x86_64-linux.clippy"])
        .check_ends("x86_64-linux.clippy", Outcome::Built, 12_450)
        .step_ends(
            "login-deps",
            Outcome::Failed,
            5_000,
            &["x86_64-linux.login"],
        )
        .check_ends_by(
            "x86_64-linux.login",
            Outcome::DependencyFailed,
            Some("login-deps"),
            None,
        )
        .at(20_000)
        .end(RunOutcome::Failed)
}

fn report(reporter: &mut Reporter, script: &Script) {
    for event in &script.events {
        reporter.report(event).unwrap();
    }
    reporter.finish().unwrap();
}

#[test]
fn a_reporter_may_go_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<Reporter>();
}

#[test]
fn a_run_in_plain_lines() {
    for (name, verbosity) in [("plain_quiet", -1), ("plain", 0), ("plain_verbose", 1)] {
        let (mut reporter, written) = plain(&with_verbosity(verbosity));
        report(&mut reporter, &run());
        assert_snapshot!(name, written.text());
    }
}

#[test]
fn a_run_in_json_has_its_end_on_stderr_for_people() {
    let (mut reporter, stdout, stderr) = json(&options());
    report(&mut reporter, &run());
    let script = run();
    let events = script.events.iter().filter(|event| {
        !matches!(
            event.kind,
            EventKind::Ticked { .. } | EventKind::StepLogged { .. }
        )
    });
    assert_eq!(stdout.text().lines().count(), events.count());
    assert_snapshot!(stderr.text(), @r"
    ✖ x86_64-linux.broken failed to evaluate
    ✖ login-deps failed after 5.0s in checkPhase
    ✔ 2 passed (1 built, 1 cached)  ✖ 2 failed (1 by a dependency, 1 in evaluation)  – 1 unsupported  in 20.0s
    ");
}

#[test]
fn a_run_on_a_terminal() {
    let (mut reporter, terminal) = matrix(&options(), 40, 100);
    let script = run();
    let midst = script
        .events
        .iter()
        .rposition(|event| matches!(event.kind, EventKind::Ticked { .. }))
        .unwrap();
    let (before, after) = script.events.split_at(midst + 1);
    for event in before {
        reporter.report(event).unwrap();
    }
    assert_snapshot!("terminal_midst", terminal.contents());
    for event in after {
        reporter.report(event).unwrap();
    }
    assert_snapshot!("terminal_end", terminal.contents());
    let end = terminal.contents();
    reporter.finish().unwrap();
    drop(reporter);
    assert_eq!(terminal.contents(), end);
}

#[test]
fn a_quiet_terminal_keeps_only_the_failures() {
    let (mut reporter, terminal) = matrix(&with_verbosity(-1), 40, 100);
    report(&mut reporter, &run());
    let text = terminal.contents();
    assert!(
        text.starts_with("\n✖ x86_64-linux.broken failed to evaluate\n"),
        "{text}"
    );
    assert!(!text.contains("Warning") && !text.contains("old name"));
}

#[test]
fn a_run_that_breaks_off_leaves_no_block() {
    let (mut reporter, terminal) = matrix(&options(), 40, 100);
    for event in &run().events[..10] {
        reporter.report(event).unwrap();
    }
    assert!(terminal.contents().contains("my-flake"));
    reporter.finish().unwrap();
    let failed =
        "      FAILED to evaluate x86_64-linux.broken at flake.nix:3:9: attribute 'lib' missing";
    assert_eq!(terminal.contents(), failed);
}

#[test]
fn a_reader_that_left_is_told_to_the_caller() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let face = Face::Plain(Plain::new(Box::new(Broken), &options()));
    let mut reporter =
        Reporter::with_face(options(), Box::new(NoSource), ReportFiles::default(), face);
    let error = reporter.report(&run().events[0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

/// A CI, and what it shows of a run.
fn in_ci(format: Format, options: &ReportOptions, script: &Script) -> String {
    let look = Look {
        format,
        ..options.look
    };
    let (mut reporter, written) = plain(&ReportOptions {
        look,
        ..options.clone()
    });
    report(&mut reporter, script);
    written.text()
}

#[test]
fn a_run_in_the_log_of_each_ci() {
    for (name, format) in [("github", Format::Github), ("gitlab", Format::Gitlab)] {
        // Escape sequences are shown, so that the file can be read.
        let text = in_ci(format, &options(), &run());
        assert_snapshot!(name, text.replace('\u{1b}', "<ESC>").replace('\r', "<CR>"));
        let quiet = in_ci(format, &with_verbosity(-1), &run());
        assert!(!quiet.contains("clippy>"), "{quiet}");
    }
    let open = ReportOptions {
        fold: false,
        ..options()
    };
    let text = in_ci(Format::Github, &open, &run());
    assert!(
        !text.contains("::group::") && text.contains("\nclippy> Compiling serde\n"),
        "{text}"
    );
}

/// The commands in a log, by what each runner of jobs looks for: GitHub's takes `::x::` behind white space and `##[x]`
/// anywhere; Gitea's and Forgejo's the same at the start; Azure's `##vso[x]` anywhere; GitLab's page wants `\r` and an
/// escape sequence behind `section_…`.
fn commands(text: &str) -> Vec<&str> {
    let is_command = |line: &&str| {
        line.trim_start().starts_with("::")
            || line.contains("##[")
            || line.contains("##vso[")
            || line.contains('\r')
            || line.contains("\u{1b}[0K")
    };
    text.split('\n').filter(is_command).collect()
}

#[test]
fn a_hostile_log_commands_nothing() {
    let hostile = [
        "::error::x",
        "  \t::set-env name=PATH::/tmp",
        "::endgroup::",
        "::add-mask::a",
        "##[endgroup]",
        " ##[error]x",
        "text ##vso[task.setvariable variable=x]y",
        "##vso[task.complete result=Succeeded;]",
        "section_end:1:nixci_1\r\u{1b}[0K",
        "\u{1b}[0Ksection_start:1:x[collapsed=true]\r\u{1b}[0Kx",
        "a\r::warning::b",
        "a\u{b}::warning::b",
        "\u{feff}::error::x",
        "\u{1b}[31m::error::x",
        "\u{2028}::error::x",
        "\u{85}::error::x",
    ];
    let checks = ["x86_64-linux.a"];
    let mut script = Script::start(&["x86_64-linux"])
        .step("a", "::error::machine", &checks)
        .phase("a", "::error::phase")
        .log("a", &hostile)
        .at(400_000)
        .tick(progress())
        .step_ends("a", Outcome::Failed, 1, &checks);
    for text in hostile {
        script = script
            .then(EventKind::Warned {
                message: text.into(),
            })
            .then(EventKind::EvaluationWarning {
                check: Some(text.into()),
                message: text.into(),
            })
            .then(EventKind::EvaluationFailed {
                check: Some(text.into()),
                error: format!("{text}\n{text}"),
                file: Some(text.into()),
                line: Some(1),
                column: None,
                allowed: false,
            })
            .check_ends(text, Outcome::EvaluationFailed, 0)
            .check_ends_by(
                &format!("lost {text}"),
                Outcome::InfrastructureFailed,
                None,
                Some(text),
            );
    }
    let script = script
        .at(500_000)
        .end_with(RunOutcome::Errored, Some("::error::end"));
    for verbosity in [0, 1] {
        for fold in [true, false] {
            let options = ReportOptions {
                fold,
                ..with_verbosity(verbosity)
            };
            let text = in_ci(Format::Github, &options, &script);
            let ours: Vec<_> = commands(&text)
                .into_iter()
                .map(|line| line.split([' ', ':']).nth(2).unwrap_or_default())
                .collect();
            assert_eq!(
                ours[..if fold { 2 } else { 0 }],
                ["group", "endgroup"][..if fold { 2 } else { 0 }]
            );
            let annotations = &ours[if fold { 2 } else { 0 }..];
            assert_eq!(annotations.len(), 10, "{text}");
            assert!(annotations.iter().all(|name| *name == "error"), "{text}");
            let text = in_ci(Format::Gitlab, &options, &script);
            assert_eq!(commands(&text).len(), if fold { 2 } else { 0 }, "{text}");
            assert_eq!(commands(&in_ci(Format::Plain, &options, &script)), [""; 0]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_events_in_any_order_are_shown(
        events in any_events(),
        verbosity in -1_i8..=3,
        // The stand-in for a terminal panics by itself with a single column or line.
        columns in 2_u16..200,
        lines in 2_u16..60,
        color: bool,
    ) {
        let look = Look { format: Format::Plain, color, unicode: true };
        let options = ReportOptions { look, ..with_verbosity(verbosity) };
        let (mut on_terminal, _) = matrix(&options, lines, columns);
        let (mut in_plain, written) = plain(&options);
        let (mut in_json, _, stderr) = json(&options);
        let folded = |format| ReportOptions { look: Look { format, ..look }, ..options.clone() };
        let (mut in_github, github) = plain(&folded(Format::Github));
        let (mut in_gitlab, gitlab) = plain(&folded(Format::Gitlab));
        for event in &events {
            for reporter in [&mut on_terminal, &mut in_plain, &mut in_json, &mut in_github, &mut in_gitlab] {
                reporter.report(event).unwrap();
            }
        }
        for command in commands(&github.text()) {
            let ours = ["::group::", "::endgroup::", "::error title=", "::error file=", "::warning title=", "::warning file="];
            prop_assert!(ours.iter().any(|ours| command.starts_with(ours)), "{command:?}");
        }
        for command in commands(&gitlab.text()) {
            prop_assert!(command.starts_with("\u{1b}[0Ksection_"), "{command:?}");
        }
        for text in [written.text(), stderr.text()] {
            for line in text.lines() {
                assert_harmless(line, color);
                let plain = console::strip_ansi_codes(line).into_owned();
                prop_assert!(!plain.trim_start().starts_with("::") && !plain.contains("##["), "{line:?}");
            }
        }
    }
}
