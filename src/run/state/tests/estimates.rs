//! What durations of earlier runs change: the order, and the time that is left.

use std::time::Duration;

use super::*;

fn expect(world: &mut World, known: &[(&str, u64)]) {
    let known = known
        .iter()
        .map(|(name, seconds)| (drv(name), Duration::from_secs(*seconds)));
    world.give([Input::Expected(known.collect())]);
}

fn remaining(world: &mut World) -> Option<u64> {
    world.give([Input::Tick]);
    let Some(EventKind::Ticked { progress, .. }) = world.events.last() else {
        panic!("no figures");
    };
    progress.remaining.map(|remaining| remaining.as_secs())
}

fn slots(slots: usize) -> RunSettings {
    RunSettings {
        slots,
        ..settings()
    }
}

#[test]
fn a_single_long_build_goes_before_a_chain_of_short_ones() {
    let mut world = World::new(slots(1));
    world.find(&["chain", "long"]);
    expect(
        &mut world,
        &[("low", 1), ("middle", 1), ("chain", 1), ("long", 60)],
    );
    let steps = vec![
        build("low", &[]),
        build("middle", &["low"]),
        build("chain", &["middle"]),
        build("long", &[]),
    ];
    world.plan(&["chain", "long"], steps);
    for name in ["long", "low", "middle", "chain"] {
        assert_eq!(world.running(), [name]);
        world.end(name, StepEnd::Built);
    }
}

#[test]
fn the_start_of_a_build_says_how_long_it_took_before() {
    let mut world = World::new(slots(2));
    world.find(&["a", "b"]);
    expect(&mut world, &[("a", 12)]);
    world.plan(&["a", "b"], vec![build("a", &[]), build("b", &[])]);
    world.end("a", StepEnd::Built);
    world.end("b", StepEnd::Built);
    let expected: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            EventKind::StepStarted { name, expected, .. } => Some((name.as_str(), *expected)),
            _ => None,
        })
        .collect();
    assert_eq!(
        expected,
        [("a", Some(Duration::from_secs(12))), ("b", None)]
    );
}

#[test]
fn what_is_left_is_the_work_by_slots_or_the_longest_way() {
    let mut world = World::new(slots(2));
    world.find(&["a", "b", "c", "d"]);
    expect(&mut world, &[("a", 10), ("b", 10), ("c", 10), ("d", 10)]);
    world.plan(
        &["a", "b", "c", "d"],
        ["a", "b", "c", "d"].map(|name| build(name, &[])).into(),
    );
    assert_eq!(remaining(&mut world), Some(20), "of what is known so far");
    world.evaluation_ends();
    assert_eq!(remaining(&mut world), Some(20), "40 s of work in two slots");
    world.now += Duration::from_secs(4);
    assert_eq!(remaining(&mut world), Some(16));
    world.now += Duration::from_secs(60);
    assert_eq!(
        remaining(&mut world),
        Some(10),
        "no build takes less than nothing"
    );
    world.end("a", StepEnd::Built);
    world.end("b", StepEnd::Built);
    assert_eq!(remaining(&mut world), Some(10));
    world.end("c", StepEnd::Built);
    world.end("d", StepEnd::Built);

    let mut world = World::new(slots(2));
    world.find(&["top", "side"]);
    expect(&mut world, &[("low", 30), ("top", 20), ("side", 5)]);
    let steps = vec![
        build("low", &[]),
        build("top", &["low"]),
        build("side", &[]),
    ];
    world.plan(&["top", "side"], steps);
    world.evaluation_ends();
    assert_eq!(remaining(&mut world), Some(50), "one after the other");
    world.now += Duration::from_secs(10);
    assert_eq!(remaining(&mut world), Some(40));
    world.end("low", failed());
    assert_eq!(
        remaining(&mut world),
        Some(0),
        "nothing is built on a failure"
    );
}

#[test]
fn where_most_is_unknown_nothing_is_said() {
    let mut world = World::new(slots(2));
    world.find(&["a", "b", "c"]);
    expect(&mut world, &[("a", 10)]);
    world.plan(
        &["a", "b", "c"],
        ["a", "b", "c"].map(|name| build(name, &[])).into(),
    );
    world.evaluation_ends();
    assert_eq!(remaining(&mut world), None);
    world.end("b", StepEnd::Built);
    assert_eq!(remaining(&mut world), Some(10), "one of two is known");
}

#[test]
fn a_check_says_how_it_ended_before_and_others_than_the_wanted_are_left_out() {
    let name = |name: &str| format!("x86_64-linux.{name}");
    let mut world = World::new(RunSettings {
        only: Some([name("a"), name("new")].into()),
        previous: [(name("a"), Outcome::Failed), (name("b"), Outcome::Built)].into(),
        ..settings()
    });
    world.find(&["a", "b", "new"]);
    world.plan(&["a", "new"], vec![build("a", &[]), build("new", &[])]);
    world.evaluation_ends();
    world.end("a", StepEnd::Built);
    world.end("new", StepEnd::Built);
    let ended: Vec<_> = world
        .events
        .iter()
        .filter_map(|event| match event {
            EventKind::CheckFinished { name, previous, .. } => Some((name.as_str(), *previous)),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [("a", Some(Outcome::Failed)), ("new", None)]);
    assert_eq!(world.verdict(), Some((RunOutcome::Passed, 0)));
}
