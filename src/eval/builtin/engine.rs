//! Runs an evaluation: locks the flake, runs the workers, and takes what they find.
//!
//! The effects of the built-in evaluator; what to do next is decided by the schedule. Ends with all its children gone.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::{self, Answer},
    locked_flake::{LockedFlake, Locks},
    root::Root,
    schedule::{Effect, Loss, Schedule, Task},
    worker::{Ended, Report, Worker, WorkerId},
};
use crate::{
    eval::{
        ATTRIBUTES_MAX, EvalError, EvalFailure, EvalRequest, EvalSummary, LockedSource,
        budget::{self, Budget},
        delivery::Delivery,
        failure::{FailureContext, local_trees},
        selection::{self, Selection},
    },
    nix::{AttrPath, System, looks_like_system},
};

/// How often the workers' memory is looked at.
const MEMORY_INTERVAL: Duration = Duration::from_millis(200);
/// How long the first answer may take before other workers load the flake too.
const WARM_UP_AFTER: Duration = Duration::from_millis(100);
/// How many reports of workers may wait.
const REPORTS_MAX: usize = 64;
/// How many unwanted systems are remembered.
const SYSTEMS_MAX: usize = 100;

/// A running evaluation.
pub(super) struct Engine<'e, 'd> {
    request: &'e EvalRequest,
    delivery: &'e mut Delivery<'d>,
    /// Attributes that somebody else has evaluated already.
    known: HashSet<AttrPath>,
    selection: Selection,
    schedule: Schedule,
    budget: Budget,
    context: FailureContext,
    root: Option<Root>,
    workers: BTreeMap<WorkerId, Running>,
    /// Workers that end as soon as so many checks are held.
    leaving: Vec<(Worker, u64)>,
    tasks: JoinSet<()>,
    reports: (
        mpsc::Sender<(WorkerId, Report)>,
        mpsc::Receiver<(WorkerId, Report)>,
    ),
    /// Where workers keep what they would keep in the user's home.
    home: TempDir,
    attributes: usize,
    evaluated: usize,
    systems: BTreeSet<System>,
    unwanted: BTreeMap<System, AttrPath>,
    summary: EvalSummary,
}

struct Running {
    worker: Worker,
    has_answered: bool,
}

impl<'e, 'd> Engine<'e, 'd> {
    /// Prepares the evaluation of all that is asked for but not `known`.
    pub(super) fn new(
        request: &'e EvalRequest,
        delivery: &'e mut Delivery<'d>,
        known: HashSet<AttrPath>,
    ) -> Result<Self, EvalError> {
        let home = tempfile::Builder::new().prefix("nixci-eval-").tempdir();
        let home = home.map_err(|error| {
            EvalError::Infrastructure(format!("cannot make a temporary folder: {error}"))
        })?;
        let mut schedule = Schedule::new(request.workers);
        schedule.push(Task::evaluate(AttrPath::default()));
        Ok(Self {
            request,
            delivery,
            known,
            selection: Selection::new(request),
            schedule,
            budget: Budget::new(request.memory_budget_bytes),
            context: FailureContext {
                trees: Vec::new(),
                show_trace: request.options.show_trace,
            },
            root: None,
            workers: BTreeMap::new(),
            leaving: Vec::new(),
            tasks: JoinSet::new(),
            reports: mpsc::channel(REPORTS_MAX),
            home,
            attributes: 1,
            evaluated: 0,
            systems: BTreeSet::new(),
            unwanted: BTreeMap::new(),
            summary: EvalSummary::default(),
        })
    }

    /// Evaluates to the end, or until it is cancelled.
    pub(super) async fn run(mut self, cancel: CancellationToken) -> Result<EvalSummary, EvalError> {
        let abandoned = self.delivery.abandoned();
        let result = tokio::select! {
            result = self.evaluate() => result,
            () = cancel.cancelled() => Err(EvalError::Cancelled),
            () = abandoned => Err(EvalError::Cancelled),
        };
        self.workers.clear();
        self.leaving.clear();
        // Reports that wait to be taken would keep the tasks from ending.
        self.reports.1.close();
        while self.tasks.join_next().await.is_some() {}
        result.map(|()| self.summary)
    }

    async fn evaluate(&mut self) -> Result<(), EvalError> {
        let mut locking = Box::pin(LockedFlake::read(self.request));
        let mut memory = tokio::time::interval(MEMORY_INTERVAL);
        memory.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut warm_up_at: Option<Instant> = None;
        loop {
            for effect in self.schedule.effects() {
                self.perform(effect)?;
            }
            let delivery = &*self.delivery;
            self.leaving.retain(|(_, held)| !delivery.has_held(*held));
            if self.schedule.is_finished() && !self.survey() {
                break;
            }
            let warm_up = async {
                match warm_up_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                flake = &mut locking, if self.root.is_none() => {
                    self.open(&flake?)?;
                    warm_up_at = Some(Instant::now() + WARM_UP_AFTER);
                }
                Some((worker, report)) = self.reports.1.recv(), if !self.delivery.is_full() => {
                    if let Report::Looked(_) = report {
                        warm_up_at = None;
                    }
                    self.take(worker, report)?;
                }
                advanced = self.delivery.advance(), if self.delivery.is_waiting() => advanced?,
                _ = memory.tick() => self.watch_memory()?,
                () = warm_up => {
                    warm_up_at = None;
                    self.schedule.warm_up();
                }
            }
        }
        self.summary.systems_available = self.systems.iter().cloned().collect();
        self.delivery.progress(self.evaluated, self.attributes);
        self.delivery.finish().await
    }

    /// The flake is locked: workers can look at it now.
    fn open(&mut self, flake: &LockedFlake) -> Result<(), EvalError> {
        let tree_lock = flake.is_lock_new.then(|| self.tree_lock(flake)).flatten();
        let is_there = |path: &str| Path::new(path).exists();
        let root = Root::new(self.request, flake, tree_lock.as_ref(), is_there)?;
        for warning in &flake.warnings {
            self.delivery.warning(None, warning.clone());
        }
        for tree in &root.trees {
            self.delivery.tree(tree.clone());
        }
        let options = &self.request.options;
        let is_changed =
            !options.override_inputs.is_empty() || options.reference_lock_file.is_some();
        self.summary.locked = (!options.impure).then_some(LockedSource {
            fully_locked: !flake.is_lock_new && !is_changed,
        });
        self.context.trees = local_trees(&self.request.installable.flake);
        self.context.trees.push(flake.path.clone());
        for running in self.workers.values() {
            running
                .worker
                .open(&root.expression, &self.request.installable.attribute);
        }
        self.root = Some(root);
        self.schedule.open();
        Ok(())
    }

    /// The lock file that Nix began with; what cannot be read is no lock file.
    fn tree_lock(&self, flake: &LockedFlake) -> Option<Locks> {
        let own = || Path::new(&flake.path).join(flake.dir()).join("flake.lock");
        let file = self
            .request
            .options
            .reference_lock_file
            .clone()
            .unwrap_or_else(own);
        serde_json::from_slice(&std::fs::read(file).ok()?).ok()
    }

    fn perform(&mut self, effect: Effect) -> Result<(), EvalError> {
        match effect {
            Effect::Start(id) => {
                let (worker, work) =
                    Worker::start(self.request, self.home.path(), id, self.reports.0.clone())?;
                if let Some(root) = &self.root {
                    worker.open(&root.expression, &self.request.installable.attribute);
                }
                self.tasks.spawn(work);
                self.workers.insert(
                    id,
                    Running {
                        worker,
                        has_answered: false,
                    },
                );
            }
            Effect::Look(id, path) => {
                if let Some(running) = self.workers.get(&id) {
                    running.worker.look(&path);
                }
            }
            Effect::Stop(id) => self.stop(id),
        }
        Ok(())
    }

    /// Ends a worker as soon as all that it has found is held.
    fn stop(&mut self, id: WorkerId) {
        if let Some(running) = self.workers.remove(&id) {
            self.leaving.push((running.worker, self.delivery.taken()));
        }
    }

    fn take(&mut self, id: WorkerId, report: Report) -> Result<(), EvalError> {
        match report {
            Report::Ready => self.schedule.ready(id),
            Report::Warning(text) => {
                if let Some(task) = self.schedule.task(id).filter(|task| !task.is_survey) {
                    let path = Some(task.path.clone()).filter(|path| !path.is_empty());
                    self.delivery.warning(path, text);
                }
            }
            Report::Looked(answer) => {
                let task = self.schedule.looked(id);
                self.look_after(id);
                if let Some(task) = task {
                    self.evaluated += 1;
                    self.take_answer(&task, answer)?;
                    self.delivery.progress(self.evaluated, self.attributes);
                }
            }
            Report::Ended(ended) => {
                self.workers.remove(&id);
                match self.schedule.ended(id) {
                    Loss::Nothing => {}
                    Loss::Task(task) => self.lost(task, &ended)?,
                    Loss::TooMany => {
                        let words = ended.last_words;
                        return Err(EvalError::Infrastructure(format!(
                            "`nix repl` ends again and again: {words}"
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    fn take_answer(
        &mut self,
        task: &Task,
        answer: Result<Vec<u8>, String>,
    ) -> Result<(), EvalError> {
        let Task {
            path, is_survey, ..
        } = task;
        let answer = answer
            .map_err(|error| self.context.failure(&error))
            .and_then(|json| {
                serde_json::from_slice::<Answer>(&json).map_err(|error| EvalFailure {
                    message: format!("cannot understand what Nix says about it: {error}"),
                    ..EvalFailure::default()
                })
            });
        if *is_survey {
            if let (Ok(Answer::Set { count: 1.., .. } | Answer::Derivation(_)), Some(system)) =
                (answer, path.split_system().1)
            {
                self.systems.insert(System::of_derivation(system));
            }
            return Ok(());
        }
        let shown = self.request.installable.attribute.join(path);
        let failure = match answer {
            Ok(Answer::Derivation(derivation)) => match derivation.into_check(path.clone(), &shown)
            {
                Ok(check) => {
                    let system = path
                        .split_system()
                        .1
                        .map_or_else(|| check.system.clone(), System::of_derivation);
                    if self.systems.len() < SYSTEMS_MAX {
                        self.systems.insert(system);
                    }
                    if self.selection.wants_derivation(path, &check.system) {
                        self.delivery.check(check);
                    }
                    return Ok(());
                }
                Err(failure) => failure,
            },
            Ok(Answer::Set {
                count,
                names,
                recurse,
            }) => {
                if !recurse && selection::may_refuse(path) {
                    return Ok(());
                }
                if !selection::is_too_deep(path) {
                    return self.take_set(path, count, names);
                }
                EvalFailure {
                    message: format!("`{shown}` is nested too deeply: does a set contain itself?"),
                    ..EvalFailure::default()
                }
            }
            Ok(Answer::Other {
                is,
                type_name,
                position,
            }) => {
                answer::not_a_derivation(&shown, &is, type_name.as_deref(), position, &self.context)
            }
            Ok(Answer::Missing { names, .. }) if path.is_empty() => {
                return Err(EvalError::AttributeMissing {
                    wanted: shown.to_string(),
                    available: names,
                });
            }
            Ok(Answer::Missing { .. }) => EvalFailure {
                message: format!("`{shown}` was there and is not any more"),
                ..EvalFailure::default()
            },
            Ok(Answer::Blocked { at, is }) => {
                let before = shown.names().iter().take(at);
                EvalFailure {
                    message: format!(
                        "`{}` is {}, so there is no `{shown}`",
                        AttrPath::new(before),
                        answer::value_kind(&is)
                    ),
                    ..EvalFailure::default()
                }
            }
            Err(failure) => failure,
        };
        self.failed(path.clone(), failure)
    }

    /// The evaluation has failed as a whole if what was asked for has.
    fn failed(&mut self, path: AttrPath, failure: EvalFailure) -> Result<(), EvalError> {
        if path.is_empty() {
            return Err(EvalError::Flake(failure));
        }
        self.delivery.failed(path, failure);
        Ok(())
    }

    fn take_set(
        &mut self,
        path: &AttrPath,
        count: usize,
        names: Vec<String>,
    ) -> Result<(), EvalError> {
        if let (Some(system), 1..) = (path.split_system().1, count) {
            self.systems.insert(System::of_derivation(system));
        }
        self.attributes += count;
        if self.attributes > ATTRIBUTES_MAX {
            return Err(EvalError::Flake(answer::too_many_attributes()));
        }
        for name in names {
            let child = path.child(&name);
            // What nixpkgs marks sets with is no attribute to look at.
            if name == "recurseForDerivations" || self.known.contains(&child) {
                self.attributes -= 1;
            } else if self.selection.wants_attribute(path, &name) {
                self.schedule.push(Task::evaluate(child));
            } else {
                self.attributes -= 1;
                if self.unwanted.len() < SYSTEMS_MAX && looks_like_system(&name) {
                    self.unwanted
                        .entry(System::of_derivation(&name))
                        .or_insert(child);
                }
            }
        }
        Ok(())
    }

    /// Looks for other systems that have something, if the wanted ones have nothing; returns whether there is anything
    /// to look at.
    fn survey(&mut self) -> bool {
        let unwanted = std::mem::take(&mut self.unwanted);
        if self.delivery.results > 0 || !self.known.is_empty() {
            // To find out would cost an evaluation for each, and nobody needs to know.
            self.systems.extend(unwanted.into_keys());
            return false;
        }
        let is_anything = !unwanted.is_empty();
        for path in unwanted.into_values() {
            self.schedule.push(Task::survey(path));
        }
        is_anything
    }

    /// Sees how large a worker is between two attributes.
    fn look_after(&mut self, id: WorkerId) {
        let Some(running) = self.workers.get_mut(&id) else {
            return;
        };
        let Some(bytes) = running.worker.pid.and_then(budget::resident_bytes) else {
            return;
        };
        if !running.has_answered {
            running.has_answered = true;
            self.budget.loaded(bytes);
            self.schedule
                .limit_workers(self.budget.workers(self.request.workers));
        }
        if self.budget.is_worn_out(bytes, self.schedule.workers_max()) {
            self.schedule.dismiss(id);
            self.stop(id);
        }
    }

    fn watch_memory(&mut self) -> Result<(), EvalError> {
        let size = |(id, running): (&WorkerId, &Running)| {
            Some((*id, budget::resident_bytes(running.worker.pid?)?))
        };
        let sizes: Vec<_> = self.workers.iter().filter_map(size).collect();
        let Some(victim) = self.budget.victim(&sizes) else {
            return Ok(());
        };
        let task = self.schedule.dismiss(victim);
        self.stop(victim);
        match task {
            None => Ok(()),
            Some(task) if task.is_survey => Ok(()),
            Some(task) if task.is_alone => self.failed(
                task.path,
                EvalFailure {
                    message: format!(
                        "its evaluation needs more than {} MiB, even alone: raise the budget with `--eval-memory`",
                        self.request.memory_budget_bytes >> 20
                    ),
                    ..EvalFailure::default()
                },
            ),
            Some(task) => {
                self.schedule.retry_alone(task);
                Ok(())
            }
        }
    }

    /// A worker ended while it was looking at something.
    fn lost(&mut self, task: Task, ended: &Ended) -> Result<(), EvalError> {
        let Ended { signal, last_words } = ended;
        let is_overflow = last_words.contains("stack overflow");
        if task.is_survey {
            return Ok(());
        }
        if signal.is_some() && !is_overflow && !task.is_alone {
            self.schedule.retry_alone(task);
            return Ok(());
        }
        let failure = match signal {
            Some(signal) if !is_overflow => EvalFailure {
                message: format!(
                    "Nix was killed by signal {signal} while it evaluated this alone: was there too little memory?"
                ),
                ..EvalFailure::default()
            },
            Some(_) | None => self.context.failure(last_words),
        };
        self.failed(task.path, failure)
    }
}
