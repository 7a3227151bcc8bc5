//! Writes at certain times, of made-up repositories.

use super::Budget;
use crate::{
    config::WriteLimits,
    db::server::{DueStatus, RepositoryId, StatusId, StatusRow},
};

const LIMITS: WriteLimits = WriteLimits {
    per_minute: Some(10),
    per_hour: Some(40),
};
const SECOND: i64 = 1000;
const HOUR: i64 = 3600 * SECOND;

fn status(account: &str, repository: i64, is_of_check: bool) -> DueStatus {
    DueStatus {
        id: StatusId(1),
        repository: RepositoryId(repository),
        forge: "hub".into(),
        account: Some(account.into()),
        is_of_check,
        commit: "c".into(),
        run: None,
        row: StatusRow {
            context: "nixci/build".into(),
            state: "pending".into(),
            description: String::new(),
            target_url: String::new(),
        },
        version: 1,
        attempts: 0,
        is_uncertain: false,
        remote: None,
        annotated_by: None,
        needs_approval: false,
    }
}

fn run(repository: i64) -> DueStatus {
    status("acme", repository, false)
}

fn check(repository: i64) -> DueStatus {
    status("acme", repository, true)
}

/// Tells a state every `pace` milliseconds as often as that is allowed until a time. Returns how often that was.
fn tell(budget: &mut Budget, due: &DueStatus, from: i64, until: i64, pace: i64) -> usize {
    let mut told = 0;
    let mut now = from;
    while now < until {
        if budget.allows(LIMITS, due, now) {
            budget.note(due, now);
            told += 1;
        }
        now += pace;
    }
    told
}

#[test]
fn no_minute_and_no_hour_has_more_than_its_limit() {
    let mut budget = Budget::default();
    // Of so many repositories that none has its share.
    let mut at = Vec::new();
    for now in (0..3 * HOUR).step_by(500) {
        let due = run(now / 500 % 50);
        if budget.allows(LIMITS, &due, now) {
            budget.note(&due, now);
            at.push(now);
        }
    }
    assert_eq!(at.len(), 3 * 40, "all that may be is told");
    for (window, limit) in [(60 * SECOND, 10), (HOUR, 40)] {
        for begin in &at {
            let inside = at.iter().filter(|at| (*begin..begin + window).contains(at));
            assert!(inside.count() <= limit, "{window} ms from {begin}");
        }
    }
}

#[test]
fn one_repository_leaves_something_to_the_others() {
    let mut budget = Budget::default();
    assert_eq!(tell(&mut budget, &check(1), 0, HOUR / 2, SECOND), 10);
    assert_eq!(tell(&mut budget, &run(1), HOUR / 2, HOUR, SECOND), 20);
    // The rest of the hour is for the runs of others; checks have theirs.
    let now = HOUR - SECOND;
    assert!(!budget.allows(LIMITS, &check(2), now));
    assert_eq!(tell(&mut budget, &run(2), now, now + 1, 1), 1);
    // Another account has its own.
    assert!(budget.allows(LIMITS, &status("us", 3, true), now));
}

#[test]
fn checks_never_take_what_runs_need() {
    let mut budget = Budget::default();
    let told: usize = (1..=9)
        .map(|repository| tell(&mut budget, &check(repository), 0, HOUR / 2, 60 * SECOND))
        .sum();
    assert_eq!(told, 30);
    assert_eq!(
        tell(&mut budget, &run(10), HOUR / 2, HOUR - SECOND, SECOND),
        10
    );
    assert!(!budget.allows(LIMITS, &run(11), HOUR - SECOND));
    // An hour later all is as it was.
    assert!(budget.allows(LIMITS, &check(1), 2 * HOUR));
    // Nor is a minute all theirs: a verdict does not wait for the next.
    let now = 2 * HOUR;
    let checks: usize = (1..=20)
        .map(|repository| tell(&mut budget, &check(repository), now, now + SECOND, SECOND))
        .sum();
    assert_eq!(checks, 7);
    assert_eq!(
        tell(&mut budget, &run(1), now, now + SECOND, SECOND / 10),
        3
    );
}

#[test]
fn without_limits_nothing_waits_and_the_least_limit_still_tells_something() {
    let mut budget = Budget::default();
    let none = WriteLimits::default();
    for _ in 0..1000 {
        assert!(budget.allows(none, &check(1), 0));
        budget.note(&check(1), 0);
    }
    let least = WriteLimits {
        per_minute: Some(1),
        per_hour: Some(1),
    };
    let budget = Budget::default();
    assert!(budget.allows(least, &run(1), 0) && budget.allows(least, &check(1), 0));
}

#[test]
fn an_account_that_a_forge_has_enough_of_does_not_hold_up_the_others() {
    let mut budget = Budget::default();
    let others = status("others", 2, false);
    budget.shut(&run(1), 60 * SECOND);
    assert!(!budget.allows(LIMITS, &run(1), 59 * SECOND));
    assert!(budget.allows(LIMITS, &others, 0));
    budget.shut(&others, 90 * SECOND);
    assert_eq!(budget.opens(0), Some(60 * SECOND));
    assert!(budget.allows(LIMITS, &run(1), 60 * SECOND));
    assert_eq!(budget.opens(60 * SECOND), Some(90 * SECOND));
    assert_eq!(budget.opens(90 * SECOND), None);
}
