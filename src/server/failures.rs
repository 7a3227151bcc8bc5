//! The derivations that failed and are not built again, and the gate that every build passes.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tracing::warn;

use crate::{
    db::server::{DbError, FailedBuild, RunId, ServerDb},
    eval::BoxFuture,
    redact::Redaction,
    run::{BuildTimes, Entry, Gate, Share, Slots, Start, StepEnd, StepNote},
};

/// How much of a reason is remembered, in characters.
const REASON_CHARS: usize = 300;

/// The derivations that failed, as the database has them.
pub(super) struct Failures {
    db: ServerDb,
    /// For how long they count, in milliseconds.
    age_ms: AtomicI64,
    known: Mutex<HashMap<String, FailedBuild>>,
}

impl Failures {
    /// Reads what failed before.
    pub(super) async fn load(db: ServerDb, age: Duration) -> Result<Arc<Self>, DbError> {
        let since = Timestamp::now().as_millisecond() - millis(age);
        let known = db.failed_since(since).await?;
        let known = known
            .into_iter()
            .map(|failed| (failed.drv_path.clone(), failed));
        let known = Mutex::new(known.collect());
        let age_ms = AtomicI64::new(millis(age));
        Ok(Arc::new(Self { db, age_ms, known }))
    }

    /// From now on they count for so long.
    pub(super) fn count_for(&self, age: Duration) {
        self.age_ms.store(millis(age), Ordering::Relaxed);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, FailedBuild>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a derivation is not built that would get so much time, if it is not.
    fn refusal(&self, drv_path: &str, run: RunId, times: BuildTimes) -> Option<String> {
        let known = self.known();
        let failed = known.get(drv_path).filter(|failed| failed.run != run)?;
        let has_more = Wait::of_reason(&failed.reason).is_some_and(|wait| wait.is_less_than(times));
        (self.is_new(failed) && !has_more).then(|| failed.refusal())
    }

    /// Whether a failure is not too old to count.
    fn is_new(&self, failed: &FailedBuild) -> bool {
        let age = Timestamp::now().as_millisecond().saturating_sub(failed.at);
        age < self.age_ms.load(Ordering::Relaxed)
    }

    /// Whether what is known of a derivation says as much as that it failed now. If it had too little time then, it got more
    /// now, or would not have been built.
    fn says_as_much(&self, now: &FailedBuild) -> bool {
        let known = self.known();
        known.get(&now.drv_path).is_some_and(|failed| {
            self.is_new(failed)
                && (failed.reason == now.reason || Wait::of_reason(&failed.reason).is_none())
        })
    }

    /// Whether a derivation is known to have failed before a time in milliseconds since 1970.
    fn failed_before(&self, drv_path: &str, time: i64) -> bool {
        let known = self.known();
        known.get(drv_path).is_some_and(|failed| failed.at < time)
    }

    /// Remembers that a derivation failed by itself.
    pub(super) async fn remember(&self, failed: FailedBuild) {
        // The first failure is the one to look at, as long as it counts.
        if self.says_as_much(&failed) {
            return;
        }
        self.known().insert(failed.drv_path.clone(), failed.clone());
        if let Err(error) = self.db.remember_failed(failed).await {
            warn!(%error, "a failure is not remembered");
        }
    }

    /// Forgets that derivations failed; all of them if none is named. Returns how many did.
    pub(super) async fn forget(&self, drv_paths: Vec<String>) -> Result<usize, DbError> {
        {
            let mut known = self.known();
            if drv_paths.is_empty() {
                known.clear();
            }
            for drv_path in &drv_paths {
                known.remove(drv_path);
            }
        }
        self.db.forget_failed(drv_paths).await
    }
}

/// How long Nix waited for a build that it gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// For its end, in seconds.
    ForEnd(u64),
    /// For it to say something, in seconds.
    ForWord(u64),
}

impl Wait {
    /// Reads it out of the reason of a failure; none: it was not given up.
    fn of_reason(reason: &str) -> Option<Self> {
        let rest = reason.strip_prefix("timed out after ")?;
        let (seconds, of_what) = rest.split_once(" seconds")?;
        let seconds = seconds.parse().ok()?;
        Some(if of_what.trim_start().starts_with("of silence") {
            Self::ForWord(seconds)
        } else {
            Self::ForEnd(seconds)
        })
    }

    /// Whether a build would get more time now; `None` or zero in these is for ever.
    fn is_less_than(self, times: BuildTimes) -> bool {
        let (seconds, limit) = match self {
            Self::ForEnd(seconds) => (seconds, times.timeout),
            Self::ForWord(seconds) => (seconds, times.max_silent_time),
        };
        limit.is_none_or(|limit| limit.is_zero() || limit.as_secs() > seconds)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What every build of a run passes: what failed is not built again, and what is built needs a slot.
pub(super) struct RunGate {
    pub(super) run: RunId,
    pub(super) failures: Arc<Failures>,
    pub(super) slots: Slots,
    pub(super) share: Share,
    /// How long a build may take for which its repository says nothing else; `None` or zero in these is for ever.
    pub(super) times: BuildTimes,
    /// Whether the repository says how long builds may take.
    pub(super) has_own_limits: bool,
    /// What is taken out of reasons.
    pub(super) redaction: Redaction,
    /// What failed before that, in milliseconds since 1970, is built once more; `None`: it is not.
    pub(super) anew_since: Option<i64>,
}

impl RunGate {
    /// Why a derivation is not built, if it is not.
    async fn refusal(&self, start: &Start) -> Option<String> {
        let drv_path = start.target.as_str();
        if let Some(since) = self.anew_since
            && self.failures.failed_before(drv_path, since)
            && let Err(error) = self.failures.forget(vec![drv_path.to_owned()]).await
        {
            warn!(drv_path, %error, "that it failed is not forgotten");
        }
        let times = BuildTimes {
            timeout: start.limits.timeout.or(self.times.timeout),
            ..self.times
        };
        self.failures.refusal(drv_path, self.run, times)
    }
}

impl Gate for RunGate {
    fn enter<'a>(
        &'a self,
        start: &'a Start,
        on_note: &'a mut (dyn FnMut(StepNote) + Send),
    ) -> BoxFuture<'a, Entry> {
        Box::pin(async move {
            if start.substitute {
                return Entry::Permitted(Box::new(()));
            }
            if let Some(why) = self.refusal(start).await {
                return Entry::Refused(why);
            }
            let on_wait = || {
                on_note(StepNote::Waiting(
                    "waiting for a slot, which other runs have".to_owned(),
                ));
            };
            let permit = self
                .slots
                .acquire(self.share, &start.target, start.remote, on_wait)
                .await;
            // Another run may have tried it meanwhile.
            match self.refusal(start).await {
                Some(why) => Entry::Refused(why),
                None => Entry::Permitted(Box::new(permit)),
            }
        })
    }

    /// Remembers a build that failed by its own fault, and will again for whoever builds it: before its slot is free, which
    /// another run may wait for that is to build the same.
    fn leave<'a>(&'a self, start: &'a Start, end: &'a StepEnd) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let reason = match end {
                StepEnd::Failed(reason) if !start.substitute => reason,
                // What ran out of the time that a repository gives it may well be done in that of another.
                StepEnd::TimedOut(reason) if !start.substitute && !self.has_own_limits => reason,
                StepEnd::Built
                | StepEnd::Substituted
                | StepEnd::AlreadyValid
                | StepEnd::Failed(_)
                | StepEnd::Killed(_)
                | StepEnd::TimedOut(_)
                | StepEnd::Unsupported(_)
                | StepEnd::DependencyFailed(_)
                | StepEnd::NotSubstitutable(_)
                | StepEnd::Transient(_)
                | StepEnd::Lost(_)
                | StepEnd::Unreachable(_)
                | StepEnd::Infrastructure(_)
                | StepEnd::Cancelled => return,
            };
            let mut reason = reason.clone();
            self.redaction.clean(&mut reason);
            let failed = FailedBuild {
                drv_path: start.target.to_string(),
                run: self.run,
                at: Timestamp::now().as_millisecond(),
                reason: reason.chars().take(REASON_CHARS).collect(),
            };
            self.failures.remember(failed).await;
        })
    }
}

#[cfg(test)]
mod tests;
