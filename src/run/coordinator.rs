//! The loop around [`State::apply`]: takes inputs from everywhere, carries out the effects.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::{MissedTickBehavior, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Builder, Effect, Expected, Input, KeepLog, LogNote, Past, State, StepEnd, StepId, StepNote,
    Stop, Upload, UploadEnd, Uploader, input::Start, notes::Notes, past::expectations,
};
use crate::{
    eval::{BoxFuture, EvalError, EvalSummary, Evaluated},
    event::{Event, EventKind},
    graph::{Planner, StoreView, Wanted},
};

/// How often a display may change.
const TICK: Duration = Duration::from_millis(100);
/// How long what runs may take to stop before the run ends without it.
const STOP_LIMIT: Duration = Duration::from_millis(1800);
/// How many results of the evaluation wait at most.
const EVALUATED_WAITING: usize = 1024;

/// An evaluation that has not begun: sends what it finds, and ends with how it went and whether a cache answered.
pub type Evaluate = Box<
    dyn FnOnce(
            mpsc::Sender<Evaluated>,
            CancellationToken,
        ) -> BoxFuture<'static, (Result<EvalSummary, EvalError>, bool)>
        + Send,
>;

/// What a run acts on and listens to.
pub struct Ports {
    /// The evaluation.
    pub evaluate: Evaluate,
    /// Makes plans.
    pub planner: Planner,
    /// Answers the planner's questions.
    pub store: Arc<dyn StoreView>,
    /// Obtains steps.
    pub builder: Builder,
    /// Copies outputs elsewhere; not asked where the settings name no destination.
    pub uploader: Arc<dyn Uploader>,
    /// Wishes to stop.
    pub stops: mpsc::UnboundedReceiver<Stop>,
    /// What people want of the run while it goes on: [`Input::CancelChecks`], [`Input::Explain`].
    pub wishes: mpsc::UnboundedReceiver<Input>,
    /// Earlier runs; `None`: nothing is known or kept.
    pub past: Option<Past>,
}

/// Where events go.
pub type Report<'a> = &'a mut (dyn FnMut(&Event) -> io::Result<()> + Send);

/// Something a task tells the loop.
enum Message {
    Input(Input),
    /// There are notes to take.
    Noted(StepId, Arc<Notes>),
}

/// Runs until all is done or stopped. Returns the exit code. All events go to `report`, in order; when it fails because
/// nobody reads any more, the run ends quietly. It is told the rest all the same, and should not fail twice.
pub async fn coordinate(state: State, ports: Ports, report: Report<'_>) -> u8 {
    let Ports {
        evaluate,
        planner,
        store,
        builder,
        uploader,
        mut stops,
        mut wishes,
        past,
    } = ports;
    let (expected, keep_log, mut warnings) = match past {
        Some(past) => (
            Some(past.expected),
            Some(past.keep_log),
            Some(past.warnings),
        ),
        None => (None, None, None),
    };
    let (evaluated_tx, mut evaluated_rx) = mpsc::channel(EVALUATED_WAITING);
    let (message_tx, mut message_rx) = mpsc::unbounded_channel();
    let cancel = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let evaluation = {
        let (message_tx, cancel) = (message_tx.clone(), cancel.clone());
        tokio::spawn(async move {
            let mut ended = OnDrop::new(message_tx, || Input::EvaluationEnded {
                result: Err(EvalError::Infrastructure("the evaluator broke down".into())),
                cached: false,
            });
            let (result, cached) = evaluate(evaluated_tx, cancel).await;
            ended.replace(Input::EvaluationEnded { result, cached });
        })
    };
    let mut desk = Desk {
        began: Instant::now(),
        state,
        planner: Arc::new(Mutex::new(planner)),
        store,
        builder,
        uploader,
        expected,
        keep_log,
        message_tx,
        cancel,
        cancel_uploads: CancellationToken::new(),
        uploads: JoinSet::new(),
        cancel_of: HashMap::new(),
        give_up_at: None,
        exit_code: None,
        report,
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    desk.take(Input::Begin, &mut tasks);
    let mut batch = Vec::new();
    // The end of the evaluation is taken only after everything it found.
    let mut evaluation_end = None;
    let mut evaluating = true;
    while desk.exit_code.is_none() {
        let give_up_at = desk.give_up_at;
        tokio::select! {
            Some(stop) = stops.recv() => desk.take(Input::Stop(stop), &mut tasks),
            Some(message) = next(&mut warnings) => desk.take(Input::Warned(message), &mut tasks),
            () = sleep_until(give_up_at.unwrap_or_else(Instant::now).into()), if give_up_at.is_some() => {
                evaluation.abort();
                desk.give_up(&mut tasks);
            }
            Some(wish) = wishes.recv() => desk.take(wish, &mut tasks),
            Some(message) = message_rx.recv() => match message {
                Message::Input(input @ Input::EvaluationEnded { .. }) if evaluating => evaluation_end = Some(input),
                Message::Input(input) => desk.take(input, &mut tasks),
                Message::Noted(step, notes) => desk.take(Input::Noted(step, notes.take()), &mut tasks),
            },
            _ = tick.tick() => desk.take(Input::Tick, &mut tasks),
            count = evaluated_rx.recv_many(&mut batch, 256), if evaluating => {
                evaluating = count > 0;
                desk.take_all(batch.drain(..).map(Input::Evaluated), &mut tasks);
            }
            Some(_) = tasks.join_next() => {}
        }
        if !evaluating && let Some(end) = evaluation_end.take() {
            desk.take(end, &mut tasks);
        }
    }
    evaluation.abort();
    tasks.shutdown().await;
    desk.uploads.shutdown().await;
    desk.exit_code.unwrap_or(1)
}

/// The next warning; nothing ever where there are none.
async fn next(warnings: &mut Option<mpsc::UnboundedReceiver<String>>) -> Option<String> {
    warnings.as_mut()?.recv().await
}

/// The state and what its effects act on.
struct Desk<'a> {
    began: Instant,
    state: State,
    planner: Arc<Mutex<Planner>>,
    store: Arc<dyn StoreView>,
    builder: Builder,
    uploader: Arc<dyn Uploader>,
    expected: Option<Expected>,
    keep_log: Option<KeepLog>,
    message_tx: mpsc::UnboundedSender<Message>,
    cancel: CancellationToken,
    cancel_uploads: CancellationToken,
    /// Apart from all other tasks: `--fail-fast` ends those alone.
    uploads: JoinSet<()>,
    /// Stops a single attempt.
    cancel_of: HashMap<StepId, CancellationToken>,
    /// When to stop waiting for what was told to stop.
    give_up_at: Option<Instant>,
    exit_code: Option<u8>,
    report: Report<'a>,
}

impl Desk<'_> {
    fn take(&mut self, input: Input, tasks: &mut JoinSet<()>) {
        self.take_all(std::iter::once(input), tasks);
    }

    /// Applies inputs one by one. Plans are asked for after the last of them, so that a batch makes one plan.
    fn take_all(&mut self, inputs: impl Iterator<Item = Input>, tasks: &mut JoinSet<()>) {
        let now = Instant::now();
        let mut effects = Vec::new();
        for input in inputs {
            effects.append(&mut self.state.apply(input, now));
        }
        effects.append(&mut self.state.settle(now));
        for effect in effects {
            self.act(effect, tasks);
        }
    }

    fn act(&mut self, effect: Effect, tasks: &mut JoinSet<()>) {
        match effect {
            Effect::Emit(kind) => self.emit(kind),
            Effect::Plan(wanted) => self.plan(wanted, tasks),
            Effect::Start(start) => self.start(start, tasks),
            Effect::Upload {
                destination,
                uploads,
            } => self.upload(destination, uploads),
            Effect::Cancel(step) => {
                if let Some(cancel) = self.cancel_of.get(&step) {
                    cancel.cancel();
                }
            }
            Effect::CancelAll => {
                self.cancel.cancel();
                self.give_up_at = Some(Instant::now() + STOP_LIMIT);
            }
            Effect::Finish(exit_code) => self.exit_code = Some(exit_code),
        }
    }

    fn emit(&mut self, kind: EventKind) {
        let event = Event {
            at: Timestamp::now(),
            elapsed: self.began.elapsed(),
            kind,
        };
        if let Err(error) = (self.report)(&event) {
            let input = if error.kind() == io::ErrorKind::BrokenPipe {
                Input::Stop(Stop::OutputClosed)
            } else {
                Input::OutputFailed(format!("cannot write the output: {error}"))
            };
            let _ = self.message_tx.send(Message::Input(input));
        }
    }

    fn plan(&self, wanted: Vec<Wanted>, tasks: &mut JoinSet<()>) {
        let (planner, store) = (Arc::clone(&self.planner), Arc::clone(&self.store));
        let (message_tx, expected) = (self.message_tx.clone(), self.expected.clone());
        tasks.spawn(async move {
            let mut answer = OnDrop::new(message_tx.clone(), || {
                Input::Planned(Err("the planner broke down".into()))
            });
            let plan = planner.lock().await.plan(&*store, &wanted).await;
            if let (Ok(plan), Some(expected)) = (&plan, &expected) {
                let known = expectations(expected, plan).await;
                let _ = message_tx.send(Message::Input(known));
            }
            answer.replace(Input::Planned(plan.map_err(|error| error.to_string())));
        });
    }

    fn start(&mut self, start: Start, tasks: &mut JoinSet<()>) {
        let (builder, cancel) = (self.builder.clone(), self.cancel.child_token());
        // One for each step: an attempt begins only when the one before has ended.
        self.cancel_of.insert(start.step, cancel.clone());
        let message_tx = self.message_tx.clone();
        let keep_log = self.keep_log.clone().filter(|_| !start.substitute);
        tasks.spawn(async move {
            let step = start.step;
            let mut ended = OnDrop::new(message_tx.clone(), || {
                Input::Ended(step, StepEnd::Lost("the build's task broke down".into()))
            });
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(start.delay) => {}
            }
            let notes = Arc::new(Notes::default());
            let mut log = keep_log.map(|keep_log| keep_log(&start.target));
            let end = builder
                .obtain(&start, &cancel, &mut |note| {
                    // Here, since notes of a build that writes too much are dropped on their way.
                    if let (Some(log), StepNote::Line(line)) = (&mut log, &note) {
                        log(LogNote::Line(line));
                    }
                    if notes.push(note) {
                        let _ = message_tx.send(Message::Noted(step, Arc::clone(&notes)));
                    }
                })
                .await;
            if let (Some(log), StepEnd::Built) = (&mut log, &end) {
                log(LogNote::Passed);
            }
            ended.replace(Input::Ended(step, end));
        });
    }

    fn upload(&mut self, destination: usize, uploads: Vec<Upload>) {
        let (uploader, cancel) = (Arc::clone(&self.uploader), self.cancel_uploads.clone());
        let message_tx = self.message_tx.clone();
        self.uploads.spawn(async move {
            let failed = uploads.iter().map(|upload| upload.drv_path.clone());
            let failed = failed.collect();
            let mut ended = OnDrop::new(message_tx.clone(), || {
                let end = UploadEnd {
                    failed,
                    error: "the upload's task broke down".into(),
                    ..UploadEnd::default()
                };
                Input::UploadEnded(destination, end)
            });
            let end = uploader
                .upload(destination, uploads, &cancel, &mut |note| {
                    let input = Input::UploadNoted(destination, note);
                    let _ = message_tx.send(Message::Input(input));
                })
                .await;
            ended.replace(Input::UploadEnded(destination, end));
        });
    }

    /// Ends everything that was told to stop and did not.
    fn give_up(&mut self, tasks: &mut JoinSet<()>) {
        self.give_up_at = None;
        tasks.abort_all();
        for step in self.state.running() {
            self.take(Input::Ended(step, StepEnd::Cancelled), tasks);
        }
        let ended = Input::EvaluationEnded {
            result: Err(EvalError::Cancelled),
            cached: false,
        };
        self.take(ended, tasks);
        if self.state.stops_uploads() {
            self.cancel_uploads.cancel();
            for effect in self.state.cut_uploads(Instant::now()) {
                self.act(effect, tasks);
            }
            self.take_all(std::iter::empty(), tasks);
        }
    }
}

/// Sends an input when it is dropped: the answer of a task, or what stands for it if the task is ended early.
struct OnDrop {
    message_tx: mpsc::UnboundedSender<Message>,
    input: Option<Input>,
}

impl OnDrop {
    fn new(message_tx: mpsc::UnboundedSender<Message>, otherwise: impl FnOnce() -> Input) -> Self {
        Self {
            message_tx,
            input: Some(otherwise()),
        }
    }

    fn replace(&mut self, input: Input) {
        self.input = Some(input);
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(input) = self.input.take() {
            let _ = self.message_tx.send(Message::Input(input));
        }
    }
}
