//! Signals, and readers that go away.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    Events,
    support::{AT_ONCE, PATIENCE, Project, nix, project::ENDLESS, running::Running, wait_until},
};

#[test]
fn a_signal_ends_builders_at_once_and_says_what_was_done() {
    for nix in nix::all() {
        for with_daemon in [true, false] {
            for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
                let store = if with_daemon {
                    nix.store().with_daemon()
                } else {
                    nix.store()
                };
                let project = Project::new(&store)
                    .check("quick", "echo > $out")
                    .check("slow", ENDLESS)
                    .check("waits", "nap 60; echo > $out")
                    .committed();
                let mut run = project.start(&[
                    "check",
                    "--format",
                    "json",
                    "--log",
                    "-j",
                    "1",
                    "--eval-workers",
                    "1",
                ]);
                run.wait_for("\"it runs\"");
                let asked = Instant::now();
                run.signal(signal);
                let run = run.finish();
                let context = format!("Nix {nix}, daemon {with_daemon}: {run}");
                assert!(asked.elapsed() < AT_ONCE, "{context}");
                assert_eq!(store.wait_until_idle(AT_ONCE), [], "{context}");
                assert_eq!(run.code, Some(code), "{context}");
                let events = Events::of(&run);
                assert_eq!(events.check("slow")["outcome"], "cancelled", "{context}");
                assert_eq!(events.check("waits")["outcome"], "cancelled", "{context}");
                let end = events.one("run_finished");
                assert_eq!(
                    (&end["outcome"], &end["exit_code"]),
                    (&"cancelled".into(), &code.into())
                );
            }
        }
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("slow", ENDLESS).committed();
    let mut run = project.start(&["check", "--format", "json", "--log"]);
    run.wait_for("\"it runs\"");
    run.signal(Signal::INT);
    run.signal(Signal::INT);
    let asked = Instant::now();
    let run = run.finish();
    assert!(asked.elapsed() < AT_ONCE, "{run}");
    assert_eq!(run.code, Some(130), "{run}");
    assert_eq!(store.wait_until_idle(AT_ONCE), []);
}

#[test]
fn a_second_signal_ends_it_although_nobody_reads_its_output() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check(
            "chatty",
            "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyy; done",
        )
        .committed();
    let mut command = project.nixci_command(&["check", "--format", "json", "--log"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // Enough to fill the pipe.
    thread::sleep(Duration::from_secs(3));
    let id = rustix::process::Pid::from_child(&child);
    let asked = Instant::now();
    let ended = loop {
        // Two that come before it looks are one.
        rustix::process::kill_process(id, Signal::TERM).unwrap();
        thread::sleep(Duration::from_millis(100));
        let ended = child.try_wait().unwrap();
        if ended.is_some() || asked.elapsed() > AT_ONCE {
            break ended;
        }
    };
    let _ = child.kill();
    assert_eq!(ended.and_then(|status| status.code()), Some(143));
    assert_eq!(store.wait_until_idle(AT_ONCE), []);
}

#[test]
fn a_signal_ends_the_evaluation_too() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let slow = "builtins.foldl' (sum: n: sum + builtins.length (builtins.genList (x: x) 1000)) 0 (builtins.genList (x: x) 100000000)";
        let project = Project::new(&store)
            .check("quick", "echo > $out")
            .expression("slow", slow)
            .committed();
        let mut run = project.start(&["check", "--format", "json", "--evaluator", "builtin"]);
        run.wait_for("run_started");
        thread::sleep(Duration::from_millis(1500));
        run.signal(Signal::TERM);
        let asked = Instant::now();
        let run = run.finish();
        assert!(asked.elapsed() < AT_ONCE, "Nix {nix}: {run}");
        assert_eq!(run.code, Some(143), "Nix {nix}: {run}");
        assert_eq!(store.wait_until_idle(AT_ONCE), [], "Nix {nix}: {run}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("a", "nap 1; echo > $out")
        .check("slow", "nap 60; echo > $out")
        .committed();
    let mut command = project.nixci_command(&["check", "--format", "json", "--log"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.contains("run_started"));
    wait_until("its end", || child.try_wait().unwrap().is_some());
    let run = child.wait_with_output().unwrap();
    assert_eq!(run.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&run.stderr), "");
    assert_eq!(store.wait_until_idle(AT_ONCE), []);
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_said_so() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    for arguments in [
        &["check", "--format", "plain"][..],
        &["check", "--format", "json"],
        &["eval"],
    ] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut command = project.nixci_command(arguments);
        let mut child = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        wait_until("its end", || child.try_wait().unwrap().is_some());
        let run = child.wait_with_output().unwrap();
        assert_eq!(run.status.code(), Some(4));
        assert_eq!(
            String::from_utf8_lossy(&run.stderr),
            "error: cannot write the output: No space left on device (os error 28)\n",
            "{arguments:?}"
        );
    }
}

#[test]
fn two_runs_at_once_in_one_checkout_both_work() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("a", "nap 1; echo > $out")
        .check("b", "nap 1; echo > $out")
        .committed();
    let runs: Vec<Running> = (0..2)
        .map(|_| project.start(&["check", "--format", "json"]))
        .collect();
    for run in runs {
        let run = run.finish();
        assert_eq!(run.code, Some(0), "{run}");
        assert_eq!(Events::of(&run).outcomes().len(), 2);
        assert!(
            run.elapsed < PATIENCE,
            "nobody waits for a lock to be polled: {run}"
        );
    }
}
