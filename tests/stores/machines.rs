//! Other machines, each a real ssh server with a store of its own: built on by `--store`, by the configured `builders`, and
//! written to by `--copy-to`.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::{
    event, events,
    support::{
        Project,
        nix::{self, Nix},
        project::SYSTEM,
        running::{Finished, Running},
        servers::Machine,
        store::TestStore,
        wait_until,
    },
    uploaded,
};

/// Runs `nixci check` with these machines known to ssh.
fn check(
    project: &Project<'_>,
    store: &TestStore,
    machines: &[&Machine],
    arguments: &[&str],
) -> Finished {
    start(project, store, machines, arguments).finish()
}

fn start(
    project: &Project<'_>,
    store: &TestStore,
    machines: &[&Machine],
    arguments: &[&str],
) -> Running {
    let mut command = project.nixci_command(&["check", "--format", "json"]);
    command.args(arguments);
    command.env("NIX_SSHOPTS", Machine::ssh_options(store, machines));
    Running::start(&mut command)
}

fn outputs(run: &Finished) -> Vec<String> {
    events(run, "check_finished")
        .iter()
        .map(|check| check["outputs"]["out"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn outputs_are_copied_to_another_machine() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let Some(machine) = Machine::start(&store, "m1", "") else {
            return;
        };
        let project = Project::new(&store).check("a", "echo a > $out").committed();
        let run = check(&project, &store, &[&machine], &["--copy-to", "ssh-ng://m1"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}\n{}", machine.log());
        let paths = uploaded(&run, "uploaded");
        assert_eq!(paths.len(), 1, "Nix {nix}: {run}");
        assert!(machine.file_of(&paths[0]).exists(), "Nix {nix}: {run}");
    }
}

#[test]
fn what_is_evaluated_here_is_built_there() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let Some(machine) = Machine::start(&store, "m1", "") else {
            return;
        };
        let project = Project::new(&store)
            .binding("lib", r#"build "lib" "echo lib > $out" { }"#)
            .expression(
                "app",
                r#"build "app" "read x < ${lib}; echo $x > $out" { }"#,
            )
            .failing("bad")
            .committed();
        let arguments = ["--store", "ssh-ng://m1"];
        let run = check(&project, &store, &[&machine], &arguments);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}\n{}", machine.log());
        for step in events(&run, "step_finished") {
            assert_eq!(step["machine"], "m1", "Nix {nix}: {run}");
        }
        let failed = events(&run, "step_finished")
            .into_iter()
            .find(|step| step["outcome"] == "failed")
            .unwrap();
        let log = failed["log_tail"].to_string();
        assert!(log.contains("this check fails on purpose"), "{run}");
        for path in outputs(&run) {
            assert_eq!(
                machine.file_of(&path).exists(),
                path.ends_with("-app"),
                "Nix {nix}: {run}"
            );
            assert!(
                !fs::exists(&path).unwrap(),
                "it is not here, Nix {nix}: {run}"
            );
        }
        // Again, with nothing to do: from the evaluation cache here and the store there.
        let run = check(&project, &store, &[&machine], &arguments);
        let app = events(&run, "check_finished")
            .into_iter()
            .find(|check| check["name"] == "app")
            .unwrap();
        assert_eq!(app["outcome"], "cached", "Nix {nix}: {run}");
        assert_eq!(
            event(&run, "evaluation_finished")["cached"],
            true,
            "Nix {nix}: {run}"
        );
    }
}

#[test]
fn a_store_of_another_folder_on_this_machine_is_built_in() {
    for nix in nix::all() {
        for daemon in [true, false] {
            let store = nix.store();
            let store = if daemon { store.with_daemon() } else { store };
            let project = Project::new(&store).check("a", "echo a > $out").committed();
            let root = store.folder().join("other");
            let url = format!("local?root={}", root.display());
            let run = check(&project, &store, &[], &["--store", &url]);
            assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
            let out = &outputs(&run)[0];
            let name = out.rsplit('/').next().unwrap();
            assert!(
                root.join("nix/store").join(name).exists(),
                "Nix {nix}: {run}"
            );
            assert!(!fs::exists(out).unwrap(), "Nix {nix}: {run}");
        }
    }
}

#[test]
fn what_a_machine_cannot_do_is_unsupported_and_what_it_can_is_asked_of_it() {
    let store = nix::newest().store().with_daemon();
    let Some(machine) = Machine::start(
        &store,
        "m1",
        "extra-platforms = riscv64-linux\nmax-jobs = 3",
    ) else {
        return;
    };
    let project = Project::new(&store)
        .check("a", "echo a > $out")
        .check_on("riscv64-linux", "b", "echo b > $out")
        .check_on("s390x-linux", "c", "echo c > $out")
        .committed();
    let run = check(
        &project,
        &store,
        &[&machine],
        &["--store", "ssh-ng://m1", "--all-systems"],
    );
    assert_eq!(run.code, Some(0), "{run}");
    let started = event(&run, "run_started");
    assert_eq!(started["slots"], 3, "{run}");
    let outcomes: Vec<(Value, Value)> = events(&run, "check_finished")
        .iter()
        .map(|check| (check["name"].clone(), check["outcome"].clone()))
        .collect();
    for (name, outcome) in [("a", "built"), ("b", "built"), ("c", "unsupported")] {
        assert!(outcomes.contains(&(name.into(), outcome.into())), "{run}");
    }
}

#[test]
fn a_machine_that_is_not_there_or_no_machine_is_said_in_a_line() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "echo a > $out").committed();
    for (url, code, text) in [
        ("ssh-ng://nowhere.invalid", 4, "nowhere.invalid"),
        ("ssh-ng://-oProxyCommand=touch%20x", 2, "names no host"),
        ("bogus://x", 2, "no store that Nix knows"),
        ("https://cache.example", 2, "nothing can be built in"),
        ("ssh://host", 2, "ssh-ng://host"),
        ("unix:///nonexistent/socket", 4, "/nonexistent/socket"),
    ] {
        let run = check(&project, &store, &[], &["--store", url]);
        assert_eq!(run.code, Some(code), "{url}: {run}");
        let said = format!("{}{}", run.stderr, run.stdout);
        assert!(said.contains(text), "{url}: {run}");
    }
    let run = check(
        &project,
        &store,
        &[],
        &["--store", "ssh-ng://m1", "--out-link", "x"],
    );
    assert_eq!(run.code, Some(2), "{run}");
}

#[test]
fn a_store_on_a_machine_that_dies_fails_what_was_built_there() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let Some(mut machine) = Machine::start(&store, "m1", "") else {
            return;
        };
        let project = Project::new(&store)
            .check("a", "echo a has begun; nap 120; echo > $out")
            .expression(
                "b",
                r#"build "b" "echo > $out" { needs = build "dep" "echo dep has begun; nap 120; echo > $out" { }; }"#,
            )
            .committed();
        let arguments = ["--store", "ssh-ng://m1", "--log", "-j2"];
        let mut run = start(&project, &store, &[&machine], &arguments);
        // Both: a machine that is lost before all is there ends the evaluation, too.
        run.wait_for("a has begun");
        run.wait_for("dep has begun");
        machine.kill();
        // Nix 2.8 leaves them behind, which a machine without power does not.
        for builder in store.builders() {
            builder.kill();
        }
        let run = run.finish();
        assert_eq!(run.code, Some(4), "Nix {nix}: {run}");
        assert!(run.elapsed < Duration::from_secs(60), "Nix {nix}: {run}");
        let checks = events(&run, "check_finished");
        assert_eq!(checks.len(), 2, "Nix {nix}: {run}");
        for check in checks {
            assert_eq!(
                check["outcome"], "infrastructure_failed",
                "Nix {nix}: {run}"
            );
        }
        let end = event(&run, "run_finished");
        assert_eq!(end["outcome"], "errored", "Nix {nix}: {run}");
        let error = end["error"].as_str().unwrap();
        assert!(
            error.contains("m1"),
            "it names the machine, Nix {nix}: {run}"
        );
        assert_eq!(error.lines().count(), 1, "Nix {nix}: {run}");
    }
}

/// A daemon with two machines as builders, one build each, and none here.
fn with_builders(nix: &Nix) -> Option<(TestStore, Machine, Machine)> {
    let store = nix.store();
    let m1 = Machine::start(&store, "m1", "system-features = first both")?;
    let m2 = Machine::start(&store, "m2", "system-features = second both")?;
    let builders = format!(
        "ssh-ng://m1 {SYSTEM} - 1 2 first,both - - ; ssh-ng://m2 {SYSTEM} - 1 1 second,both - -"
    );
    let options = Machine::ssh_options(&store, &[&m1, &m2]);
    let mut store = store
        .with_setting("builders", &builders)
        .with_setting("max-jobs", "0")
        .with_variable("NIX_SSHOPTS", &options);
    store.start_daemon();
    Some((store, m1, m2))
}

#[test]
fn configured_builders_build_and_are_named() {
    for nix in nix::all() {
        let Some((store, m1, m2)) = with_builders(&nix) else {
            return;
        };
        let project = Project::new(&store)
            .expression(
                "one",
                r#"build "one" "echo 1 > $out" { requiredSystemFeatures = [ "first" ]; }"#,
            )
            .expression(
                "two",
                r#"build "two" "echo 2 > $out" { requiredSystemFeatures = [ "second" ]; }"#,
            )
            .expression(
                "none",
                r#"build "none" "echo 3 > $out" { requiredSystemFeatures = [ "third" ]; }"#,
            )
            .committed();
        let run = check(&project, &store, &[&m1, &m2], &[]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        for (name, machine) in [("one", "ssh-ng://m1"), ("two", "ssh-ng://m2")] {
            let step = events(&run, "step_finished")
                .into_iter()
                .find(|step| step["name"] == name)
                .unwrap();
            assert_eq!(step["outcome"], "built", "Nix {nix}: {run}");
            assert_eq!(step["machine"], machine, "Nix {nix}: {run}");
        }
        let none = events(&run, "check_finished")
            .into_iter()
            .find(|check| check["name"] == "none")
            .unwrap();
        assert_eq!(none["outcome"], "unsupported", "Nix {nix}: {run}");
    }
}

/// Whether the builder of a step that was given to the first machine has said something.
fn has_begun_on_m1(run: &Running) -> bool {
    let said = run.stdout();
    // The last line may be half written.
    let events: Vec<Value> = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |kind: &'static str| events.iter().filter(move |event| event["event"] == kind);
    of("step_started")
        .filter(|step| step["machine"] == "ssh-ng://m1")
        .any(|step| of("step_logged").any(|log| log["drv_path"] == step["drv_path"]))
}

#[test]
fn the_builds_of_a_machine_that_dies_go_to_another_one() {
    for nix in nix::all() {
        let Some((store, mut m1, m2)) = with_builders(&nix) else {
            return;
        };
        let mut project = Project::new(&store);
        for name in ["a", "b", "c", "d"] {
            let build = format!(
                r#"build "{name}" "echo begun; nap 4; echo {name} > $out" {{ requiredSystemFeatures = [ "both" ]; }}"#
            );
            project = project.expression(name, &build);
        }
        let project = project.committed();
        let run = start(&project, &store, &[&m1, &m2], &["--log"]);
        wait_until("a build that has begun there", || has_begun_on_m1(&run));
        m1.kill();
        let run = run.finish();
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let checks = events(&run, "check_finished");
        assert_eq!(checks.len(), 4, "Nix {nix}: {run}");
        assert!(
            checks.iter().all(|check| check["outcome"] == "built"),
            "Nix {nix}: {run}"
        );
        assert!(
            !events(&run, "step_retrying").is_empty(),
            "Nix {nix}: {run}"
        );
        for path in outputs(&run) {
            assert!(
                fs::exists(&path).unwrap(),
                "{path} came back here, Nix {nix}"
            );
        }
    }
}
