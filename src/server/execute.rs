//! Carries out one run by the engine, from its evaluation to its end.

mod work;

use std::{
    collections::HashMap,
    io,
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::JoinError,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::work::{Unready, Work};
use super::{
    app::App,
    engine::{Engine, Means},
    failures::RunGate,
    insist::insist,
    journal::{self, Desk, Waiting},
    keep, logs,
    post_build::{self, PostBuild},
    private_inputs, queue,
    required::Required,
    texts,
};
use crate::{
    db::server::{NewStatus, Repository, Run, RunEnd, RunKind},
    event::{Event, EventKind, RunOutcome},
    forge::StatusState,
    git::Mirror,
    graph::Planner,
    run::{
        Builder, Evaluate, Evaluation, PooledStore, Ports, RunSettings, Share, State, Stop,
        UPLOAD_FAILED, UploadSettings, coordinate,
    },
};

/// How many of the last lines of a failed build are kept with it.
const LOG_LINES: usize = 50;
/// What files begin with that stand for a `flake.lock`.
const LOCK_FILE: &str = "lock-";
/// The largest lock file, in bytes.
const LOCK_FILE_BYTES: usize = 16 << 20;
/// How often a run is tried whose machine is at fault.
const ATTEMPTS_MAX: u32 = 6;
/// How long to wait before the second attempt; four times as long after each more. A daemon that restarts is soon back.
const BACK_OFF: Duration = Duration::from_secs(5);
/// The longest of these waits.
const BACK_OFF_MAX: Duration = Duration::from_secs(600);
/// Why a run ends in which this program panicked.
const BROKEN_DOWN: &str = "the run broke down: this is a fault of nixci";
/// The exit code of a run whose machine is at fault.
const INFRASTRUCTURE: u8 = 4;

/// Carries out a run that has begun, and ends it. The permit is given back when its evaluation is over.
pub(super) async fn execute(
    app: &App,
    run: Run,
    repository: Repository,
    permit: OwnedSemaphorePermit,
    asked_rx: mpsc::UnboundedReceiver<Stop>,
) {
    let run = Arc::new(run);
    let executed = try_execute(app, Arc::clone(&run), repository.clone(), permit, asked_rx);
    if AssertUnwindSafe(executed).catch_unwind().await.is_err() {
        // It would be running for ever, and its commit pending. Where it was over already, that stands.
        let (end, statuses) = match app.run_ends(run.id) {
            Some(why) => (RunEnd::cancelled(&why), Vec::new()),
            None => (
                RunEnd::errored(BROKEN_DOWN),
                texts::of_run(app, &repository, run.id, StatusState::Error, BROKEN_DOWN),
            ),
        };
        finish(app, &run, end, statuses).await;
    }
}

/// What a task came to. If it broke down, so does whoever waits for it.
fn outcome_of<T>(joined: Result<T, JoinError>) -> Option<T> {
    match joined.map_err(JoinError::try_into_panic) {
        Ok(done) => Some(done),
        Err(Ok(panic)) => resume_unwind(panic),
        // It was ended with the server.
        Err(Err(_)) => None,
    }
}

async fn try_execute(
    app: &App,
    run: Arc<Run>,
    repository: Repository,
    permit: OwnedSemaphorePermit,
    asked_rx: mpsc::UnboundedReceiver<Stop>,
) {
    info!(
        run = run.id.0,
        repository = repository.seen.full_name,
        "a run begins"
    );
    let work = match Work::of(app, &run, &repository) {
        Ok(work) => work,
        Err(unready) => {
            if let Some(why) = app.run_ends(run.id) {
                return finish(app, &run, RunEnd::cancelled(&why), Vec::new()).await;
            }
            let why = match unready {
                Unready::Here(why) => return try_again(app, &run, &why).await,
                Unready::Lost(why) if run.retries + 1 < ATTEMPTS_MAX => {
                    return fetch_again(app, &run, &why).await;
                }
                Unready::Lost(why) => {
                    return finish(app, &run, RunEnd::errored(&why), Vec::new()).await;
                }
                Unready::Commit(why) => why,
            };
            let statuses = texts::of_run(app, &repository, run.id, StatusState::Failure, &why);
            return finish(app, &run, RunEnd::failed(&why), statuses).await;
        }
    };
    let attribute = work.request.installable.attribute.to_string();
    let lock_file = work.request.options.reference_lock_file.clone();
    let (mut statuses, end, held) = carry_out(app, &run, &repository, work, permit, asked_rx).await;
    if let Some(file) = lock_file {
        let _ = std::fs::remove_file(file);
    }
    let stopped = app.run_ends(run.id);
    let Some(EventKind::RunFinished {
        outcome,
        counts,
        error,
        exit_code,
        ..
    }) = end.map(|event| event.kind)
    else {
        // The server ends; the run is taken up when it is back.
        return;
    };
    if let Some(why) = stopped {
        // What is pending says why; what is known already of its checks stays.
        return finish(app, &run, RunEnd::cancelled(&why), Vec::new()).await;
    }
    leave(
        app,
        (&run, &repository),
        &attribute,
        outcome,
        error.as_deref(),
    )
    .await;
    if outcome == RunOutcome::Errored
        && exit_code == INFRASTRUCTURE
        && run.retries + 1 < ATTEMPTS_MAX
    {
        return try_again(app, &run, &error.unwrap_or_default()).await;
    }
    // What is to stay has roots of its own now.
    drop(held);
    post_build::tell_warnings(app, &run, &repository, &mut statuses).await;
    if outcome == RunOutcome::Passed {
        // What an earlier run of this commit said of checks that are gone, where it was merged with another base.
        let known = app.db.statuses_of(repository.id, run.new.commit.clone());
        match known.await {
            Ok(known) => {
                let contexts = texts::contexts(&app.config(), &repository);
                let url = app.run_url(run.id.0);
                let gone = texts::take_back(&contexts, known, "not checked any more", &url);
                statuses.extend(gone);
            }
            Err(error) => warn!(run = run.id.0, %error, "statuses of checks that are gone stay"),
        }
    }
    let error = error.map(|mut error| {
        let hint = private_inputs::hint(&app.config(), &run, &repository, &error);
        error.extend(hint.map(|hint| format!("\n{hint}")));
        error
    });
    let end = RunEnd {
        outcome: outcome.as_str().to_owned(),
        error,
        checks: i64::try_from(counts.total()).ok(),
        counts: serde_json::to_string(&counts).ok(),
        reused_from: None,
    };
    finish(app, &run, end, statuses).await;
}

/// Leaves behind what a run has built that ended so.
async fn leave(
    app: &App,
    (run, repository): (&Run, &Repository),
    attribute: &str,
    outcome: RunOutcome,
    error: Option<&str>,
) {
    match outcome {
        RunOutcome::Passed | RunOutcome::Failed => {
            keep::leave(app, run, repository, attribute).await;
        }
        RunOutcome::Errored if error.is_some_and(|error| error.starts_with(UPLOAD_FAILED)) => {
            keep::hold(app, run, repository, attribute).await;
        }
        RunOutcome::Errored | RunOutcome::Cancelled => {}
    }
}

async fn finish(app: &App, run: &Run, end: RunEnd, statuses: Vec<NewStatus>) {
    info!(
        run = run.id.0,
        outcome = end.outcome,
        error = end.error,
        "a run is over"
    );
    let write = || app.db.finish_run(run.id, end.clone(), statuses.clone());
    if let Err(error) = insist("the end of a run", write).await {
        // It is running as far as the database knows, and taken up again.
        warn!(run = run.id.0, %error, "its end is not written down");
    }
    app.hub.changed(run.id);
    app.wake.publish.notify_one();
}

async fn try_again(app: &App, run: &Run, why: &str) {
    let wait = BACK_OFF
        .saturating_mul(4_u32.saturating_pow(run.retries))
        .min(BACK_OFF_MAX);
    let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    warn!(
        run = run.id.0,
        why, "the machine is at fault: the run is tried again"
    );
    let at = Timestamp::now().as_millisecond() + wait_ms;
    let result = insist("when a run is tried again", || {
        app.db.requeue_run(run.id, at)
    });
    if let Err(error) = result.await {
        warn!(run = run.id.0, %error, "and cannot be put off");
    }
}

/// Has what a run builds fetched once more.
async fn fetch_again(app: &App, run: &Run, why: &str) {
    warn!(run = run.id.0, why, "it is fetched again");
    let result = insist("that a run is to be fetched again", || {
        app.db.fetch_anew(run.id)
    });
    if let Err(error) = result.await {
        warn!(run = run.id.0, %error, "and cannot be put off");
    }
    app.wake.prepare.notify_one();
}

/// Removes what runs of a server left that was killed.
pub(super) fn clean_up(app: &App) {
    Mirror::clean_up(&app.config().state_dir, LOCK_FILE);
}

/// Runs the engine. Returns the statuses of the end, and the end, none if it was cut short; and what holds all that was built.
async fn carry_out(
    app: &App,
    run: &Arc<Run>,
    repository: &Repository,
    work: Work,
    permit: OwnedSemaphorePermit,
    asked_rx: mpsc::UnboundedReceiver<Stop>,
) -> (Vec<NewStatus>, Option<Event>, Arc<PooledStore>) {
    let engine = &app.engine;
    let means = engine.means();
    let has_own_limits = work.has_own_limits();
    let settings = settings(app, &means, run, repository, &work);
    let attribute = settings.attribute.clone();
    let (mut entries_tx, entries_rx) = mpsc::unbounded_channel();
    let waiting = Waiting::default();
    let stopped = CancellationToken::new();
    // What is run after builds ends with this, also if it breaks down.
    let _ends_with_this = stopped.clone().drop_guard();
    let post_build = PostBuild::of_run(
        app,
        run,
        repository,
        &attribute,
        settings.rules.clone(),
        stopped.clone(),
    );
    post_build::say_left_out(app, run, repository).await;
    if let Some(post_build) = post_build {
        let (relayed_tx, relayed_rx) = mpsc::unbounded_channel();
        tokio::spawn(post_build.relay(relayed_rx, std::mem::replace(&mut entries_tx, relayed_tx)));
    }
    let log_writer = logs::begin(app, run.id, entries_tx.clone());
    let journal = tokio::spawn(journal::keep(
        Arc::clone(app),
        Arc::clone(run),
        repository.clone(),
        attribute.clone(),
        Required::new(work.required, &attribute),
        entries_rx,
        waiting.clone(),
    ));
    let stops = stops(asked_rx, stopped);
    let (_wish_tx, wishes) = mpsc::unbounded_channel();
    // What it holds is held until it is dropped: what comes after the builds needs what they made.
    let store = Arc::new(PooledStore::new(Arc::clone(&means.pool), true));
    let held = Arc::clone(&store);
    let gate = RunGate {
        run: run.id,
        failures: Arc::clone(&engine.failures),
        slots: engine.slots.clone(),
        share: Share {
            class: queue::class(run.new.kind),
            owner: repository.id.0,
            precedence: run.new.pull_request.map_or(-run.id.0, |_| run.id.0),
        },
        times: engine.build_times(&app.config()),
        has_own_limits,
        redaction: app.redaction.clone(),
        // It may have failed by chance.
        anew_since: (run.new.kind == RunKind::Schedule).then_some(run.created_at),
    };
    let evaluate: Evaluate = match engine.evaluator() {
        Ok(evaluator) => Evaluation {
            request: work.request,
            evaluator,
            kept: None,
            store: Arc::clone(&store),
            warm_up: None,
            part: None,
        }
        .into_evaluate(),
        Err(error) => Box::new(move |_, _| {
            Box::pin(async move { (Err(crate::eval::EvalError::Infrastructure(error)), false) })
        }),
    };
    let ports = Ports {
        evaluate: permitted(evaluate, (permit, work.held)),
        planner: Planner::new(engine.builders.clone(), true),
        builder: Builder::new(Arc::clone(&means.pool))
            .behind(Arc::new(gate))
            .held_by(Arc::clone(&store))
            .hiding(app.redaction.clone()),
        store,
        uploader: Arc::new(engine.uploads(&means)),
        stops,
        wishes,
        past: Some(logs::past(&app.db, &log_writer)),
    };
    let state = State::new(settings, run.id.0.to_string(), Instant::now());
    let mut desk = Desk::new(entries_tx, waiting);
    let mut report = |event: &Event| -> io::Result<()> {
        if !matches!(event.kind, EventKind::Ticked { .. }) {
            let mut event = event.clone();
            event.for_each_text(&mut |text| app.redaction.clean(text));
            desk.take(event);
        }
        Ok(())
    };
    coordinate(state, ports, &mut report).await;
    let _ = tokio::task::spawn_blocking(move || log_writer.finish()).await;
    drop(desk);
    let (statuses, end) = outcome_of(journal.await).unwrap_or_default();
    (statuses, end, held)
}

/// How a run is told to stop, and `stopped` with it.
fn stops(
    mut asked_rx: mpsc::UnboundedReceiver<Stop>,
    stopped: CancellationToken,
) -> mpsc::UnboundedReceiver<Stop> {
    let (stop_tx, stops) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(stop) = asked_rx.recv().await {
            stopped.cancel();
            let _ = stop_tx.send(stop);
        }
    });
    stops
}

/// Gives back what an evaluation had when it is over.
fn permitted<H: Send + 'static>(evaluate: Evaluate, permit: (OwnedSemaphorePermit, H)) -> Evaluate {
    Box::new(move |found, cancel| {
        Box::pin(async move {
            let ended = evaluate(found, cancel).await;
            drop(permit);
            ended
        })
    })
}

/// Where the outputs of a run go: those of branches and tags, never those of a pull request.
fn uploads(means: &Means, run: &Run) -> UploadSettings {
    if !keep::leaves(run) {
        return UploadSettings::default();
    }
    UploadSettings {
        destinations: means.destinations.iter().map(ToString::to_string).collect(),
        with_dependencies: means.push_closure,
    }
}

fn settings(
    app: &App,
    means: &Means,
    run: &Run,
    repository: &Repository,
    work: &Work,
) -> RunSettings {
    let engine = &app.engine;
    // That of every connection.
    let timeout = engine.build_times(&app.config()).timeout;
    let (slots, remote_slots) = engine.slots.count();
    RunSettings {
        flake: repository.seen.full_name.clone(),
        title: repository.seen.full_name.clone(),
        revision: Some(texts::short(&run.new.commit).to_owned()),
        attribute: work.request.installable.attribute.to_string(),
        systems: work.request.systems.clone().unwrap_or_default(),
        evaluator: engine
            .evaluator()
            .map_or_else(|_| String::new(), |evaluator| evaluator.name().to_owned()),
        nix_version: engine.host.version.text.clone(),
        slots,
        remote_slots,
        substitute_slots: Engine::substitute_slots(),
        eval_workers: work.request.workers,
        fail_fast: false,
        no_build: false,
        flake_check: false,
        rules: work.rules(timeout),
        timeout,
        only: None,
        previous: HashMap::new(),
        log_lines: LOG_LINES,
        uploads: uploads(means, run),
    }
}

#[cfg(test)]
mod tests;
