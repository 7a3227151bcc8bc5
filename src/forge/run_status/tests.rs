use std::time::Duration;

use super::{FAILURES_MAX, News, RunStatuses, StatusContexts, StatusState};
use crate::{
    event::{Counts, Event, EventKind, Outcome, RunOutcome},
    nix::{StorePath, System},
};

fn event(kind: EventKind) -> Event {
    Event {
        at: jiff::Timestamp::UNIX_EPOCH,
        elapsed: Duration::ZERO,
        kind,
    }
}

fn started() -> Event {
    event(EventKind::RunStarted {
        format: 1,
        run: "r".into(),
        flake: ".".into(),
        title: "t".into(),
        revision: None,
        attribute: "checks".into(),
        systems: Vec::new(),
        evaluator: "builtin".into(),
        nix_version: "2.34".into(),
        slots: 1,
        eval_workers: 1,
    })
}

fn evaluated(checks: usize, failed: usize) -> Event {
    event(EventKind::EvaluationFinished {
        checks,
        failed,
        duration: Duration::ZERO,
        cached: false,
        systems_available: Vec::new(),
    })
}

fn finished(check: &str, outcome: Outcome, cause: Option<&str>, reason: Option<&str>) -> Event {
    event(EventKind::CheckFinished {
        check: check.into(),
        system: System::of_derivation("x86_64-linux"),
        name: check.into(),
        drv_path: None,
        kind: None,
        outcome,
        duration: Duration::ZERO,
        outputs: std::collections::BTreeMap::new(),
        cause: cause.map(|name| {
            StorePath::parse(&format!(
                "/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-{name}"
            ))
            .unwrap()
        }),
        reason: reason.map(str::to_owned),
        previous: None,
        allowed: false,
    })
}

fn ended(outcome: RunOutcome, all: &[Outcome], error: Option<&str>) -> Event {
    let mut counts = Counts::default();
    for outcome in all {
        counts.add(*outcome);
    }
    event(EventKind::RunFinished {
        outcome,
        counts,
        duration: Duration::ZERO,
        exit_code: 0,
        allowed: 0,
        error: error.map(str::to_owned),
    })
}

fn told(events: &[Event]) -> String {
    let mut statuses = RunStatuses::new(StatusContexts::new("nixci"));
    let news = events.iter().flat_map(|event| statuses.observe(event));
    let lines = news.map(|news| match news {
        News::Status(status) => format!(
            "{:?} {}: {}",
            status.state, status.context, status.description
        ),
        News::Passed { context } => format!("passed {context}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_with_every_kind_of_failure() {
    insta::assert_snapshot!(told(&[
        started(),
        evaluated(5, 1),
        finished("x.good", Outcome::Cached, None, None),
        finished(
            "x.bad",
            Outcome::Failed,
            None,
            Some("builder failed with exit code 1\nmore")
        ),
        finished(
            "x.needs",
            Outcome::DependencyFailed,
            Some("library-1.0.drv"),
            None
        ),
        finished(
            "x.throws",
            Outcome::EvaluationFailed,
            None,
            Some("\nerror: no\n")
        ),
        finished("x.late", Outcome::TimedOut, None, None),
        finished(
            "x.lost",
            Outcome::InfrastructureFailed,
            None,
            Some("the disk is full")
        ),
        finished("x.other", Outcome::Unsupported, None, None),
        ended(
            RunOutcome::Failed,
            &[Outcome::Cached, Outcome::Failed, Outcome::Unsupported],
            None
        ),
    ]));
}

#[test]
fn a_run_without_an_end_of_its_evaluation_leaves_nothing_pending() {
    insta::assert_snapshot!(told(&[started(), ended(RunOutcome::Cancelled, &[], None)]));
}

#[test]
fn a_flake_that_cannot_be_evaluated() {
    let failed = event(EventKind::EvaluationFailed {
        check: None,
        error: "syntax error, unexpected '}'\nat flake.nix:3".into(),
        file: None,
        line: None,
        column: None,
        allowed: false,
    });
    insta::assert_snapshot!(told(&[
        started(),
        failed,
        ended(
            RunOutcome::Errored,
            &[],
            Some("syntax error, unexpected '}'")
        ),
    ]));
}

#[test]
fn many_failures_are_capped() {
    let mut statuses = RunStatuses::new(StatusContexts::new("nixci"));
    let count: usize = (0..500)
        .map(|n| {
            let event = finished(&format!("x.{n}"), Outcome::Failed, None, None);
            let news = statuses.observe(&event);
            assert!(news.iter().all(|news| matches!(
                news, News::Status(status) if status.state == StatusState::Failure
            )));
            news.len()
        })
        .sum();
    assert_eq!(count, FAILURES_MAX);
}
