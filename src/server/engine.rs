//! What all runs share: Nix, its store, the slots and the memory for evaluations.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::sync::Semaphore;
use tracing::{info, warn};

use super::{
    egress::Egress,
    failures::Failures,
    private_inputs,
    walls::{Found, LANDLOCK_TCP, SELF},
};
use crate::{
    config::{
        NixHost, NixHostError, NixSettings, ServerConfig, Upload, free_memory_bytes,
        program_on_path,
    },
    db::server::{Repository, Run, Trust},
    eval::{
        Cell, CredentialFiles, Delegation, EvalLimits, Evaluator, EvaluatorKind, Isolation,
        Network, Walls, choose_evaluator, end_leftovers,
    },
    git::{GitHttp, Mirror, MirrorError, has_proxy},
    nix::{Builders, StoreUrl, System},
    run::{BuildTimes, Slots, client_settings, store_address},
    store::{Pool, StoreAddress},
    upload::{Destination, NixCopy, Uploads},
};

/// What one evaluation worker should have at least when their number is not set.
const MEMORY_PER_WORKER: u64 = 1 << 30;
/// How long a build may take where nobody says so: Hydra's default.
const TIMEOUT: Duration = Duration::from_secs(10 * 60 * 60);
/// How long it may be silent then: Hydra's default, too.
const MAX_SILENT_TIME: Duration = Duration::from_secs(2 * 60 * 60);
/// How many downloads a run does at once.
const SUBSTITUTIONS: usize = 16;
/// Connections beside those of builds: for plans and downloads of several runs. What holds the derivations of a run is one
/// more for each, beside all of these: it is kept until the run is over, and builds would wait for it in vain.
const OTHER_CONNECTIONS: usize = 32;
/// How many processes and threads an evaluation may have.
const EVALUATION_TASKS: u32 = 4096;
/// How long the children of connections may take to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nix is not there, or does not work.
    #[error(transparent)]
    Nix(#[from] NixHostError),
    /// What evaluations fetch by.
    #[error("cannot listen for what evaluations fetch: {0}")]
    Egress(std::io::Error),
    /// Evaluations cannot be kept apart as they should.
    #[error("isolation: {0}")]
    Walls(String),
    /// Outputs cannot go where they should.
    #[error("[upload]: {0}")]
    Upload(String),
    /// Nothing can be fetched.
    #[error(transparent)]
    Git(#[from] MirrorError),
}

/// What all runs share.
pub(super) struct Engine {
    pub(super) host: NixHost,
    pub(super) builders: Builders,
    pub(super) slots: Slots,
    /// Evaluations that may begin.
    pub(super) evaluations: Arc<Semaphore>,
    /// What settings change while runs go on.
    means: RwLock<Arc<Means>>,
    address: StoreAddress,
    pub(super) http: GitHttp,
    pub(super) failures: Arc<Failures>,
    /// The daemon's socket; none: no daemon runs, and nothing can be evaluated apart.
    daemon_socket: Option<PathBuf>,
    nix_copy: NixCopy,
    walls: Walls,
    /// What evaluations fetch by; none: they reach what this machine can, by the proxies that its environment names.
    egress: Option<Egress>,
    /// Whether Landlock can keep bubblewrap to a port.
    keeps_to_ports: bool,
    /// The control groups that are this process's own; none: memory is watched from outside alone.
    delegation: Option<Delegation>,
    /// At the start, in bytes: later its own evaluations have some of it.
    free_memory: u64,
}

/// How the evaluation of a run is kept apart.
#[derive(Default)]
pub(super) struct Apart {
    /// None where no daemon runs.
    pub(super) isolation: Option<Isolation>,
    /// What goes when the evaluation is over: its control group, and what opens private inputs to it.
    pub(super) held: (Option<Cell>, Option<CredentialFiles>),
}

/// What settings give to a run that begins; one that goes on keeps what it has.
pub(super) struct Means {
    pub(super) pool: Arc<Pool>,
    /// How many builds there are at once on this machine and on others.
    slots: (usize, usize),
    /// How many evaluations go on at most.
    pub(super) evaluations: usize,
    /// Workers and bytes of one evaluation.
    pub(super) per_evaluation: (usize, u64),
    /// Where outputs go.
    pub(super) destinations: Vec<Destination>,
    /// Whether what was built on the way goes there, too.
    pub(super) push_closure: bool,
}

impl Means {
    fn new(
        config: &ServerConfig,
        host: &NixHost,
        builders: &Builders,
        address: &StoreAddress,
        free_memory: u64,
    ) -> Result<Self, EngineError> {
        let limits = &config.limits;
        let here = limits
            .jobs
            .or(host.settings.max_jobs.filter(|jobs| *jobs > 0));
        let here = here.unwrap_or_else(cores);
        let elsewhere = builders.remote_slots();
        let times = build_times(config, &host.settings);
        let settings = client_settings(host, &host.settings, builders, &[], times);
        let connections = here + elsewhere + SUBSTITUTIONS + OTHER_CONNECTIONS;
        let memory = limits.eval_memory.unwrap_or(free_memory / 4 * 3);
        let by_memory = usize::try_from(memory / MEMORY_PER_WORKER).unwrap_or(usize::MAX);
        let workers = limits
            .eval_workers
            .unwrap_or_else(|| cores().min(by_memory).max(1));
        let evaluations = limits.evaluations.min(workers).max(1);
        Ok(Self {
            pool: Arc::new(Pool::new(address.clone(), settings, connections)),
            slots: (here, elsewhere),
            evaluations,
            per_evaluation: (
                (workers / evaluations).max(1),
                memory / u64::try_from(evaluations).unwrap_or(1),
            ),
            destinations: destinations(&config.upload)?,
            push_closure: config.upload.push_closure,
        })
    }
}

impl Engine {
    /// Finds Nix and prepares everything; connects to nothing yet.
    pub(super) async fn new(
        config: &ServerConfig,
        failures: Arc<Failures>,
    ) -> Result<Self, EngineError> {
        // Nobody else starts any: whoever holds the state folder is the only one that does.
        let ended = end_leftovers(&homes_dir(&config.state_dir));
        if ended > 0 {
            info!(
                processes = ended,
                "evaluations of a killed server have been ended"
            );
        }
        CredentialFiles::clean_up(&homes_dir(&config.state_dir));
        // Before any other process is started.
        let delegation = Delegation::take()
            .inspect_err(|why| info!(why, "evaluations have no control groups"))
            .ok();
        let cache = config.state_dir.join("cache");
        let host = tokio::task::block_in_place(|| NixHost::find(&[], Some(&cache)))?;
        let builders = host.settings.builders();
        let address = store_address(&host).await;
        let daemon_socket = match &address {
            StoreAddress::Socket(path) => Some(path.clone()),
            StoreAddress::Command { .. } => None,
        };
        let nix_copy = nix_copy(&host, &address)?;
        let found = Found::look(daemon_socket.is_some()).await;
        let choice = found.choose(config.isolation).map_err(EngineError::Walls)?;
        if choice.is_weak {
            warn!("evaluations run {}", choice.text);
        } else {
            info!("evaluations run {}", choice.text);
        }
        let walls = choice.walls;
        // Who set a proxy up has said there what may be reached.
        let egress = if has_proxy() {
            info!("evaluations fetch by the proxy that the environment names");
            None
        } else {
            Some(Egress::start(config).await.map_err(EngineError::Egress)?)
        };
        let keeps_to_ports = found.landlock >= LANDLOCK_TCP;
        if egress.is_some() && !keeps_to_ports {
            warn!(
                "nothing keeps evaluations to addresses of the public internet: that takes Landlock of Linux 6.7"
            );
        }
        let free_memory = free_memory_bytes();
        let means = Means::new(config, &host, &builders, &address, free_memory)?;
        Ok(Self {
            builders,
            slots: Slots::new(means.slots.0, means.slots.1),
            evaluations: Arc::new(Semaphore::new(means.evaluations)),
            means: RwLock::new(Arc::new(means)),
            address,
            http: GitHttp::new()?,
            failures,
            daemon_socket,
            nix_copy,
            walls,
            egress,
            keeps_to_ports,
            delegation,
            free_memory,
            host,
        })
    }

    /// What a run that begins now gets.
    pub(super) fn means(&self) -> Arc<Means> {
        let means = self.means.read();
        Arc::clone(&means.unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives runs that begin from now on what other settings say. Changes nothing if that cannot be.
    pub(super) fn go_by(&self, config: &ServerConfig) -> Result<(), EngineError> {
        let free = self.free_memory;
        let means = Means::new(config, &self.host, &self.builders, &self.address, free)?;
        self.slots.resize(means.slots.0, means.slots.1);
        self.failures.count_for(config.limits.failed_for);
        if let Some(egress) = &self.egress {
            egress.go_by(config);
        }
        let before = self.means().evaluations;
        self.evaluations
            .add_permits(means.evaluations.saturating_sub(before));
        let fewer = u32::try_from(before.saturating_sub(means.evaluations)).unwrap_or(u32::MAX);
        let evaluations = Arc::clone(&self.evaluations);
        tokio::spawn(async move {
            // As soon as so many are over.
            if let Ok(taken) = evaluations.acquire_many_owned(fewer).await {
                taken.forget();
            }
        });
        *self.means.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(means);
        Ok(())
    }

    /// Copies outputs to their destinations.
    pub(super) fn uploads(&self, means: &Means) -> Uploads {
        Uploads {
            destinations: means.destinations.clone(),
            nix: self.nix_copy.clone(),
            pool: Arc::clone(&means.pool),
        }
    }

    /// Who evaluates.
    pub(super) fn evaluator(&self) -> Result<Box<dyn Evaluator>, String> {
        let program = program_on_path("nix-eval-jobs");
        choose_evaluator(EvaluatorKind::Auto, program, self.host.version.numbers)
            .map_err(|error| error.to_string())
    }

    /// How the evaluation of a run is kept apart. An error: what opens its private inputs cannot be written.
    pub(super) fn isolation(
        &self,
        config: &ServerConfig,
        mirror: &Mirror,
        run: &Run,
        repository: &Repository,
    ) -> Result<Apart, String> {
        // Without a daemon Nix has to write the store itself.
        let Some(daemon_socket) = self.daemon_socket.clone() else {
            return Ok(Apart::default());
        };
        let is_stranger = run.trust == Some(Trust::Stranger);
        let opened = private_inputs::opened(config, run, run.trust, repository);
        let level = match (is_stranger, opened.is_empty()) {
            (true, _) => "stranger",
            (false, true) => "trusted",
            // Nix keeps copies of what it fetched there.
            (false, false) => "private",
        };
        let home = format!("{}-{level}", run.new.repository.0);
        let isolation = Isolation::new(
            self.walls.clone(),
            mirror.folder(),
            homes_dir(&config.state_dir).join(home),
        );
        let (_, memory) = self.means().per_evaluation;
        let name = format!("run-{}-{}", run.id.0, run.attempt);
        let cell = self.delegation.as_ref().and_then(|delegation| {
            let cell = delegation.cell(&name, memory, EVALUATION_TASKS);
            cell.inspect_err(
                |error| warn!(run = run.id.0, %error, "its evaluation has no control group"),
            )
            .ok()
        });
        let isolation = Isolation {
            daemon_socket,
            programs: self.nix_prefix().into_iter().collect(),
            cgroup: cell.as_ref().map(|cell| cell.folder().to_owned()),
            limits: EvalLimits {
                time: config.limits.eval_timeout,
                attributes: config.limits.attributes,
                ..isolation.limits.clone()
            },
            ..isolation
        };
        let isolation = match &self.egress {
            Some(egress) => Isolation {
                network: Network::Proxy {
                    port: egress.port(),
                    keeper: self.keeps_to_ports.then(|| SELF.into()),
                },
                ..isolation
            },
            None => isolation,
        };
        let isolation = if is_stranger {
            isolation.of_stranger()
        } else {
            isolation
        };
        let (isolation, files) = if opened.is_empty() {
            (isolation, None)
        } else {
            let has_proxy = matches!(isolation.network, Network::Proxy { .. });
            let tokens = opened.tokens(config, has_proxy);
            let (isolation, files) = isolation
                .open_to(&name, &tokens)
                .map_err(|error| format!("what opens private inputs cannot be written: {error}"))?;
            (isolation, Some(files))
        };
        Ok(Apart {
            isolation: Some(isolation),
            held: (cell, files),
        })
    }

    /// Whether all that Nix builds here is in a sandbox, as it says itself.
    pub(super) fn is_sandboxed(&self) -> bool {
        self.host.settings.value("sandbox") == "true"
    }

    /// How long a build may take, and be silent, for which its repository says nothing else.
    pub(super) fn build_times(&self, config: &ServerConfig) -> BuildTimes {
        build_times(config, &self.host.settings)
    }

    /// The folder of a Nix that is neither in the store nor where programs of the system are.
    fn nix_prefix(&self) -> Option<PathBuf> {
        let program = self.host.program.canonicalize().ok()?;
        let is_elsewhere = !["/usr", "/bin", "/nix/store"]
            .iter()
            .any(|known| program.starts_with(known));
        let prefix = program.parent()?.parent()?;
        is_elsewhere.then(|| prefix.to_owned())
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
        let _ = tokio::time::timeout(CLOSE_LIMIT, self.means().pool.close()).await;
    }
}

/// How long builds may take, and be silent: as the settings say, else as Nix is set, else [`TIMEOUT`] and
/// [`MAX_SILENT_TIME`]. A build without an end would keep its slot from all repositories.
fn build_times(config: &ServerConfig, nix: &NixSettings) -> BuildTimes {
    let of_nix = |name, default| match nix.number(name) {
        0 => default,
        seconds => Duration::from_secs(seconds),
    };
    let (timeout, silent) = (config.limits.timeout, config.limits.max_silent_time);
    BuildTimes {
        timeout: Some(timeout.unwrap_or_else(|| of_nix("timeout", TIMEOUT))),
        max_silent_time: Some(silent.unwrap_or_else(|| of_nix("max-silent-time", MAX_SILENT_TIME))),
    }
}

/// The folder with the logs of all runs.
pub(super) fn logs_dir(state_dir: &Path) -> std::path::PathBuf {
    state_dir.join("logs")
}

/// The folder with the homes of evaluations.
pub(super) fn homes_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("homes")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Where outputs go.
pub(super) fn destinations(upload: &Upload) -> Result<Vec<Destination>, EngineError> {
    fn wrong(error: impl std::fmt::Display) -> EngineError {
        EngineError::Upload(error.to_string())
    }
    let mut found = Vec::new();
    for url in &upload.copy_to {
        found.push(Destination::Nix(StoreUrl::parse(url).map_err(wrong)?));
    }
    for name in &upload.cachix {
        found.push(Destination::cachix(name).map_err(wrong)?);
    }
    for name in &upload.attic {
        found.push(Destination::attic(name).map_err(wrong)?);
    }
    for url in &upload.niks3 {
        let url = StoreUrl::parse(url).map_err(wrong)?;
        found.push(Destination::niks3(url).map_err(wrong)?);
    }
    for destination in &found {
        if let Some((tool, how)) = destination.tool()
            && program_on_path(tool).is_none()
        {
            let why =
                format!("cannot find `{tool}` on PATH: install it, for instance with `{how}`");
            return Err(EngineError::Upload(why));
        }
    }
    Ok(found)
}

/// How Nix copies out of the store that it uses by itself.
fn nix_copy(host: &NixHost, address: &StoreAddress) -> Result<NixCopy, EngineError> {
    let source = match address {
        StoreAddress::Socket(path) => format!("unix://{}", path.display()),
        StoreAddress::Command { .. } => "local".to_owned(),
    };
    Ok(NixCopy {
        program: host.program.clone(),
        source: None,
        default_source: StoreUrl::parse(&source)
            .map_err(|error| EngineError::Upload(error.to_string()))?,
        config: std::env::var("NIX_CONFIG").unwrap_or_default(),
    })
}
