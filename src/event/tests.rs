use std::{collections::BTreeMap, time::Duration};

use super::{Counts, Event, EventKind, FORMAT, Outcome, RunOutcome};
use crate::nix::{StorePath, System};

fn event(kind: EventKind) -> Event {
    Event {
        at: "2026-11-20T12:00:00Z".parse().unwrap(),
        elapsed: Duration::from_millis(1500),
        kind,
    }
}

#[test]
fn an_event_is_one_flat_object() {
    let drv = StorePath::parse("/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok.drv").unwrap();
    let found = event(EventKind::CheckFound {
        check: "x86_64-linux.ok".into(),
        system: System::parse("x86_64-linux").unwrap(),
        name: "ok".into(),
        drv_path: drv,
        outputs: BTreeMap::from([("out".into(), None)]),
        extra: None,
    });
    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(
        json,
        r#"{"at":"2026-11-20T12:00:00Z","elapsed_ms":1500,"event":"check_found","check":"x86_64-linux.ok","system":"x86_64-linux","name":"ok","drv_path":"/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-ok.drv","outputs":{"out":null}}"#
    );
    assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), found);
}

#[test]
fn counts_are_keyed_by_outcome() {
    let mut counts = Counts::default();
    for outcome in [
        Outcome::Built,
        Outcome::Built,
        Outcome::DependencyFailed,
        Outcome::Unsupported,
    ] {
        counts.add(outcome);
    }
    let json = serde_json::to_string(&event(EventKind::RunFinished {
        outcome: RunOutcome::Failed,
        counts,
        duration: Duration::from_secs(2),
        exit_code: 1,
        error: None,
        allowed: 0,
    }))
    .unwrap();
    assert!(json.contains(r#""counts":{"built":2,"dependency_failed":1,"unsupported":1},"duration_ms":2000,"exit_code":1"#));
    assert_eq!(FORMAT, 1);
}

#[test]
fn every_outcome_is_passed_failed_or_neither() {
    for outcome in Outcome::ALL {
        assert!(!(outcome.is_passed() && outcome.is_failed()));
        assert_eq!(
            serde_json::to_string(&outcome).unwrap(),
            format!("\"{outcome}\"")
        );
    }
}
