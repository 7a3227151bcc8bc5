//! An evaluation whose checks are handed on only when their derivations are in the store that builds them.
//!
//! Apart from the evaluation itself, which knows one store. What is found while others are on their way makes the next
//! delivery.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Evaluate;
use crate::{
    eval::{BoxFuture, EvalError, Evaluated},
    nix::StorePath,
};

/// Brings derivations to the store that builds them; an error says why it cannot.
pub type Deliver =
    Arc<dyn Fn(Vec<StorePath>) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Puts a delivery behind an evaluation.
pub fn delivered(evaluate: Evaluate, deliver: Deliver) -> Evaluate {
    Box::new(move |found, cancel| {
        Box::pin(async move {
            let (found_tx, found_rx) = mpsc::channel(64);
            let evaluated = evaluate(found_tx, cancel.clone());
            let passed_on = pass_on(found_rx, found, deliver);
            let ((result, cached), delivered) = tokio::join!(evaluated, async {
                let delivered = tokio::select! {
                    delivered = passed_on => delivered,
                    () = cancel.cancelled() => Ok(()),
                };
                if delivered.is_err() {
                    cancel.cancel();
                }
                delivered
            });
            match delivered {
                Ok(()) => (result, cached),
                Err(error) => (Err(EvalError::Infrastructure(error)), false),
            }
        })
    })
}

async fn pass_on(
    mut found_rx: mpsc::Receiver<Evaluated>,
    found: mpsc::Sender<Evaluated>,
    deliver: Deliver,
) -> Result<(), String> {
    let mut waiting = Vec::new();
    let mut under_way: Vec<Evaluated> = Vec::new();
    let mut delivery: Option<BoxFuture<'static, Result<(), String>>> = None;
    let mut is_open = true;
    while is_open || delivery.is_some() || !waiting.is_empty() {
        if delivery.is_none() && !waiting.is_empty() {
            let drv_paths = waiting.iter().filter_map(drv_path).cloned().collect();
            delivery = Some(deliver(drv_paths));
            under_way = std::mem::take(&mut waiting);
        }
        tokio::select! {
            evaluated = found_rx.recv(), if is_open => match evaluated {
                Some(check @ Evaluated::Check(_)) => waiting.push(check),
                Some(other) => {
                    if found.send(other).await.is_err() {
                        return Ok(());
                    }
                }
                None => is_open = false,
            },
            arrived = async { delivery.as_mut().expect("it is some").await }, if delivery.is_some() => {
                arrived?;
                delivery = None;
                for check in under_way.drain(..) {
                    if found.send(check).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}

fn drv_path(evaluated: &Evaluated) -> Option<&StorePath> {
    match evaluated {
        Evaluated::Check(check) => Some(&check.drv_path),
        Evaluated::Output(_)
        | Evaluated::Failed { .. }
        | Evaluated::Warning { .. }
        | Evaluated::Progress { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use tokio::sync::mpsc;
    use tokio_util::sync::CancellationToken;

    use super::{Deliver, delivered};
    use crate::{
        eval::{EvalError, EvalSummary, Evaluated, EvaluatedCheck},
        nix::{AttrPath, StorePath, System},
        run::Evaluate,
    };

    fn check(n: usize) -> Evaluated {
        let drv_path = format!("/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-{n}.drv");
        Evaluated::Check(EvaluatedCheck {
            path: AttrPath::new([n.to_string()]),
            drv_path: StorePath::parse(&drv_path).unwrap(),
            name: n.to_string(),
            system: System::of_derivation("x86_64-linux"),
            outputs: BTreeMap::new(),
            extra: None,
        })
    }

    /// Evaluates `count` checks, one every 10 ms, and progress after each.
    fn evaluate(count: usize) -> Evaluate {
        Box::new(move |found, _| {
            Box::pin(async move {
                for n in 0..count {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    let progress = Evaluated::Progress {
                        evaluated: n,
                        attributes: count,
                    };
                    if found.send(check(n)).await.is_err() || found.send(progress).await.is_err() {
                        return (Err(EvalError::Cancelled), false);
                    }
                }
                (Ok(EvalSummary::default()), false)
            })
        })
    }

    #[tokio::test(start_paused = true)]
    async fn checks_come_after_their_derivations_and_progress_at_once() {
        let batches = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&batches);
        let deliver: Deliver = Arc::new(move |drv_paths| {
            log.lock().unwrap().push(drv_paths.len());
            Box::pin(async {
                tokio::time::sleep(Duration::from_millis(45)).await;
                Ok(())
            })
        });
        let (found_tx, mut found_rx) = mpsc::channel(64);
        let evaluate = delivered(evaluate(10), deliver);
        let (result, _) = evaluate(found_tx, CancellationToken::new()).await;
        assert!(result.is_ok());
        let batches = batches.lock().unwrap();
        assert_eq!(batches.iter().sum::<usize>(), 10);
        assert!(batches[0] == 1 && batches.len() < 6, "{batches:?}");
        let mut found = Vec::new();
        while let Ok(evaluated) = found_rx.try_recv() {
            found.push(evaluated);
        }
        assert_eq!(found.len(), 20);
        assert!(matches!(found[0], Evaluated::Progress { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_delivered_ends_the_evaluation() {
        let deliver: Deliver = Arc::new(|_| Box::pin(async { Err("no route".to_owned()) }));
        let (found_tx, _found_rx) = mpsc::channel(64);
        let (result, _) =
            delivered(evaluate(1000), deliver)(found_tx, CancellationToken::new()).await;
        let error = result.unwrap_err();
        assert!(matches!(&error, EvalError::Infrastructure(text) if text == "no route"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_stops_waits_for_no_delivery() {
        let deliver: Deliver = Arc::new(|_| Box::pin(std::future::pending()));
        let cancel = CancellationToken::new();
        cancel.cancel();
        let (found_tx, _found_rx) = mpsc::channel(64);
        let (result, _) = delivered(evaluate(3), deliver)(found_tx, cancel).await;
        assert!(result.is_err());
    }
}
