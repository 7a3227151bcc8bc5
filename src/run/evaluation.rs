//! An evaluation with its cache in front of it.

use std::{collections::HashSet, sync::Arc};

use tokio::{sync::mpsc, task::block_in_place};
use tokio_util::sync::CancellationToken;

use super::{Builder, Evaluate, PooledStore, worker::describe};
use crate::{
    eval::{
        CacheKey, CachedEvaluation, EvalCache, EvalError, EvalRequest, EvalScope, EvalSummary,
        Evaluated, Evaluator,
    },
    graph::StoreView,
    nix::StorePath,
};

/// Where an evaluation is kept.
pub struct Kept {
    /// The cache.
    pub cache: EvalCache,
    /// The key, made before the evaluation.
    pub key: CacheKey,
    /// Makes the key again: a tree that changed meanwhile is not the one that was evaluated, or only partly so.
    pub key_now: Box<dyn Fn() -> Option<CacheKey> + Send + Sync>,
}

/// What is needed to evaluate.
pub struct Evaluation {
    /// What to evaluate.
    pub request: EvalRequest,
    /// Who evaluates, if the cache does not answer.
    pub evaluator: Box<dyn Evaluator>,
    /// Where the result is kept; `None`: this one must not be.
    pub kept: Option<Kept>,
    /// The store that holds the derivations.
    pub store: Arc<PooledStore>,
    /// What suffices of it where the cache does not have all; such a part is not kept.
    pub part: Option<EvalScope>,
    /// Who will need connections soon, and how many, if the cache does not answer.
    pub warm_up: Option<(Builder, usize)>,
}

impl Evaluation {
    /// Makes it something a run can start.
    pub fn into_evaluate(self) -> Evaluate {
        Box::new(|found, cancel| Box::pin(self.evaluate(found, cancel)))
    }

    async fn evaluate(
        mut self,
        found: mpsc::Sender<Evaluated>,
        cancel: CancellationToken,
    ) -> (Result<EvalSummary, EvalError>, bool) {
        if let Some(Kept { cache, key, .. }) = &self.kept
            && let Some(kept) = block_in_place(|| cache.load(key))
            && self.is_to_be_had(&kept).await
        {
            return (send_kept(kept, &found).await, true);
        }
        if let Some(part) = self.part.take() {
            self.request.scope = part;
            self.kept = None;
        }
        // Whoever evaluates needs the store too, but says less clearly why it cannot be reached; and two processes of Nix
        // that make a new store at the same time disturb each other.
        if let Err(error) = self.store.connect().await {
            return (Err(EvalError::Infrastructure(describe(&error))), false);
        }
        if let Some((builder, connections)) = self.warm_up {
            tokio::spawn(async move { builder.warm_up(connections).await });
        }
        // What goes by is written down, to be kept.
        let (tee_tx, mut tee_rx) = mpsc::channel(64);
        let pass_on = async {
            let mut kept = self.kept.is_some().then(CachedEvaluation::default);
            while let Some(evaluated) = tee_rx.recv().await {
                note(&mut kept, &evaluated);
                if found.send(evaluated).await.is_err() {
                    // Dropping the receiver stops the evaluator.
                    tee_rx.close();
                }
            }
            kept
        };
        let evaluate = self
            .evaluator
            .evaluate(&self.request, &*self.store, tee_tx, cancel);
        let (result, kept) = tokio::join!(evaluate, pass_on);
        if let (Some(place), Some(mut kept), Ok(summary)) = (&self.kept, kept, &result)
            && summary
                .locked
                .as_ref()
                .is_some_and(|source| source.fully_locked)
        {
            kept.systems_available
                .clone_from(&summary.systems_available);
            block_in_place(|| {
                if (place.key_now)().as_ref() == Some(&place.key) {
                    // A cache that cannot be written costs time only.
                    let _ = place.cache.store(&place.key, &kept);
                }
            });
        }
        (result, false)
    }

    /// Whether every derivation, or else all its outputs, are still valid.
    async fn is_to_be_had(&self, kept: &CachedEvaluation) -> bool {
        let outputs = |check: &crate::eval::EvaluatedCheck| {
            check.outputs.values().cloned().collect::<Vec<_>>()
        };
        let known: Vec<StorePath> = kept.checks.iter().flat_map(outputs).flatten().collect();
        let Ok(valid) = self.store.valid_paths(known).await else {
            return false;
        };
        let drv_paths: Vec<StorePath> = kept
            .checks
            .iter()
            .filter(|check| {
                !outputs(check)
                    .iter()
                    .all(|output| output.as_ref().is_some_and(|path| valid.contains(path)))
            })
            .map(|check| check.drv_path.clone())
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        // Held first and looked at second: what is valid then stays so.
        let count = drv_paths.len();
        let is_to_be_had = self.store.hold(drv_paths.clone()).await.is_ok()
            && self
                .store
                .valid_paths(drv_paths)
                .await
                .is_ok_and(|valid| valid.len() == count);
        // The plan asks about the same outputs next; for ten thousand that is a third of a second.
        self.store.remember_valid(valid);
        is_to_be_had
    }
}

fn note(kept: &mut Option<CachedEvaluation>, evaluated: &Evaluated) {
    match (evaluated, kept.as_mut()) {
        (Evaluated::Check(check), Some(kept)) => kept.checks.push(check.clone()),
        (Evaluated::Warning { path, message }, Some(kept)) => {
            kept.warnings.push((path.clone(), message.clone()));
        }
        (Evaluated::Output(output), Some(kept)) => kept.outputs.push(output.clone()),
        (Evaluated::Failed { .. }, _) => *kept = None,
        (
            Evaluated::Progress { .. }
            | Evaluated::Check(_)
            | Evaluated::Output(_)
            | Evaluated::Warning { .. },
            _,
        ) => {}
    }
}

async fn send_kept(
    kept: CachedEvaluation,
    found: &mpsc::Sender<Evaluated>,
) -> Result<EvalSummary, EvalError> {
    let total = kept.checks.len() + kept.outputs.len();
    let warnings = kept
        .warnings
        .into_iter()
        .map(|(path, message)| Evaluated::Warning { path, message });
    let progress = Evaluated::Progress {
        evaluated: total,
        attributes: total,
    };
    for evaluated in warnings
        .chain(kept.checks.into_iter().map(Evaluated::Check))
        .chain(kept.outputs.into_iter().map(Evaluated::Output))
        .chain([progress])
    {
        if found.send(evaluated).await.is_err() {
            return Err(EvalError::Cancelled);
        }
    }
    Ok(EvalSummary {
        systems_available: kept.systems_available,
        locked: None,
    })
}
