//! Checks that people take out of a run, and what a check waits for.

use super::*;
use crate::{
    event::{Wait, WaitReason},
    run::StepNote,
};

fn cancel(names: &[&str]) -> Input {
    let path = |name: &&str| format!("x86_64-linux.{name}");
    Input::CancelChecks(names.iter().map(path).collect())
}

fn steps_ended(world: &World) -> Vec<(&str, Outcome)> {
    let ended = world.events.iter().filter_map(|event| match event {
        EventKind::StepFinished { name, outcome, .. } => Some((name.as_str(), *outcome)),
        _ => None,
    });
    ended.collect()
}

/// Says that the builder of a running attempt has begun.
fn begins(world: &mut World, name: &str) {
    let start = world
        .running
        .iter()
        .find(|start| start.target.name() == format!("{name}.drv"));
    let step = start.expect("it runs").step;
    let machine = String::new();
    world.give([Input::Noted(step, vec![StepNote::Building { machine }])]);
}

#[test]
fn what_only_a_cancelled_check_needs_is_stopped_and_the_rest_goes_on() {
    let mut world = World::new(settings());
    world.find(&["a", "b"]);
    world.plan(
        &["a", "b"],
        vec![
            build("shared", &[]),
            build("own", &[]),
            build("later", &["own"]),
            build("a", &["shared", "own", "later"]),
            build("b", &["shared"]),
        ],
    );
    world.evaluation_ends();
    assert_eq!(world.running(), ["own", "shared"]);
    begins(&mut world, "own");
    world.give([cancel(&["a", "no-such-check"])]);
    assert_eq!(world.outcomes(), [("a", Outcome::Cancelled)]);
    let own = world.running[0].step;
    assert_eq!(world.stopped, [own], "the shared step runs on");
    world.end("own", StepEnd::Cancelled);
    assert_eq!(steps_ended(&world), [("own", Outcome::Cancelled)]);
    world.end("shared", StepEnd::Built);
    assert_eq!(world.running(), ["b"], "nothing of the cancelled check");
    world.end("b", StepEnd::Built);
    assert_eq!(
        world.outcomes(),
        [("a", Outcome::Cancelled), ("b", Outcome::Built)]
    );
    assert_eq!(world.verdict(), Some((RunOutcome::Failed, 1)));
}

#[test]
fn a_failure_weighs_more_than_a_cancelled_check() {
    let mut world = World::new(settings());
    world.find(&["a", "b"]);
    world.plan(&["a", "b"], vec![build("a", &[]), build("b", &[])]);
    world.evaluation_ends();
    world.give([cancel(&["a"])]);
    world.end("a", StepEnd::Cancelled);
    world.end("b", failed());
    assert_eq!(world.verdict(), Some((RunOutcome::Failed, 1)));
}

#[test]
fn a_step_that_is_needed_again_starts_again() {
    for is_stopped_already in [false, true] {
        let mut world = World::new(settings());
        world.find(&["a"]);
        world.plan(&["a"], vec![build("dep", &[]), build("a", &["dep"])]);
        begins(&mut world, "dep");
        world.give([cancel(&["a"])]);
        if is_stopped_already {
            world.end("dep", StepEnd::Cancelled);
            assert_eq!(world.running(), Vec::<&str>::new());
        }
        // The evaluation finds a check that needs the same.
        world.find(&["b"]);
        world.plan(&["b"], vec![build("b", &["dep"])]);
        if !is_stopped_already {
            world.end("dep", StepEnd::Lost("the connection was given up".into()));
        }
        assert_eq!(world.running(), ["dep"]);
        world.end("dep", StepEnd::Built);
        world.end("b", StepEnd::Built);
        world.evaluation_ends();
        assert_eq!(
            world.outcomes(),
            [("a", Outcome::Cancelled), ("b", Outcome::Built)]
        );
        assert_eq!(
            steps_ended(&world),
            [
                ("dep", Outcome::Cancelled),
                ("dep", Outcome::Built),
                ("b", Outcome::Built)
            ]
        );
    }
}

#[test]
fn a_check_can_be_cancelled_before_and_while_it_is_planned() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.find(&["b"]);
    // The plan for `a` is being made, `b` has to wait for the next one.
    world.give([cancel(&["a", "b"])]);
    world.plan(&["a"], vec![build("dep", &[]), build("a", &["dep"])]);
    assert_eq!(world.running(), Vec::<&str>::new());
    assert_eq!(world.plans_asked, 1);
    world.evaluation_ends();
    assert_eq!(world.verdict(), Some((RunOutcome::Failed, 1)));
    let Some(EventKind::Ticked { progress, .. }) = ({
        world.give([Input::Tick]);
        world.events.last()
    }) else {
        panic!("no figures");
    };
    assert_eq!(progress.queued, 0);
}

#[test]
fn a_check_waits_for_the_longest_chain_below_it() {
    let mut world = World::new(RunSettings {
        slots: 1,
        ..settings()
    });
    world.find(&["a", "b"]);
    let asked = |world: &mut World, name: &str| {
        world.give([Input::Explain(format!("x86_64-linux.{name}"))]);
        match world.events.last() {
            Some(EventKind::CheckExplained { waits, .. }) => waits
                .iter()
                .map(|Wait { name, reason, .. }| (name.clone(), *reason))
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(asked(&mut world, "a"), [], "its plan is being made");
    world.plan(
        &["a", "b"],
        vec![
            build("x", &[]),
            build("y", &["x"]),
            build("z", &[]),
            build("a", &["y", "z"]),
            build("b", &[]),
        ],
    );
    assert_eq!(world.running(), ["x"]);
    let slot = |ahead| WaitReason::Slot { ahead, slots: 1 };
    assert_eq!(
        asked(&mut world, "a"),
        [
            ("a".into(), WaitReason::Steps { open: 2 }),
            ("y".into(), WaitReason::Steps { open: 1 }),
            ("x".into(), WaitReason::End),
        ]
    );
    assert_eq!(asked(&mut world, "b"), [("b".into(), slot(1))]);
    world.end("x", StepEnd::Built);
    world.end("y", StepEnd::Built);
    assert_eq!(
        asked(&mut world, "a"),
        [
            ("a".into(), WaitReason::Steps { open: 1 }),
            ("z".into(), WaitReason::End)
        ]
    );
    assert_eq!(asked(&mut world, "nobody"), []);
}
