//! What `check` and `eval` have in common: finding Nix, the store, the evaluator and the cache.

use std::{collections::HashSet, fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::anyhow;
use tokio::runtime::Runtime;

use super::{
    Failure,
    args::{CheckArgs, SourceArgs},
    choices::EvaluatorArg,
    configuration::{Configuration, SystemsWanted},
    local_flake::{LocalFlake, without_age},
    store_args::BuildStore,
};
use crate::{
    config::{NixHost, NixSettings, cache_dir, flake_config, free_memory_bytes, program_on_path},
    eval::{
        CacheKey, EvalCache, EvalOptions, EvalRequest, EvalScope, Evaluator, EvaluatorKind,
        choose_evaluator,
    },
    nix::{AttrPath, Builders, Installable, StoreUrl, System},
    run::{BuildTimes, Evaluation, Kept, PooledStore, client_settings, store_address},
    store::{ClientSettings, Pool, StoreAddress},
    upload::NixCopy,
};

/// What one evaluation worker should have at least when their number is not asked for.
const MEMORY_PER_WORKER: u64 = 1 << 30;
/// How many downloads run at once if Nix has no setting for it.
const SUBSTITUTIONS: u64 = 16;
/// How long children of connections may take to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The most of anything that runs at once, whatever Nix is set to.
const JOBS_MAX: usize = 10_000;

/// Everything that is known before a run begins.
pub(super) struct Setup {
    pub(super) host: NixHost,
    pub(super) configuration: Configuration,
    pub(super) installable: Installable,
    pub(super) local: Option<LocalFlake>,
    pub(super) builders: Builders,
    /// The systems asked for; `None` means all.
    pub(super) systems: Option<Vec<System>>,
    pub(super) request: EvalRequest,
    pub(super) evaluator: Box<dyn Evaluator>,
    kept: Option<Kept>,
    /// The settings of the Nix that builds.
    building: NixSettings,
    pub(super) build_store: Option<BuildStore>,
    /// What of the request suffices.
    part: Option<EvalScope>,
}

/// What else decides how a setup is made.
#[derive(Default)]
struct Wishes {
    /// How many builds there are here at once, whatever Nix is set to.
    jobs: Option<usize>,
    /// The flake in place of the one that is named.
    flake: Option<String>,
    /// The store that builds.
    build_store: Option<BuildStore>,
    /// Whether all outputs are looked at.
    flake_check: bool,
}

impl Setup {
    /// Finds out all of it.
    pub(super) fn new(args: &SourceArgs) -> Result<Self, Failure> {
        Self::of(args, Wishes::default())
    }

    /// Finds out all of it for a run that another machine carries out.
    pub(super) fn looking_at(args: &SourceArgs, flake_check: bool) -> Result<Self, Failure> {
        let wishes = Wishes {
            flake_check,
            ..Wishes::default()
        };
        Self::of(args, wishes)
    }

    /// Finds out all of it for a run, which another store may build.
    pub(super) fn of_run(
        args: &CheckArgs,
        build_store: Option<BuildStore>,
    ) -> Result<Self, Failure> {
        let wishes = Wishes {
            jobs: args.jobs,
            flake: None,
            build_store,
            flake_check: args.flake_check.flake_check,
        };
        Self::of(&args.source, wishes)
    }

    /// Finds out the same of another flake: what is looked at is what is configured now.
    pub(super) fn at(args: &SourceArgs, flake: String) -> Result<Self, Failure> {
        let wishes = Wishes {
            flake: Some(flake),
            ..Wishes::default()
        };
        Self::of(args, wishes)
    }

    fn of(args: &SourceArgs, wishes: Wishes) -> Result<Self, Failure> {
        let Wishes {
            jobs,
            flake,
            build_store,
            flake_check,
        } = wishes;
        let cache_dir = cache_dir();
        let mut nix_options = args.nix_options();
        let find = |options: &[_]| {
            NixHost::find(options, cache_dir.as_deref()).map_err(Failure::infrastructure)
        };
        let mut host = find(&nix_options)?;
        let mut configuration = Configuration::new(args, &host)?;
        if let Some(flake) = flake {
            configuration.flake.value = flake;
        }
        if flake_check {
            configuration.look_at_all_outputs();
        }
        let installable = configuration.installable();
        let is_flake = configuration.scope.file.is_none();
        if args.accept_flake_config && is_flake {
            let wishes = flake_config(&host, &installable.flake, &nix_options);
            if !wishes.is_empty() {
                // What the user says comes last and wins.
                nix_options.splice(0..0, wishes);
                host = find(&nix_options)?;
            }
        }
        let mut building = match &build_store {
            Some(store) => store.settings(&host)?,
            None => host.settings.clone(),
        };
        building.max_jobs = jobs.or(building.max_jobs);
        let builders = building.builders();
        let systems = systems(&configuration, &builders);
        let memory_budget_bytes = args
            .eval_memory
            .unwrap_or_else(|| free_memory_bytes() / 4 * 3);
        let workers = args.eval_workers;
        let workers = workers.unwrap_or_else(|| workers_within(memory_budget_bytes));
        let request = EvalRequest {
            installable: installable.clone(),
            systems: systems.clone(),
            current_system: host.settings.system(),
            workers,
            memory_budget_bytes,
            scope: configuration.scope.clone(),
            options: EvalOptions {
                // A file is in no tree that is fixed.
                impure: args.impure || !is_flake,
                nix_options,
                override_inputs: override_inputs(args, host.version.numbers),
                reference_lock_file: configuration
                    .lock_file
                    .as_ref()
                    .map(|file| file.value.clone()),
                accept_flake_config: args.accept_flake_config,
                show_trace: args.show_trace,
                isolation: None,
            },
            nix: host.program.clone(),
            nix_version: host.version.numbers,
        };
        let evaluator = evaluator(args.evaluator, &request)?;
        let local = is_flake
            .then(|| LocalFlake::find(&installable.flake))
            .flatten();
        let kept = kept(
            args,
            &host,
            &request,
            evaluator.name(),
            local.as_ref(),
            cache_dir,
        );
        Ok(Self {
            host,
            configuration,
            installable,
            local,
            builders,
            systems,
            request,
            evaluator,
            kept,
            building,
            build_store,
            part: None,
        })
    }

    /// Of these checks, those that are looked at. If no more than they is wanted, no more is evaluated than they need.
    pub(super) fn narrow(&mut self, checks: HashSet<String>) -> HashSet<String> {
        let path = |check: &String| AttrPath::parse(check).unwrap_or_default();
        let mut wanted = checks;
        wanted.retain(|check| self.request.wants(&path(check)));
        self.part = self.request.part(wanted.iter().map(path));
        wanted
    }

    /// A name of the flake for people.
    pub(super) fn title(&self) -> String {
        self.local
            .as_ref()
            .map_or_else(|| self.installable.flake.clone(), LocalFlake::title)
    }

    /// The commit of the flake, where it is known without asking Nix.
    pub(super) fn revision(&self) -> Option<String> {
        self.local.as_ref()?.checkout.as_ref()?.short_revision()
    }

    /// How many builds run here at once.
    pub(super) fn slots(&self) -> usize {
        let jobs = self.building.max_jobs.filter(|jobs| *jobs > 0);
        jobs.unwrap_or_else(cores).min(JOBS_MAX)
    }

    /// How many builds run on other machines at once.
    pub(super) fn remote_slots(&self) -> usize {
        self.builders.remote_slots().min(JOBS_MAX)
    }

    /// How many downloads run at once.
    pub(super) fn substitute_slots(&self) -> usize {
        let jobs = self.building.number("max-substitution-jobs");
        usize::try_from(if jobs == 0 { SUBSTITUTIONS } else { jobs })
            .map_or(JOBS_MAX, |jobs| jobs.min(JOBS_MAX))
    }

    /// How to reach the store that Nix uses by itself.
    pub(super) async fn address(&self) -> StoreAddress {
        store_address(&self.host).await
    }

    /// Connections to that store for at most so many users at once.
    pub(super) async fn pool(&self, settings: ClientSettings, connections: usize) -> Arc<Pool> {
        Arc::new(Pool::new(self.address().await, settings, connections))
    }

    /// How `nix copy` is run, for the store at this address.
    pub(super) fn nix_copy(&self, address: &StoreAddress) -> Result<NixCopy, Failure> {
        let set = self.host.settings.value("store");
        let source = match address {
            StoreAddress::Socket(path) => format!("unix://{}", path.display()),
            StoreAddress::Command { .. } if ["", "auto"].contains(&set) => "local".to_owned(),
            StoreAddress::Command { .. } => set.to_owned(),
        };
        let mut config = std::env::var("NIX_CONFIG").unwrap_or_default();
        for (name, value) in &self.request.options.nix_options {
            let _ = write!(config, "\n{name} = {}", value.replace('\n', " "));
        }
        Ok(NixCopy {
            program: self.host.program.clone(),
            source: self.build_store.as_ref().map(|store| store.url.clone()),
            default_source: StoreUrl::parse(&source).map_err(Failure::infrastructure)?,
            config,
        })
    }

    /// The settings of every connection; the limits are those of the command line, zero or `None` where it has none.
    pub(super) fn client_settings(
        &self,
        timeout: Option<Duration>,
        max_silent_time: Option<Duration>,
    ) -> ClientSettings {
        let times = BuildTimes {
            timeout,
            max_silent_time,
        };
        let options = &self.request.options.nix_options;
        client_settings(&self.host, &self.building, &self.builders, options, times)
    }

    /// The evaluation, with its cache in front of it.
    pub(super) fn into_evaluation(self, store: Arc<PooledStore>) -> Evaluation {
        Evaluation {
            request: self.request,
            evaluator: self.evaluator,
            kept: self.kept,
            store,
            part: self.part,
            warm_up: None,
        }
    }
}

/// Waits until the children of a pool's connections are gone, as long as that may take.
pub(super) async fn close(pool: &Pool) {
    let _ = tokio::time::timeout(CLOSE_LIMIT, pool.close()).await;
}

/// How many workers evaluate in so much memory if nobody says how many.
fn workers_within(memory_budget_bytes: u64) -> usize {
    let by_memory = usize::try_from(memory_budget_bytes / MEMORY_PER_WORKER);
    cores().min(by_memory.unwrap_or(usize::MAX)).max(1)
}

fn override_inputs(args: &SourceArgs, nix_version: (u32, u32)) -> Vec<(String, String)> {
    let pairs = args.override_inputs().into_iter();
    pairs
        .map(|(input, flake)| (input, without_age(flake, nix_version)))
        .collect()
}

fn systems(configuration: &Configuration, builders: &Builders) -> Option<Vec<System>> {
    match configuration.systems.as_ref().map(|systems| &systems.value) {
        Some(SystemsWanted::All) => None,
        Some(SystemsWanted::These(systems)) => Some(systems.clone()),
        None => Some(builders.systems()),
    }
}

/// Where the evaluation is kept, if its source and options allow.
fn kept(
    args: &SourceArgs,
    host: &NixHost,
    request: &EvalRequest,
    evaluator: &str,
    local: Option<&LocalFlake>,
    cache_dir: Option<PathBuf>,
) -> Option<Kept> {
    let is_pure = !args.impure && host.settings.value("pure-eval") != "false";
    if !is_pure || args.no_eval_cache {
        return None;
    }
    let request = request.clone();
    let flake = request.installable.flake.clone();
    let nix = format!("{evaluator} {} {:?}", host.version, host.settings.all);
    let key_of = move |local: &LocalFlake| {
        CacheKey::new(&request, &local.source()?, &local.dir_in_checkout(), &nix)
    };
    Some(Kept {
        cache: EvalCache::new(cache_dir?.join("eval")),
        key: key_of(local?)?,
        key_now: Box::new(move || key_of(&LocalFlake::find(&flake)?)),
    })
}

fn evaluator(wanted: EvaluatorArg, request: &EvalRequest) -> Result<Box<dyn Evaluator>, Failure> {
    let kind = match wanted {
        // nix-eval-jobs knows derivations only.
        EvaluatorArg::Auto if request.scope.flake_check => EvaluatorKind::Builtin,
        EvaluatorArg::Auto => EvaluatorKind::Auto,
        EvaluatorArg::NixEvalJobs => EvaluatorKind::NixEvalJobs,
        EvaluatorArg::Builtin => EvaluatorKind::Builtin,
    };
    let nix_eval_jobs = program_on_path("nix-eval-jobs");
    choose_evaluator(kind, nix_eval_jobs, request.nix_version)
        .map_err(|error| Failure::infrastructure(anyhow!(error)))
}

/// How many processors this process may use.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Starts the runtime that everything asynchronous runs on.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Each has a stack, and memory that it has freed and keeps: a server that waits has use for neither.
        .thread_keep_alive(Duration::from_millis(500))
        .enable_all()
        .build()
        .map_err(|error| Failure::infrastructure(anyhow!("cannot start threads: {error}")))
}
