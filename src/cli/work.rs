//! Who carries a run out: the engine of this process, or a nixci on another machine.
//!
//! Apart from `check`, which shows what happens the same way whoever does it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use tokio::sync::mpsc;

use super::{
    Failure,
    args::CheckArgs,
    remote::{Known, Remote},
    setup::Setup,
    stores::Stores,
};
use crate::{
    event::Outcome,
    graph::Planner,
    run::{
        Builder, Evaluate, Input, Past, PooledStore, Ports, Report, RunSettings, State, Stop,
        UploadSettings, Uploader, coordinate,
    },
    upload::{Destination, Uploads},
};

/// Connections beside those of builds and downloads: for plans, for roots, for the evaluation's own questions.
const OTHER_CONNECTIONS: usize = 4;

/// What was found out before the run begins.
pub(super) struct Selected {
    pub(super) destinations: Vec<Destination>,
    pub(super) with_dependencies: bool,
    pub(super) run_id: String,
    pub(super) only: Option<HashSet<String>>,
    pub(super) previous: HashMap<String, Outcome>,
}

/// A run that has not begun.
pub(super) enum Work {
    /// On this machine.
    Here(Box<Engine>),
    /// On another one.
    There(Box<Remote>),
}

/// What the engine starts with.
pub(super) struct Engine {
    state: State,
    evaluate: Evaluate,
    planner: Planner,
    store: Arc<PooledStore>,
    builder: Builder,
    uploader: Arc<dyn Uploader>,
    past: Option<Past>,
}

impl Work {
    /// Prepares it. Returns the stores of this machine that it uses, if it uses any.
    pub(super) async fn new(
        args: &CheckArgs,
        setup: Setup,
        selected: Selected,
        past: Option<Past>,
    ) -> Result<(Self, Option<Stores>), Failure> {
        if let Some(host) = &args.remote.remote {
            let known = Known {
                setup: &setup,
                run_id: selected.run_id,
                only: selected.only,
                previous: selected.previous,
                past,
            };
            let remote = Remote::new(host, args, known)?;
            return Ok((Self::There(Box::new(remote)), None));
        }
        let slots = setup.slots();
        let destinations = selected.destinations;
        let users = slots + setup.remote_slots() + setup.substitute_slots() + destinations.len();
        let timeout = setup.configuration.timeout(args.timeout, &setup.host).value;
        let client = setup.client_settings(Some(timeout), args.max_silent_time);
        let stores = Stores::find(&setup, client, users + OTHER_CONNECTIONS).await?;
        let store = Arc::new(PooledStore::new(Arc::clone(&stores.pool), true));
        let settings = RunSettings {
            timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
            only: selected.only,
            previous: selected.previous,
            uploads: UploadSettings {
                destinations: destinations.iter().map(ToString::to_string).collect(),
                with_dependencies: selected.with_dependencies,
            },
            ..run_settings(args, &setup)
        };
        let planner = Planner::new(
            setup.builders.clone(),
            (args.download || args.results.links()) && !args.no_build,
        );
        let engine = Engine {
            state: State::new(settings, selected.run_id, Instant::now()),
            evaluate: stores.evaluate(setup, &store, (!args.no_build).then_some(slots)),
            planner,
            builder: stores.builder().held_by(Arc::clone(&store)),
            store,
            uploader: Arc::new(Uploads {
                destinations,
                nix: stores.nix_copy.clone(),
                pool: Arc::clone(&stores.pool),
            }),
            past,
        };
        Ok((Self::Here(Box::new(engine)), Some(stores)))
    }

    /// Carries it out and tells `report` what happens. Returns the exit code.
    pub(super) async fn run(
        self,
        stops: mpsc::UnboundedReceiver<Stop>,
        wishes: mpsc::UnboundedReceiver<Input>,
        report: Report<'_>,
    ) -> Result<u8, Failure> {
        let engine = match self {
            Self::There(remote) => return remote.run(stops, wishes, report).await,
            Self::Here(engine) => *engine,
        };
        let ports = Ports {
            evaluate: engine.evaluate,
            planner: engine.planner,
            store: engine.store,
            builder: engine.builder,
            uploader: engine.uploader,
            stops,
            wishes,
            past: engine.past,
        };
        Ok(coordinate(engine.state, ports, report).await)
    }
}

/// What the run is asked to do.
fn run_settings(args: &CheckArgs, setup: &Setup) -> RunSettings {
    RunSettings {
        flake: setup.installable.flake.clone(),
        title: setup.title(),
        revision: setup.revision(),
        attribute: setup.installable.attribute.to_string(),
        systems: setup.systems.clone().unwrap_or_default(),
        evaluator: setup.evaluator.name().to_owned(),
        nix_version: setup.host.version.text.clone(),
        slots: setup.slots(),
        remote_slots: setup.remote_slots(),
        substitute_slots: setup.substitute_slots(),
        eval_workers: setup.request.workers,
        fail_fast: args.fail_fast,
        no_build: args.no_build,
        flake_check: setup.request.scope.flake_check,
        rules: setup.configuration.rules(args.timeout),
        timeout: None,
        only: None,
        previous: HashMap::new(),
        log_lines: args.log_lines,
        uploads: UploadSettings::default(),
    }
}
