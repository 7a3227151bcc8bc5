//! `nixci check`.

use std::{
    collections::{HashMap, HashSet},
    io::{self, IsTerminal},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, mpsc, oneshot};

use super::{
    Failure,
    args::{CheckArgs, FormatArg},
    keys::take_keys,
    memory::{Memory, failed_ones},
    print_error, print_note,
    setup::{JOBS_MAX, Setup, cores, runtime},
    source_tree::source_tree,
    targets::named_flake,
};
use crate::{
    event::{Event, Outcome},
    graph::Planner,
    report::{Format, ReportOptions, Reporter, SharedReporter, resolve},
    run::{Builder, Evaluation, PooledStore, Ports, RunSettings, State, Stop, coordinate, stops},
};

/// Connections beside those of builds and downloads: for plans, for roots, for the evaluation's own questions.
const OTHER_CONNECTIONS: usize = 4;
/// How often the display is drawn anew while someone reads what a run that is over has left.
const REFRESH: Duration = Duration::from_millis(100);
/// How long children may take to be gone after the second signal.
const AT_ONCE: Duration = Duration::from_millis(300);

/// Evaluates and builds.
pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let run_id = uuid::Uuid::now_v7().to_string();
    // First, so that the history is at hand when it is wanted.
    let memory = Memory::begin(&args.memory, &named_flake(&args.source.scope), &run_id);
    let code = check_remembered(args, run_id, &memory);
    memory.finish();
    code
}

fn check_remembered(
    args: &CheckArgs,
    run_id: String,
    memory: &Memory,
) -> Result<ExitCode, Failure> {
    let setup = Setup::of_run(args)?;
    let previous = memory.verdicts(&setup.installable.attribute);
    let mut only = None;
    if args.memory.failed {
        only = failed_ones(&previous, &setup.installable)?;
        if only.is_none() {
            print_note(&format_args!(
                "no check of {} failed the last time: nothing to do",
                setup.installable
            ));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let selected = Selected {
        run_id,
        only,
        previous,
    };
    let reporter = Reporter::new(
        report_options(args, &setup, memory),
        source_tree(setup.local.as_ref()),
    );
    let reporter = Arc::new(Mutex::new(reporter));
    Reporter::restore_terminal_on_panic();
    let runtime = runtime()?;
    let code = runtime.block_on(run(args, setup, selected, memory, &reporter));
    // The run itself told everything there is to tell; where it was cut short the terminal still is put in order.
    let _ = lock(&reporter).finish();
    runtime.shutdown_timeout(AT_ONCE);
    Ok(ExitCode::from(code?))
}

/// The reporter, whoever panicked while it was held.
pub(super) fn lock(reporter: &SharedReporter) -> MutexGuard<'_, Reporter> {
    reporter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What earlier runs say about this one.
struct Selected {
    run_id: String,
    only: Option<HashSet<String>>,
    previous: HashMap<String, Outcome>,
}

async fn run(
    args: &CheckArgs,
    setup: Setup,
    selected: Selected,
    memory: &Memory,
    reporter: &SharedReporter,
) -> Result<u8, Failure> {
    let slots = setup.slots();
    let remote_slots = setup.builders.remote_slots().min(JOBS_MAX);
    let substitute_slots = setup.substitute_slots();
    let connections = slots + remote_slots + substitute_slots + OTHER_CONNECTIONS;
    let timeout = setup.configuration.timeout(args.timeout, &setup.host).value;
    let pool = setup
        .pool(
            setup.client_settings(Some(timeout), args.max_silent_time),
            connections,
        )
        .await;
    let store = Arc::new(PooledStore::new(Arc::clone(&pool), true));
    let builder = Builder::new(pool);
    let settings = RunSettings {
        flake: setup.installable.flake.clone(),
        title: setup.title(),
        revision: setup.revision(),
        attribute: setup.installable.attribute.to_string(),
        systems: setup.systems.clone().unwrap_or_default(),
        evaluator: setup.evaluator.name().to_owned(),
        nix_version: setup.host.version.text.clone(),
        slots,
        remote_slots,
        substitute_slots,
        eval_workers: setup.request.workers,
        fail_fast: args.fail_fast,
        no_build: args.no_build,
        flake_check: setup.request.scope.flake_check,
        rules: setup.configuration.rules(args.timeout),
        timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
        only: selected.only,
        previous: selected.previous,
        log_lines: args.log_lines,
    };
    let planner = Planner::new(setup.builders.clone(), args.download && !args.no_build);
    let mut signals = stops().map_err(Failure::infrastructure)?;
    let (stop_tx, stop_rx) = mpsc::unbounded_channel();
    let wishes = take_keys(reporter);
    let ports = Ports {
        evaluate: Evaluation {
            warm_up: (!args.no_build).then(|| (builder.clone(), slots.min(cores()))),
            ..setup.into_evaluation(Arc::clone(&store))
        }
        .into_evaluate(),
        planner,
        store,
        builder,
        stops: stop_rx,
        wishes: wishes.inputs,
        past: memory.past(),
    };
    let state = State::new(settings, selected.run_id, Instant::now());
    let mut is_read = true;
    let mut report = |event: &Event| {
        memory.note(event);
        if !is_read {
            return Ok(());
        }
        let result = lock(reporter).report(event);
        is_read = result.is_ok();
        // There is nowhere else to tell it.
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            print_error(&format_args!("cannot write the output: {error}"));
        }
        result
    };
    let (at_once_tx, mut at_once_rx) = oneshot::channel();
    let (keyboard, display) = (wishes.keyboard, Arc::clone(reporter));
    // Apart from the run, which stands still while nobody reads what it writes.
    tokio::spawn(async move {
        let mut is_told = false;
        while let Some(stop) = signals.recv().await {
            // Ctrl-C in a pager is meant for that.
            if stop == Stop::Interrupt && keyboard.is_lent() {
                continue;
            }
            // The first one is carried out by the run, unless that is over.
            if !is_told && stop_tx.send(stop).is_ok() {
                is_told = true;
                continue;
            }
            let _ = at_once_tx.send(stop);
            tokio::time::sleep(AT_ONCE).await;
            // Whoever holds it cannot write.
            if let Ok(mut reporter) = display.try_lock() {
                let _ = reporter.finish();
            }
            Reporter::restore_terminal();
            std::process::exit(stop.exit_code().into());
        }
    });
    let code = tokio::select! {
        code = coordinate(state, ports, &mut report) => code,
        // Whatever runs is dropped, and with it every child and connection.
        Ok(stop) = &mut at_once_rx => return Ok(stop.exit_code()),
    };
    // The verdict stands, whatever signal ends the reading.
    tokio::select! {
        () = be_read(reporter, &wishes.left) => {}
        _ = &mut at_once_rx => {}
    }
    Ok(code)
}

/// Waits while someone still reads what a run that is over has left.
async fn be_read(reporter: &SharedReporter, left: &Notify) {
    while lock(reporter).is_read() {
        tokio::select! {
            () = left.notified() => return,
            () = tokio::time::sleep(REFRESH) => lock(reporter).refresh(),
        }
    }
}

fn report_options(args: &CheckArgs, setup: &Setup, memory: &Memory) -> ReportOptions {
    let format = match args.format {
        FormatArg::Auto => None,
        FormatArg::Matrix => Some(Format::Matrix),
        FormatArg::Plain => Some(Format::Plain),
        FormatArg::Json => Some(Format::Json),
        FormatArg::Github => Some(Format::Github),
        FormatArg::Gitlab => Some(Format::Gitlab),
    };
    let clamp = |count: u8| i8::try_from(count).unwrap_or(i8::MAX);
    let verbosity = clamp(args.verbose) - clamp(args.quiet);
    let look = resolve(
        format,
        args.color.wish(),
        verbosity,
        io::stdout().is_terminal(),
        io::stderr().is_terminal(),
        |name| std::env::var(name).ok(),
    );
    ReportOptions {
        look,
        log_lines: args.log_lines,
        verbosity,
        log: args.log,
        keys: look.format == Format::Matrix && args.keys.are_wanted(),
        fold: !args.output.no_fold,
        stall_timeout: args.output.stall_timeout(),
        flake: setup.installable.flake.clone(),
        attribute: setup.installable.attribute.to_string(),
        scope: setup.configuration.arguments(),
        logs: memory.log_folder().cloned(),
        flake_check: setup.request.scope.flake_check,
        nix_version: setup.host.version.numbers,
    }
}
