//! Schedules at certain times.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::{Plan, Wanted, plan, wanted};
use crate::{
    config::{Cron, RepositoryPattern, Schedule, ServerSchedule},
    db::server::{
        OwnRules, OwnSchedule, Repository, RepositoryId, RunId, ScheduleKey, ScheduleOrigin,
        ScheduleRow, SeenRepository,
    },
};

fn millis(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_millisecond()
}

fn key(name: &str) -> ScheduleKey {
    ScheduleKey {
        repository: RepositoryId(1),
        origin: ScheduleOrigin::Server,
        name: name.into(),
    }
}

fn nightly() -> Wanted {
    Wanted {
        key: key("nightly"),
        cron: Cron::parse("30 2 * * *").unwrap(),
        branch: "main".into(),
    }
}

/// What is known of it, with all dealt with until then.
fn row(done_until: &str) -> ScheduleRow {
    ScheduleRow {
        key: key("nightly"),
        cron: "30 2 * * *".into(),
        branch: "main".into(),
        done_until: millis(done_until),
        run: Some(RunId(7)),
        problem: None,
    }
}

fn look(known: Option<ScheduleRow>, now: &str) -> Plan {
    let known = known.into_iter().collect();
    plan(vec![nightly()], known, &HashMap::new(), millis(now))
}

#[test]
fn what_is_new_is_not_due_until_its_next_time() {
    let found = look(None, "2026-11-27T12:00:00Z");
    assert_eq!(
        found.put,
        [ScheduleRow {
            run: None,
            ..row("2026-11-27T12:00:00Z")
        }]
    );
    assert!(found.due.is_empty());
    assert_eq!(found.next, Some(millis("2026-11-28T02:30:00Z")));
}

#[test]
fn it_is_due_from_its_time_on_until_it_is_dealt_with() {
    let known = row("2026-11-27T12:00:00Z");
    let found = look(Some(known.clone()), "2026-11-28T02:29:59.999Z");
    assert_eq!(found.due, []);
    assert_eq!(found.next, Some(millis("2026-11-28T02:30:00Z")));
    for now in ["2026-11-28T02:30:00Z", "2026-11-28T02:30:41Z"] {
        let found = look(Some(known.clone()), now);
        assert_eq!(found.due, std::slice::from_ref(&known));
        assert_eq!((found.put, found.gone, found.next), (vec![], vec![], None));
    }
    // Dealt with in the very moment in which it was due.
    let found = look(Some(row("2026-11-28T02:30:00Z")), "2026-11-28T02:30:00Z");
    assert_eq!(found.due, []);
    assert_eq!(found.next, Some(millis("2026-11-29T02:30:00Z")));
}

#[test]
fn what_was_missed_many_times_is_due_once() {
    let found = look(Some(row("2024-01-01T00:00:00Z")), "2026-11-28T12:00:00Z");
    assert_eq!(found.due.len(), 1);
    let found = look(Some(row("2026-11-28T12:00:00Z")), "2026-11-28T12:00:00Z");
    assert_eq!(found.due.len(), 0);
}

#[test]
fn a_clock_that_was_ahead_makes_nothing_due_and_holds_nothing_up() {
    let found = look(Some(row("2030-01-01T00:00:00Z")), "2026-11-28T12:00:00Z");
    assert_eq!(found.put, [row("2026-11-28T12:00:00Z")]);
    assert_eq!(found.due, []);
    assert_eq!(found.next, Some(millis("2026-11-29T02:30:00Z")));
    // Set back by little, nothing is due twice.
    let found = look(Some(row("2026-11-28T02:30:01Z")), "2026-11-28T02:30:00Z");
    assert_eq!((found.due, found.put), (vec![], vec![]));
}

#[test]
fn other_times_count_from_now_and_another_branch_changes_no_time() {
    let hourly = ScheduleRow {
        cron: "0 * * * *".into(),
        ..row("2026-11-20T00:00:00Z")
    };
    let found = look(Some(hourly), "2026-11-27T12:00:00Z");
    assert_eq!(found.put, [row("2026-11-27T12:00:00Z")]);
    assert_eq!(found.due, []);
    let other = ScheduleRow {
        branch: "other".into(),
        ..row("2026-11-27T12:00:00Z")
    };
    let found = look(Some(other), "2026-11-28T12:00:00Z");
    assert_eq!(found.put, [row("2026-11-27T12:00:00Z")]);
    assert_eq!(found.due, found.put);
}

#[test]
fn what_is_put_off_is_due_later_and_what_is_not_wanted_goes() {
    let now = millis("2026-11-28T12:00:00Z");
    let known = row("2026-11-20T00:00:00Z");
    let put_off = HashMap::from([(key("nightly"), now + 1)]);
    let found = plan(vec![nightly()], vec![known.clone()], &put_off, now);
    assert_eq!((found.due, found.next), (vec![], Some(now + 1)));
    let found = plan(vec![nightly()], vec![known.clone()], &put_off, now + 1);
    assert_eq!((found.due.len(), found.next), (1, None));
    let found = plan(vec![], vec![known], &HashMap::new(), now);
    assert_eq!(
        found,
        Plan {
            gone: vec![key("nightly")],
            ..Plan::default()
        }
    );
}

#[test]
fn settings_and_repositories_want_what_is_theirs() {
    let repository = |id, name: &str, schedules: Vec<OwnSchedule>| Repository {
        id: RepositoryId(id),
        seen: SeenRepository {
            forge: "work".into(),
            forge_id: id.to_string(),
            full_name: name.into(),
            default_branch: "trunk".into(),
            private: false,
            installation: None,
        },
        enabled: true,
        paused: false,
        problem: None,
        rules: OwnRules {
            schedules,
            ..OwnRules::default()
        },
    };
    let own = |cron: &str, branch: Option<&str>| OwnSchedule {
        name: "nightly".into(),
        cron: cron.into(),
        branch: branch.map(str::to_owned),
    };
    let of_server = ServerSchedule {
        schedule: Schedule {
            name: "nightly".into(),
            cron: Cron::parse("@daily").unwrap(),
            branch: None,
        },
        repositories: Some(vec![
            RepositoryPattern::parse("acme/*", &BTreeMap::new()).unwrap(),
        ]),
    };
    let off = Repository {
        enabled: false,
        ..repository(4, "acme/old", vec![own("@daily", None)])
    };
    let repositories = [
        repository(1, "acme/one", vec![own("@weekly", Some("next"))]),
        repository(2, "us/two", vec![own("what this version takes not", None)]),
        repository(3, "acme/three", vec![]),
        off,
    ];
    let found = wanted(&[of_server], repositories.iter());
    let shown: Vec<_> = found
        .iter()
        .map(|found| {
            let (key, cron) = (&found.key, found.cron.as_str());
            format!(
                "{} {} {} {cron} {}",
                key.repository.0,
                key.origin.as_str(),
                key.name,
                found.branch
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "1 server nightly @daily trunk",
            "1 repository nightly @weekly next",
            "3 server nightly @daily trunk"
        ]
    );
}
