//! Runs an evaluation: locks the flake, runs the workers, and passes on what they find.
//!
//! The effects of the built-in evaluator; what to do next is decided by the schedule, what an answer means by the
//! findings. Ends with all its children gone.

mod memory;

use std::{collections::BTreeMap, path::Path, time::Duration};

use tempfile::TempDir;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    expressions,
    findings::Findings,
    locked_flake::{LockedFlake, Locks},
    root::Root,
    schedule::{Effect, Look, Loss, Schedule, Task},
    worker::{Ended, Report, Worker, WorkerId},
};
use crate::eval::{
    EvalError, EvalFailure, EvalRequest, EvalSummary, LockedSource,
    budget::Budget,
    delivery::Delivery,
    nix_eval_jobs::{JobEvent, Jobs},
    process::TOO_MUCH,
};

/// How often the workers' memory is looked at.
const MEMORY_INTERVAL: Duration = Duration::from_millis(200);
/// How long locking the flake may take before workers are stopped that wait for it. A worker with a store of its own
/// keeps a lock on it, for which another Nix that has to change the store's database waits for ever.
const LOCKING_PATIENCE: Duration = Duration::from_secs(1);
/// How long the first answer may take before other workers load the flake too.
const WARM_UP_AFTER: Duration = Duration::from_millis(250);
/// How many reports of workers may wait.
const REPORTS_MAX: usize = 64;

/// What a worker says when it ends by a signal for a reason that is known.
const KNOWN_ENDS: [&str; 2] = ["stack overflow", TOO_MUCH];

/// A running evaluation.
pub(in crate::eval) struct Engine<'e, 'd> {
    request: &'e EvalRequest,
    findings: Findings<'e, 'd>,
    schedule: Schedule,
    budget: Budget,
    root: Option<Root>,
    locked: Option<LockedSource>,
    jobs: Option<Jobs>,
    workers: BTreeMap<WorkerId, Running>,
    /// Workers that end as soon as so many checks are held.
    leaving: Vec<(Worker, u64)>,
    tasks: JoinSet<()>,
    reports_tx: mpsc::Sender<(WorkerId, Report)>,
    reports: mpsc::Receiver<(WorkerId, Report)>,
    /// Where workers keep what they would keep in the user's home.
    home: TempDir,
}

struct Running {
    worker: Worker,
    has_answered: bool,
    asked_at: Instant,
}

impl<'e, 'd> Engine<'e, 'd> {
    /// Prepares the evaluation of all that is asked for, as far as `jobs` does not evaluate it.
    pub(in crate::eval) fn new(
        request: &'e EvalRequest,
        delivery: &'e mut Delivery<'d>,
        jobs: Option<Jobs>,
    ) -> Result<Self, EvalError> {
        let home = tempfile::Builder::new().prefix("nixci-eval-").tempdir();
        let home = home.map_err(|error| {
            EvalError::Infrastructure(format!("cannot make a temporary folder: {error}"))
        })?;
        // Beside nix-eval-jobs one is enough to find out names.
        let workers = if jobs.is_some() { 1 } else { request.workers };
        let mut schedule = Schedule::new(workers);
        let mut findings = Findings::new(request, delivery, jobs.is_some());
        schedule.extend(findings.begin());
        let (reports_tx, reports) = mpsc::channel(REPORTS_MAX);
        Ok(Self {
            request,
            findings,
            schedule,
            budget: Budget::new(request.memory_budget_bytes),
            root: None,
            locked: None,
            jobs,
            workers: BTreeMap::new(),
            leaving: Vec::new(),
            tasks: JoinSet::new(),
            reports_tx,
            reports,
            home,
        })
    }

    /// Evaluates to the end, or until it is cancelled or nobody receives what is found.
    pub(in crate::eval) async fn run(
        mut self,
        cancel: CancellationToken,
    ) -> Result<EvalSummary, EvalError> {
        let abandoned = self.findings.delivery.abandoned();
        let isolation = self.request.options.isolation.as_ref();
        let (begin, deadline) = (Instant::now(), isolation.map(|it| it.limits.time));
        let result = tokio::select! {
            result = self.evaluate() => result,
            () = cancel.cancelled() => Err(EvalError::Cancelled),
            () = abandoned => Err(EvalError::Cancelled),
            () = sleep_until(deadline.map(|limit| begin + limit)) => Err(too_long(deadline)),
        };
        self.workers.clear();
        self.leaving.clear();
        // Reports that wait to be taken would keep the tasks from ending.
        self.reports.close();
        while self.tasks.join_next().await.is_some() {}
        if let Some(jobs) = self.jobs.take() {
            jobs.stop().await;
        }
        result.map(|()| EvalSummary {
            systems_available: self.findings.systems(),
            locked: self.locked,
        })
    }

    async fn evaluate(&mut self) -> Result<(), EvalError> {
        let (mut locked, _stop) = self.lock();
        let mut memory = tokio::time::interval(MEMORY_INTERVAL);
        memory.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause_at = Some(Instant::now() + LOCKING_PATIENCE);
        let mut warm_up_at = None;
        loop {
            for effect in self.schedule.effects() {
                self.perform(effect)?;
            }
            if self.schedule.is_finished() && self.jobs.is_none() {
                if let Some(error) = self.findings.nothing_chosen() {
                    return Err(error);
                }
                let survey = self.findings.survey();
                if survey.is_empty() {
                    self.findings.tell_omitted();
                    return self.findings.delivery.finish().await;
                }
                self.schedule.extend(survey);
                continue;
            }
            let delivery = &mut *self.findings.delivery;
            self.leaving.retain(|(_, held)| !delivery.has_held(*held));
            tokio::select! {
                flake = &mut locked, if self.root.is_none() => {
                    // It is sent, whatever happens, unless its task has panicked.
                    match flake.unwrap_or(Err(EvalError::Cancelled))? {
                        Some(flake) => self.open_flake(&flake)?,
                        None => self.open(Root::of_file(self.request)),
                    }
                    pause_at = None;
                    warm_up_at = Some(Instant::now() + WARM_UP_AFTER);
                }
                Some((worker, report)) = self.reports.recv(), if !delivery.is_full() => {
                    if let Report::Looked(_) = report {
                        warm_up_at = None;
                    }
                    self.take(worker, report)?;
                }
                event = next_event(&mut self.jobs), if self.root.is_some() && !delivery.is_full() => {
                    self.take_job(event)?;
                }
                advanced = delivery.advance(), if delivery.is_waiting() => advanced?,
                _ = memory.tick() => {
                    self.schedule.withdraw();
                    self.watch_memory()?;
                }
                () = sleep_until(pause_at) => {
                    pause_at = None;
                    self.schedule.pause();
                }
                () = sleep_until(warm_up_at) => {
                    warm_up_at = None;
                    self.schedule.warm_up();
                }
            }
        }
    }

    /// Has the user's expressions read and the flake locked, if it is one, as long as the guard lives.
    fn lock(
        &mut self,
    ) -> (
        oneshot::Receiver<Result<Option<LockedFlake>, EvalError>>,
        DropGuard,
    ) {
        let (locked_tx, locked_rx) = oneshot::channel();
        let (request, stop) = (self.request.clone(), CancellationToken::new());
        let guard = stop.clone().drop_guard();
        self.tasks.spawn(async move {
            // Nobody receives it when the evaluation is over.
            let _ = locked_tx.send(lock(&request, &stop).await);
        });
        (locked_rx, guard)
    }

    /// The flake is locked: workers can look at it now.
    fn open_flake(&mut self, flake: &LockedFlake) -> Result<(), EvalError> {
        let tree_lock = flake.is_lock_new.then(|| self.tree_lock(flake)).flatten();
        let is_there = |path: &str| Path::new(path).exists();
        let root = Root::new(self.request, flake, tree_lock.as_ref(), is_there)?;
        let delivery = &mut *self.findings.delivery;
        for warning in &flake.warnings {
            delivery.warning(None, warning.clone());
        }
        for tree in &root.trees {
            delivery.tree(tree.clone());
        }
        let options = &self.request.options;
        self.locked = (!options.impure).then_some(LockedSource {
            fully_locked: !flake.is_lock_new
                && options.override_inputs.is_empty()
                && options.reference_lock_file.is_none(),
        });
        self.findings.context.trees.push(flake.path.clone());
        self.open(root);
        Ok(())
    }

    fn open(&mut self, root: Root) {
        for running in self.workers.values() {
            running.worker.open(self.request, &root.expression);
        }
        self.root = Some(root);
        self.schedule.open();
    }

    /// The lock file that Nix began with; what cannot be read is no lock file.
    fn tree_lock(&self, flake: &LockedFlake) -> Option<Locks> {
        let own = || Path::new(&flake.path).join(flake.dir()).join("flake.lock");
        let file = self.request.options.reference_lock_file.clone();
        serde_json::from_slice(&std::fs::read(file.unwrap_or_else(own)).ok()?).ok()
    }

    fn perform(&mut self, effect: Effect) -> Result<(), EvalError> {
        match effect {
            Effect::Start(id) => {
                let reports = self.reports_tx.clone();
                let (worker, work) = Worker::start(self.request, self.home.path(), id, reports)?;
                if let Some(root) = &self.root {
                    worker.open(self.request, &root.expression);
                }
                self.tasks.spawn(work);
                let running = Running {
                    worker,
                    has_answered: false,
                    asked_at: Instant::now(),
                };
                self.workers.insert(id, running);
            }
            Effect::Look(id, paths) => {
                let task = self.schedule.task(id);
                let look = task.map_or(Look::Glance, |task| task.look);
                if let Some(running) = self.workers.get_mut(&id) {
                    running.asked_at = Instant::now();
                    running.worker.look(&paths, look);
                }
            }
            Effect::Stop(id) => self.stop(id),
        }
        Ok(())
    }

    /// Ends a worker as soon as all that it has found is held.
    fn stop(&mut self, id: WorkerId) {
        if let Some(running) = self.workers.remove(&id) {
            let found = self.findings.delivery.taken();
            self.leaving.push((running.worker, found));
        }
    }

    fn take(&mut self, id: WorkerId, report: Report) -> Result<(), EvalError> {
        match report {
            Report::Ready => self.schedule.ready(id),
            Report::Warning(text) => {
                if let Some(task) = self.schedule.task(id) {
                    self.findings.warning(task, text);
                }
            }
            Report::Looked(answer) => {
                let task = self.schedule.looked(id);
                self.weigh(id);
                if let Some(task) = task {
                    self.done(task, answer.as_deref().map_err(String::as_str))?;
                }
            }
            Report::Rested => {
                if let Some(running) = self.workers.get(&id) {
                    self.schedule.rested(id, running.asked_at.elapsed());
                }
            }
            Report::Ended(ended) => {
                self.workers.remove(&id);
                match self.schedule.ended(id) {
                    Loss::Nothing => {}
                    Loss::Task(task) => self.lost(task, ended)?,
                    Loss::TooMany => {
                        return Err(EvalError::Infrastructure(format!(
                            "`nix repl` ends again and again: {}",
                            ended.last_words
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    fn take_job(&mut self, event: JobEvent) -> Result<(), EvalError> {
        match event {
            JobEvent::Job(job) => {
                let has_select = self.jobs.as_ref().is_some_and(|jobs| jobs.has_select);
                self.findings.take_job(job, has_select)?;
            }
            JobEvent::Warning(text) => self.findings.delivery.warning(None, text),
            JobEvent::Ended(why) => {
                self.jobs = None;
                if let Some(why) = why {
                    self.findings.delivery.warning(None, why);
                }
                self.limit_workers();
                self.schedule.extend(self.findings.stop_deferring());
            }
        }
        Ok(())
    }

    fn done(&mut self, task: Task, answer: Result<&[u8], &str>) -> Result<(), EvalError> {
        let more = self.findings.take(task, answer)?;
        self.schedule.extend(more);
        Ok(())
    }

    /// A worker ended while it was looking at something.
    fn lost(&mut self, task: Task, ended: Ended) -> Result<(), EvalError> {
        let Ended { signal, last_words } = ended;
        let why = match signal {
            Some(signal) if !KNOWN_ENDS.iter().any(|end| last_words.contains(end)) => {
                if !task.is_alone {
                    self.schedule.retry_alone(task);
                    return Ok(());
                }
                format!(
                    "Nix was killed by signal {signal} while it evaluated this alone: was there too little memory?"
                )
            }
            Some(_) | None => last_words,
        };
        self.done(task, Err(&why))
    }
}

async fn lock(
    request: &EvalRequest,
    stop: &CancellationToken,
) -> Result<Option<LockedFlake>, EvalError> {
    expressions::check(request, stop).await?;
    if request.scope.file.is_some() {
        return Ok(None);
    }
    LockedFlake::read(request, stop).await.map(Some)
}

fn too_long(limit: Option<Duration>) -> EvalError {
    let seconds = limit.unwrap_or_default().as_secs();
    EvalError::Flake(EvalFailure::new(format!(
        "the evaluation takes longer than {seconds} s, which is the limit"
    )))
}

async fn next_event(jobs: &mut Option<Jobs>) -> JobEvent {
    match jobs {
        Some(jobs) => jobs.next().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
