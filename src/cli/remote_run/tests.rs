use std::{collections::HashMap, time::Duration};

use serde_json::json;

use super::{Cut, Here, Nonsense, PATH_BYTES_MAX, RemoteRun};
use crate::{
    event::{Counts, Event, EventKind, Outcome, RunOutcome},
    run::Stop,
};

const DRV: &str = "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok.drv";

fn line(event: &str, fields: serde_json::Value) -> Vec<u8> {
    let mut object = json!({"event": event, "at": "2026-01-01T00:00:00Z", "elapsed_ms": 1});
    let serde_json::Value::Object(fields) = fields else {
        panic!("{fields}");
    };
    object.as_object_mut().unwrap().extend(fields);
    serde_json::to_vec(&object).unwrap()
}

fn started() -> Vec<u8> {
    line(
        "run_started",
        json!({
            "format": 1, "run": "../../etc", "flake": "path:/nix/store/x", "title": "x", "revision": "there",
            "attribute": "checks", "systems": [], "evaluator": "builtin", "nix_version": "2.34.8", "slots": 1,
            "eval_workers": 1
        }),
    )
}

fn found(check: &str) -> Vec<u8> {
    let check =
        json!({"check": check, "system": "x", "name": check, "drv_path": DRV, "outputs": {}});
    line("check_found", check)
}

fn ended(check: &str, outcome: &str) -> Vec<u8> {
    let check = json!({
        "check": check, "system": "x", "name": check, "outcome": outcome, "duration_ms": u64::MAX, "outputs": {},
        "previous": "failed"
    });
    line("check_finished", check)
}

fn finished(outcome: &str, exit_code: u8) -> Vec<u8> {
    let run = json!({
        "outcome": outcome, "counts": {"built": usize::MAX}, "duration_ms": 5, "exit_code": exit_code, "allowed": 7
    });
    line("run_finished", run)
}

fn begun() -> RemoteRun {
    let mut run = RemoteRun::new(Here {
        run: "id".into(),
        flake: ".".into(),
        title: "here".into(),
        revision: None,
        previous: HashMap::from([("a".to_owned(), Outcome::Cached)]),
    });
    assert_eq!(run.take(&started()).unwrap().len(), 1);
    run
}

/// The checks that end by these events, with how they do.
fn ends(happened: &[EventKind]) -> Vec<(&str, Outcome)> {
    let end = |kind| {
        let &EventKind::CheckFinished {
            ref check, outcome, ..
        } = kind
        else {
            return None;
        };
        Some((check.as_str(), outcome))
    };
    happened.iter().filter_map(end).collect()
}

fn verdict(happened: &[EventKind]) -> (RunOutcome, u8, Counts) {
    let Some(EventKind::RunFinished {
        outcome,
        exit_code,
        counts,
        ..
    }) = happened.last()
    else {
        panic!("{happened:?}");
    };
    (*outcome, *exit_code, counts.clone())
}

#[test]
fn names_are_those_of_this_machine() {
    let mut run = RemoteRun::new(Here {
        run: "id".into(),
        flake: ".".into(),
        title: "here".into(),
        ..Here::default()
    });
    let happened = run.take(&started()).unwrap();
    let [
        EventKind::RunStarted {
            run: id,
            flake,
            title,
            revision,
            ..
        },
    ] = happened.as_slice()
    else {
        panic!("{happened:?}");
    };
    assert_eq!(
        (id.as_str(), flake.as_str(), title.as_str()),
        ("id", ".", "here")
    );
    assert_eq!(revision.as_deref(), Some("there"));
}

#[test]
fn a_check_is_found_once_ends_once_and_is_compared_with_what_is_known_here() {
    let mut run = begun();
    assert_eq!(run.take(&found("a")).unwrap().len(), 1);
    assert_eq!(run.take(&found("a")).unwrap().len(), 0);
    let happened = run.take(&ended("a", "built")).unwrap();
    let [
        EventKind::CheckFinished {
            previous, duration, ..
        },
    ] = happened.as_slice()
    else {
        panic!("{happened:?}");
    };
    assert_eq!(*previous, Some(Outcome::Cached));
    // Many of them can be added up.
    assert!(*duration * 100_000 > Duration::ZERO);
    assert_eq!(run.take(&ended("a", "failed")).unwrap().len(), 0);
    assert_eq!(run.take(&found("a")).unwrap().len(), 0);
    let happened = run.take(&finished("passed", 0)).unwrap();
    let (outcome, code, counts) = verdict(&happened);
    assert_eq!((outcome, code), (RunOutcome::Passed, 0));
    assert_eq!((counts.total(), counts.of(Outcome::Built)), (1, 1));
    assert_eq!(run.exit_code(), Some(0));
}

#[test]
fn what_has_no_end_gets_one() {
    let mut run = begun();
    for check in ["b", "a", "c"] {
        run.take(&found(check)).unwrap();
    }
    run.take(&ended("c", "built")).unwrap();
    let happened = run.take(&finished("passed", 0)).unwrap();
    let lost = Outcome::InfrastructureFailed;
    assert_eq!(ends(&happened), [("a", lost), ("b", lost)]);
    let (outcome, code, counts) = verdict(&happened);
    assert_eq!((outcome, code), (RunOutcome::Errored, 4));
    assert_eq!(counts.of(lost), 2);
}

#[test]
fn a_run_that_falls_silent_is_ended_here() {
    let step =
        json!({"drv_path": DRV, "name": "ok", "system": "x", "machine": "", "checks": ["a"]});
    for (cut, check_end, expected) in [
        (
            Cut::Lost("gone"),
            Outcome::InfrastructureFailed,
            (RunOutcome::Errored, 4),
        ),
        (
            Cut::Stopped(Stop::Terminate),
            Outcome::Cancelled,
            (RunOutcome::Cancelled, 143),
        ),
    ] {
        let mut run = begun();
        run.take(&found("a")).unwrap();
        run.take(&line("step_started", step.clone())).unwrap();
        let happened = run.cut(cut, Duration::from_secs(1));
        assert_eq!(ends(&happened), [("a", check_end)]);
        let has_ended = |kind: &EventKind| {
            matches!(
                kind,
                EventKind::StepFinished {
                    outcome: Outcome::Cancelled,
                    ..
                }
            )
        };
        assert!(happened.iter().any(has_ended), "{happened:?}");
        let (outcome, code, _) = verdict(&happened);
        assert_eq!((outcome, code), expected);
    }
}

#[test]
fn nonsense_is_named() {
    let mut run = RemoteRun::new(Here::default());
    let nonsense = run.take(&found("a")).unwrap_err();
    assert!(matches!(nonsense, Nonsense::Order(_)), "{nonsense}");
    let future = String::from_utf8(started())
        .unwrap()
        .replace("\"format\":1", "\"format\":2");
    assert_eq!(
        run.take(future.as_bytes()).unwrap_err(),
        Nonsense::Format(2)
    );
    for text in [
        "",
        "Welcome!\u{1b}[2J",
        "{}",
        "[]",
        "3",
        "{\"event\":3}",
        "{\"event\":",
    ] {
        let nonsense = run.take(text.as_bytes()).unwrap_err();
        assert_eq!(nonsense, Nonsense::NoEvent(text.to_owned()));
        assert!(!nonsense.to_string().contains('\u{1b}'));
    }
    let mut run = begun();
    assert!(run.take(&started()).is_err());
    assert!(run.take(&found(&"x".repeat(PATH_BYTES_MAX + 1))).is_err());
    run.take(&finished("passed", 0)).unwrap();
    assert!(
        run.take(&found("a")).is_err(),
        "nothing comes after the end"
    );
}

#[test]
fn what_a_newer_nixci_tells_besides_is_left_out() {
    let mut run = begun();
    let happened = run
        .take(&line("moon_rose", json!({"phase": "full"})))
        .unwrap();
    assert_eq!(happened, []);
}

proptest::proptest! {
    /// Whatever comes in, what goes out can be read again, and each check ends at most once.
    #[test]
    fn events_in_any_order_make_a_run(events in crate::report::any_events()) {
        let mut run = begun();
        let mut out = Vec::new();
        for event in events {
            let line = serde_json::to_vec(&event).unwrap();
            out.extend(run.take(&line).unwrap_or_default());
        }
        if run.exit_code().is_none() {
            out.extend(run.cut(Cut::Lost("x"), Duration::ZERO));
        }
        let mut names: Vec<&str> = ends(&out).into_iter().map(|(name, _)| name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        proptest::prop_assert_eq!(names.len(), all);
        let ends = out.iter().filter(|kind| matches!(kind, EventKind::RunFinished { .. }));
        proptest::prop_assert_eq!(ends.count(), 1);
        let (_, _, counts) = verdict(&out);
        proptest::prop_assert_eq!(counts.total(), all);
        for kind in out {
            let event = Event { at: jiff::Timestamp::UNIX_EPOCH, elapsed: Duration::ZERO, kind };
            proptest::prop_assert!(serde_json::to_vec(&event).is_ok());
        }
    }
}
