//! A daemon that is not there, goes away, or runs out of disk.

use std::{collections::BTreeMap, time::Duration};

use rustix::process::Signal;

use crate::{
    Events,
    support::{Project, nix, running::Running},
};

#[test]
fn a_daemon_that_dies_mid_build_costs_a_retry() {
    for nix in nix::all() {
        let mut store = nix.store().with_daemon();
        let mut run = {
            let project = Project::new(&store)
                .check("slow", "echo begins; nap 5; echo > $out")
                .check("quick", "echo > $out")
                .committed();
            project.start(&["check", "--format", "json", "--log", "-j", "2"])
        };
        run.wait_for("\"begins\"");
        // It tries once more after a second, however long that daemon takes to come up.
        run.signal(Signal::STOP);
        store.kill_daemon();
        store.start_daemon();
        run.signal(Signal::CONT);
        let run = run.finish();
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let events = Events::of(&run);
        assert!(
            events
                .all("step_retrying")
                .any(|event| event["attempt"] == 2),
            "Nix {nix}: {run}"
        );
        assert_eq!(events.check("slow")["outcome"], "built", "Nix {nix}: {run}");
    }
}

#[test]
fn a_daemon_that_stays_away_ends_the_run_with_exit_code_4() {
    for nix in nix::all() {
        let mut store = nix.store().with_daemon();
        let mut run = {
            let project = Project::new(&store)
                .check("slow", "echo begins; nap 60; echo > $out")
                .check("waits", "nap 60; echo > $out")
                .committed();
            project.start(&[
                "check",
                "--format",
                "json",
                "--log",
                "-j",
                "1",
                "--eval-workers",
                "1",
            ])
        };
        run.wait_for("\"begins\"");
        store.kill_daemon();
        let run = run.finish();
        assert_eq!(run.code, Some(4), "Nix {nix}: {run}");
        let events = Events::of(&run);
        let lost = BTreeMap::from([
            ("slow", "infrastructure_failed"),
            ("waits", "infrastructure_failed"),
        ]);
        assert_eq!(events.outcomes(), lost, "Nix {nix}: {run}");
        assert_eq!(events.one("run_finished")["outcome"], "errored");
        assert!(run.elapsed < Duration::from_secs(55), "{run}");
    }
}

#[test]
fn a_socket_nobody_listens_on_is_named() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    let mut command = project.nixci_command(&["check", "--format", "plain"]);
    let run =
        Running::start(command.env("NIX_REMOTE", "unix:///nonexistent/nixci-socket")).finish();
    assert_eq!(run.code, Some(4), "{run}");
    let all = format!("{}{}", run.stdout, run.stderr);
    assert!(all.contains("/nonexistent/nixci-socket"), "{run}");
}
