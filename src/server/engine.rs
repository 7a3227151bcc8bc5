//! What all runs share: Nix, its store, the slots and the memory for evaluations.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::failures::Failures;
use crate::{
    config::{NixHost, NixHostError, ServerConfig, free_memory_bytes, program_on_path},
    eval::{Evaluator, EvaluatorKind, choose_evaluator},
    git::{GitHttp, MirrorError},
    nix::{Builders, System},
    run::{BuildTimes, PooledStore, Slots, client_settings, store_address},
    store::Pool,
};

/// What one evaluation worker should have at least when their number is not set.
const MEMORY_PER_WORKER: u64 = 1 << 30;
/// How many downloads a run does at once.
const SUBSTITUTIONS: usize = 16;
/// Connections beside those of builds: for plans, roots and downloads of several runs.
const OTHER_CONNECTIONS: usize = 32;
/// How long the children of connections may take to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nix is not there, or does not work.
    #[error(transparent)]
    Nix(#[from] NixHostError),
    /// Nothing can be fetched.
    #[error(transparent)]
    Git(#[from] MirrorError),
}

/// What all runs share.
pub(super) struct Engine {
    pub(super) host: NixHost,
    pub(super) builders: Builders,
    pub(super) pool: Arc<Pool>,
    pub(super) slots: Slots,
    /// How many builds there are at once on this machine and on others.
    pub(super) slot_counts: (usize, usize),
    /// How many evaluations go on at most.
    pub(super) evaluation_count: usize,
    /// Evaluations that may begin.
    pub(super) evaluations: Arc<Semaphore>,
    /// Workers and bytes of one evaluation.
    pub(super) per_evaluation: (usize, u64),
    pub(super) http: GitHttp,
    pub(super) failures: Arc<Failures>,
}

impl Engine {
    /// Finds Nix and prepares everything; connects to nothing yet.
    pub(super) async fn new(
        config: &ServerConfig,
        failures: Arc<Failures>,
    ) -> Result<Self, EngineError> {
        let cache = config.state_dir.join("cache");
        let host = tokio::task::block_in_place(|| NixHost::find(&[], Some(&cache)))?;
        let builders = host.settings.builders();
        let limits = &config.limits;
        let here = limits
            .jobs
            .or(host.settings.max_jobs.filter(|jobs| *jobs > 0));
        let here = here.unwrap_or_else(cores);
        let elsewhere = builders.remote_slots();
        let times = BuildTimes {
            timeout: limits.timeout,
            max_silent_time: limits.max_silent_time,
        };
        let settings = client_settings(&host, &host.settings, &builders, &[], times);
        let connections = here + elsewhere + SUBSTITUTIONS + OTHER_CONNECTIONS;
        let pool = Arc::new(Pool::new(store_address(&host).await, settings, connections));
        let memory = limits
            .eval_memory
            .unwrap_or_else(|| free_memory_bytes() / 4 * 3);
        let by_memory = usize::try_from(memory / MEMORY_PER_WORKER).unwrap_or(usize::MAX);
        let workers = limits
            .eval_workers
            .unwrap_or_else(|| cores().min(by_memory).max(1));
        let evaluations = limits.evaluations.min(workers).max(1);
        Ok(Self {
            builders,
            pool,
            slots: Slots::new(here, elsewhere),
            slot_counts: (here, elsewhere),
            evaluation_count: evaluations,
            evaluations: Arc::new(Semaphore::new(evaluations)),
            per_evaluation: (
                (workers / evaluations).max(1),
                memory / u64::try_from(evaluations).unwrap_or(1),
            ),
            http: GitHttp::new()?,
            failures,
            host,
        })
    }

    /// A view of the store for one run: what it holds is held until it is dropped.
    pub(super) fn store(&self) -> Arc<PooledStore> {
        Arc::new(PooledStore::new(Arc::clone(&self.pool), true))
    }

    /// Who evaluates.
    pub(super) fn evaluator(&self) -> Result<Box<dyn Evaluator>, String> {
        let program = program_on_path("nix-eval-jobs");
        choose_evaluator(EvaluatorKind::Auto, program, self.host.version.numbers)
            .map_err(|error| error.to_string())
    }

    /// The systems to build.
    pub(super) fn systems(&self, config: &ServerConfig) -> Vec<System> {
        config
            .systems
            .clone()
            .unwrap_or_else(|| self.builders.systems())
    }

    /// How many downloads a run does at once.
    pub(super) fn substitute_slots() -> usize {
        SUBSTITUTIONS
    }

    /// Ends the connections.
    pub(super) async fn close(&self) {
        let _ = tokio::time::timeout(CLOSE_LIMIT, self.pool.close()).await;
    }
}

/// The folder with the logs of all runs.
pub(super) fn logs_dir(state_dir: &Path) -> std::path::PathBuf {
    state_dir.join("logs")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
