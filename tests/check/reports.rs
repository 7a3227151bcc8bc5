//! What a run is written to besides what is shown.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rustix::process::Signal;

use crate::support::{
    Project, nix,
    running::{Finished, Running},
    store::TestStore,
};

fn mixed(store: &TestStore) -> Project<'_> {
    Project::new(store)
        .check("passes", "echo fine; echo > $out")
        .check("fails", "echo '</testsuite> & ]]> <b>'; exit 1")
        .expression("throws", r#"throw "<on> purpose""#)
        .committed()
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of the files in a folder.
fn files(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn folder(store: &TestStore) -> PathBuf {
    let dir = store.folder().join("reports");
    fs::create_dir(&dir).unwrap();
    dir
}

#[test]
fn every_report_of_a_run() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = mixed(&store);
        let dir = folder(&store);
        let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let run = project.nixci(&[
            "check",
            "--format",
            "json",
            "--junit",
            &path("junit.xml"),
            "--json",
            &path("events.jsonl"),
            "--markdown",
            &path("run.md"),
        ]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        assert_eq!(
            files(&dir),
            ["events.jsonl", "junit.xml", "run.md"],
            "Nix {nix}: {run}"
        );
        // What is shown and what is written are the same events.
        assert_eq!(read(&dir, "events.jsonl"), run.stdout, "Nix {nix}");
        let junit = read(&dir, "junit.xml");
        for text in [
            "<testsuites name=\"nixci\" tests=\"3\" failures=\"1\" errors=\"1\"",
            "&lt;/testsuite&gt; &amp; ]]&gt; &lt;b&gt;\n$ nix build ",
            "message=\"&lt;on&gt; purpose\" type=\"evaluation_failed\"",
        ] {
            assert!(junit.contains(text), "Nix {nix}: no {text} in {junit}");
        }
        let markdown = read(&dir, "run.md");
        for text in [
            "## ✖ nixci: `project`",
            "✔ 1 passed  ✖ 2 failed",
            "| `check-fails` | failed after ",
            "\n</testsuite> & ]]> <b>\n",
        ] {
            assert!(
                markdown.contains(text),
                "Nix {nix}: no {text} in {markdown}"
            );
        }
    }
}

#[test]
fn a_ci_gets_the_summary_of_a_step_by_itself() {
    let store = nix::newest().store().with_daemon();
    let project = mixed(&store);
    let dir = folder(&store);
    let run = |variables: &[(&str, &str)], more: &[&str]| -> Finished {
        let summary = dir.join("summary");
        let mut command = project.nixci_command(&[&["check", "--format", "plain"], more].concat());
        command.env("GITHUB_STEP_SUMMARY", summary);
        Running::start(command.envs(variables.iter().copied())).finish()
    };
    let github = ("GITHUB_ACTIONS", "true");
    for (variables, more) in [(&[][..], &[][..]), (&[github], &["--no-step-summary"])] {
        let run = run(variables, more);
        assert_eq!((run.code, files(&dir)), (Some(1), Vec::new()), "{run}");
    }
    for times in 1..=2 {
        let run = run(&[github], &[]);
        assert_eq!(run.code, Some(1), "{run}");
        let summary = read(&dir, "summary");
        assert_eq!(
            summary.matches("## ✖ nixci: `project`").count(),
            times,
            "{summary}"
        );
    }
    // What nobody asked for costs a warning at most.
    let run = run(&[github, ("GITHUB_STEP_SUMMARY", "/dev/full/x")], &[]);
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(
        run.stderr,
        "warning: cannot write to `/dev/full/x`: Not a directory (os error 20)\n"
    );
}

#[test]
fn a_run_that_is_stopped_is_written() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("passes", "echo > $out")
        .check("slow", "nap 60; echo > $out")
        .committed();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let dir = folder(&store);
        let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let arguments = [
            "check",
            "--format",
            "plain",
            "-v",
            "--junit",
            &path("junit.xml"),
            "--json",
            &path("events.jsonl"),
            "--markdown",
            &path("run.md"),
        ];
        let mut run = project.start(&arguments);
        run.wait_for("Building check-slow");
        run.wait_for("Passed x86_64-linux.passes");
        // What has happened is there while the run goes on.
        let first = read(&dir, "events.jsonl");
        assert!(
            first.starts_with("{\"at\":") && first.ends_with("}\n"),
            "{first:?}"
        );
        assert_eq!(files(&dir), ["events.jsonl"]);
        run.signal(signal);
        let run = run.finish();
        assert_eq!(run.code, Some(code), "{run}");
        assert!(
            read(&dir, "events.jsonl")
                .lines()
                .last()
                .unwrap()
                .contains("run_finished"),
            "{run}"
        );
        let junit = read(&dir, "junit.xml");
        assert!(
            junit.contains("tests=\"2\"") && junit.contains("<skipped message=\"cancelled\"/>"),
            "{junit}"
        );
        let markdown = read(&dir, "run.md");
        assert!(
            markdown.contains("## – nixci: `project`") && markdown.contains("stopped (SIG"),
            "{markdown}"
        );
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_written_is_wrong_usage() {
    let store = nix::newest().store();
    let project = mixed(&store);
    let dir = folder(&store);
    fs::create_dir(dir.join("folder")).unwrap();
    for option in ["--junit", "--json", "--markdown"] {
        for (name, why) in [
            ("folder", "is a directory"),
            ("no/such/file", "No such file or directory (os error 2)"),
        ] {
            let path = dir.join(name);
            let path = path.to_str().unwrap();
            let run = project.nixci(&["check", option, path]);
            assert_eq!((run.code, run.stdout.as_str()), (Some(2), ""), "{run}");
            assert_eq!(
                run.stderr,
                format!("error: cannot write to `{path}`: {why}\n")
            );
        }
    }
    let run = project.nixci(&["check", "--junit", "x", "--markdown", "x"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert_eq!(
        run.stderr,
        "error: `x` is named twice: give each report a file of its own\n"
    );
    let run = project.nixci(&["check", "--format", "json", "--junit", "-"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(
        run.stderr.contains("would both write to standard output"),
        "{run}"
    );
    assert!(!project.dir().join("x").exists());
}

#[test]
fn a_full_disk_costs_the_reports_and_not_the_run() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("passes", "echo > $out")
        .committed();
    let full = ["check", "--format", "plain", "--junit", "/dev/full"];
    let run = project.nixci(&full);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(
        run.stderr,
        "warning: cannot write to `/dev/full`: No space left on device (os error 28)\n"
    );
}

#[test]
fn standard_output_is_a_file_too() {
    let store = nix::newest().store().with_daemon();
    let project = mixed(&store);
    let run = project.nixci(&["check", "--format", "plain", "--junit", "-"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(
        run.stdout.starts_with("<?xml ") && run.stdout.ends_with("</testsuites>\n"),
        "{run}"
    );
    assert!(run.stderr.contains("Building check-fails"), "{run}");
}

#[test]
fn a_folder_that_only_others_may_write_to_is_named() {
    if rustix::process::getuid().is_root() {
        eprintln!("not tested: root may write everywhere");
        return;
    }
    let store = nix::newest().store();
    let project = mixed(&store);
    let dir = folder(&store);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o555)).unwrap();
    let path = dir.join("junit.xml");
    let run = project.nixci(&["check", "--junit", path.to_str().unwrap()]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.contains("permission denied"), "{run}");
}
