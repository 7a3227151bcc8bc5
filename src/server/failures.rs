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
    run::{Entry, Gate, Share, Slots, Start, StepNote},
};

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

    /// Why a derivation is not built, if it is not.
    fn refusal(&self, drv_path: &str, run: RunId) -> Option<String> {
        let known = self.known();
        let failed = known.get(drv_path).filter(|failed| failed.run != run)?;
        self.is_new(failed).then(|| failed.refusal())
    }

    /// Whether a failure is not too old to count.
    fn is_new(&self, failed: &FailedBuild) -> bool {
        let age = Timestamp::now().as_millisecond().saturating_sub(failed.at);
        age < self.age_ms.load(Ordering::Relaxed)
    }

    fn counts(&self, drv_path: &str) -> bool {
        let known = self.known();
        known
            .get(drv_path)
            .is_some_and(|failed| self.is_new(failed))
    }

    /// Whether a derivation is known to have failed before a time in milliseconds since 1970.
    fn failed_before(&self, drv_path: &str, time: i64) -> bool {
        let known = self.known();
        known.get(drv_path).is_some_and(|failed| failed.at < time)
    }

    /// Remembers that a derivation failed by itself.
    pub(super) async fn remember(&self, failed: FailedBuild) {
        // The first failure is the one to look at, as long as it counts.
        if self.counts(&failed.drv_path) {
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

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What every build of a run passes: what failed is not built again, and what is built needs a slot.
pub(super) struct RunGate {
    pub(super) run: RunId,
    pub(super) failures: Arc<Failures>,
    pub(super) slots: Slots,
    pub(super) share: Share,
    /// What failed before that, in milliseconds since 1970, is built once more; `None`: it is not.
    pub(super) anew_since: Option<i64>,
}

impl RunGate {
    /// Why a derivation is not built, if it is not.
    async fn refusal(&self, drv_path: &str) -> Option<String> {
        if let Some(since) = self.anew_since
            && self.failures.failed_before(drv_path, since)
            && let Err(error) = self.failures.forget(vec![drv_path.to_owned()]).await
        {
            warn!(drv_path, %error, "that it failed is not forgotten");
        }
        self.failures.refusal(drv_path, self.run)
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
            let drv_path = start.target.to_string();
            if let Some(why) = self.refusal(&drv_path).await {
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
            match self.refusal(&drv_path).await {
                Some(why) => Entry::Refused(why),
                None => Entry::Permitted(Box::new(permit)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_that_is_too_old_makes_room_for_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let db = ServerDb::open(dir.path()).unwrap();
        let hour = Duration::from_secs(3600);
        let failures = Failures::load(db.clone(), hour).await.unwrap();
        let drv_path = "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-a.drv";
        let now = Timestamp::now().as_millisecond();
        let failed = |run: i64, at: i64| FailedBuild {
            drv_path: drv_path.to_owned(),
            run: RunId(run),
            at,
            reason: String::new(),
        };
        failures.remember(failed(1, now - 2 * millis(hour))).await;
        assert_eq!(failures.refusal(drv_path, RunId(9)), None);
        failures.remember(failed(2, now)).await;
        let refusal = failures.refusal(drv_path, RunId(9)).unwrap();
        assert!(refusal.contains("run 2"), "{refusal}");
        // The first that counts stays.
        failures.remember(failed(3, now)).await;
        assert_eq!(failures.refusal(drv_path, RunId(9)).unwrap(), refusal);
        let kept = Failures::load(db, hour).await.unwrap();
        assert_eq!(kept.refusal(drv_path, RunId(9)).unwrap(), refusal);
    }
}
