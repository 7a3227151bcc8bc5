//! How a run ends, and that every check ends exactly once whatever happens.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::{
    eval::{EvalError, EvalFailure},
    run::Stop,
};

#[test]
fn no_checks_are_no_failure() {
    let mut world = World::new(settings());
    world.evaluation_ends();
    assert_eq!(world.verdict(), Some((RunOutcome::Passed, 0)));
}

#[test]
fn a_signal_ends_the_run_with_its_exit_code_when_what_runs_is_gone() {
    for (stop, code) in [
        (Stop::Interrupt, 130),
        (Stop::Terminate, 143),
        (Stop::Hangup, 129),
        (Stop::OutputClosed, 141),
    ] {
        let mut world = World::new(settings());
        world.find(&["a", "b", "c"]);
        world.plan(
            &["a", "b", "c"],
            vec![build("a", &[]), build("b", &[]), build("c", &[])],
        );
        world.give([Input::Stop(stop)]);
        world.end("a", StepEnd::Built);
        world.end("b", StepEnd::Cancelled);
        assert_eq!(world.exit_code, None, "the evaluation still runs");
        world.give([Input::EvaluationEnded {
            result: Err(EvalError::Cancelled),
            cached: false,
        }]);
        assert_eq!(
            world.outcomes(),
            [
                ("a", Outcome::Built),
                ("b", Outcome::Cancelled),
                ("c", Outcome::Cancelled)
            ]
        );
        assert_eq!(world.verdict(), Some((RunOutcome::Cancelled, code)));
    }
}

#[test]
fn an_evaluation_that_fails_as_a_whole_is_exit_code_3_and_a_broken_evaluator_4() {
    let flake = EvalError::Flake(EvalFailure {
        message: "syntax error".into(),
        ..EvalFailure::default()
    });
    for (error, code) in [(flake, 3), (EvalError::Infrastructure("no nix".into()), 4)] {
        let mut world = World::new(settings());
        world.give([Input::EvaluationEnded {
            result: Err(error),
            cached: false,
        }]);
        assert_eq!(world.verdict(), Some((RunOutcome::Errored, code)));
        assert_eq!(
            world.count(|event| matches!(event, EventKind::EvaluationFailed { check: None, .. })),
            1
        );
    }
}

#[test]
fn fail_fast_cancels_what_runs() {
    let mut world = World::new(RunSettings {
        fail_fast: true,
        ..settings()
    });
    world.find(&["a", "b", "c"]);
    world.plan(
        &["a", "b", "c"],
        vec![build("a", &[]), build("b", &[]), build("c", &[])],
    );
    world.evaluation_ends();
    world.end("a", failed());
    assert!(world.cancelled);
    world.end("b", StepEnd::Cancelled);
    assert_eq!(
        world.outcomes(),
        [
            ("a", Outcome::Failed),
            ("b", Outcome::Cancelled),
            ("c", Outcome::Cancelled)
        ]
    );
    assert_eq!(world.verdict(), Some((RunOutcome::Failed, 1)));
}

#[test]
fn a_build_that_the_daemon_gives_up_without_being_asked_to_is_no_success() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.plan(&["a"], vec![build("a", &[])]);
    world.evaluation_ends();
    world.end("a", StepEnd::Cancelled);
    assert_eq!(world.running(), ["a"], "it is tried once more");
    world.end("a", StepEnd::Cancelled);
    assert_eq!(world.outcomes(), [("a", Outcome::InfrastructureFailed)]);
    assert_eq!(world.verdict(), Some((RunOutcome::Errored, 4)));
}

#[test]
fn nothing_is_tried_again_while_the_run_stops() {
    let mut world = World::new(settings());
    world.find(&["a", "b"]);
    world.plan(
        &["a", "b"],
        vec![
            substitute("p"),
            PlannedStep {
                inputs: vec![path("p")],
                ..build("a", &[])
            },
            build("b", &[]),
        ],
    );
    world.evaluation_ends();
    assert_eq!(world.running(), ["p", "b"]);
    world.give([Input::Stop(Stop::Interrupt)]);
    world.end("p", StepEnd::NotSubstitutable("gone".into()));
    world.end("b", StepEnd::Lost("gone".into()));
    assert_eq!(
        world.count(|event| matches!(event, EventKind::StepRetrying { .. })),
        0
    );
    assert_eq!(
        world.outcomes(),
        [("a", Outcome::Cancelled), ("b", Outcome::Cancelled)]
    );
    assert_eq!(world.verdict(), Some((RunOutcome::Cancelled, 130)));
}

#[test]
fn an_unsupported_check_fails_a_run_that_asked_for_it_by_name() {
    let mut world = World::new(RunSettings {
        attribute: "checks.riscv64-linux.a".into(),
        ..settings()
    });
    world.give([Input::Evaluated(Evaluated::Check(EvaluatedCheck {
        path: AttrPath::default(),
        ..check("a", "a")
    }))]);
    let unsupported = PlannedStep {
        how: How::Unsupported {
            reason: "nobody".into(),
        },
        ..build("a", &[])
    };
    world.plan(&["a"], vec![unsupported]);
    world.evaluation_ends();
    assert_eq!(world.outcomes(), [("a", Outcome::Unsupported)]);
    assert_eq!(world.verdict(), Some((RunOutcome::Failed, 1)));
}

#[test]
fn a_plan_that_cannot_be_made_ends_the_run() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.give([Input::Planned(Err("no daemon".into()))]);
    world.evaluation_ends();
    assert_eq!(world.outcomes(), [("a", Outcome::InfrastructureFailed)]);
    assert_eq!(world.verdict(), Some((RunOutcome::Errored, 4)));
}

/// A step of a made-up run: which earlier steps it needs, how its attempts end, whether it is a check of its own.
#[derive(Clone, Debug)]
struct Made {
    inputs: Vec<prop::sample::Index>,
    end: StepEnd,
    is_check: bool,
}

fn made() -> impl Strategy<Value = Made> {
    let end = prop_oneof![
        6 => Just(StepEnd::Built),
        1 => Just(StepEnd::AlreadyValid),
        1 => Just(failed()),
        1 => Just(StepEnd::TimedOut("late".into())),
        1 => Just(StepEnd::Transient("later".into())),
        1 => Just(StepEnd::Lost("gone".into())),
        1 => Just(StepEnd::Unsupported("nobody".into())),
        1 => Just(StepEnd::DependencyFailed("below".into())),
    ];
    (
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        end,
        any::<bool>(),
    )
        .prop_map(|(inputs, end, is_check)| Made {
            inputs,
            end,
            is_check,
        })
}

proptest! {
    #[test]
    fn every_check_ends_exactly_once_and_no_step_runs_before_its_inputs(
        made in prop::collection::vec(made(), 1..40),
        batches in 1_usize..5,
        slots in 1_usize..4,
        stop_after in prop::option::of(0_usize..30),
        cancel_after in prop::option::of((0_usize..30, any::<prop::sample::Index>())),
        fail_fast in any::<bool>(),
        pick in prop::collection::vec(any::<prop::sample::Index>(), 100),
    ) {
        let name = |i: usize| format!("s{i}");
        let inputs: Vec<Vec<String>> = made
            .iter()
            .enumerate()
            .map(|(i, step)| if i == 0 { Vec::new() } else { step.inputs.iter().map(|at| name(at.index(i))).collect() })
            .collect();
        let mut world = World::new(RunSettings { slots, fail_fast, ..settings() });
        let mut checks = 0;
        let mut built: HashMap<String, bool> = HashMap::new();
        let mut ends = 0;
        let mut picks = pick.iter().cycle();
        for batch in 0..batches {
            let mine: Vec<usize> = (0..made.len()).filter(|i| i * batches / made.len() == batch).collect();
            let names: Vec<String> = mine.iter().filter(|i| made[**i].is_check).map(|i| name(*i)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            checks += names.len();
            world.find(&names);
            let steps = mine
                .iter()
                .map(|i| build(&name(*i), &inputs[*i].iter().map(String::as_str).collect::<Vec<_>>()))
                .collect();
            world.plan(&names, steps);
            if batch + 1 == batches {
                world.evaluation_ends();
            }
            // Ends some of what runs, then goes on to the next batch; the last one to the end.
            let mut budget = if batch + 1 == batches { usize::MAX } else { 5 };
            while !world.running.is_empty() && budget > 0 {
                budget -= 1;
                prop_assert!(world.running.len() <= slots);
                let at = picks.next().unwrap().index(world.running.len());
                let running = world.running()[at].to_owned();
                let i: usize = running[1..].parse().unwrap();
                for input in &inputs[i] {
                    prop_assert_eq!(built.get(input), Some(&true), "{} ran before {}", running, input);
                }
                let is_stopped = world.stopped.contains(&world.running[at].step);
                let end = if is_stopped { StepEnd::Cancelled } else { made[i].end.clone() };
                built.insert(running.clone(), matches!(end, StepEnd::Built | StepEnd::AlreadyValid));
                world.end(&running, end);
                ends += 1;
                if let Some((after, which)) = cancel_after && after == ends {
                    let name = name(which.index(made.len()));
                    world.give([Input::CancelChecks(vec![format!("x86_64-linux.{name}")])]);
                }
                if Some(ends) == stop_after {
                    world.give([Input::Stop(Stop::Interrupt)]);
                }
            }
        }
        prop_assert!(world.exit_code.is_some());
        prop_assert_eq!(world.outcomes().len(), checks);
        let is_end = |event: &EventKind| matches!(event, EventKind::RunFinished { .. });
        prop_assert_eq!(world.count(is_end), 1);
        prop_assert!(is_end(world.events.last().unwrap()));
    }
}
