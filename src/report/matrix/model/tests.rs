use std::time::{Duration, Instant};

use super::{Class, Model, Stage};
use crate::{
    event::Outcome,
    report::script::{Script, drv, progress},
};

const X86: &str = "x86_64-linux";

fn model(script: &Script) -> Model {
    let mut model = Model::default();
    script.events.iter().for_each(|event| model.observe(event));
    model
}

/// The classes of all rows, in the order of their names.
fn classes(model: &Model) -> Vec<(&str, Class)> {
    model
        .rows()
        .map(|row| (model.name(row), row.class))
        .collect()
}

#[test]
fn a_row_is_what_its_most_pressing_check_is() {
    let mut script = Script::start(&[X86, "aarch64-linux"])
        .found("x86_64-linux.a")
        .found("aarch64-linux.a");
    assert_eq!(classes(&model(&script)), [("a", Class::Waiting)]);
    script = script.check_ends("x86_64-linux.a", Outcome::Built, 1);
    assert_eq!(classes(&model(&script)), [("a", Class::Waiting)]);
    script = script.step("a", "", &["aarch64-linux.a"]);
    assert_eq!(classes(&model(&script)), [("a", Class::Running)]);
    script = script.step_ends("a", Outcome::Built, 1, &[]);
    assert_eq!(classes(&model(&script)), [("a", Class::Waiting)]);
    script = script.check_ends("aarch64-linux.a", Outcome::Unsupported, 1);
    assert_eq!(classes(&model(&script)), [("a", Class::Passed)]);
    script = script.check_ends("x86_64-linux.b", Outcome::Skipped, 1);
    let model = model(&script);
    assert_eq!(
        classes(&model),
        [("a", Class::Passed), ("b", Class::Neutral)]
    );
    assert_eq!(model.rows_by_class, [0, 0, 0, 0, 1, 1]);
    assert_eq!((model.outcomes.passed(), model.outcomes.total()), (1, 3));
}

#[test]
fn a_check_runs_while_anything_it_needs_does() {
    let checks = ["x86_64-linux.a", "x86_64-linux.b"];
    let mut script = Script::start(&[X86]).found(checks[0]).found(checks[1]);
    script = script
        .step("one", "", &checks)
        .step("two", "", &checks)
        .step_ends("one", Outcome::Built, 1, &checks);
    assert_eq!(
        classes(&model(&script)),
        [("a", Class::Running), ("b", Class::Running)]
    );
    // A step that begins again is one step.
    script = script
        .step("two", "", &checks)
        .step_ends("two", Outcome::Built, 1, &checks);
    assert_eq!(
        classes(&model(&script)),
        [("a", Class::Waiting), ("b", Class::Waiting)]
    );
    script = script.step("a", "", &checks);
    let model = model(&script);
    let row = model.rows().next().unwrap();
    assert!(model.cell(row, Some(0)).unwrap().is_running);
    assert_eq!(
        classes(&model),
        [("a", Class::Running), ("b", Class::Running)]
    );
}

#[test]
fn a_check_ends_once() {
    let script = Script::start(&[X86])
        .check_ends("x86_64-linux.a", Outcome::EvaluationFailed, 0)
        .check_ends("x86_64-linux.a", Outcome::Built, 9);
    let model = model(&script);
    assert_eq!(model.outcomes.total(), 1);
    let row = model.rows().next().unwrap();
    let stage = model.cell(row, Some(0)).unwrap().stage;
    assert_eq!(
        stage,
        Stage::Ended(Outcome::EvaluationFailed, Duration::ZERO)
    );
}

#[test]
fn columns_come_as_asked_for() {
    let script = Script::start(&["c-linux", "a-linux"])
        .found("b-linux.x")
        .found("a-linux.x")
        .found("c-linux.x");
    let model = model(&script);
    let names: Vec<_> = model
        .columns()
        .into_iter()
        .map(|at| model.systems[at].as_str())
        .collect();
    assert_eq!(names, ["c-linux", "a-linux", "b-linux"]);
}

#[test]
fn an_attribute_that_is_the_check_itself_has_a_name() {
    let script = Script::start(&[X86]).found_as("", "", &drv("x"));
    assert_eq!(classes(&model(&script)), [("checks", Class::Waiting)]);
}

#[test]
fn more_systems_than_columns_are_rows_of_their_own() {
    let mut script = Script::start(&[]);
    for i in 0..200 {
        script = script.found(&format!("cpu{i}-linux.a"));
    }
    let model = model(&script);
    assert_eq!(model.systems.len(), 64);
    assert_eq!(model.row_count(), 1 + 200 - 64);
}

#[test]
fn without_figures_the_checks_are_counted() {
    let script = Script::start(&[X86])
        .found(&format!("{X86}.a"))
        .found(&format!("{X86}.b"));
    let told = |script: &Script| {
        let progress = model(script).progress;
        (progress.evaluating, progress.evaluated, progress.attributes)
    };
    assert_eq!(told(&script), (true, 2, 0));
    let script = script.evaluated(2, 0);
    assert_eq!(told(&script), (false, 2, 2));
}

/// Ten times the checks may take about ten times as long, not a hundred times.
#[test]
fn the_cost_of_an_event_does_not_grow_with_the_run() {
    let took = |checks: usize| {
        let mut script = Script::start(&[X86]);
        for i in 0..checks {
            script = script.found(&format!("{X86}.check-{i}"));
        }
        for i in 0..checks {
            script = script
                .check_ends(&format!("{X86}.check-{i}"), Outcome::Cached, 0)
                .tick(progress());
        }
        let once = || {
            let start = Instant::now();
            assert_eq!(model(&script).outcomes.passed(), checks);
            start.elapsed()
        };
        // The best of several: other tests run at the same time.
        (0..4).map(|_| once()).min().unwrap()
    };
    // Ten times as many may cost ten times as much; a hundred times as much is what it must not. Whoever else uses this
    // machine may slow one of them down, but not each time.
    let measured: Vec<_> = (0..5)
        .map(|_| (took(2_000), took(20_000)))
        .scan(false, |is_done, (small, large)| {
            (!std::mem::replace(is_done, large < small * 50)).then_some((small, large))
        })
        .collect();
    assert!(
        measured.iter().any(|(small, large)| *large < *small * 50),
        "for 2,000 checks and for 20,000: {measured:?}"
    );
}
