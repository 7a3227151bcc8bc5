//! `--watch`: runs again when the tree changes, and only then.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::support::{Project, nix, running::Running};

/// Waits until an event has come so often.
fn wait_for(watching: &Running, event: &str, count: usize) {
    let began = Instant::now();
    while count_of(watching, event) < count {
        let late = began.elapsed() > Duration::from_secs(60);
        assert!(
            !late,
            "no {count} times {event}: {}\n{}",
            watching.stdout(),
            watching.stderr()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

fn count_of(watching: &Running, event: &str) -> usize {
    let event = format!(r#""event":"{event}""#);
    watching.stdout().matches(&event).count()
}

#[test]
fn a_change_runs_again_and_an_ignored_file_does_not() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("a", "echo 1 > $out")
        .file(".gitignore", "out*\n")
        .committed();
    let flake = fs::read_to_string(project.dir().join("flake.nix")).unwrap();
    let change = |script: &str| project.write("flake.nix", &flake.replace("echo 1", script));
    let watching = project.start(&["check", "--watch", "--format", "json"]);
    wait_for(&watching, "run_finished", 1);
    project.write("out.txt", "ignored");
    thread::sleep(Duration::from_millis(600));
    change("echo 2");
    wait_for(&watching, "run_finished", 2);
    // A change in the middle of a run ends that one.
    change("read -r -t 60 _ <>/dev/ptmx || :; echo 3");
    wait_for(&watching, "step_started", 3);
    change("echo 4");
    wait_for(&watching, "run_finished", 4);
    watching.signal(Signal::INT);
    let finished = watching.finish();
    assert_eq!(finished.code, Some(130), "{finished}");
    let ends = finished
        .stdout
        .lines()
        .filter(|line| line.contains("run_finished"));
    let outcomes: Vec<&str> = ends
        .filter_map(|line| line.split(r#""outcome":""#).nth(1)?.split('"').next())
        .collect();
    assert_eq!(outcomes, ["passed", "passed", "cancelled", "passed"]);
}

#[test]
fn only_a_folder_can_be_watched() {
    let store = nix::newest().store();
    let project = Project::new(&store).committed();
    let run = project.nixci(&["check", "--watch", "github:a/b"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(
        run.stderr.contains("`--watch` needs a flake in a folder"),
        "{run}"
    );
}
