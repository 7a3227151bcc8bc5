//! Sends a batch, and decides what to do when that fails.
//!
//! Apart from what sends, so that the decisions can be tested without a program and without waiting.

use std::time::Duration;

use super::Fault;
use crate::nix::StorePath;

/// How long to wait before each further attempt at a whole batch.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// After so many outputs that fail one by one, before any came through, nothing else is tried.
const SINGLES_FAILED_MAX: usize = 3;

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// What is there.
    pub uploaded: Vec<StorePath>,
    /// What is not.
    pub failed: Vec<StorePath>,
    /// Why not, as the last failure said.
    pub error: String,
    /// Whether nothing else will get there either.
    pub gave_up: bool,
}

/// Sends paths with `send`, which takes any number of them and is asked again where that may help: first for all of them
/// after a pause, then for one after the other, so that one that cannot be sent does not hold back the others.
/// `on_retry` is told why the whole is tried again.
pub async fn push<S, F>(
    paths: Vec<StorePath>,
    send: S,
    on_retry: &mut (dyn FnMut(&Fault) + Send),
) -> Pushed
where
    S: Fn(Vec<StorePath>) -> F,
    F: Future<Output = Result<(), Fault>>,
{
    let mut pauses = PAUSES.into_iter();
    let fault = loop {
        let fault = match send(paths.clone()).await {
            Ok(()) => {
                return Pushed {
                    uploaded: paths,
                    ..Pushed::default()
                };
            }
            Err(fault) => fault,
        };
        match pauses.next().filter(|_| !fault.is_final) {
            Some(pause) => {
                on_retry(&fault);
                tokio::time::sleep(pause).await;
            }
            None => break fault,
        }
    };
    let mut pushed = Pushed {
        error: fault.text,
        gave_up: fault.is_final,
        ..Pushed::default()
    };
    let is_single = paths.len() == 1;
    for path in paths {
        if is_single || pushed.gave_up {
            pushed.failed.push(path);
            continue;
        }
        match send(vec![path.clone()]).await {
            Ok(()) => pushed.uploaded.push(path),
            Err(fault) => {
                pushed.failed.push(path);
                pushed.error = fault.text;
                pushed.gave_up = fault.is_final
                    || (pushed.uploaded.is_empty() && pushed.failed.len() == SINGLES_FAILED_MAX);
            }
        }
    }
    pushed
}

#[cfg(test)]
mod tests {
    use std::{sync::Mutex, time::Duration};

    use tokio::time::Instant;

    use super::{Fault, Pushed, push};
    use crate::nix::StorePath;

    fn path(n: usize) -> StorePath {
        StorePath::parse(&format!("/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-{n}")).unwrap()
    }

    fn fault(is_final: bool) -> Fault {
        Fault {
            text: "no".into(),
            is_final,
        }
    }

    /// Sends `count` paths to a destination that answers by `answer(attempt, paths)`. Returns what became of them, how
    /// many were sent at each attempt, and how long it took.
    async fn send(
        count: usize,
        answer: impl Fn(usize, &[StorePath]) -> Result<(), Fault>,
    ) -> (Pushed, Vec<usize>, Duration) {
        let sizes = Mutex::new(Vec::new());
        let began = Instant::now();
        let mut retries = 0;
        let pushed = push(
            (0..count).map(path).collect(),
            |paths| {
                let mut sizes = sizes.lock().unwrap();
                sizes.push(paths.len());
                std::future::ready(answer(sizes.len(), &paths))
            },
            &mut |_| retries += 1,
        )
        .await;
        assert!(retries <= 2);
        (pushed, sizes.into_inner().unwrap(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_back_is_tried_again_after_a_pause() {
        let (pushed, sizes, took) = send(5, |attempt, _| match attempt {
            1 | 2 => Err(fault(false)),
            _ => Ok(()),
        })
        .await;
        assert_eq!((pushed.uploaded.len(), pushed.failed.len()), (5, 0));
        assert_eq!(sizes, [5, 5, 5]);
        assert_eq!(took.as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_cannot_be_sent_does_not_hold_back_the_others() {
        let bad = path(0);
        let (pushed, sizes, _) = send(4, |_, paths| {
            if paths.contains(&bad) {
                Err(fault(false))
            } else {
                Ok(())
            }
        })
        .await;
        assert_eq!(pushed.failed, [path(0)]);
        assert_eq!(pushed.uploaded.len(), 3);
        assert!(!pushed.gave_up && pushed.error == "no");
        assert_eq!(sizes, [4, 4, 4, 1, 1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_destination_that_is_not_there_costs_few_attempts() {
        let (pushed, sizes, _) = send(500, |_, _| Err(fault(false))).await;
        assert_eq!(pushed.failed.len(), 500);
        assert!(pushed.gave_up);
        assert_eq!(sizes, [500, 500, 500, 1, 1, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_refused_does_not_ask_again() {
        let (pushed, sizes, took) = send(9, |_, _| Err(fault(true))).await;
        assert!(pushed.gave_up && pushed.failed.len() == 9);
        assert_eq!((sizes, took), (vec![9], Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_one_that_fails_says_nothing_of_others() {
        let (pushed, sizes, _) = send(1, |_, _| Err(fault(false))).await;
        assert!(!pushed.gave_up && pushed.failed.len() == 1);
        assert_eq!(sizes, [1, 1, 1]);
    }
}
