//! `--remote`: the whole run on another machine, shown here.

use std::{fs, io::Write as _, os::unix::fs::symlink, path::Path, time::Duration};

use rustix::process::Signal;

use crate::{
    event, events,
    support::{
        Project,
        nix::{self, Nix},
        project::SYSTEM,
        running::{Finished, Running},
        servers::{Machine, write_script},
        store::TestStore,
        wait_until,
    },
};

const NIXCI: &str = env!("CARGO_BIN_EXE_nixci");

/// A machine that ssh knows as `m1`, and a store here from which it is reached.
fn machine(nix: &Nix) -> Option<(TestStore, Machine)> {
    machine_with(nix.store())
}

fn machine_with(store: TestStore) -> Option<(TestStore, Machine)> {
    let machine = Machine::start(&store, "m1", "")?;
    let options = Machine::ssh_options(&store, &[&machine]);
    let store = store.with_variable("NIX_SSHOPTS", &options).with_daemon();
    Some((store, machine))
}

/// Runs `nixci check` there, with the `nixci` that was built.
fn check(project: &Project<'_>, arguments: &[&str]) -> Finished {
    project.nixci(
        &[
            &["check", "--remote=m1", "--remote-nixci", NIXCI],
            arguments,
        ]
        .concat(),
    )
}

#[test]
fn the_whole_runs_there_and_is_shown_here() {
    for nix in nix::all() {
        let Some((store, machine)) = machine(&nix) else {
            return;
        };
        let project = Project::new(&store)
            .check("it's $(odd)", "echo a > $out")
            .failing("bad")
            .expression("wrong", "throw \"no such thing\"")
            .committed();
        let run = check(&project, &["--format=json", "-j1", "--junit=report.xml"]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}\n{}", machine.log());
        let started = event(&run, "run_started");
        assert_eq!(started["title"], "project", "Nix {nix}: {run}");
        assert_eq!(started["flake"], ".", "Nix {nix}: {run}");
        assert_eq!(started["slots"], 1, "options go along, Nix {nix}: {run}");
        assert!(started["revision"].is_string(), "Nix {nix}: {run}");
        let checks = events(&run, "check_finished");
        assert_eq!(checks.len(), 3, "Nix {nix}: {run}");
        for check in checks {
            let Some(path) = check["outputs"]["out"].as_str() else {
                assert_eq!(check["outcome"], "evaluation_failed", "Nix {nix}: {run}");
                continue;
            };
            assert!(
                !fs::exists(path).unwrap(),
                "it is not here, Nix {nix}: {run}"
            );
            let is_built = check["outcome"] == "built";
            assert_eq!(machine.file_of(path).exists(), is_built, "Nix {nix}: {run}");
        }
        assert_eq!(
            event(&run, "run_finished")["exit_code"],
            1,
            "Nix {nix}: {run}"
        );
        let failed = event(&run, "evaluation_failed");
        let file = failed["file"].as_str().unwrap();
        assert!(file.ends_with("flake.nix"), "Nix {nix}: {run}");
        assert!(events(&run, "ticked").is_empty(), "Nix {nix}: {run}");
        assert!(
            project.dir().join("report.xml").exists(),
            "Nix {nix}: {run}"
        );

        // A run does without what the disk does not say at once.
        let mut run = check(&project, &["-v"]);
        for _ in 0..4 {
            if !run.stdout.contains("failed before, too") {
                run = check(&project, &["-v"]);
            }
        }
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        assert!(
            run.stdout.contains("this check fails on purpose"),
            "Nix {nix}: {run}"
        );
        assert!(run.stdout.contains("1 passed"), "Nix {nix}: {run}");
        assert!(
            run.stdout.contains("failed before, too"),
            "Nix {nix}: {run}"
        );
        // The log came along.
        let log = project.nixci(&["log", "bad"]);
        assert!(
            log.stdout.contains("this check fails on purpose"),
            "Nix {nix}: {log}"
        );
    }
}

#[test]
fn inputs_patterns_and_what_failed_are_what_they_are_here() {
    for nix in nix::all() {
        let Some((store, machine)) = machine(&nix) else {
            return;
        };
        let input = Project::named(&store, "input")
            .file("word", "first\n")
            .committed();
        let other = Project::named(&store, "other")
            .file("word", "second\n")
            .committed();
        let project = Project::new(&store).flake(&format!(
            r#"{{
              inputs.words = {{ url = "git+file://{}"; flake = false; }};
              outputs = {{ self, words }}: {{
                checks.{system} = builtins.mapAttrs (name: script: derivation {{
                  inherit name;
                  system = "{system}";
                  builder = "/bin/sh";
                  args = [ "-euc" script ];
                  word = builtins.readFile "${{words}}/word";
                }}) {{ good = "echo \"is $word\"; echo > $out"; bad = "echo \"is $word\"; exit 1"; }};
              }};
            }}"#,
            input.dir().display(),
            system = SYSTEM,
        ));
        let project = project.committed();
        let run = check(&project, &["--format=json", "--log"]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}\n{}", machine.log());
        assert!(run.stdout.contains("is first"), "Nix {nix}: {run}");
        let names = |run: &Finished| -> Vec<String> {
            let checks = events(run, "check_finished");
            checks
                .iter()
                .map(|check| check["name"].to_string())
                .collect()
        };
        let failed = check(&project, &["--format=json", "--failed"]);
        assert_eq!(names(&failed), ["\"bad\""], "Nix {nix}: {failed}");
        let other = format!("git+file://{}", other.dir().display());
        let run = check(
            &project,
            &[
                "--format=json",
                "--log",
                "--override-input",
                "words",
                &other,
                ".",
                "go*",
            ],
        );
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        assert_eq!(names(&run), ["\"good\""], "Nix {nix}: {run}");
        assert!(run.stdout.contains("is second"), "Nix {nix}: {run}");
    }
}

#[test]
fn a_flake_below_its_configuration_is_the_same_there() {
    let Some((store, machine)) = machine(&nix::newest()) else {
        return;
    };
    let flake = r#"{ outputs = _: { other.x = { }; hydraJobs.a = throw "found"; }; }"#;
    let project = Project::new(&store)
        .file("nix/flake.nix", flake)
        .file(
            "nixci.toml",
            "flake_dir = \"nix\"\nattributes = [\"hydraJobs\"]\n",
        )
        .committed();
    project.git(&["rm", "--quiet", "--force", "flake.nix"]);
    let run = check(&project, &["--format=json"]);
    let failed = event(&run, "evaluation_failed");
    assert_eq!(failed["check"], "a", "{run}\n{}", machine.log());
    assert_eq!(
        event(&run, "run_started")["attribute"],
        "hydraJobs",
        "{run}"
    );
}

#[test]
fn ctrl_c_here_stops_it_there() {
    let Some((store, machine)) = machine(&nix::newest()) else {
        return;
    };
    let project = Project::new(&store)
        .check("slow", "echo begun; nap 120; echo > $out")
        .committed();
    let arguments = ["check", "--remote=m1", "--remote-nixci", NIXCI, "-v"];
    let mut run = project.start(&arguments);
    run.wait_for("begun");
    run.signal(Signal::INT);
    let run = run.finish();
    assert_eq!(run.code, Some(130), "{run}\n{}", machine.log());
    assert!(run.stdout.contains("stopped (SIGINT)"), "{run}");
    wait_until("its builders are still there", || {
        store.builders().is_empty()
    });

    // And if nixci here has no time to say anything.
    let mut run = project.start(&arguments);
    run.wait_for("begun");
    run.signal(Signal::KILL);
    run.finish();
    wait_until("its builders are still there", || {
        store.builders().is_empty()
    });
}

#[test]
fn a_machine_that_is_lost_ends_every_check() {
    let Some((store, mut machine)) = machine(&nix::newest()) else {
        return;
    };
    let project = Project::new(&store)
        .check("a", "echo begun; nap 120; echo > $out")
        .check("b", "echo begun; nap 120; echo > $out")
        .committed();
    let arguments = [
        "check",
        "--remote=m1",
        "--remote-nixci",
        NIXCI,
        "--format=json",
    ];
    let mut run = project.start(&[&arguments[..], &["--log"]].concat());
    // What is not found yet when the machine is lost is no check.
    for text in [
        "\"check\":\"x86_64-linux.a\"",
        "\"check\":\"x86_64-linux.b\"",
        "begun",
    ] {
        run.wait_for(text);
    }
    machine.kill();
    let run = run.finish();
    assert_eq!(run.code, Some(4), "{run}");
    let checks = events(&run, "check_finished");
    assert_eq!(checks.len(), 2, "{run}");
    for check in checks {
        assert_eq!(check["outcome"], "infrastructure_failed", "{run}");
        let reason = check["reason"].as_str().unwrap();
        assert!(reason.contains("lost the run on m1"), "{run}");
    }
    assert_eq!(event(&run, "run_finished")["outcome"], "errored", "{run}");
    assert!(run.elapsed < Duration::from_secs(60), "{run}");
}

#[test]
fn what_is_missing_or_wrong_there_is_said_in_a_line() {
    let Some((store, _machine)) = machine(&nix::newest()) else {
        return;
    };
    let project = Project::new(&store).check("a", "echo > $out").committed();
    let script = |name: &str, text: &str| {
        let file = store.folder().join(name);
        write_script(&file, text);
        format!("--remote-nixci={}", file.display())
    };
    let begun = r#"echo '{"event":"run_started","at":"2026-01-01T00:00:00Z","elapsed_ms":0,"format":1,"run":"../..","flake":"x","title":"x","attribute":"checks","systems":[],"evaluator":"x","nix_version":"2","slots":1,"eval_workers":1}'; "#;
    let future = begun.replace("\"format\":1", "\"format\":7");
    for (arguments, code, text) in [
        (
            vec!["--remote=m1", "--remote-nixci=gone"],
            4,
            "m1: it has no `gone` on its PATH",
        ),
        (
            vec!["--remote=-oProxyCommand=x"],
            2,
            "is no host that ssh can be given",
        ),
        (vec!["--remote=a;b"], 2, "is no host that ssh can be given"),
        (vec!["--remote=nowhere.invalid"], 4, "nowhere.invalid"),
        (
            vec!["--remote=m1", "--store=daemon"],
            2,
            "cannot be used with",
        ),
        (
            vec!["--remote=m1", "--file=x.nix"],
            2,
            "cannot be used with",
        ),
        (
            vec!["--remote=m1", &script("hello", "echo Welcome")],
            4,
            "`Welcome`, which is no event",
        ),
        (
            vec!["--remote=m1", &script("silent", "exit 0")],
            4,
            "the connection ended",
        ),
        (vec!["--remote=m1", &script("future", &future)], 4, "form 7"),
        (
            vec![
                "--remote=m1",
                &script("old", "echo 'error: unexpected argument' >&2; exit 2"),
            ],
            2,
            "nixci on m1: unexpected argument",
        ),
        (
            vec!["--remote=m1", &script("stops", begun)],
            4,
            "lost the run on m1",
        ),
        (
            vec![
                "--remote=m1",
                &script("endless", &format!("{begun} tr '\\0' x < /dev/zero")),
            ],
            4,
            "too long",
        ),
    ] {
        let run = project.nixci(&[&["check"], &arguments[..]].concat());
        assert_eq!(run.code, Some(code), "{arguments:?}: {run}");
        let said = run.stdout.clone() + &run.stderr;
        assert!(said.contains(text), "{arguments:?}: {run}");
    }
}

#[test]
fn without_a_path_it_is_the_nixci_on_path() {
    let nix = nix::newest();
    let store = nix.store();
    let bin = store.folder().join("there");
    fs::create_dir(&bin).unwrap();
    symlink(Path::new(NIXCI), bin.join("nixci")).unwrap();
    let path = format!(
        "{}:{}/bin:/usr/bin:/bin",
        bin.display(),
        nix.prefix.display()
    );
    let Some((store, machine)) = machine_with(store.with_variable("PATH", &path)) else {
        return;
    };
    let project = Project::new(&store).check("a", "echo > $out").committed();
    let run = project.nixci(&["check", "--remote", "m1"]);
    assert_eq!(run.code, Some(0), "{run}\n{}", machine.log());
}

/// What the other machine's nixci does, seen from its standard input.
#[test]
fn orders_are_carried_out_there() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("a", "echo begun; nap 120; echo > $out")
        .check("b", "echo begun; nap 120; echo > $out")
        .check("c", "echo > $out");
    let start = |first: &str| {
        let mut command =
            project.nixci_command(&["check", "--take-orders", "--format=json", "-j2"]);
        let (stdin, mut orders) = std::io::pipe().unwrap();
        let run = Running::start(command.stdin(stdin));
        writeln!(orders, "{first}").unwrap();
        (run, orders)
    };
    let (path_a, path_b) = (format!("{SYSTEM}.a"), format!("{SYSTEM}.b"));
    let begin = serde_json::json!({"order": "begin", "only": [path_a, path_b]});
    let (mut run, mut orders) = start(&begin.to_string());
    run.wait_for("begun");
    run.wait_for("ticked");
    writeln!(
        orders,
        "{}",
        serde_json::json!({"order": "explain", "check": path_b})
    )
    .unwrap();
    run.wait_for("check_explained");
    writeln!(
        orders,
        "{}",
        serde_json::json!({"order": "cancel", "check": path_a})
    )
    .unwrap();
    run.wait_for(r#""outcome":"cancelled""#);
    // The end of the orders is the end of the run.
    drop(orders);
    let run = run.finish();
    assert_eq!(run.code, Some(129), "{run}");
    assert_eq!(
        events(&run, "check_finished").len(),
        2,
        "only what was asked for: {run}"
    );

    let (run, _orders) = start("yes");
    let run = run.finish();
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.contains("write --remote HOST"), "{run}");
}
