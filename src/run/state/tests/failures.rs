//! What a failure means for what is above it, and what is tried again.

use super::*;
use crate::eval::EvalFailure;

#[test]
fn a_failure_is_told_once_and_named_as_the_cause_of_all_above() {
    let mut world = World::new(settings());
    world.find(&["a", "b", "c"]);
    world.plan(
        &["a", "b", "c"],
        vec![
            build("lib", &[]),
            build("a", &["lib"]),
            build("middle", &["lib"]),
            build("b", &["middle"]),
            build("c", &[]),
        ],
    );
    world.evaluation_ends();
    world.end("lib", failed());
    let causes: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            EventKind::CheckFinished {
                name,
                outcome,
                cause,
                reason,
                ..
            } => Some((name.as_str(), *outcome, cause.clone(), reason.as_deref())),
            _ => None,
        })
        .collect();
    let reason = Some("builder failed with exit code 1");
    assert_eq!(
        causes,
        [
            ("a", Outcome::DependencyFailed, Some(drv("lib")), reason),
            ("b", Outcome::DependencyFailed, Some(drv("lib")), reason),
        ]
    );
    assert_eq!(
        world.count(|event| matches!(event, EventKind::StepFinished { .. })),
        1
    );
    world.end("c", StepEnd::Built);
    assert_eq!(world.verdict(), Some((RunOutcome::Failed, 1)));
}

#[test]
fn a_check_found_after_the_failure_fails_at_once() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.plan(&["a"], vec![build("lib", &[]), build("a", &["lib"])]);
    world.end("lib", failed());
    world.find(&["b"]);
    world.plan(&["b"], vec![build("b", &["lib"])]);
    world.evaluation_ends();
    assert_eq!(
        world.outcomes(),
        [
            ("a", Outcome::DependencyFailed),
            ("b", Outcome::DependencyFailed)
        ]
    );
}

#[test]
fn what_is_cut_short_by_a_lost_machine_is_lost_with_it() {
    let mut world = World::new(settings());
    world.find(&["a", "b"]);
    world.plan(&["a", "b"], vec![build("a", &[]), build("b", &[])]);
    world.evaluation_ends();
    world.end("a", StepEnd::Infrastructure("no room".into()));
    world.end("b", StepEnd::Cancelled);
    assert_eq!(
        world.outcomes(),
        [
            ("a", Outcome::InfrastructureFailed),
            ("b", Outcome::InfrastructureFailed)
        ]
    );
}

#[test]
fn what_may_pass_is_tried_once_more() {
    for end in [
        StepEnd::Transient("try later".into()),
        StepEnd::Lost("connection lost".into()),
        StepEnd::Unreachable("no daemon".into()),
    ] {
        let mut world = World::new(settings());
        world.find(&["a"]);
        world.plan(&["a"], vec![build("a", &[])]);
        world.evaluation_ends();
        world.end("a", end.clone());
        assert_eq!(world.running(), ["a"]);
        assert!(!world.running[0].delay.is_zero());
        assert_eq!(
            world.count(|event| matches!(event, EventKind::StepRetrying { attempt: 2, .. })),
            1
        );
        let mut other = World::new(settings());
        std::mem::swap(&mut world, &mut other);
        other.end("a", StepEnd::Built);
        assert_eq!(other.verdict(), Some((RunOutcome::Passed, 0)), "{end:?}");
    }
}

#[test]
fn what_was_killed_may_pass_and_is_not_killed_again() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.plan(&["a"], vec![build("a", &[])]);
    world.evaluation_ends();
    world.end("a", StepEnd::Killed("builder was killed".into()));
    assert_eq!(world.outcomes(), [("a", Outcome::Failed)]);
    let may_pass =
        |event: &EventKind| matches!(event, EventKind::StepFinished { may_pass: true, .. });
    assert_eq!(world.count(may_pass), 1);
}

#[test]
fn what_fails_twice_for_want_of_the_daemon_is_no_fault_of_the_check() {
    let mut world = World::new(settings());
    world.find(&["a", "b"]);
    world.plan(&["a", "b"], vec![build("a", &[]), build("b", &["a"])]);
    world.evaluation_ends();
    world.end("a", StepEnd::Lost("gone".into()));
    world.end("a", StepEnd::Lost("gone again".into()));
    assert_eq!(
        world.outcomes(),
        [
            ("a", Outcome::InfrastructureFailed),
            ("b", Outcome::InfrastructureFailed)
        ]
    );
    assert_eq!(world.verdict(), Some((RunOutcome::Errored, 4)));
}

#[test]
fn a_full_disk_ends_the_run() {
    let mut world = World::new(settings());
    world.find(&["a", "b", "c"]);
    world.plan(
        &["a", "b", "c"],
        vec![build("a", &[]), build("b", &[]), build("c", &[])],
    );
    world.evaluation_ends();
    world.end(
        "a",
        StepEnd::Infrastructure("No space left on device".into()),
    );
    assert!(world.cancelled);
    world.end("b", StepEnd::Cancelled);
    assert_eq!(world.verdict(), Some((RunOutcome::Errored, 4)));
    assert_eq!(world.outcomes().len(), 3);
}

#[test]
fn real_failures_are_not_tried_again() {
    for (end, outcome) in [
        (failed(), Outcome::Failed),
        (StepEnd::TimedOut("timed out".into()), Outcome::TimedOut),
    ] {
        let mut world = World::new(settings());
        world.find(&["a"]);
        world.plan(&["a"], vec![build("a", &[])]);
        world.evaluation_ends();
        world.end("a", end);
        assert_eq!(world.outcomes(), [("a", outcome)]);
        assert_eq!(world.verdict(), Some((RunOutcome::Failed, 1)));
    }
}

#[test]
fn what_no_substituter_has_after_all_is_built() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    let a = PlannedStep {
        inputs: vec![path("x")],
        ..build("a", &[])
    };
    world.plan(&["a"], vec![substitute("x"), a]);
    world.evaluation_ends();
    world.end("x", StepEnd::NotSubstitutable("404".into()));
    assert_eq!(world.running(), ["x"]);
    assert!(!world.running[0].substitute && world.running[0].target == drv("x"));
    world.end("x", StepEnd::Built);
    world.end("a", StepEnd::Built);
    assert_eq!(world.verdict(), Some((RunOutcome::Passed, 0)));
}

#[test]
fn what_nobody_can_build_is_unsupported_at_once_and_fails_no_run() {
    let mut world = World::new(settings());
    world.find(&["a", "b"]);
    let unsupported = PlannedStep {
        how: How::Unsupported {
            reason: "no builder for riscv64-linux".into(),
        },
        ..build("a", &[])
    };
    world.plan(&["a", "b"], vec![unsupported, build("b", &["a"])]);
    world.evaluation_ends();
    assert_eq!(
        world.outcomes(),
        [("a", Outcome::Unsupported), ("b", Outcome::Unsupported)]
    );
    assert_eq!(world.verdict(), Some((RunOutcome::Passed, 0)));
    assert_eq!(world.running, []);
}

#[test]
fn a_failed_evaluation_costs_one_check() {
    let mut world = World::new(settings());
    world.give([Input::Evaluated(Evaluated::Failed {
        path: AttrPath::new(["x86_64-linux", "bad"]),
        error: EvalFailure {
            message: "oops".into(),
            ..EvalFailure::default()
        },
    })]);
    world.find(&["a"]);
    world.plan(&["a"], vec![build("a", &[])]);
    world.evaluation_ends();
    world.end("a", StepEnd::Built);
    assert_eq!(
        world.outcomes(),
        [("bad", Outcome::EvaluationFailed), ("a", Outcome::Built)]
    );
    assert_eq!(world.verdict(), Some((RunOutcome::Failed, 1)));
}

#[test]
fn the_log_of_a_failure_is_its_tail_with_what_came_before_counted() {
    use crate::run::StepNote;
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.plan(&["a"], vec![build("a", &[])]);
    let step = world.running[0].step;
    let mut notes = vec![
        StepNote::Building {
            machine: String::new(),
        },
        StepNote::Dropped(10),
    ];
    notes.extend((0..5).map(|i| StepNote::Line(format!("line {i}"))));
    notes.push(StepNote::Phase("checkPhase".into()));
    world.give([Input::Noted(step, notes)]);
    world.end("a", failed());
    let finished = world.events.iter().find_map(|event| match event {
        EventKind::StepFinished {
            log_tail,
            log_lines_before,
            phase,
            ..
        } => Some((log_tail.clone(), *log_lines_before, phase.clone())),
        _ => None,
    });
    assert_eq!(
        finished,
        Some((
            vec!["line 2".into(), "line 3".into(), "line 4".into()],
            12,
            Some("checkPhase".into())
        ))
    );
}
