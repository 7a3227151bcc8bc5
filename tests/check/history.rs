//! What is remembered from run to run: the record, the logs, `--failed`, `nixci log` and `nixci history`.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use serde_json::Value;

use crate::{
    Events,
    support::{Project, nix, project::SYSTEM, running::Finished, store::TestStore, wait_until},
};

fn state(store: &TestStore) -> PathBuf {
    store.folder().join("home/state/nixci")
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A lib that fails as long as the file `broken` is there, an app on it, and a check without either.
fn project(store: &TestStore) -> Project<'_> {
    Project::new(store)
        .binding("lib", r#"build "lib-1.0" (if builtins.pathExists ./broken then "echo no luck; exit 1" else "echo made lib; echo > $out") { }"#)
        .expression("app", r#"build "app" "echo made app; echo ${lib} > $out" { }"#)
        .check("fine", "echo all is fine; echo > $out")
        .file("broken", "")
        .committed()
}

#[test]
fn only_what_failed_runs_again_until_nothing_did() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store);
    let failed = ["check", "--failed", "--format", "json"];

    let run = project.nixci(&failed);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(
        run.stderr.contains("no earlier run of .#checks is known"),
        "{run}"
    );

    let run = project.nixci(&["check", "--format", "json"]);
    assert_eq!(run.code, Some(1), "{run}");
    let events = Events::of(&run);
    assert!(events.check("app")["previous"].is_null());
    assert!(!run.stderr.contains("failed before"), "{run}");

    // A run does without what the disk does not say at once.
    let mut run = project.nixci(&failed);
    for _ in 0..4 {
        if Events::of(&run).check("app")["previous"].is_null() {
            run = project.nixci(&failed);
        }
    }
    assert_eq!(run.code, Some(1), "{run}");
    let events = Events::of(&run);
    assert_eq!(events.outcomes().len(), 1, "{run}");
    assert_eq!(events.check("app")["previous"], "dependency_failed");
    assert!(run.stderr.contains("(failed before, too)"), "{run}");

    project.git(&["rm", "--quiet", "broken"]);
    let run = project.nixci(&failed);
    assert_eq!(run.code, Some(0), "{run}");
    let events = Events::of(&run);
    assert_eq!(events.outcomes().keys().collect::<Vec<_>>(), [&"app"]);
    assert!(run.stderr.contains("1 passed, 1 fixed"), "{run}");

    let run = project.nixci(&failed);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(run.stdout, "", "{run}");
    assert_eq!(
        run.stderr,
        "no check of .#checks failed the last time: nothing to do\n"
    );
}

/// What is evaluated says so.
#[test]
fn no_more_is_evaluated_than_what_failed_and_what_is_gone_is_said() {
    let store = nix::newest().store().with_daemon();
    let flaky = |name: &str| {
        format!(
            r#"builtins.trace "looked at {name}" (build "{name}" (if builtins.pathExists ./broken then "exit 1" else "echo > $out") {{ }})"#
        )
    };
    let project = Project::new(&store)
        .expression("a", &flaky("a"))
        .expression("b.c", &flaky("b"))
        .expression(
            "fine",
            r#"builtins.trace "looked at fine" (build "fine" "echo > $out" { })"#,
        )
        .file("broken", "")
        .committed();
    let looked_at = |run: &Finished| {
        let text = format!("{}{}", run.stdout, run.stderr);
        ["a", "b", "fine"].map(|name| text.contains(&format!("looked at {name}")))
    };
    let check =
        |arguments: &[&str]| project.nixci(&[&["check", "--format", "json"], arguments].concat());
    let run = check(&[]);
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(looked_at(&run), [true; 3], "{run}");
    // Nothing has changed, and the cache has all of it.
    let run = check(&["--failed"]);
    assert_eq!(Events::of(&run).one("evaluation_finished")["cached"], true);
    assert_eq!(Events::of(&run).outcomes().len(), 2, "{run}");

    project.git(&["rm", "--quiet", "broken"]);
    let run = check(&["--failed"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(Events::of(&run).outcomes().len(), 2, "{run}");
    assert_eq!(looked_at(&run), [true, true, false], "{run}");
    // A part is not taken for the whole afterwards.
    let run = check(&[]);
    assert_eq!(Events::of(&run).outcomes().len(), 3, "{run}");

    project.write("broken", "");
    project.git(&["add", "broken"]);
    assert_eq!(check(&[]).code, Some(1));
    let text = fs::read_to_string(project.dir().join("flake.nix")).unwrap();
    project.write("flake.nix", &text.replace("\"b.c\"", "\"d\""));
    let run = check(&["--failed"]);
    let outcomes = Events::of(&run);
    assert_eq!(outcomes.outcomes().keys().collect::<Vec<_>>(), [&"a"]);
    let said = outcomes.one("warned")["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(said.contains("no longer there is the check"), "{said}");
    assert!(said.ends_with("x86_64-linux.\"b.c\""), "{said}");
    let run = check(&["--failed", ".", "fine"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stderr.contains("nothing to do"), "{run}");
}

#[test]
fn the_log_of_a_check_is_that_of_its_build_or_of_what_broke_it() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store)
        .expression("torn", r#"throw "torn apart""#)
        .check(
            "wordy",
            "i=0; while [ $i -lt 1000 ]; do echo word $i; i=$((i+1)); done; echo > $out",
        );
    let run = project.nixci(&["check"]);
    assert_eq!(run.code, Some(1), "{run}");
    let log = |arguments: &[&str]| {
        let mut command = project.nixci_command(&[&["log"], arguments].concat());
        // It needs no Nix.
        command.env("PATH", "/nowhere");
        crate::support::running::Running::start(&mut command).finish()
    };
    let fine = log(&["fine"]);
    assert_eq!(
        (fine.code, fine.stdout.as_str()),
        (Some(0), "all is fine\n"),
        "{fine}"
    );
    for name in [
        "app",
        &format!("{SYSTEM}.app"),
        &format!("checks.{SYSTEM}.app"),
    ] {
        let app = log(&[name]);
        assert_eq!(
            (app.code, app.stdout.as_str()),
            (Some(0), "no luck\n"),
            "{app}"
        );
        assert!(
            app.stderr.contains("failed by a dependency") && app.stderr.contains("lib-1.0.drv"),
            "{app}"
        );
    }
    let torn = log(&["torn"]);
    assert!(torn.stdout.contains("torn apart"), "{torn}");
    let unknown = log(&["fin"]);
    assert_eq!(unknown.code, Some(2), "{unknown}");
    assert!(
        unknown.stderr.contains("no check `fin` is known"),
        "{unknown}"
    );

    // A cached check has a log of an earlier run.
    project.nixci(&["check"]);
    assert_eq!(log(&["fine"]).stdout, "all is fine\n");
    assert_eq!(log(&["wordy"]).stdout.lines().count(), 1000);
    // Without the files the store's own is shown, and without Nix that is said.
    fs::remove_dir_all(state(&store).join("logs")).unwrap();
    let from_store = project.nixci(&["log", "wordy"]);
    assert_eq!(from_store.stdout.lines().count(), 1000, "{from_store}");
    let nothing = log(&["wordy"]);
    assert_eq!(nothing.code, Some(4), "{nothing}");
    assert!(
        nothing.stderr.contains("no `nix-store` on PATH"),
        "{nothing}"
    );
}

#[test]
fn a_hostile_log_is_harmless_unless_its_bytes_are_asked_for() {
    let store = nix::newest().store();
    let project = Project::new(&store).check(
        "rude",
        r"printf '::error::x\n\033]0;title\007plain\033[2J ##[group]y\n'; echo > $out",
    );
    let run = project.nixci(&["check"]);
    assert_eq!(run.code, Some(0), "{run}");
    let shown = project.nixci(&["log", "rude"]).stdout;
    assert_eq!(shown, "| ::error::x\nplain # #[group]y\n");
    let raw = project.nixci(&["log", "--raw", "rude"]).stdout;
    assert_eq!(
        raw,
        "::error::x\n\u{1b}]0;title\u{7}plain\u{1b}[2J ##[group]y\n"
    );
}

#[test]
fn a_log_is_followed_while_another_process_builds() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check(
        "slow",
        "nap 2; i=0; while [ $i -lt 10 ]; do echo line $i; nap 0.6; i=$((i+1)); done; echo > $out",
    );
    let mut run = project.start(&["check", "--format", "plain"]);
    run.wait_for("Building");
    wait_until("the run in the history", || {
        project.nixci(&["history"]).stdout.contains("running")
    });
    let mut follow = project.start(&["log", "slow", "--follow"]);
    follow.wait_for("line 1");
    assert!(
        !run.stdout().contains("Built"),
        "it still runs: {}",
        run.stdout()
    );
    let run = run.finish();
    assert_eq!(run.code, Some(0), "{run}");
    let follow = follow.finish();
    assert_eq!(follow.code, Some(0), "{follow}");
    let expected: String = (0..10).map(|i| format!("line {i}\n")).collect();
    assert_eq!(follow.stdout, expected, "{follow}");
}

#[test]
fn a_log_that_is_followed_begins_with_what_the_check_waits_for() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .binding(
            "lib",
            r#"build "lib" "nap 2; echo lib begins; nap 6; echo lib ends; echo > $out" { }"#,
        )
        .expression(
            "app",
            r#"build "app" "echo app begins; nap 1; echo > $out" { inherit lib; }"#,
        );
    let mut run = project.start(&["check", "--format", "plain"]);
    run.wait_for("Building");
    wait_until("the run in the history", || {
        project.nixci(&["history"]).stdout.contains("running")
    });
    let mut follow = project.start(&["log", "app", "--follow"]);
    follow.wait_for("lib begins");
    assert!(!run.stdout().contains("Built lib"), "{}", run.stdout());
    let run = run.finish();
    assert_eq!(run.code, Some(0), "{run}");
    let follow = follow.finish();
    assert_eq!(follow.code, Some(0), "{follow}");
    assert_eq!(
        follow.stdout, "lib begins\nlib ends\napp begins\n",
        "{follow}"
    );
    let note = format!("checks.{SYSTEM}.app waits for lib, which is being built; this is its log");
    assert!(follow.stderr.contains(&note), "{follow}");
}

#[test]
fn runs_and_checks_are_listed_newest_first() {
    let store = nix::newest().store().with_daemon();
    let project = project(&store);
    let nothing = project.nixci(&["history"]);
    assert_eq!(nothing.code, Some(2), "{nothing}");
    assert!(
        nothing.stderr.contains("there is no history of runs yet"),
        "{nothing}"
    );

    project.nixci(&["check"]);
    project.git(&["rm", "--quiet", "broken"]);
    project.nixci(&["check"]);

    let runs = json_lines(&project.nixci(&["history", "--format", "json"]).stdout);
    let outcomes: Vec<_> = runs
        .iter()
        .map(|run| run["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["passed", "failed"]);
    assert_eq!(
        (&runs[0]["passed"], &runs[1]["failed"]),
        (&2.into(), &1.into())
    );
    assert!(runs[0]["revision"].as_str().unwrap().ends_with("+dirty"));

    let app = json_lines(
        &project
            .nixci(&["history", "app", "--format", "json"])
            .stdout,
    );
    let outcomes: Vec<_> = app
        .iter()
        .map(|run| run["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["built", "dependency_failed"]);
    assert!(app[1]["cause"].as_str().unwrap().ends_with("lib-1.0.drv"));

    let table = project.nixci(&["history", "app"]).stdout;
    let table: Vec<&str> = table.lines().collect();
    assert_eq!(table.len(), 3, "{table:?}");
    let told = format!("checks.{SYSTEM}.app: 2 runs, 1 passed, 1 failed, takes about ");
    assert!(table[0].starts_with(&told), "{table:?}");
    let table = &table[1..];
    assert!(
        table[0].contains("✔ built") && table[0].contains('█'),
        "{table:?}"
    );
    assert!(
        table[1].contains("✖ dependency failed") && table[1].ends_with("lib-1.0"),
        "{table:?}"
    );
    let table = project.nixci(&["history"]).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].contains("✔ passed") && lines[0].ends_with("+dirty  checks  2 passed"),
        "{table}"
    );
    assert!(
        lines[1].contains("✖ failed") && lines[1].ends_with("checks  1 passed, 1 failed"),
        "{table}"
    );
}

#[test]
fn a_build_says_how_long_it_took_before() {
    let store = nix::newest().store().with_daemon();
    let script =
        |version: u32| format!(r#"build "app-{version}.0" "nap 0.3; echo {version} > $out" {{ }}"#);
    let project = Project::new(&store)
        .binding("version", &script(1))
        .expression("app", "version");
    let first = Events::of(&project.nixci(&["check", "--format", "json"]));
    assert!(first.one("step_started")["expected_ms"].is_null());
    let took = first.one("step_finished")["duration_ms"].as_u64().unwrap();
    // Another version of the same thing. A run does without what the disk does not say at once.
    let mut took = vec![took];
    let expected = (2..7).find_map(|version| {
        let flake = fs::read_to_string(project.dir().join("flake.nix")).unwrap();
        let next = flake.replace(&script(version - 1), &script(version));
        project.write("flake.nix", &next);
        let run = Events::of(&project.nixci(&["check", "--format", "json"]));
        let expected = run.one("step_started")["expected_ms"].as_u64();
        took.extend(run.one("step_finished")["duration_ms"].as_u64());
        expected
    });
    took.pop();
    assert!(
        expected.is_some_and(|expected| took.contains(&expected)),
        "{expected:?} {took:?}"
    );
}

#[test]
fn a_damaged_history_is_set_aside_and_the_run_goes_on() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("fine", "echo > $out");
    fs::create_dir_all(state(&store)).unwrap();
    fs::write(
        state(&store).join("history.sqlite"),
        "SQLite format 3\0 and then nothing of the sort".repeat(99),
    )
    .unwrap();
    let run = project.nixci(&["check", "--format", "plain"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(
        run.stdout
            .matches("the history of earlier runs was damaged")
            .count(),
        1,
        "{run}"
    );
    assert!(run.stdout.contains("history.sqlite.corrupt-"), "{run}");
    let again = project.nixci(&["check", "--format", "plain"]);
    assert!(!again.stdout.contains("damaged"), "{again}");
    let runs = json_lines(&project.nixci(&["history", "--format", "json"]).stdout);
    assert_eq!(runs.len(), 2);
}

#[test]
fn where_no_history_can_be_written_the_run_says_so_once() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("fine", "echo words; echo > $out");
    fs::create_dir_all(state(&store).parent().unwrap()).unwrap();
    // A file in the place of the folder stops even root.
    fs::write(state(&store), "").unwrap();
    let run = project.nixci(&["check", "--format", "json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let events = Events::of(&run);
    let said: Vec<_> = events
        .all("warned")
        .map(|event| event["message"].to_string())
        .collect();
    assert!(
        said.iter()
            .filter(|said| said.contains("this run is not recorded"))
            .count()
            <= 1,
        "{said:?}"
    );
    let all = format!("{said:?}{}", run.stderr);
    assert_eq!(
        all.matches("this run is not recorded: ").count(),
        1,
        "{all}"
    );
    // Asked for, it is never tried.
    let run = project.nixci(&["check", "--no-history", "--format", "plain"]);
    assert!(
        !format!("{}{}", run.stdout, run.stderr).contains("recorded"),
        "{run}"
    );
}

#[test]
fn the_record_is_for_its_owner_alone() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("fine", "echo > $out");
    project.nixci(&["check"]);
    let mode = fs::metadata(state(&store)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
