use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};

use super::{Delivery, WAITING_MAX};
use crate::{
    eval::{BoxFuture, EvalError, EvalFailure, Evaluated, EvaluatedCheck, RootKeeper},
    nix::{AttrPath, StorePath, System},
};

/// Holds all but what is called `refused`, and counts.
#[derive(Default)]
struct Roots(AtomicUsize);

impl RootKeeper for Roots {
    fn hold(&self, paths: Vec<StorePath>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if paths.iter().any(|path| path.name() == "refused.drv") {
                return Err("the daemon is gone".to_owned());
            }
            self.0.fetch_add(paths.len(), Ordering::Relaxed);
            Ok(())
        })
    }
}

fn check(name: &str) -> EvaluatedCheck {
    EvaluatedCheck {
        path: AttrPath::new([name]),
        drv_path: store_path(&format!("{name}.drv")),
        name: name.to_owned(),
        system: System::of_derivation("x86_64-linux"),
        outputs: BTreeMap::new(),
        extra: None,
    }
}

fn store_path(name: &str) -> StorePath {
    StorePath::parse(&format!(
        "/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-{name}"
    ))
    .unwrap()
}

fn drain(found: &mut mpsc::Receiver<Evaluated>) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(evaluated) = found.try_recv() {
        all.push(match evaluated {
            Evaluated::Check(check) => check.name,
            Evaluated::Output(output) => format!("output {}", output.path),
            Evaluated::Failed { path, .. } => format!("failed {path}"),
            Evaluated::Warning { message, .. } => format!("warning {message}"),
            Evaluated::Progress {
                evaluated,
                attributes,
            } => format!("{evaluated}/{attributes}"),
        });
    }
    all
}

#[tokio::test]
async fn checks_are_held_before_they_are_sent() {
    let roots = Roots::default();
    let (found_tx, mut found) = mpsc::channel(1);
    let mut delivery = Delivery::new(&roots, found_tx);
    delivery.tree(store_path("source"));
    delivery.check(check("a"));
    delivery.check(check("b"));
    let taken = delivery.taken();
    assert!(!delivery.has_held(taken));
    // The receiver takes nothing, which keeps nothing from being held.
    while !delivery.has_held(taken) {
        delivery.advance().await.unwrap();
    }
    assert!(roots.0.load(Ordering::Relaxed) >= 2);
    assert!(
        timeout(Duration::from_millis(20), delivery.finish())
            .await
            .is_err()
    );
    assert_eq!(drain(&mut found), ["a"]);
    let (finished, next) = tokio::join!(delivery.finish(), found.recv());
    finished.unwrap();
    assert!(matches!(next, Some(Evaluated::Check(check)) if check.name == "b"));
    assert_eq!(drain(&mut found), ["0/0"]);
    assert_eq!(delivery.results, 2);
}

#[tokio::test]
async fn what_cannot_be_held_ends_the_evaluation() {
    let roots = Roots::default();
    let (found_tx, _found) = mpsc::channel(1);
    let mut delivery = Delivery::new(&roots, found_tx);
    delivery.check(check("refused"));
    let error = delivery.finish().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot protect `/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-refused.drv` from the garbage collector: the \
         daemon is gone"
    );
}

#[tokio::test]
async fn a_receiver_that_is_gone_ends_the_evaluation() {
    let roots = Roots::default();
    let (found_tx, found) = mpsc::channel(1);
    let mut delivery = Delivery::new(&roots, found_tx);
    let abandoned = delivery.abandoned();
    drop(found);
    abandoned.await;
    delivery.failed(AttrPath::new(["a"]), EvalFailure::new("x"));
    assert!(matches!(delivery.finish().await, Err(EvalError::Cancelled)));
}

#[tokio::test]
async fn warnings_are_said_once_and_progress_at_the_end() {
    let roots = Roots::default();
    let (found_tx, mut found) = mpsc::channel(100);
    let mut delivery = Delivery::new(&roots, found_tx);
    for _ in 0..3 {
        delivery.warning(None, "old".to_owned());
        delivery.warning(Some(AttrPath::new(["a"])), "old".to_owned());
    }
    delivery.warning(None, "new".to_owned());
    for evaluated in 0..=5 {
        delivery.progress(evaluated, 5);
    }
    delivery.finish().await.unwrap();
    assert_eq!(
        drain(&mut found),
        ["warning old", "warning new", "0/5", "5/5"]
    );
}

#[tokio::test]
async fn evaluators_are_slowed_down_when_much_waits() {
    let roots = Roots::default();
    let (found_tx, _found) = mpsc::channel(1);
    let mut delivery = Delivery::new(&roots, found_tx);
    for _ in 0..WAITING_MAX {
        assert!(!delivery.is_full());
        delivery.check(check("a"));
    }
    assert!(delivery.is_full());
}
