//! `nixci check`.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, mpsc, oneshot};

use super::{
    Failure,
    again::again,
    args::CheckArgs,
    choices::FormatArg,
    forge_report::ForgeReport,
    keys::take_keys,
    memory::{Memory, failed_ones},
    orders, print_error, print_note, print_warning, remote,
    result_args::Results,
    setup::{Setup, runtime},
    source_tree::source_tree,
    targets::named_flake,
    watch::watch,
    work::{Selected, Work},
};
use crate::{
    event::{Event, EventKind, RunOutcome},
    report::{Detail, Format, Look, ReportFiles, ReportOptions, Reporter, SharedReporter, resolve},
    run::{Stop, stops},
};

/// How often the display is drawn anew while someone reads what a run that is over has left.
const REFRESH: Duration = Duration::from_millis(100);
/// How long children may take to be gone after the second signal.
const AT_ONCE: Duration = Duration::from_millis(300);

/// Evaluates and builds.
pub(super) fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    if args.watch {
        return watch(&args.source);
    }
    let look = look(args);
    let files = args.output.open(look.format)?;
    let run_id = uuid::Uuid::now_v7().to_string();
    // First, so that the history is at hand when it is wanted.
    let memory = Memory::begin(&args.memory, &named_flake(&args.source.scope), &run_id);
    let code = check_remembered(args, look, files, run_id, &memory);
    memory.finish();
    code
}

fn check_remembered(
    args: &CheckArgs,
    look: Look,
    files: ReportFiles,
    run_id: String,
    memory: &Memory,
) -> Result<ExitCode, Failure> {
    let (mut setup, destinations, with_dependencies) = if args.remote.remote.is_some() {
        (remote::setup(args)?, Vec::new(), false)
    } else {
        let build_store = args.building.build_store(&args.results)?;
        let setup = Setup::of_run(args, build_store)?;
        let uploads = args.uploads.plan(&setup.configuration.file.upload)?;
        let with_dependencies = uploads.push_closure.value;
        let destinations = uploads.ready()?;
        if let Some(store) = &setup.build_store {
            store.can_send(&destinations)?;
        }
        (setup, destinations, with_dependencies)
    };
    let previous = memory.verdicts(&setup.installable.attribute);
    let mut only = None;
    if args.remote.take_orders {
        only = orders::begin()?.map(|checks| setup.narrow(checks));
    } else if args.memory.failed {
        let failed = failed_ones(previous.as_ref(), &setup.installable)?;
        // Which systems are looked at on another machine is known there.
        let wanted = match args.remote.remote {
            Some(_) => failed,
            None => setup.narrow(failed),
        };
        only = Some(wanted).filter(|wanted| !wanted.is_empty());
        if only.is_none() {
            print_note(&format_args!(
                "no check of {} failed the last time: nothing to do",
                setup.installable
            ));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let selected = Selected {
        destinations,
        with_dependencies,
        run_id,
        only,
        previous: previous.unwrap_or_default(),
    };
    let reporter = Reporter::new(
        report_options(args, &setup, look, memory),
        source_tree(setup.local.as_ref()),
        files,
    );
    let reporter = Arc::new(Mutex::new(reporter));
    Reporter::restore_terminal_on_panic();
    let runtime = runtime()?;
    let code = runtime.block_on(run(args, setup, selected, memory, &reporter));
    // The run itself told everything there is to tell; where it was cut short the terminal still is put in order.
    let mut last = lock(&reporter);
    let _ = last.finish();
    for error in last.take_file_errors() {
        print_warning(&error);
    }
    drop(last);
    runtime.shutdown_timeout(AT_ONCE);
    Ok(ExitCode::from(code?))
}

/// The reporter, whoever panicked while it was held.
pub(super) fn lock(reporter: &SharedReporter) -> MutexGuard<'_, Reporter> {
    reporter.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    args: &CheckArgs,
    setup: Setup,
    selected: Selected,
    memory: &Memory,
    reporter: &SharedReporter,
) -> Result<u8, Failure> {
    let mut signals = stops().map_err(Failure::infrastructure)?;
    let (stop_tx, stop_rx) = mpsc::unbounded_channel();
    let mut wishes = take_keys(reporter);
    if args.remote.take_orders {
        let orders = orders::take(signals);
        (signals, wishes.inputs) = (orders.stops, orders.wishes);
    }
    let (work, stores) = Work::new(args, setup, selected, memory.past()).await?;
    let mut forge = ForgeReport::start(&args.forge)?;
    let mut is_read = true;
    let mut show = |event: &Event| {
        memory.note(event);
        if let Some(forge) = &mut forge {
            forge.observe(event);
        }
        if !is_read {
            return Ok(());
        }
        let result = lock(reporter).report(event);
        is_read = result.is_ok();
        result.inspect_err(say_unwritten)
    };
    let mut results = Results::default();
    // The end is told when what the run leaves behind is there.
    let mut end = None;
    let mut report = |event: &Event| {
        results.observe(event);
        if matches!(event.kind, EventKind::RunFinished { .. }) {
            end = Some(event.clone());
            return Ok(());
        }
        show(event)
    };
    let (at_once_tx, mut at_once_rx) = oneshot::channel();
    let (keyboard, display) = (wishes.keyboard, Arc::clone(reporter));
    let is_lent = move || keyboard.is_lent();
    tokio::spawn(pass_on_stops(
        signals, stop_tx, at_once_tx, is_lent, display,
    ));
    let mut code = tokio::select! {
        code = work.run(stop_rx, wishes.inputs, &mut report) => code?,
        // Whatever runs is dropped, and with it every child and connection.
        Ok(stop) = &mut at_once_rx => return Ok(stop.exit_code()),
    };
    if let Some(mut end) = end {
        if let Err(error) = results
            .leave(&args.results, stores.as_ref().map(|stores| &stores.pool))
            .await
        {
            amend(&mut end, &format!("{error:#}"), &mut show);
        }
        if let EventKind::RunFinished { exit_code, .. } = end.kind {
            code = exit_code;
        }
        let _ = show(&end);
    }
    let rest = async {
        if let Some(forge) = forge {
            forge.finish().await;
        }
        be_read(reporter, &wishes.left).await;
    };
    // The verdict stands, whatever signal ends the rest.
    tokio::select! {
        () = rest => {}
        _ = &mut at_once_rx => {}
    }
    if let Some(stores) = stores {
        stores.close().await;
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

/// Passes the first wish to stop on to the run, and carries out the second one. Apart from the run, which stands still
/// while nobody reads what it writes. `is_lent`: whether another program has the terminal.
async fn pass_on_stops(
    mut signals: mpsc::UnboundedReceiver<Stop>,
    stop_tx: mpsc::UnboundedSender<Stop>,
    at_once_tx: oneshot::Sender<Stop>,
    is_lent: impl Fn() -> bool,
    display: SharedReporter,
) {
    let mut is_told = false;
    while let Some(stop) = signals.recv().await {
        // Ctrl-C in a pager is meant for that.
        if stop == Stop::Interrupt && is_lent() {
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
}

/// Makes a run that would have passed one that could not be carried out; of another one, tells what went wrong besides.
fn amend(end: &mut Event, error: &str, show: &mut dyn FnMut(&Event) -> io::Result<()>) {
    let EventKind::RunFinished {
        outcome: outcome @ RunOutcome::Passed,
        exit_code,
        error: why,
        ..
    } = &mut end.kind
    else {
        let warned = EventKind::Warned {
            message: error.to_owned(),
        };
        let _ = show(&Event {
            kind: warned,
            ..end.clone()
        });
        return;
    };
    (*outcome, *exit_code, *why) = (RunOutcome::Errored, 4, Some(error.to_owned()));
}

/// There is nowhere else to tell it.
fn say_unwritten(error: &io::Error) {
    if error.kind() != io::ErrorKind::BrokenPipe {
        print_error(&format_args!("cannot write the output: {error}"));
    }
}

/// What was asked for, and what the surroundings allow.
fn look(args: &CheckArgs) -> Look {
    let format = match args.format {
        FormatArg::Auto => None,
        FormatArg::Matrix => Some(Format::Matrix),
        FormatArg::Plain => Some(Format::Plain),
        FormatArg::Json => Some(Format::Json),
        FormatArg::Github => Some(Format::Github),
        FormatArg::Gitlab => Some(Format::Gitlab),
    };
    resolve(
        format,
        args.color.wish(),
        verbosity(args),
        io::stdout().is_terminal(),
        io::stderr().is_terminal(),
        |name| std::env::var(name).ok(),
    )
}

fn verbosity(args: &CheckArgs) -> i8 {
    let clamp = |count: u8| i8::try_from(count).unwrap_or(i8::MAX);
    clamp(args.verbose) - clamp(args.quiet)
}

fn report_options(args: &CheckArgs, setup: &Setup, look: Look, memory: &Memory) -> ReportOptions {
    ReportOptions {
        look,
        log_lines: args.log_lines,
        verbosity: verbosity(args),
        detail: match (args.remote.take_orders, args.log) {
            (true, _) => Detail::Display,
            (false, true) => Detail::Logs,
            (false, false) => Detail::Events,
        },
        keys: look.format == Format::Matrix && args.keys.are_wanted(),
        fold: !args.output.no_fold,
        stall_timeout: args.output.stall_timeout(),
        flake: setup.installable.flake.clone(),
        attribute: setup.installable.attribute.to_string(),
        scope: setup.configuration.arguments(),
        again: again(args),
        logs: memory.log_folder().cloned(),
        flake_check: setup.request.scope.flake_check,
        nix_version: setup.host.version.numbers,
    }
}
