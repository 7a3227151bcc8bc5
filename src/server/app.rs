//! What every part of the server has.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    connection::Connections, engine::Engine, guesses::Guesses, hub::Hub, marks::Marks,
    metrics::Metrics, refusals::Refusals, streams::Streams,
};
use crate::{
    config::ServerConfig,
    db::server::{DbError, RunId, ServerDb, TakeUp},
    forge::{ForgeError, HOOK_BYTES},
    redact::Redaction,
    run::Stop,
};

/// How many live pages there may be at once.
const LISTENERS: usize = 1000;
/// How many of these one client may have.
const LISTENERS_OF_ONE: usize = 50;
/// How many runs and logs may be followed at once by those who give orders.
const FOLLOWERS: usize = 200;
/// How many of these one client may have.
const FOLLOWERS_OF_ONE: usize = 50;

/// How much of webhooks there may be in memory at once, in bytes: nobody knows of one who sent it before it is there.
const HOOKS: usize = 4 * HOOKS_OF_ONE;
/// How much of it may be of one client.
const HOOKS_OF_ONE: usize = 2 * HOOK_BYTES;

/// What every part of the server has. Clones are the same.
pub(super) type App = Arc<Server>;

/// A server.
pub(super) struct Server {
    /// What it is told; only [`super::reload`] changes that.
    settings: RwLock<Settings>,
    /// The file of the settings. Whoever reads it anew holds this.
    pub(super) file: tokio::sync::Mutex<PathBuf>,
    pub(super) db: ServerDb,
    /// What nobody is shown.
    pub(super) redaction: Redaction,
    pub(super) engine: Engine,
    pub(super) wake: Wake,
    /// Tells live pages what changed.
    pub(super) hub: Hub,
    /// What live pages of the newest runs go by.
    pub(super) marks: Marks,
    pub(super) metrics: Metrics,
    /// Room for live pages.
    pub(super) listeners: Streams,
    /// Room for what those follow who give orders; pages take none of it.
    pub(super) followers: Streams,
    /// Who has shown wrong tokens of late.
    pub(super) guesses: Guesses,
    /// When which refused webhooks were written to the log last.
    pub(super) refusals: Refusals,
    /// Room for the bytes of webhooks.
    pub(super) hooks: Streams,
    /// Room for commands that are run after checks have passed.
    pub(super) post_builds: Semaphore,
    running: Mutex<HashMap<RunId, Running>>,
    /// Says that nothing new is to be begun.
    pub(super) draining: CancellationToken,
    /// Says that nothing more is to be answered.
    pub(super) closing: CancellationToken,
}

/// What a server is told, and what follows from that.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) config: Arc<ServerConfig>,
    pub(super) connections: Arc<Connections>,
}

/// Wakes the parts: there may be rows for them.
#[derive(Default)]
pub(super) struct Wake {
    pub(super) intake: Notify,
    pub(super) prepare: Notify,
    pub(super) runner: Notify,
    pub(super) publish: Notify,
    pub(super) sweep: Notify,
    /// There may be other repositories to look at from time to time.
    pub(super) poll: Notify,
    /// There may be other schedules.
    pub(super) schedule: Notify,
}

/// A run that goes on.
struct Running {
    stop_tx: mpsc::UnboundedSender<Stop>,
    /// Why it was told to stop.
    why: Option<String>,
}

impl Settings {
    /// What follows from what is told. An error has the name of the forge.
    pub(super) fn new(config: ServerConfig) -> Result<Self, (String, ForgeError)> {
        let connections = Arc::new(Connections::new(&config)?);
        let config = Arc::new(config);
        Ok(Self {
            config,
            connections,
        })
    }
}

impl Server {
    pub(super) fn new(
        settings: Settings,
        file: PathBuf,
        db: ServerDb,
        redaction: Redaction,
        engine: Engine,
    ) -> App {
        Arc::new(Self {
            post_builds: Semaphore::new(settings.config.limits.post_builds),
            settings: RwLock::new(settings),
            file: tokio::sync::Mutex::new(file),
            db,
            redaction,
            engine,
            wake: Wake::default(),
            hub: Hub::default(),
            marks: Marks::default(),
            metrics: Metrics::default(),
            listeners: Streams::new(LISTENERS, LISTENERS_OF_ONE),
            followers: Streams::new(FOLLOWERS, FOLLOWERS_OF_ONE),
            guesses: Guesses::default(),
            refusals: Refusals::default(),
            hooks: Streams::new(HOOKS, HOOKS_OF_ONE),
            running: Mutex::default(),
            draining: CancellationToken::new(),
            closing: CancellationToken::new(),
        })
    }

    fn settings(&self) -> Settings {
        let settings = self.settings.read();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it is told now. Whoever looks twice may see two settings: look once where they have to agree.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.settings().config
    }

    /// The forges as they are configured now.
    pub(super) fn connections(&self) -> Arc<Connections> {
        self.settings().connections
    }

    /// Goes by other settings from now on.
    pub(super) fn go_by(&self, settings: Settings) {
        // Before anything can use them.
        self.redaction.add(&settings.config.secrets);
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Writes down what is to be built, and wakes those who have to do with it. Returns the new runs.
    pub(super) async fn take_up(&self, up: TakeUp) -> Result<Vec<RunId>, DbError> {
        let runs = self.db.take_up(up).await?;
        for run in &runs {
            self.hub.changed(*run);
        }
        if !runs.is_empty() {
            self.wake.publish.notify_one();
            self.wake.prepare.notify_one();
        }
        Ok(runs)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<RunId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a run goes on, and how to stop it.
    pub(super) fn run_begins(&self, run: RunId, stop_tx: mpsc::UnboundedSender<Stop>) {
        self.running().insert(run, Running { stop_tx, why: None });
    }

    /// Notes that a run is over. Returns why it was told to stop, if it was.
    pub(super) fn run_ends(&self, run: RunId) -> Option<String> {
        self.running().remove(&run)?.why
    }

    /// Stops a run for this reason. Returns whether it goes on here.
    pub(super) fn stop_run(&self, run: RunId, why: &str) -> bool {
        let mut running = self.running();
        let Some(running) = running.get_mut(&run) else {
            return false;
        };
        running.why.get_or_insert_with(|| why.to_owned());
        let _ = running.stop_tx.send(Stop::Terminate);
        true
    }

    /// How many live pages there are.
    pub(super) fn live_pages(&self) -> usize {
        self.listeners.count()
    }

    /// How many runs go on.
    pub(super) fn running_count(&self) -> usize {
        self.running().len()
    }

    /// The page of a run.
    pub(super) fn run_url(&self, run: impl std::fmt::Display) -> String {
        format!("{}runs/{run}", self.config().url)
    }
}
