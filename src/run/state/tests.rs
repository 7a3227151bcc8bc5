//! Calls [`State::apply`] directly, without a runtime; a small world stands for store and evaluator.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one kind of event"
)]

mod cancelling;
mod endings;
mod estimates;
mod failures;
mod rules;
mod scheduling;
mod uploads;

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use super::State;
use crate::{
    config::CheckRules,
    eval::{EvalSummary, Evaluated, EvaluatedCheck},
    event::{EventKind, Outcome, RunOutcome},
    graph::{Disposition, How, Plan, PlannedStep},
    nix::{AttrPath, StorePath, System},
    run::{Effect, Input, RunSettings, Start, StepEnd, StepId, Upload, UploadSettings},
};

/// A store path with this name.
fn path(name: &str) -> StorePath {
    StorePath::parse(&format!(
        "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-{name}"
    ))
    .unwrap()
}

fn drv(name: &str) -> StorePath {
    path(&format!("{name}.drv"))
}

fn settings() -> RunSettings {
    RunSettings {
        flake: ".".into(),
        title: "demo".into(),
        revision: None,
        attribute: "checks".into(),
        systems: vec![System::parse("x86_64-linux").unwrap()],
        evaluator: "builtin".into(),
        nix_version: "2.34.8".into(),
        slots: 2,
        remote_slots: 0,
        substitute_slots: 4,
        eval_workers: 1,
        fail_fast: false,
        no_build: false,
        flake_check: false,
        rules: CheckRules::default(),
        timeout: None,
        only: None,
        previous: HashMap::new(),
        log_lines: 3,
        uploads: UploadSettings::default(),
    }
}

/// A run whose effects are carried out by hand.
struct World {
    state: State,
    now: Instant,
    events: Vec<EventKind>,
    /// Attempts that run.
    running: Vec<Start>,
    plans_asked: usize,
    /// Batches that were sent.
    uploads: Vec<(usize, Vec<Upload>)>,
    /// Attempts that were told to stop one by one.
    stopped: Vec<StepId>,
    cancelled: bool,
    exit_code: Option<u8>,
}

impl World {
    fn new(settings: RunSettings) -> Self {
        let now = Instant::now();
        let mut world = Self {
            state: State::new(settings, "run".into(), now),
            now,
            events: Vec::new(),
            running: Vec::new(),
            plans_asked: 0,
            uploads: Vec::new(),
            stopped: Vec::new(),
            cancelled: false,
            exit_code: None,
        };
        world.give([Input::Begin]);
        world
    }

    fn give(&mut self, inputs: impl IntoIterator<Item = Input>) {
        let mut effects = Vec::new();
        for input in inputs {
            effects.append(&mut self.state.apply(input, self.now));
        }
        effects.append(&mut self.state.settle(self.now));
        for effect in effects {
            match effect {
                Effect::Emit(event) => self.events.push(event),
                Effect::Plan(_) => self.plans_asked += 1,
                Effect::Start(start) => self.running.push(start),
                Effect::Upload {
                    destination,
                    uploads,
                } => self.uploads.push((destination, uploads)),
                Effect::Cancel(step) => self.stopped.push(step),
                Effect::CancelAll => self.cancelled = true,
                Effect::Finish(code) => self.exit_code = Some(code),
            }
        }
    }

    /// Checks `names` for x86_64-linux, each with the derivation of its name.
    fn find(&mut self, names: &[&str]) {
        let found: Vec<Input> = names
            .iter()
            .map(|name| Input::Evaluated(Evaluated::Check(check(name, name))))
            .collect();
        self.give(found);
    }

    fn evaluation_ends(&mut self) {
        self.give([Input::EvaluationEnded {
            result: Ok(EvalSummary::default()),
            cached: false,
        }]);
    }

    /// Answers the plan that is asked for: `wanted` are built, with these steps.
    fn plan(&mut self, wanted: &[&str], steps: Vec<PlannedStep>) {
        let wanted = wanted
            .iter()
            .map(|name| (drv(name), Disposition::Build))
            .collect();
        self.give([Input::Planned(Ok(Plan {
            wanted,
            steps,
            download_bytes: 0,
        }))]);
    }

    /// The names of what runs, in the order in which it started.
    fn running(&self) -> Vec<&str> {
        self.running
            .iter()
            .map(|start| start.target.name().trim_end_matches(".drv"))
            .collect()
    }

    /// Ends the running attempt at a target.
    fn end(&mut self, name: &str, end: StepEnd) {
        let at = self
            .running()
            .iter()
            .position(|running| *running == name)
            .expect("it runs");
        let start = self.running.remove(at);
        self.give([Input::Ended(start.step, end)]);
    }

    /// What became of the checks, in the order in which they ended.
    fn outcomes(&self) -> Vec<(&str, Outcome)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                EventKind::CheckFinished { name, outcome, .. } => Some((name.as_str(), *outcome)),
                _ => None,
            })
            .collect()
    }

    fn verdict(&self) -> Option<(RunOutcome, u8)> {
        match self.events.last() {
            Some(EventKind::RunFinished {
                outcome, exit_code, ..
            }) => Some((*outcome, *exit_code)),
            _ => None,
        }
    }

    fn count(&self, wanted: impl Fn(&EventKind) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }
}

fn check(name: &str, drv_name: &str) -> EvaluatedCheck {
    EvaluatedCheck {
        path: AttrPath::new(["x86_64-linux", name]),
        drv_path: drv(drv_name),
        name: drv_name.into(),
        system: System::parse("x86_64-linux").unwrap(),
        outputs: BTreeMap::from([("out".into(), Some(path(drv_name)))]),
        extra: None,
    }
}

fn build(name: &str, inputs: &[&str]) -> PlannedStep {
    PlannedStep {
        target: drv(name),
        drv_path: drv(name),
        system: System::parse("x86_64-linux").unwrap(),
        inputs: inputs.iter().map(|input| drv(input)).collect(),
        how: How::Build { local: true },
    }
}

fn substitute(name: &str) -> PlannedStep {
    PlannedStep {
        target: path(name),
        drv_path: drv(name),
        system: System::of_derivation(""),
        inputs: Vec::new(),
        how: How::Substitute,
    }
}

fn failed() -> StepEnd {
    StepEnd::Failed("builder failed with exit code 1".into())
}

#[test]
fn a_run_from_begin_to_end() {
    let mut world = World::new(settings());
    world.find(&["a", "b"]);
    assert_eq!(world.plans_asked, 1);
    world.plan(&["a", "b"], vec![build("a", &[]), build("b", &["a"])]);
    assert_eq!(world.running(), ["a"]);
    world.evaluation_ends();
    world.end("a", StepEnd::Built);
    assert_eq!(world.running(), ["b"]);
    world.end("b", StepEnd::Built);
    assert_eq!(
        world.outcomes(),
        [("a", Outcome::Built), ("b", Outcome::Built)]
    );
    assert_eq!(world.verdict(), Some((RunOutcome::Passed, 0)));
    assert_eq!(world.exit_code, Some(0));
    assert!(matches!(world.events[0], EventKind::RunStarted { .. }));
    assert_eq!(world.state.running(), Vec::<StepId>::new());
}
