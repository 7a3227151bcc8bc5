//! Which worker looks at which attribute, and what becomes of an attribute whose worker is lost.
//!
//! A state machine without I/O: the engine tells it what happened and carries out the [`Effect`]s it asks for. A worker
//! whose answers are quick gets several attributes at once, since a request costs more than a small attribute. An
//! attribute during which a worker was lost is tried once more alone, on a fresh worker and with no other beside it,
//! when everything else is done.

mod request;
mod worker;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

pub(super) use request::{Look, Task};
use request::{next_request_size, request_length};

use self::worker::{Phase, State};
use super::worker::WorkerId;
use crate::nix::AttrPath;

/// How many workers may fail to start in a row.
const FAILED_STARTS_MAX: usize = 3;
/// How many workers may be lost in a row without an answer in between.
const LOSSES_MAX: usize = 50;

/// After how many answers there may be one worker more again.
const ANSWERS_PER_EVICTION: usize = 10;

/// What the engine has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Start a worker with this name.
    Start(WorkerId),
    /// Let a worker look at these paths, one after the other.
    Look(WorkerId, Vec<AttrPath>),
    /// End a worker.
    Stop(WorkerId),
}

/// What was lost with a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nothing, or nothing of importance.
    Nothing,
    /// It was looking at this.
    Task(Task),
    /// So many workers were lost that more would be too.
    TooMany,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The flake is being locked, and a worker starts meanwhile.
    Locking,
    /// That takes long.
    Paused,
    /// The first answer is not there yet.
    First,
    /// That takes long.
    WarmingUp,
    /// There are answers.
    Going,
}

/// The plan of an evaluation.
#[derive(Debug)]
pub(super) struct Schedule {
    workers_max: usize,
    workers: BTreeMap<WorkerId, State>,
    started: WorkerId,
    stage: Stage,
    /// How many workers fewer there are for now, and how many answers there were since that was changed.
    evictions: usize,
    answers: usize,
    queue: VecDeque<Task>,
    alone: VecDeque<Task>,
    failed_starts: usize,
    losses: usize,
}

impl Schedule {
    /// Begins with nothing to do and at most this many workers.
    pub(super) fn new(workers_max: usize) -> Self {
        Self {
            workers_max: workers_max.max(1),
            workers: BTreeMap::new(),
            started: 0,
            stage: Stage::Locking,
            evictions: 0,
            answers: 0,
            queue: VecDeque::new(),
            alone: VecDeque::new(),
            failed_starts: 0,
            losses: 0,
        }
    }

    /// Workers can look at the flake from now on.
    pub(super) fn open(&mut self) {
        self.stage = Stage::First;
    }

    /// There is nothing to look at for some time: the workers are stopped until [`Self::open`].
    pub(super) fn pause(&mut self) {
        self.stage = Stage::Paused;
    }

    /// Adds what there is to do.
    pub(super) fn extend(&mut self, tasks: Vec<Task>) {
        self.queue.extend(tasks);
    }

    /// Lets a task be tried once more, alone.
    pub(super) fn retry_alone(&mut self, task: Task) {
        self.alone.push_back(Task {
            is_alone: true,
            ..task
        });
    }

    /// Sets how many workers there may be.
    pub(super) fn limit_workers(&mut self, max: usize) {
        self.workers_max = max.max(1);
    }

    /// How many workers there may be now.
    pub(super) fn workers_max(&self) -> usize {
        self.workers_max.saturating_sub(self.evictions).max(1)
    }

    /// The first answer takes long: other workers had better load the flake meanwhile.
    pub(super) fn warm_up(&mut self) {
        if self.stage == Stage::First {
            self.stage = Stage::WarmingUp;
        }
    }

    /// A worker reads requests.
    pub(super) fn ready(&mut self, worker: WorkerId) {
        self.failed_starts = 0;
        if let Some(state) = self.workers.get_mut(&worker)
            && state.phase == Phase::Starting
        {
            state.phase = Phase::Idle;
        }
    }

    /// A worker has looked; returns at what. `None` if it only warmed up, was told to stop meanwhile, or looked at
    /// something that is done elsewhere.
    pub(super) fn looked(&mut self, worker: WorkerId) -> Option<Task> {
        let state = self.workers.get_mut(&worker)?;
        let Phase::Looking(request) = &mut state.phase else {
            return None;
        };
        request.is_slow = false;
        let task = request.tasks.pop_front()?;
        self.losses = 0;
        self.stage = Stage::Going;
        self.answers += 1;
        if self.answers >= ANSWERS_PER_EVICTION {
            self.answers = 0;
            self.evictions = self.evictions.saturating_sub(1);
        }
        Some(task)
    }

    /// A worker is through with a request after this time. What it has not looked at is given out again.
    pub(super) fn rested(&mut self, worker: WorkerId, took: Duration) {
        let Some(state) = self.workers.get_mut(&worker) else {
            return;
        };
        if state.phase == Phase::Leaving {
            return;
        }
        self.losses = 0;
        if let Phase::Looking(request) = std::mem::replace(&mut state.phase, Phase::Idle) {
            state.request_size = next_request_size(state.request_size, took);
            self.put_back(request.tasks);
        }
    }

    /// Gives out again what waits in requests that are held up by one slow attribute. To be called now and then; a
    /// request is held up if nothing of it was answered since the last time.
    pub(super) fn withdraw(&mut self) {
        if self.workers_max() == 1 {
            return;
        }
        let mut withdrawn = VecDeque::new();
        for state in self.workers.values_mut() {
            if let Phase::Looking(request) = &mut state.phase {
                if request.is_slow && request.tasks.len() > 1 {
                    withdrawn.extend(request.tasks.drain(1..));
                }
                request.is_slow = true;
            }
        }
        self.put_back(withdrawn);
    }

    fn put_back(&mut self, mut tasks: VecDeque<Task>) {
        tasks.append(&mut self.queue);
        self.queue = tasks;
    }

    /// What a worker looks at now.
    pub(super) fn task(&self, worker: WorkerId) -> Option<&Task> {
        self.workers.get(&worker)?.phase.task()
    }

    /// A worker must go since there is no room for all; returns what it was looking at. There will be fewer workers for
    /// some time. The caller stops it.
    pub(super) fn evict(&mut self, worker: WorkerId) -> Option<Task> {
        let mut tasks = self.take_tasks(worker);
        let task = tasks.pop_front();
        self.put_back(tasks);
        if task.is_some() {
            self.evictions = (self.evictions + 1).min(self.workers_max - 1);
            self.answers = 0;
        }
        task
    }

    /// A worker must go; what it was looking at is given out again. The caller stops it.
    pub(super) fn dismiss(&mut self, worker: WorkerId) {
        let tasks = self.take_tasks(worker);
        self.put_back(tasks);
    }

    fn take_tasks(&mut self, worker: WorkerId) -> VecDeque<Task> {
        let state = self.workers.get_mut(&worker);
        match state.map(|state| std::mem::replace(&mut state.phase, Phase::Leaving)) {
            Some(Phase::Looking(request)) => request.tasks,
            Some(Phase::WarmingUp | Phase::Starting | Phase::Idle | Phase::Leaving) | None => {
                VecDeque::new()
            }
        }
    }

    /// A worker is gone.
    pub(super) fn ended(&mut self, worker: WorkerId) -> Loss {
        let Some(State { phase, .. }) = self.workers.remove(&worker) else {
            return Loss::Nothing;
        };
        match phase {
            Phase::Leaving => return Loss::Nothing,
            // If something is wrong with this Nix, locking the flake tells it better.
            Phase::Starting | Phase::Idle if self.stage == Stage::Locking => {
                self.stage = Stage::Paused;
            }
            Phase::Starting => self.failed_starts += 1,
            Phase::Idle | Phase::WarmingUp | Phase::Looking(_) => self.losses += 1,
        }
        if self.failed_starts >= FAILED_STARTS_MAX || self.losses >= LOSSES_MAX {
            return Loss::TooMany;
        }
        let Phase::Looking(mut request) = phase else {
            return Loss::Nothing;
        };
        let task = request.tasks.pop_front();
        self.put_back(request.tasks);
        task.map_or(Loss::Nothing, Loss::Task)
    }

    /// Whether there is nothing left to do.
    pub(super) fn is_finished(&self) -> bool {
        self.queue.is_empty() && self.alone.is_empty() && self.looking().next().is_none()
    }

    /// Returns what is to be done now.
    pub(super) fn effects(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.stage == Stage::Paused {
            self.stop_all_but(None, &mut effects);
            return effects;
        }
        if self.looking().any(|task| task.is_alone) {
            return effects;
        }
        if self.queue.is_empty() && !self.alone.is_empty() && self.looking().next().is_none() {
            self.try_alone(&mut effects);
            return effects;
        }
        let mut excess = self.alive(|_| true).saturating_sub(self.workers_max());
        let share = self.queue.len() / (2 * self.workers_max()) + 1;
        if !matches!(self.stage, Stage::Locking) {
            for (&worker, state) in &mut self.workers {
                if state.phase != Phase::Idle {
                    continue;
                }
                if excess > 0 {
                    excess -= 1;
                    state.phase = Phase::Leaving;
                    effects.push(Effect::Stop(worker));
                    continue;
                }
                let count = request_length(&self.queue, state.request_size.min(share));
                if count > 0 {
                    effects.push(state.look(worker, self.queue.drain(..count).collect()));
                } else if self.stage == Stage::WarmingUp && state.is_fresh {
                    effects.push(Effect::Look(worker, vec![AttrPath::default()]));
                    state.phase = Phase::WarmingUp;
                    state.is_fresh = false;
                }
            }
        }
        let alive = self.alive(|_| true);
        let on_the_way = self.alive(|phase| matches!(phase, Phase::Starting | Phase::WarmingUp));
        let wanted = match self.stage {
            Stage::Paused => 0,
            Stage::Locking => 1,
            // The second has a task as soon as the first has an answer.
            Stage::First => 2,
            Stage::WarmingUp => usize::MAX,
            Stage::Going => (alive + self.queue.len()).saturating_sub(on_the_way),
        };
        for _ in alive..wanted.min(self.workers_max()) {
            self.start(&mut effects);
        }
        effects
    }

    /// Clears the place for a task that is to be tried alone, and lets it begin when it is clear.
    fn try_alone(&mut self, effects: &mut Vec<Effect>) {
        let is_candidate =
            |state: &State| state.is_fresh && matches!(state.phase, Phase::Starting | Phase::Idle);
        let chosen = self
            .workers
            .iter()
            .find(|(_, state)| is_candidate(state))
            .map(|(&worker, _)| worker);
        self.stop_all_but(chosen, effects);
        let is_clear = self.workers.len() == usize::from(chosen.is_some());
        let Some(worker) = chosen else {
            if is_clear {
                self.start(effects);
            }
            return;
        };
        if let Some(state) = self.workers.get_mut(&worker)
            && is_clear
            && state.phase == Phase::Idle
            && let Some(task) = self.alone.pop_front()
        {
            effects.push(state.look(worker, [task].into()));
        }
    }

    fn stop_all_but(&mut self, chosen: Option<WorkerId>, effects: &mut Vec<Effect>) {
        for (&worker, state) in &mut self.workers {
            if Some(worker) != chosen && state.phase != Phase::Leaving {
                state.phase = Phase::Leaving;
                effects.push(Effect::Stop(worker));
            }
        }
    }

    fn start(&mut self, effects: &mut Vec<Effect>) {
        let worker = self.started;
        self.started += 1;
        self.workers.insert(
            worker,
            State {
                phase: Phase::Starting,
                is_fresh: true,
                request_size: 1,
            },
        );
        effects.push(Effect::Start(worker));
    }

    fn looking(&self) -> impl Iterator<Item = &Task> {
        self.workers.values().filter_map(|state| state.phase.task())
    }

    fn alive(&self, phase: impl Fn(&Phase) -> bool) -> usize {
        let states = self.workers.values().map(|state| &state.phase);
        states
            .filter(|&state| *state != Phase::Leaving && phase(state))
            .count()
    }
}

#[cfg(test)]
mod tests;
