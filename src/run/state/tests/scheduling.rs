//! Which step starts when.

use super::*;
use crate::run::{StepNote, Stop};

#[test]
fn never_more_builds_than_slots_however_wide_the_closure() {
    let mut world = World::new(settings());
    world.find(&["top"]);
    let names: Vec<String> = (0..50).map(|i| format!("dep{i}")).collect();
    let mut steps: Vec<PlannedStep> = names.iter().map(|name| build(name, &[])).collect();
    steps.push(build(
        "top",
        &names.iter().map(String::as_str).collect::<Vec<_>>(),
    ));
    world.plan(&["top"], steps);
    world.evaluation_ends();
    let mut built = 0;
    while let Some(name) = world.running().first().map(ToString::to_string) {
        assert!(world.running.len() <= 2);
        world.end(&name, StepEnd::Built);
        built += 1;
    }
    assert_eq!(built, 51);
    assert_eq!(world.verdict(), Some((RunOutcome::Passed, 0)));
}

#[test]
fn downloads_take_no_build_slot() {
    let mut world = World::new(settings());
    world.find(&["a", "b", "c"]);
    let with_input = |name: &str, input: &str| PlannedStep {
        inputs: vec![path(input)],
        ..build(name, &[])
    };
    world.plan(
        &["a", "b", "c"],
        vec![
            substitute("x"),
            build("a", &[]),
            build("b", &[]),
            with_input("c", "x"),
        ],
    );
    assert_eq!(world.running(), ["x", "a", "b"]);
    world.end("x", StepEnd::Substituted);
    assert_eq!(world.running(), ["a", "b"], "both slots are taken");
    world.end("a", StepEnd::Built);
    assert_eq!(world.running(), ["b", "c"]);
}

#[test]
fn the_longest_remaining_way_goes_first() {
    let mut world = World::new(RunSettings {
        slots: 1,
        ..settings()
    });
    world.find(&["short", "long"]);
    world.plan(
        &["short", "long"],
        vec![
            build("short", &[]),
            build("base", &[]),
            build("middle", &["base"]),
            build("long", &["middle"]),
        ],
    );
    assert_eq!(world.running(), ["base"]);
    world.end("base", StepEnd::Built);
    assert_eq!(world.running(), ["middle"]);
}

#[test]
fn the_end_of_a_long_chain_goes_before_what_was_short_all_along() {
    let mut world = World::new(RunSettings {
        slots: 1,
        ..settings()
    });
    world.find(&["a", "b", "chain"]);
    let steps = vec![
        build("lib", &[]),
        build("a", &["lib"]),
        build("b", &["lib"]),
        build("low", &[]),
        build("middle", &["low"]),
        build("chain", &["middle"]),
    ];
    world.plan(&["a", "b", "chain"], steps);
    for name in ["low", "middle", "lib", "chain", "a", "b"] {
        assert_eq!(world.running(), [name]);
        world.end(name, StepEnd::Built);
    }
}

#[test]
fn a_long_chain_is_built_from_its_beginning_to_its_end() {
    const LENGTH: usize = 2_000;
    let mut world = World::new(settings());
    world.find(&["top"]);
    let name = |i: usize| format!("s{i}");
    let mut steps: Vec<PlannedStep> = (0..LENGTH)
        .map(|i| match i {
            0 => build("s0", &[]),
            _ => build(&name(i), &[&name(i - 1)]),
        })
        .collect();
    steps.push(build("top", &[&name(LENGTH - 1)]));
    world.evaluation_ends();
    world.plan(&["top"], steps);
    for i in 0..LENGTH {
        let step = world.running()[0].to_owned();
        assert_eq!(step, name(i));
        world.give([Input::Noted(
            StepId(i),
            vec![StepNote::Building {
                machine: String::new(),
            }],
        )]);
        world.end(&step, StepEnd::Built);
    }
    world.end("top", StepEnd::Built);
    assert_eq!(world.verdict(), Some((RunOutcome::Passed, 0)));
}

#[test]
fn a_step_that_is_over_keeps_no_log() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.plan(&["a"], vec![build("a", &[])]);
    let lines = (0..9).map(|i| StepNote::Line(i.to_string()));
    world.give([Input::Noted(StepId(0), lines.collect())]);
    world.end("a", StepEnd::Built);
    assert_eq!(world.state.steps[0].log.take(), (Vec::new(), 0));
}

#[test]
fn the_figures_of_downloads_are_sums_over_all_of_them() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.plan(
        &["a"],
        vec![substitute("p"), substitute("q"), build("a", &[])],
    );
    let download = |step, done, expected| {
        Input::Noted(StepId(step), vec![StepNote::Download { done, expected }])
    };
    world.give([
        download(0, 5, 10),
        download(1, 7, 0),
        download(0, 8, 10),
        Input::Tick,
    ]);
    let Some(EventKind::Ticked { progress, .. }) = world.events.last() else {
        panic!("no figures");
    };
    assert_eq!(
        (progress.downloaded_bytes, progress.download_bytes),
        (15, 17)
    );
    let source = StepNote::Source("https://cache.example.org".into());
    world.give([Input::Noted(StepId(1), vec![source]), Input::Tick]);
    let Some(EventKind::Ticked { downloads, .. }) = world.events.last() else {
        panic!("no figures");
    };
    let told = downloads.iter().map(|download| {
        let bytes = (download.done_bytes, download.expected_bytes);
        (download.drv_path.name(), download.source.as_str(), bytes)
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("p.drv", "", (8, 10)),
            ("q.drv", "https://cache.example.org", (7, 7))
        ]
    );
}

#[test]
fn a_rank_grows_when_more_is_found_above() {
    let mut world = World::new(RunSettings {
        slots: 1,
        ..settings()
    });
    world.find(&["first", "one", "two"]);
    world.plan(
        &["first", "one", "two"],
        vec![build("first", &[]), build("one", &[]), build("two", &[])],
    );
    assert_eq!(world.running(), ["first"]);
    world.find(&["above"]);
    world.plan(&["above"], vec![build("above", &["two"])]);
    world.end("first", StepEnd::Built);
    assert_eq!(world.running(), ["two"]);
}

#[test]
fn what_many_checks_need_is_built_once_and_told_with_all_of_them() {
    let mut world = World::new(settings());
    world.find(&["a", "b"]);
    world.give([Input::Evaluated(Evaluated::Check(check("alias", "a")))]);
    world.plan(
        &["a", "b"],
        vec![
            build("lib", &[]),
            build("a", &["lib"]),
            build("b", &["lib"]),
        ],
    );
    world.plan(&["a"], Vec::new());
    world.evaluation_ends();
    world.end("lib", StepEnd::Built);
    let started = world.events.iter().find_map(|event| match event {
        EventKind::StepStarted { name, checks, .. } if name == "lib" => Some(checks.clone()),
        _ => None,
    });
    let mut checks = started.unwrap();
    checks.sort();
    assert_eq!(
        checks,
        ["x86_64-linux.a", "x86_64-linux.alias", "x86_64-linux.b"]
    );
    world.end("a", StepEnd::Built);
    world.end("b", StepEnd::Built);
    assert_eq!(
        world.outcomes(),
        [
            ("a", Outcome::Built),
            ("alias", Outcome::Built),
            ("b", Outcome::Built)
        ]
    );
}

#[test]
fn plans_are_asked_for_one_at_a_time_in_batches() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.find(&["b"]);
    world.find(&["c"]);
    assert_eq!(world.plans_asked, 1);
    world.plan(&["a"], vec![build("a", &[])]);
    assert_eq!(world.plans_asked, 2);
}

#[test]
fn a_check_on_a_step_that_is_done_takes_its_outcome() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.plan(&["a"], vec![build("a", &[])]);
    world.end("a", StepEnd::Built);
    world.give([Input::Evaluated(Evaluated::Check(check("late", "a")))]);
    assert_eq!(world.plans_asked, 1, "nothing to ask");
    world.evaluation_ends();
    assert_eq!(
        world.outcomes(),
        [("a", Outcome::Built), ("late", Outcome::Built)]
    );
}

#[test]
fn what_is_valid_or_offered_is_cached_and_not_fetched() {
    let mut world = World::new(settings());
    world.find(&["valid", "offered"]);
    world.give([Input::Planned(Ok(Plan {
        wanted: vec![
            (drv("valid"), Disposition::Valid),
            (drv("offered"), Disposition::Offered(vec![path("offered")])),
        ],
        ..Plan::default()
    }))]);
    world.evaluation_ends();
    assert_eq!(world.running, []);
    assert_eq!(
        world.outcomes(),
        [("valid", Outcome::Cached), ("offered", Outcome::Cached)]
    );
    assert_eq!(world.exit_code, Some(0));
}

#[test]
fn with_download_a_check_ends_when_all_its_outputs_are_here() {
    let mut world = World::new(settings());
    world.find(&["a"]);
    world.give([Input::Planned(Ok(Plan {
        wanted: vec![(
            drv("a"),
            Disposition::Offered(vec![path("a"), path("a-doc")]),
        )],
        steps: vec![substitute("a"), substitute("a-doc")],
        download_bytes: 10,
    }))]);
    world.evaluation_ends();
    world.end("a", StepEnd::Substituted);
    assert_eq!(world.outcomes(), []);
    world.end("a-doc", StepEnd::AlreadyValid);
    assert_eq!(world.outcomes(), [("a", Outcome::Substituted)]);
}

#[test]
fn no_build_plans_and_starts_nothing() {
    let mut world = World::new(RunSettings {
        no_build: true,
        ..settings()
    });
    world.find(&["a"]);
    world.plan(
        &["a"],
        vec![substitute("x"), build("lib", &[]), build("a", &["lib"])],
    );
    world.evaluation_ends();
    assert_eq!(world.running, []);
    assert_eq!(world.outcomes(), [("a", Outcome::Skipped)]);
    assert_eq!(world.exit_code, Some(0));
    let plan = world.events.iter().find_map(|event| match event {
        EventKind::PlanChanged {
            to_build,
            to_substitute,
            ..
        } => Some((*to_build, *to_substitute)),
        _ => None,
    });
    assert_eq!(plan, Some((2, 1)));
}

#[test]
fn no_build_does_not_wait_for_a_download_that_a_build_would_need() {
    let mut world = World::new(RunSettings {
        no_build: true,
        ..settings()
    });
    world.find(&["a", "p"]);
    world.give([Input::Planned(Ok(Plan {
        wanted: vec![
            (drv("a"), Disposition::Build),
            (drv("p"), Disposition::Offered(vec![path("p")])),
        ],
        steps: vec![
            substitute("p"),
            PlannedStep {
                inputs: vec![path("p")],
                ..build("a", &[])
            },
        ],
        download_bytes: 10,
    }))]);
    world.evaluation_ends();
    assert_eq!(
        world.outcomes(),
        [("a", Outcome::Skipped), ("p", Outcome::Cached)]
    );
    assert_eq!(world.verdict(), Some((RunOutcome::Passed, 0)));
}

#[test]
fn nothing_starts_after_a_stop() {
    let mut world = World::new(settings());
    world.find(&["a", "b", "c"]);
    world.plan(
        &["a", "b", "c"],
        vec![build("a", &[]), build("b", &[]), build("c", &[])],
    );
    world.give([Input::Stop(Stop::Interrupt)]);
    assert!(world.cancelled);
    world.end("a", StepEnd::Built);
    assert_eq!(world.running(), ["b"]);
}
