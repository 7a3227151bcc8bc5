//! Sends statuses to a forge: the newest of each context, one after the other, no faster than the forge wants.
//!
//! A task of its own, so that a slow forge holds up nothing. What cannot be sent is told at the end, once.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout_at},
};

use super::{CommitStatus, Forge, ForgeError, News, StatusState};

/// How long the rest may take when the run is over.
const FINISH_LIMIT: Duration = Duration::from_secs(90);
/// How often a status is sent that the forge does not take at once.
const ATTEMPTS_MAX: u32 = 5;
/// How long to wait after the first failure, where the forge does not say; twice as long after each more.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Sends statuses while a run goes on.
#[derive(Debug)]
pub struct Publisher {
    news_tx: mpsc::UnboundedSender<News>,
    task: JoinHandle<Option<String>>,
    limit: Duration,
}

impl Publisher {
    /// Starts to send. `check_prefix` is what contexts of single checks begin with: those of them that fail on the forge
    /// now, from an earlier run on the same commit, are taken back when their check passes. Has to be called in a runtime.
    pub fn start(forge: Arc<dyn Forge>, check_prefix: String) -> Self {
        let (news_tx, news_rx) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut desk = Desk::new(forge);
            desk.run(news_rx, &check_prefix).await;
            desk.complaint()
        });
        Self {
            news_tx,
            task,
            limit: FINISH_LIMIT,
        }
    }

    /// Takes news; they are sent when it is their turn.
    pub fn tell(&self, news: News) {
        // Once the token proved to be worthless nobody listens any more.
        let _ = self.news_tx.send(news);
    }

    /// Sends the rest. Returns what went wrong, if anything did.
    pub async fn finish(self) -> Option<String> {
        let Self {
            news_tx,
            mut task,
            limit,
        } = self;
        drop(news_tx);
        if let Ok(ended) = timeout_at(Instant::now() + limit, &mut task).await {
            ended.unwrap_or_else(|error| Some(error.to_string()))
        } else {
            task.abort();
            Some("the forge took too long to take the last commit statuses".to_owned())
        }
    }
}

/// What is to be sent, and what became of the rest.
struct Desk {
    forge: Arc<dyn Forge>,
    /// Contexts in the order in which they are sent.
    order: VecDeque<String>,
    waiting: HashMap<String, CommitStatus>,
    attempts: HashMap<String, u32>,
    failing: HashSet<String>,
    not_before: Instant,
    lost: usize,
    first_error: Option<ForgeError>,
}

impl Desk {
    fn new(forge: Arc<dyn Forge>) -> Self {
        Self {
            forge,
            order: VecDeque::new(),
            waiting: HashMap::new(),
            attempts: HashMap::new(),
            failing: HashSet::new(),
            not_before: Instant::now(),
            lost: 0,
            first_error: None,
        }
    }

    async fn run(&mut self, mut news_rx: mpsc::UnboundedReceiver<News>, check_prefix: &str) {
        // Without the answer a failure of an earlier run stays: no reason to keep quiet about this one.
        self.failing = self.forge.failing(check_prefix).await.unwrap_or_default();
        let mut is_open = true;
        while is_open || !self.order.is_empty() {
            tokio::select! {
                // What is newer replaces what waits, so it is looked at first.
                biased;
                news = news_rx.recv(), if is_open => match news {
                    Some(news) => self.take(news),
                    None => is_open = false,
                },
                () = sleep_until(self.not_before), if !self.order.is_empty() => {
                    if !self.send_one().await {
                        return;
                    }
                }
            }
        }
    }

    fn take(&mut self, news: News) {
        let status = match news {
            News::Status(status) => status,
            News::Passed { context } if self.failing.contains(&context) => CommitStatus {
                context,
                state: StatusState::Success,
                description: "passed".to_owned(),
            },
            News::Passed { .. } => return,
        };
        let context = status.context.clone();
        if self.waiting.insert(context.clone(), status).is_none() {
            self.order.push_back(context);
        }
    }

    /// Sends what has waited longest. Returns whether it makes sense to go on.
    async fn send_one(&mut self) -> bool {
        let Some(status) = self
            .order
            .pop_front()
            .and_then(|context| self.waiting.remove(&context))
        else {
            return true;
        };
        let result = self.forge.set_status(&status).await;
        self.not_before = Instant::now() + self.forge.pace();
        match result {
            Ok(()) => {
                self.attempts.remove(&status.context);
                true
            }
            Err(ForgeError::Later { what, wait }) => {
                let attempts = self.attempts.entry(status.context.clone()).or_default();
                *attempts += 1;
                let back_off = BACK_OFF * 2_u32.pow(*attempts - 1);
                if *attempts >= ATTEMPTS_MAX {
                    self.lose(ForgeError::Later { what, wait });
                } else {
                    // Nothing newer can wait: all that came meanwhile is still in the channel.
                    self.order.push_front(status.context.clone());
                    self.waiting.insert(status.context.clone(), status);
                }
                self.not_before = Instant::now() + wait.unwrap_or(back_off);
                true
            }
            Err(error) => {
                let goes_on = !error.is_of_token();
                self.lose(error);
                goes_on
            }
        }
    }

    fn lose(&mut self, error: ForgeError) {
        self.lost += 1;
        self.first_error.get_or_insert(error);
    }

    fn complaint(&self) -> Option<String> {
        let error = self.first_error.as_ref()?;
        if error.is_of_token() {
            return Some(format!(
                "the forge does not take the commit statuses: {error}; does the token have the right to write commit \
                statuses of this repository?"
            ));
        }
        let count = match self.lost {
            1 => "a commit status".to_owned(),
            lost => format!("{lost} commit statuses"),
        };
        Some(format!("the forge does not take {count}: {error}"))
    }
}

#[cfg(test)]
mod tests;
