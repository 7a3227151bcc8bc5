//! The JSON stream and the plain output of a whole run, as a whole.

use crate::{
    Events,
    support::{Project, nix, redact::redact},
};

/// The lines with the one that has this text put last: builds start while the evaluation runs, so it may stand anywhere.
fn in_order(text: &str, last: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| line.contains(last));
    lines.join("\n")
}

#[test]
fn the_json_stream_is_what_the_design_says() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .binding("lib", r#"build "lib" "echo '@nix {\"action\":\"setPhase\",\"phase\":\"buildPhase\"}' >&2; echo compiling; exit 3" { }"#)
        .expression("app", r#"build "app" "echo ${lib} > $out" { }"#)
        .committed();
    let run = project.nixci(&[
        "check",
        "--format",
        "json",
        "-j",
        "1",
        "--eval-workers",
        "1",
        "--evaluator",
        "builtin",
    ]);
    assert_eq!(run.code, Some(1), "{run}");
    let events = Events::of(&run);
    for event in &events.0 {
        for field in ["event", "at", "elapsed_ms"] {
            assert!(!event[field].is_null(), "{event}");
        }
    }
    assert_eq!(events.0[0]["event"], "run_started");
    assert_eq!(events.0.last().unwrap()["event"], "run_finished");
    insta::assert_snapshot!(redact(&in_order(&run.stdout, "evaluation_finished")));
}

#[test]
fn plain_output_of_a_whole_run() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("passes", "echo > $out")
        .failing("fails")
        .committed();
    let run = project.nixci(&[
        "check",
        "--format",
        "plain",
        "-j",
        "1",
        "--eval-workers",
        "1",
        "--evaluator",
        "builtin",
    ]);
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(run.stderr, "", "{run}");
    // A long second makes a longer text.
    insta::with_settings!({filters => [(r"\d+\.\ds", "0.0s")]}, {
        insta::assert_snapshot!(redact(&in_order(&run.stdout, "Evaluated ")));
    });
}
