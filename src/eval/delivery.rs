//! What an evaluation has found, on its way to the receiver: held first, sent second.
//!
//! The same for both evaluators. Waits for the store and for the receiver without keeping an evaluator from its other
//! work, and lets it know when it should slow down.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    BoxFuture, EvalError, EvalFailure, Evaluated, EvaluatedCheck, EvaluatedOutput, RootKeeper,
};
use crate::nix::{AttrPath, StorePath};

/// How much may wait before evaluators should stop for it.
const WAITING_MAX: usize = 1000;
/// How many derivations are held with one request.
const HOLD_MAX: usize = 256;
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(50);
/// How many warnings are remembered, so that they are not repeated.
const WARNINGS_MAX: usize = 100_000;

/// Store paths that are being held: those of the first so many checks, or a tree.
struct Holding<'a> {
    first: StorePath,
    checks: usize,
    held: BoxFuture<'a, Result<(), String>>,
}

/// Finds on their way.
pub(super) struct Delivery<'a> {
    roots: &'a dyn RootKeeper,
    found: mpsc::Sender<Evaluated>,
    unheld: VecDeque<EvaluatedCheck>,
    trees: VecDeque<StorePath>,
    holding: Option<Holding<'a>>,
    /// How many checks were taken and held; they are held in the order in which they were taken.
    taken_and_held: (u64, u64),
    unsent: VecDeque<Evaluated>,
    warned: HashSet<u64>,
    progress: (usize, usize),
    progress_told: Option<((usize, usize), Instant)>,
    /// How many checks and failures there were.
    pub(super) results: usize,
}

impl<'a> Delivery<'a> {
    /// Holds with `roots` and sends to `found`.
    pub(super) fn new(roots: &'a dyn RootKeeper, found: mpsc::Sender<Evaluated>) -> Self {
        Self {
            roots,
            found,
            unheld: VecDeque::new(),
            trees: VecDeque::new(),
            holding: None,
            taken_and_held: (0, 0),
            unsent: VecDeque::new(),
            warned: HashSet::new(),
            progress: (0, 0),
            progress_told: None,
            results: 0,
        }
    }

    /// Takes a check.
    pub(super) fn check(&mut self, check: EvaluatedCheck) {
        self.results += 1;
        self.taken_and_held.0 += 1;
        self.unheld.push_back(check);
    }

    /// Takes something that is as it should be and needs no build.
    pub(super) fn output(&mut self, output: EvaluatedOutput) {
        self.results += 1;
        self.unsent.push_back(Evaluated::Output(output));
    }

    /// Takes what is to be said of an attribute itself, which others may share.
    pub(super) fn remark(&mut self, path: AttrPath, message: String) {
        let path = Some(path);
        self.unsent.push_back(Evaluated::Warning { path, message });
    }

    /// Takes a failed attribute.
    pub(super) fn failed(&mut self, path: AttrPath, error: EvalFailure) {
        self.results += 1;
        self.unsent.push_back(Evaluated::Failed { path, error });
    }

    /// Takes a warning; the same text is passed on once, since every worker that evaluates a shared value repeats it.
    pub(super) fn warning(&mut self, path: Option<AttrPath>, message: String) {
        let mut hasher = DefaultHasher::new();
        message.hash(&mut hasher);
        if self.warned.len() < WARNINGS_MAX && self.warned.insert(hasher.finish()) {
            self.unsent.push_back(Evaluated::Warning { path, message });
        }
    }

    /// Takes a source tree that is to be held too, when there is time.
    pub(super) fn tree(&mut self, path: StorePath) {
        self.trees.push_back(path);
    }

    /// Takes how far the evaluation is: attributes evaluated, attributes known.
    pub(super) fn progress(&mut self, evaluated: usize, attributes: usize) {
        self.progress = (evaluated, attributes);
        if self
            .progress_told
            .is_none_or(|(_, at)| at.elapsed() >= PROGRESS_INTERVAL)
        {
            self.tell_progress();
        }
    }

    fn tell_progress(&mut self) {
        let (evaluated, attributes) = self.progress;
        if self
            .progress_told
            .is_none_or(|(told, _)| told != self.progress)
        {
            self.progress_told = Some((self.progress, Instant::now()));
            self.unsent.push_back(Evaluated::Progress {
                evaluated,
                attributes,
            });
        }
    }

    /// Whether so much waits that evaluators should.
    pub(super) fn is_full(&self) -> bool {
        self.unheld.len() + self.unsent.len() >= WAITING_MAX
    }

    /// How many checks were taken so far, for [`Self::has_held`].
    pub(super) fn taken(&self) -> u64 {
        self.taken_and_held.0
    }

    /// Whether the first `count` checks are held.
    pub(super) fn has_held(&self, count: u64) -> bool {
        self.taken_and_held.1 >= count
    }

    /// Whether there is anything for [`Self::advance`] to do.
    pub(super) fn is_waiting(&self) -> bool {
        !(self.unheld.is_empty()
            && self.unsent.is_empty()
            && self.trees.is_empty()
            && self.holding.is_none())
    }

    /// Waits until one more thing is held or sent. Nothing is lost if the future is dropped.
    pub(super) async fn advance(&mut self) -> Result<(), EvalError> {
        if self.holding.is_none() {
            let drv_paths = self.unheld.iter().map(|check| check.drv_path.clone());
            let mut paths: Vec<StorePath> = drv_paths.take(HOLD_MAX).collect();
            let checks = paths.len();
            if checks == 0 {
                paths.extend(self.trees.pop_front());
            }
            if let Some(first) = paths.first().cloned() {
                let held = self.roots.hold(paths);
                self.holding = Some(Holding {
                    first,
                    checks,
                    held,
                });
            }
        }
        let held = async {
            match &mut self.holding {
                Some(holding) => (&mut holding.held).await,
                None => std::future::pending().await,
            }
        };
        let held = tokio::select! {
            held = held => held,
            permit = self.found.reserve(), if !self.unsent.is_empty() => {
                let permit = permit.map_err(|_| EvalError::Cancelled)?;
                if let Some(evaluated) = self.unsent.pop_front() {
                    permit.send(evaluated);
                }
                return Ok(());
            }
        };
        self.take_held(held)
    }

    fn take_held(&mut self, held: Result<(), String>) -> Result<(), EvalError> {
        let Some(Holding { first, checks, .. }) = self.holding.take() else {
            return Ok(());
        };
        held.map_err(|error| {
            EvalError::Infrastructure(format!(
                "cannot protect `{first}` from the garbage collector: {error}"
            ))
        })?;
        self.taken_and_held.1 += checks as u64;
        let held = self.unheld.drain(..checks).map(Evaluated::Check);
        self.unsent.extend(held);
        Ok(())
    }

    /// Waits until the receiver is gone.
    pub(super) fn abandoned(&self) -> impl Future<Output = ()> + Send + 'static {
        let found = self.found.clone();
        async move { found.closed().await }
    }

    /// Delivers all that waits, the last progress included.
    pub(super) async fn finish(&mut self) -> Result<(), EvalError> {
        self.tell_progress();
        self.trees.clear();
        while !(self.unheld.is_empty() && self.unsent.is_empty()) {
            self.advance().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
