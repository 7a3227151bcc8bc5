//! What a nixci tells the nixci of another machine that runs for it: an order a line, as JSON, on the standard input there.
//!
//! Both ends are here. The one there ends its run when nobody is left who could give orders.

use std::{
    collections::HashSet,
    io::{self, BufRead, Read as _},
    time::Duration,
};

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncWriteExt as _,
    process::ChildStdin,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};

use super::Failure;
use crate::run::{Input, Stop};

/// How often the machine there is told that somebody is still here.
const HERE_EVERY: Duration = Duration::from_secs(20);
/// How long the machine there goes on without hearing that.
const SILENCE_MAX: Duration = Duration::from_secs(180);
/// The longest order, in bytes: the first one names checks.
const ORDER_MAX: u64 = 64 << 20;

/// What the machine there is to do.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(super) enum Order {
    /// Begin. First of all orders, and comes once.
    Begin {
        /// The checks to look at, by their paths below the attribute; absent: all.
        only: Option<HashSet<String>>,
    },
    /// Stop the run.
    Stop {
        /// For this reason.
        stop: Stop,
    },
    /// Go on without this check.
    Cancel {
        /// Its path below the attribute.
        check: String,
    },
    /// Tell what this check waits for.
    Explain {
        /// Its path below the attribute.
        check: String,
    },
    /// Nothing: somebody is still here.
    Nothing,
}

impl Order {
    /// What a key here asks of the run there.
    pub(super) fn of_wish(wish: Input) -> Vec<Self> {
        match wish {
            Input::CancelChecks(checks) => {
                let cancel = |check| Self::Cancel { check };
                checks.into_iter().map(cancel).collect()
            }
            Input::Explain(check) => vec![Self::Explain { check }],
            Input::Stop(stop) => vec![Self::Stop { stop }],
            Input::Begin
            | Input::Evaluated(_)
            | Input::EvaluationEnded { .. }
            | Input::Expected(_)
            | Input::Planned(_)
            | Input::Noted(..)
            | Input::Ended(..)
            | Input::UploadNoted(..)
            | Input::UploadEnded(..)
            | Input::Warned(_)
            | Input::OutputFailed(_)
            | Input::Tick => Vec::new(),
        }
    }
}

/// Gives orders until there is nobody left to give any, and in between says that somebody is here. Apart from whoever
/// reads the answers: a machine that does not read must not keep it waiting.
pub(super) async fn give(mut stdin: ChildStdin, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut here = interval_at(Instant::now() + HERE_EVERY, HERE_EVERY);
    here.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let order = tokio::select! {
            order = orders.recv() => match order {
                Some(order) => order,
                None => return,
            },
            _ = here.tick() => Order::Nothing,
        };
        let Ok(mut line) = serde_json::to_vec(&order) else {
            return;
        };
        line.push(b'\n');
        // How the machine there ends says why.
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// Takes the first order from standard input, which says what to look at.
pub(super) fn begin() -> Result<Option<HashSet<String>>, Failure> {
    match read(&mut io::stdin().lock()) {
        Some(Order::Begin { only }) => Ok(only),
        Some(_) | None => Err(Failure::usage(anyhow!(
            "--take-orders is for the nixci of another machine: to run there and see it here, write --remote HOST"
        ))),
    }
}

/// What the orders come to.
pub(super) struct Orders {
    /// Wishes to stop, those of signals included.
    pub(super) stops: mpsc::UnboundedReceiver<Stop>,
    /// What else the run is to know.
    pub(super) wishes: mpsc::UnboundedReceiver<Input>,
}

/// Takes all orders after the first. The end of standard input, and a long silence, are a wish to stop. To be called in
/// a runtime.
pub(super) fn take(mut signals: mpsc::UnboundedReceiver<Stop>) -> Orders {
    let (order_tx, mut order_rx) = mpsc::unbounded_channel();
    // A thread, because reading standard input cannot be given up; it ends with the process.
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        while let Some(order) = read(&mut stdin) {
            if order_tx.send(order).is_err() {
                return;
            }
        }
    });
    let (stop_tx, stops) = mpsc::unbounded_channel();
    let (wish_tx, wishes) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let order = tokio::select! {
                order = timeout(SILENCE_MAX, order_rx.recv()) => order.ok().flatten(),
                Some(stop) = signals.recv() => Some(Order::Stop { stop }),
            };
            let wish = match order {
                None => {
                    let _ = stop_tx.send(Stop::Hangup);
                    break;
                }
                Some(Order::Stop { stop }) => {
                    let _ = stop_tx.send(stop);
                    continue;
                }
                Some(Order::Cancel { check }) => Input::CancelChecks(vec![check]),
                Some(Order::Explain { check }) => Input::Explain(check),
                Some(Order::Begin { .. } | Order::Nothing) => continue,
            };
            // A run that is over wants to know nothing.
            let _ = wish_tx.send(wish);
        }
        while let Some(stop) = signals.recv().await {
            let _ = stop_tx.send(stop);
        }
    });
    Orders { stops, wishes }
}

/// Reads an order; `None` where there is no other, or none that makes sense.
fn read(input: &mut impl BufRead) -> Option<Order> {
    let mut line = Vec::new();
    input.take(ORDER_MAX).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Order, read};
    use crate::run::{Input, Stop};

    #[test]
    fn orders_arrive_as_they_were_given() {
        let orders = [
            Order::Begin { only: None },
            Order::Begin {
                only: Some(HashSet::from(["x.\"a.b\"\n".to_owned()])),
            },
            Order::Stop {
                stop: Stop::Terminate,
            },
            Order::Cancel { check: "é".into() },
            Order::Explain {
                check: String::new(),
            },
            Order::Nothing,
        ];
        let lines: Vec<String> = orders
            .iter()
            .map(|order| serde_json::to_string(order).unwrap() + "\n")
            .collect();
        let text = lines.concat();
        let mut input = text.as_bytes();
        for order in orders {
            assert_eq!(read(&mut input), Some(order));
        }
        assert_eq!(read(&mut input), None);
    }

    #[test]
    fn what_is_no_order_ends_them() {
        for text in [
            "",
            "\n",
            "{}",
            "{\"order\":\"dance\"}\n",
            "yes\n",
            "{\"order\":",
        ] {
            assert_eq!(read(&mut text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn keys_here_are_orders_there() {
        let cancel = Order::of_wish(Input::CancelChecks(vec!["a".into(), "b".into()]));
        let named = |check: &str| Order::Cancel {
            check: check.into(),
        };
        assert_eq!(cancel, [named("a"), named("b")]);
        assert_eq!(Order::of_wish(Input::Tick), []);
    }
}
