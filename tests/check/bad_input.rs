//! What bad input gets: one clear line and the right exit code, never a panic.

use std::time::{Duration, Instant};

use crate::{
    Events,
    support::{
        PATIENCE, Project, nix,
        program::write_program,
        project::{SYSTEM, nix_string},
        running::{Finished, Running},
        store::TestStore,
    },
};

/// An error that ends the program before a run: nothing on stdout, one line on stderr.
fn one_line(run: &Finished) -> &str {
    assert_eq!(run.stdout, "", "{run}");
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{run}");
    lines[0]
}

fn never_shows_its_inside(run: &Finished) {
    for sign in ["panicked", "RUST_BACKTRACE", "unwrap()", "Some(", "Err("] {
        assert!(
            !run.stderr.contains(sign) && !run.stdout.contains(sign),
            "{run}"
        );
    }
}

/// Runs nixci outside of any project.
fn nixci_in(store: &TestStore, arguments: &[&str]) -> Finished {
    Running::start(store.command(env!("CARGO_BIN_EXE_nixci")).args(arguments)).finish()
}

#[test]
fn no_nix_on_path() {
    let store = nix::newest().store();
    let project = Project::new(&store).committed();
    let mut command = project.nixci_command(&["check"]);
    let run = Running::start(command.env("PATH", "/nonexistent")).finish();
    assert_eq!(run.code, Some(4), "{run}");
    assert_eq!(
        one_line(&run),
        "error: cannot find `nix` on PATH: install Nix 2.8 or newer (https://nixos.org/download)"
    );
}

#[test]
fn a_nix_that_is_too_old_or_no_nix_at_all() {
    use std::fs;
    let store = nix::newest().store();
    let project = Project::new(&store).committed();
    let bin = store.folder().join("bin");
    fs::create_dir(&bin).unwrap();
    for (says, expected) in [
        (
            "nix (Nix) 2.3.16",
            "is Nix 2.3.16, but 2.8 or newer is needed",
        ),
        ("hello", "no version in `hello`"),
    ] {
        write_program(&bin.join("nix"), &format!("#!/bin/sh\necho '{says}'\n"));
        let mut command = project.nixci_command(&["check"]);
        let run = Running::start(command.env("PATH", &bin)).finish();
        assert_eq!(run.code, Some(4), "{run}");
        assert!(one_line(&run).contains(expected), "{run}");
    }
}

#[test]
fn wrong_usage_names_what_is_wrong() {
    let store = nix::newest().store();
    for (arguments, named) in [
        (&["check", "--nonsense"][..], "--nonsense"),
        (&["check", "-j", "0"], "0"),
        (&["check", "-j", "many"], "many"),
        (&["check", "--systems", "nonsense"], "nonsense"),
        (&["check", "--eval-workers", "0"], "0"),
        (&["check", "--eval-memory", "4"], "800M"),
        (&["check", "--evaluator", "hydra"], "hydra"),
        (&["check", "--format", "xml"], "xml"),
        (&["check", ".#a..b"], "a..b"),
        (
            &["check", "--all-systems", "--systems", "x86_64-linux"],
            "--systems",
        ),
        (&["check", "-q", "-v"], "-v"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let run = nixci_in(&store, arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {run}");
        assert!(
            run.stderr.starts_with("error: ") && run.stderr.contains(named),
            "{arguments:?}: {run}"
        );
        assert_eq!(run.stdout, "");
        never_shows_its_inside(&run);
    }
}

#[test]
fn a_flake_that_cannot_be_used_is_exit_code_3() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let nowhere = Project::named(&store, "nowhere");
        std::fs::remove_file(nowhere.dir().join("flake.nix")).unwrap();
        let broken =
            Project::named(&store, "broken").flake("{ outputs = { self }: { checks = ; }; }");
        let no_input = Project::named(&store, "no-input").flake(
            "{ inputs.x.url = \"path:/nonexistent/nixci-test\"; outputs = { self, x }: { }; }",
        );
        for (project, said) in [
            (&nowhere, "flake.nix"),
            (&broken, "syntax error"),
            (&no_input, "nonexistent"),
        ] {
            for format in ["plain", "json"] {
                let run = project.nixci(&["check", "--format", format]);
                assert_eq!(run.code, Some(3), "Nix {nix}: {run}");
                let all = format!("{}{}", run.stdout, run.stderr);
                assert!(all.contains(said), "Nix {nix}, {said}: {run}");
                never_shows_its_inside(&run);
                if format == "json" {
                    let events = Events::of(&run);
                    assert_eq!(events.one("run_finished")["exit_code"], 3);
                    assert_eq!(
                        events.one("evaluation_failed")["check"],
                        serde_json::Value::Null
                    );
                }
            }
        }
    }
}

#[test]
fn a_missing_attribute_says_what_there_is_instead() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store).check("fmt", "echo > $out").committed();
        for (installable, wanted, instead) in [
            (
                ".#packages".to_owned(),
                "packages".to_owned(),
                "checks".to_owned(),
            ),
            (
                format!(".#checks.{SYSTEM}.nope"),
                format!("checks.{SYSTEM}.nope"),
                "fmt".to_owned(),
            ),
        ] {
            let run = project.nixci(&["check", "--format", "plain", &installable]);
            assert_eq!(run.code, Some(3), "Nix {nix}: {run}");
            let all = format!("{}{}", run.stdout, run.stderr);
            assert!(
                all.contains(&wanted) && all.contains(&instead),
                "Nix {nix}: {run}"
            );
        }
    }
}

#[test]
fn hostile_attributes_cost_only_themselves() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store)
            .check("good", "echo > $out")
            .expression("throws", "throw \"on purpose\"")
            .expression("aborts", "abort \"on purpose\"")
            .expression("asserts", "assert 1 == 2; null")
            .expression("missing", "{ }.nope")
            .expression("type-error", "1 + \"a\"")
            .expression("recursion", "let f = x: 1 + f (x + 1); in f 1")
            .expression("self-reference", "let x = x; in x")
            .expression(
                "hungry",
                "builtins.foldl' (a: b: a ++ [ b ]) [ ] (builtins.genList (x: x) 100000000)",
            )
            .committed();
        let run = project.nixci(&[
            "check",
            "--format",
            "json",
            "--eval-memory",
            "600M",
            "--evaluator",
            "builtin",
        ]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        let events = Events::of(&run);
        for (name, outcome) in events.outcomes() {
            let expected = if name == "good" {
                "built"
            } else {
                "evaluation_failed"
            };
            assert_eq!(outcome, expected, "Nix {nix}, {name}: {run}");
        }
        assert_eq!(events.outcomes().len(), 9);
        let error = |name: &str| {
            let check = format!("{SYSTEM}.{name}");
            events
                .all("evaluation_failed")
                .find(|event| event["check"] == check)
                .unwrap()
                .clone()
        };
        for name in ["throws", "aborts"] {
            assert!(
                error(name)["error"]
                    .as_str()
                    .unwrap()
                    .contains("on purpose"),
                "Nix {nix}: {run}"
            );
        }
        assert!(
            error("hungry")["error"]
                .as_str()
                .unwrap()
                .contains("--eval-memory"),
            "Nix {nix}: {run}"
        );
        let missing = error("missing");
        assert_eq!(missing["file"], "flake.nix", "Nix {nix}: {missing}");
        assert!(
            missing["line"].as_u64().unwrap() > 1,
            "Nix {nix}: {missing}"
        );
        never_shows_its_inside(&run);
    }
}

#[test]
fn hostile_names_are_exact_in_json_and_harmless_elsewhere() {
    let long = "x".repeat(10_000);
    let names = [
        "dotted.name",
        "with space",
        "quo\"te",
        "esc\u{1b}[31mape",
        "ünïcödé",
        "${x}",
        "back\\slash",
        "",
        &long,
    ];
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let mut project = Project::new(&store);
        for name in names {
            project = project.check(name, "echo > $out");
        }
        let project = project.committed();
        let run = project.nixci(&["check", "--format", "json"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let events = Events::of(&run);
        let mut found: Vec<String> = events
            .all("check_finished")
            .map(|event| event["check"].as_str().unwrap().to_owned())
            .collect();
        found.sort();
        let mut expected: Vec<String> = names
            .iter()
            .map(|name| {
                let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
                let quoted = nix_string(name).replace("\\$", "$").replace("${", "\\${");
                format!(
                    "{SYSTEM}.{}",
                    if plain { (*name).to_owned() } else { quoted }
                )
            })
            .collect();
        expected.sort();
        assert_eq!(found, expected, "Nix {nix}");

        let plain = project.nixci(&["check", "--format", "plain", "-v"]);
        assert_eq!(plain.code, Some(0), "{plain}");
        assert!(!plain.stdout.contains('\u{1b}'), "{plain}");
        assert!(
            plain.stdout.lines().all(|line| line.len() < 2_000),
            "{plain}"
        );
    }
}

#[test]
fn hostile_logs_are_shown_harmlessly() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store)
            .check(
                "escapes",
                r"printf '\033]0;title\007\033[2J\033[31mred\033[0m\n::error::injected\n##[group]x\nnul\000byte\n\377\376bad utf8\nover\rwritten\n'; exit 1",
            )
            .committed();
        let run = project.nixci(&["check", "--format", "plain"]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        assert!(
            !run.stdout.chars().any(|c| c.is_control() && c != '\n'),
            "Nix {nix}: {run}"
        );
        for line in run.stdout.lines() {
            assert!(
                !line.starts_with("::") && !line.starts_with("##["),
                "Nix {nix}: {run}"
            );
        }
        assert!(
            run.stdout.contains("injected") && run.stdout.contains("red"),
            "Nix {nix}: {run}"
        );
    }
}

#[test]
fn a_hundred_megabytes_without_a_newline_cost_no_memory() {
    let store = nix::newest().store().with_daemon();
    // Doubles a string to 64 MiB with nothing but the shell, and writes it one and a half times.
    let script = r#"x=0123456789abcdef; i=0; while [ $i -lt 22 ]; do x="$x$x"; i=$((i+1)); done
        echo begin; printf '%s' "$x"; printf '%s' "$x"; echo; echo end; exit 1"#;
    let project = Project::new(&store).check("loud", script).committed();
    let mut run = project.start(&["check", "--format", "json", "--log"]);
    let pid = run.id();
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .trim()
                .parse::<u64>()
                .ok()
        })
    };
    run.wait_for("begin");
    let mut highest = 0;
    let began = Instant::now();
    while let Some(kib) = peak() {
        assert!(began.elapsed() < PATIENCE, "it does not end");
        highest = kib.max(highest);
        std::thread::sleep(Duration::from_millis(20));
    }
    let run = run.finish();
    assert_eq!(run.code, Some(1));
    let finished = Events::of(&run);
    let tail = finished.one("step_finished")["log_tail"].clone();
    assert_eq!(tail.as_array().unwrap().last().unwrap(), "end");
    assert!(run.stdout.len() < 1 << 20, "{} bytes", run.stdout.len());
    assert!(highest < 60 << 10, "{highest} KiB");
}

#[test]
fn a_cache_that_cannot_be_written_costs_only_time() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    // A file where the folder should be: also root cannot write there.
    std::fs::create_dir_all(store.folder().join("cache")).unwrap();
    std::fs::write(store.folder().join("cache/nixci"), "").unwrap();
    for _ in 0..2 {
        let run = project.nixci(&["check", "--format", "json"]);
        assert_eq!(run.code, Some(0), "{run}");
        assert_eq!(run.stderr.lines().count(), 1, "only the last line: {run}");
    }
}

#[test]
fn an_error_sends_nothing_to_the_terminal_but_its_text() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    let reference = ".#che\u{1b}[31mcks";
    for arguments in [
        &["eval", reference][..],
        &["check", "--format", "plain", reference],
    ] {
        let run = project.nixci(arguments);
        assert_eq!(run.code, Some(3), "{run}");
        let all = format!("{}{}", run.stdout, run.stderr);
        assert!(!all.contains('\u{1b}'), "{run}");
        assert!(all.contains("che\\u{1b}[31mcks"), "{run}");
    }
}

#[test]
fn the_message_of_a_flake_that_cannot_be_evaluated_is_told_once_in_full() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .flake("{ outputs = _: { checks = throw \"first\\nsecond\"; }; }")
        .committed();
    let run = project.nixci(&["check", "--format", "plain"]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stdout.contains("second"), "{run}");
    let stopping = run.stdout.lines().find(|line| line.contains("Stopping"));
    assert!(
        stopping.is_none_or(|line| !line.contains("second")),
        "{run}"
    );
}
