//! Every outcome, on every version of Nix.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    Events,
    support::{AT_ONCE, Project, nix, project::FOREIGN_SYSTEM, store::TestStore},
};

/// Checks of every kind there is.
fn everything(store: &TestStore) -> Project<'_> {
    Project::new(store)
        .binding("lib", r#"build "lib" "nap 0.1; echo lib > $out" { }"#)
        .binding(
            "broken",
            r#"build "broken" "echo about to break; exit 7" { }"#,
        )
        .check("passes", "echo fine; echo ok > $out")
        .expression(
            "uses-lib",
            r#"build "uses-lib" "read x < ${lib}; echo $x > $out" { }"#,
        )
        .expression(
            "uses-lib-too",
            r#"build "uses-lib-too" "read x < ${lib}; echo $x > $out" { }"#,
        )
        .failing("fails")
        .expression(
            "breaks-1",
            r#"build "breaks-1" "echo ${broken} > $out" { }"#,
        )
        .expression(
            "breaks-2",
            r#"build "breaks-2" "echo ${broken} > $out" { }"#,
        )
        .expression(
            "two-outputs",
            r#"build "two" "echo a > $out; echo b > $doc" { outputs = [ "out" "doc" ]; }"#,
        )
        .expression(
            "no-out",
            r#"build "no-out" "echo b > $bin" { outputs = [ "bin" ]; }"#,
        )
        .expression(
            "fixed",
            r#"build "fixed" "echo -n hello > $out" {
                 outputHashMode = "flat"; outputHashAlgo = "sha256";
                 outputHash = builtins.hashString "sha256" "hello"; }"#,
        )
        .expression(
            "wrong-hash",
            r#"build "wrong-hash" "echo -n hello > $out" {
                 outputHashMode = "flat"; outputHashAlgo = "sha256";
                 outputHash = builtins.hashString "sha256" "other"; }"#,
        )
        .expression(
            "wants",
            r#"build "wants" "echo > $out" { requiredSystemFeatures = [ "no-such-feature" ]; }"#,
        )
        .expression(
            "foreign",
            &format!(r#"buildOn "{FOREIGN_SYSTEM}" "foreign" "echo > $out" {{ }}"#),
        )
        .expression("throws", r#"throw "on purpose""#)
        .expression("nothing", "null")
        .expression("text", r#""a string""#)
        .expression("group", r#"{ inner = build "inner" "echo > $out" { }; }"#)
        .committed()
}

#[test]
fn every_outcome_on_every_nix() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = everything(&store);
        let run = project.nixci(&["check", "--format", "json"]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        let events = Events::of(&run);
        let expected = BTreeMap::from([
            ("passes", "built"),
            ("uses-lib", "built"),
            ("uses-lib-too", "built"),
            ("fails", "failed"),
            ("breaks-1", "dependency_failed"),
            ("breaks-2", "dependency_failed"),
            ("two-outputs", "built"),
            ("no-out", "built"),
            ("fixed", "built"),
            ("wrong-hash", "failed"),
            ("wants", "unsupported"),
            ("foreign", "unsupported"),
            ("throws", "evaluation_failed"),
            ("nothing", "evaluation_failed"),
            ("text", "evaluation_failed"),
            ("group.inner", "built"),
        ]);
        assert_eq!(events.outcomes(), expected, "Nix {nix}: {run}");

        let built: Vec<&str> = events
            .all("step_started")
            .map(|event| event["name"].as_str().unwrap())
            .collect();
        for name in ["lib", "broken"] {
            assert_eq!(
                built.iter().filter(|built| **built == name).count(),
                1,
                "{name} is built once: {built:?}"
            );
        }
        let failed = events
            .all("step_finished")
            .find(|event| event["name"] == "broken")
            .unwrap();
        assert_eq!(failed["log_tail"], serde_json::json!(["about to break"]));
        for check in ["breaks-1", "breaks-2"] {
            assert_eq!(events.check(check)["cause"], failed["drv_path"]);
        }
        assert_eq!(events.check("passes")["cause"], serde_json::Value::Null);

        // All that was built is there now; what failed is tried again.
        let again = project.nixci(&["check", "--format", "json"]);
        assert_eq!(again.code, Some(1), "Nix {nix}: {again}");
        let mut expected = expected;
        for outcome in expected.values_mut().filter(|outcome| **outcome == "built") {
            *outcome = "cached";
        }
        assert_eq!(
            Events::of(&again).outcomes(),
            expected,
            "Nix {nix}: {again}"
        );
    }
}

#[test]
fn without_a_daemon_the_same() {
    for nix in nix::all() {
        let store = nix.store();
        let project = Project::new(&store)
            .check("passes", "echo ok > $out")
            .failing("fails")
            .committed();
        let run = project.nixci(&["check", "--format", "json"]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        let expected = BTreeMap::from([("passes", "built"), ("fails", "failed")]);
        assert_eq!(Events::of(&run).outcomes(), expected);
        assert_eq!(store.wait_until_idle(AT_ONCE), []);
    }
}

#[test]
fn content_addressed_derivations_are_built_and_found_again() {
    for nix in nix::all() {
        let mut store = nix
            .store()
            .with_setting("extra-experimental-features", "ca-derivations");
        // The first program that comes with this feature adds tables, and several at once are in each other's way.
        store.run_nix(&["path-info", "--all"], store.folder());
        store.start_daemon();
        let floating = "__contentAddressed = true; outputHashMode = \"recursive\"; outputHashAlgo = \"sha256\";";
        let project = Project::new(&store)
            .binding(
                "floating",
                &format!(r#"build "floating" "echo ca > $out" {{ {floating} }}"#),
            )
            .expression("floating", "floating")
            .expression(
                "uses-it",
                r#"build "uses-it" "read x < ${floating}; echo $x > $out" { }"#,
            )
            .committed();
        let run = project.nixci(&["check", "--format", "json"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let found = Events::of(&run);
        let found = found
            .all("check_found")
            .find(|event| event["name"] == "floating")
            .unwrap();
        assert_eq!(found["outputs"], serde_json::json!({ "out": null }));
        let again = project.nixci(&["check", "--format", "json"]);
        assert_eq!(
            Events::of(&again).outcomes(),
            BTreeMap::from([("floating", "cached"), ("uses-it", "cached")]),
            "Nix {nix}: {again}"
        );
    }
}

#[test]
fn builds_that_take_or_are_silent_for_too_long_time_out() {
    for nix in nix::all() {
        for with_daemon in [true, false] {
            let store = nix.store();
            let store = if with_daemon {
                store.with_daemon()
            } else {
                store
            };
            let project = Project::new(&store)
                .check("slow", "nap 60; echo > $out")
                .committed();
            for option in ["--timeout", "--max-silent-time"] {
                let run = project.nixci(&["check", "--format", "json", option, "1"]);
                let context = format!("Nix {nix}, daemon {with_daemon}, {option}: {run}");
                assert_eq!(run.code, Some(1), "{context}");
                let expected = BTreeMap::from([("slow", "timed_out")]);
                assert_eq!(Events::of(&run).outcomes(), expected, "{context}");
            }
        }
    }
}

#[test]
fn there_are_never_more_builds_than_slots() {
    let store = nix::newest().store().with_daemon();
    let inputs: String = (0..8).map(|i| format!("${{dep{i}}} ")).collect();
    let mut project = Project::new(&store);
    for i in 0..8 {
        project = project.binding(
            &format!("dep{i}"),
            &format!(r#"build "dep{i}" "nap 0.3; echo > $out" {{ }}"#),
        );
    }
    let project = project
        .expression(
            "wide",
            &format!(r#"build "wide" "echo {inputs} > $out" {{ }}"#),
        )
        .committed();
    let run = project.nixci(&["check", "--format", "json", "-j", "2"]);
    assert_eq!(run.code, Some(0), "{run}");
    let events = Events::of(&run);
    assert_eq!(events.one("run_started")["slots"], 2);
    let (mut now, mut most) = (0, 0);
    for event in &events.0 {
        match event["event"].as_str().unwrap() {
            "step_started" => now += 1,
            "step_finished" => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    assert_eq!(most, 2, "{run}");
}

#[test]
fn no_build_only_plans() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("a", "echo > $out")
        .failing("b")
        .committed();
    let run = project.nixci(&["check", "--no-build", "--format", "json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let events = Events::of(&run);
    assert_eq!(
        events.outcomes(),
        BTreeMap::from([("a", "skipped"), ("b", "skipped")])
    );
    assert_eq!(events.all("plan_changed").last().unwrap()["to_build"], 2);
    assert_eq!(events.all("step_started").count(), 0);
}

#[test]
fn fail_fast_stops_what_runs() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("bad", "nap 0.5; exit 1")
        .check("slow-1", "nap 60; echo > $out")
        .check("slow-2", "nap 60; echo > $out")
        .committed();
    let run = project.nixci(&["check", "--fail-fast", "--format", "json", "-j", "2"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.elapsed < Duration::from_secs(50), "{run}");
    let events = Events::of(&run);
    assert_eq!(
        events.outcomes(),
        BTreeMap::from([
            ("bad", "failed"),
            ("slow-1", "cancelled"),
            ("slow-2", "cancelled")
        ])
    );
    assert_eq!(store.wait_until_idle(AT_ONCE), []);
}

#[test]
fn a_download_that_fails_is_tried_twice_and_then_a_failure() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store)
            .expression(
                "download",
                r#"build "download" "echo 404; exit 1" {
                     outputHashMode = "flat"; outputHashAlgo = "sha256";
                     outputHash = builtins.hashString "sha256" "x"; }"#,
            )
            .committed();
        let run = project.nixci(&["check", "--format", "json"]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        let events = Events::of(&run);
        assert_eq!(
            events.outcomes(),
            BTreeMap::from([("download", "failed")]),
            "Nix {nix}: {run}"
        );
        assert_eq!(events.all("step_finished").count(), 1, "Nix {nix}: {run}");
    }
}

/// Mounts a small file system over a store; `None` where this user may not.
fn small_disk(store: &TestStore) -> Option<()> {
    std::fs::create_dir_all(store.dir()).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "nixci-test"])
        .arg(store.dir())
        .status();
    mounted.is_ok_and(|status| status.success()).then_some(())
}

/// Unmounts when dropped, before the store is taken away.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(&self.0)
            .status();
    }
}

#[test]
fn a_full_disk_is_no_fault_of_the_check() {
    for nix in nix::all() {
        let store = nix.store();
        if small_disk(&store).is_none() {
            eprintln!("not tested: only root can mount");
            return;
        }
        let _unmount = Unmount(store.dir());
        let store = store.with_daemon();
        let fill = r#"x=0123456789abcdef; i=0; while [ $i -lt 18 ]; do x="$x$x"; i=$((i+1)); done; printf '%s' "$x" > $out"#;
        let project = Project::new(&store)
            .check("large", fill)
            .check("waits", "nap 1; echo > $out")
            .committed();
        let run = project.nixci(&[
            "check",
            "--format",
            "plain",
            "-j",
            "1",
            "--eval-workers",
            "1",
        ]);
        assert_eq!(run.code, Some(4), "Nix {nix}: {run}");
        assert!(run.stdout.contains("space"), "Nix {nix}: {run}");
    }
}
