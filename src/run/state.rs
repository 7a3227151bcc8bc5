//! The state of a run and the one function that changes it.

mod cancel;
mod checks;
mod ending;
mod estimate;
mod explain;
mod links;
mod steps;
mod uploads;

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

pub(super) use self::{checks::CheckId, estimate::GUESS};
use self::{
    checks::{Check, CheckEnd},
    estimate::Left,
    uploads::Uploads,
};
use super::{
    Effect, Input, RunSettings, StepId, Stop,
    ready::Ready,
    step::{Means, Step},
};
use crate::{
    eval::{EvalError, EvalFailure, EvalSummary, Evaluated},
    event::{Counts, EventKind, FORMAT, Outcome, Progress},
    graph::{Disposition, Plan, Wanted},
    nix::{AttrPath, StorePath},
};

/// All that is known of a run.
#[derive(Debug)]
pub struct State {
    settings: RunSettings,
    run_id: String,
    began: Instant,
    checks: Vec<Check>,
    /// How many of them are not over.
    open_checks: usize,
    steps: Vec<Step>,
    /// Steps by their target.
    by_target: HashMap<StorePath, StepId>,
    ready: Ready,
    /// The steps with a running attempt.
    running: Vec<StepId>,
    /// How long builds took before, by their targets: of the plan that comes next.
    expected: HashMap<StorePath, Duration>,
    /// The builds to be done on this machine, and on others.
    left: [Left; 2],
    /// Checks that no plan was asked for yet.
    unplanned: Vec<CheckId>,
    /// Checks whose plan is being made.
    planning: Vec<CheckId>,
    evaluation: Evaluation,
    totals: Totals,
    /// Bytes downloaded, and to download as far as the downloads that began know.
    downloads: (u64, u64),
    counts: Counts,
    uploads: Uploads,
    /// Why the first of the uploads that failed did.
    upload_error: Option<String>,
    /// How many failures were allowed.
    allowed: usize,
    /// Steps in a row that ended by losing the daemon for good.
    lost_in_a_row: u32,
    ending: Option<Ending>,
    /// Whether one derivation was asked for by name, and not a set of them.
    by_name: bool,
    finished: bool,
    effects: Vec<Effect>,
}

#[derive(Debug, Default)]
struct Evaluation {
    ended: bool,
    evaluated: usize,
    attributes: usize,
    failed: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    to_build: usize,
    to_substitute: usize,
    download_bytes: u64,
    steps_done: usize,
    /// Steps that are not done and that nothing needs any more.
    steps_unwanted: usize,
}

/// Why a run ends before all is done.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ending {
    /// A check failed and `--fail-fast` is set.
    FailFast,
    /// Nothing more can be done.
    Errored { exit_code: u8, message: String },
    /// Someone wants it.
    Stopped(Stop),
}

impl State {
    /// Makes the state of a run that has not begun.
    pub fn new(settings: RunSettings, run_id: String, now: Instant) -> Self {
        let ready = Ready::new(
            settings.slots,
            settings.remote_slots,
            settings.substitute_slots,
        );
        let uploads = Uploads::new(&settings.uploads);
        Self {
            settings,
            run_id,
            began: now,
            checks: Vec::new(),
            open_checks: 0,
            steps: Vec::new(),
            by_target: HashMap::new(),
            ready,
            running: Vec::new(),
            expected: HashMap::new(),
            left: [Left::default(); 2],
            unplanned: Vec::new(),
            planning: Vec::new(),
            evaluation: Evaluation::default(),
            totals: Totals::default(),
            downloads: (0, 0),
            counts: Counts::default(),
            uploads,
            upload_error: None,
            allowed: 0,
            lost_in_a_row: 0,
            ending: None,
            by_name: false,
            finished: false,
            effects: Vec::new(),
        }
    }

    /// Takes one input and returns what is to be done now, in order. After the last input of a batch comes
    /// [`Self::settle`].
    pub fn apply(&mut self, input: Input, now: Instant) -> Vec<Effect> {
        match input {
            Input::Begin => self.begin(),
            Input::Evaluated(evaluated) => self.evaluated(evaluated),
            Input::EvaluationEnded { result, cached } => self.evaluation_ended(result, cached, now),
            Input::Expected(expected) => self.expected = expected,
            Input::Planned(Ok(plan)) => self.planned(plan),
            Input::Planned(Err(message)) => {
                self.planning.clear();
                self.end(Ending::Errored {
                    exit_code: 4,
                    message,
                });
            }
            Input::Noted(step, notes) => self.noted(step, notes, now),
            Input::Ended(step, end) => self.step_ended(step, end, now),
            Input::UploadNoted(destination, note) => self.upload_noted(destination, note),
            Input::UploadEnded(destination, end) => self.upload_ended(destination, end, now),
            Input::Warned(message) => self.emit(EventKind::Warned { message }),
            Input::OutputFailed(message) => self.end(Ending::Errored {
                exit_code: 4,
                message,
            }),
            Input::Stop(stop) => self.end(Ending::Stopped(stop)),
            Input::CancelChecks(checks) => self.cancel_checks(&checks),
            Input::Explain(check) => {
                let waits = self.explain(&check);
                self.emit(EventKind::CheckExplained { check, waits });
            }
            Input::Tick => {
                let (progress, downloads) = (self.progress(now), self.running_downloads());
                self.emit(EventKind::Ticked {
                    progress,
                    downloads,
                });
            }
        }
        std::mem::take(&mut self.effects)
    }

    /// Starts what can start, asks for the plan that is needed, and ends the run when nothing is left.
    pub fn settle(&mut self, now: Instant) -> Vec<Effect> {
        self.ask_for_plan();
        self.start_ready(now);
        self.start_uploads(now);
        self.finish_if_over(now);
        std::mem::take(&mut self.effects)
    }

    /// Whether the run is over.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The steps with a running attempt.
    pub fn running(&self) -> Vec<StepId> {
        self.running.clone()
    }

    fn emit(&mut self, kind: EventKind) {
        self.effects.push(Effect::Emit(kind));
    }

    fn begin(&mut self) {
        let settings = &self.settings;
        let event = EventKind::RunStarted {
            format: FORMAT,
            run: self.run_id.clone(),
            flake: settings.flake.clone(),
            title: settings.title.clone(),
            revision: settings.revision.clone(),
            attribute: settings.attribute.clone(),
            systems: settings.systems.clone(),
            evaluator: settings.evaluator.clone(),
            nix_version: settings.nix_version.clone(),
            slots: settings.slots,
            eval_workers: settings.eval_workers,
        };
        self.emit(event);
    }

    fn evaluated(&mut self, evaluated: Evaluated) {
        match evaluated {
            Evaluated::Check(found) => self.check_found(found),
            Evaluated::Output(output) => self.output_found(output),
            Evaluated::Failed { path, error } => self.check_not_evaluated(&path, error),
            Evaluated::Warning { path, message } => self.emit(EventKind::EvaluationWarning {
                check: path.map(|path: AttrPath| path.to_string()),
                message,
            }),
            Evaluated::Progress {
                evaluated,
                attributes,
            } => {
                self.evaluation.evaluated = evaluated;
                self.evaluation.attributes = attributes;
            }
        }
    }

    fn evaluation_ended(
        &mut self,
        result: Result<EvalSummary, EvalError>,
        cached: bool,
        now: Instant,
    ) {
        self.evaluation.ended = true;
        match result {
            Ok(summary) => {
                self.emit(EventKind::EvaluationFinished {
                    checks: self.checks.len(),
                    failed: self.evaluation.failed,
                    duration: now.duration_since(self.began),
                    cached,
                    systems_available: summary.systems_available,
                });
                self.tell_missing();
            }
            Err(EvalError::Cancelled) => {}
            Err(error) => {
                let exit_code = error.exit_code();
                let message = error.to_string();
                let failure = match error {
                    EvalError::Flake(failure) => failure,
                    EvalError::AttributeMissing { .. }
                    | EvalError::NothingChosen { .. }
                    | EvalError::Usage(_)
                    | EvalError::Infrastructure(_)
                    | EvalError::Cancelled => EvalFailure {
                        message: message.clone(),
                        ..EvalFailure::default()
                    },
                };
                self.emit_evaluation_failed(None, failure, false);
                self.end(Ending::Errored { exit_code, message });
            }
        }
    }

    /// Tells why an attribute, or the whole evaluation, failed.
    fn emit_evaluation_failed(
        &mut self,
        check: Option<String>,
        failure: EvalFailure,
        allowed: bool,
    ) {
        self.emit(EventKind::EvaluationFailed {
            check,
            error: failure.message,
            file: failure.file,
            line: failure.line,
            column: failure.column,
            allowed,
        });
    }

    /// Asks for one plan at a time: what is found meanwhile makes the next batch.
    fn ask_for_plan(&mut self) {
        if self.unplanned.is_empty() || !self.planning.is_empty() || self.ending.is_some() {
            return;
        }
        self.planning = std::mem::take(&mut self.unplanned);
        let wanted = self
            .planning
            .iter()
            .filter_map(|id| {
                let check = &self.checks[id.0];
                Some(Wanted {
                    drv_path: check.drv_path.clone()?,
                    outputs: check.outputs.clone(),
                })
            })
            .collect();
        self.effects.push(Effect::Plan(wanted));
    }

    fn planned(&mut self, plan: Plan) {
        let before = self.totals;
        self.totals.download_bytes += plan.download_bytes;
        let first = self.steps.len();
        for step in plan.steps {
            self.add_step(step);
        }
        self.rank_from(first);
        if self.totals != before {
            self.emit(EventKind::PlanChanged {
                to_build: self.totals.to_build,
                to_substitute: self.totals.to_substitute,
                download_bytes: self.totals.download_bytes,
            });
        }
        let dispositions: HashMap<StorePath, Disposition> = plan.wanted.into_iter().collect();
        for id in std::mem::take(&mut self.planning) {
            let Some(drv_path) = self.checks[id.0].drv_path.clone() else {
                continue;
            };
            match dispositions.get(&drv_path) {
                Some(Disposition::Valid) => self.finish_check(id, CheckEnd::plain(Outcome::Cached)),
                Some(Disposition::Offered(_)) if self.settings.no_build => {
                    self.finish_check(id, CheckEnd::plain(Outcome::Cached));
                }
                Some(Disposition::Offered(paths)) => {
                    let steps: Vec<StepId> = paths
                        .iter()
                        .filter_map(|path| self.by_target.get(path).copied())
                        .collect();
                    if steps.is_empty() {
                        self.finish_check(id, CheckEnd::plain(Outcome::Cached));
                    } else {
                        self.attach(id, steps);
                    }
                }
                Some(Disposition::Build) | None => match self.by_target.get(&drv_path).copied() {
                    Some(step) => self.attach(id, vec![step]),
                    None => self.finish_check(
                        id,
                        CheckEnd {
                            reason: Some("the store does not know its derivation".into()),
                            ..CheckEnd::plain(Outcome::InfrastructureFailed)
                        },
                    ),
                },
            }
        }
    }

    fn progress(&mut self, now: Instant) -> Progress {
        let (downloaded, expected) = self.downloads;
        let building = self.ready.running(Means::Local) + self.ready.running(Means::Remote);
        let downloading = self.ready.running(Means::Substitute);
        Progress {
            evaluated: self.evaluation.evaluated,
            attributes: self.evaluation.attributes,
            evaluating: !self.evaluation.ended,
            building,
            queued: (self.steps.len() - self.totals.steps_done - self.totals.steps_unwanted)
                .saturating_sub(building + downloading),
            downloading,
            downloaded_bytes: downloaded,
            download_bytes: self.totals.download_bytes.max(expected),
            uploading: self.uploads.open(),
            remaining: self.remaining(now),
        }
    }
}

#[cfg(test)]
mod tests;
