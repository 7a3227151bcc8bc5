//! What is to be copied elsewhere: which outputs, when, and what became of them.
//!
//! For each destination one batch at a time is on its way; what is built meanwhile makes the next one. An upload changes
//! no outcome of a check or step, only the end of the run.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use super::{CheckId, Ending, State};
use crate::{
    event::{EventKind, UploadOutcome},
    nix::StorePath,
    run::{Effect, StepId, UPLOAD_FAILED, Upload, UploadEnd, UploadNote, UploadSettings},
};

/// How long the first of a batch waits for others, as long as there is more to come: a process for each output would
/// take the processor from the builds.
const GATHERING: Duration = Duration::from_secs(1);
/// So many do not wait.
const ENOUGH: usize = 100;
/// How many go out at once. Their paths fit on a command line.
const BATCH_MAX: usize = 500;

/// All uploads of a run.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    with_dependencies: bool,
    destinations: Vec<Destination>,
    /// Derivations that were queued.
    asked: HashSet<StorePath>,
}

#[derive(Debug)]
struct Destination {
    name: String,
    queue: Vec<Upload>,
    /// Since when something is in the queue.
    waiting_since: Option<Instant>,
    running: Option<Batch>,
    /// Why nothing more is sent there.
    gave_up: Option<String>,
}

#[derive(Debug)]
struct Batch {
    derivations: usize,
    /// What it copies, once that is known.
    paths: Vec<StorePath>,
    since: Instant,
}

impl Uploads {
    pub(super) fn new(settings: &UploadSettings) -> Self {
        let destinations = settings.destinations.iter().map(|name| Destination {
            name: name.clone(),
            queue: Vec::new(),
            waiting_since: None,
            running: None,
            gave_up: None,
        });
        Self {
            with_dependencies: settings.with_dependencies,
            destinations: destinations.collect(),
            asked: HashSet::new(),
        }
    }

    /// How many derivations are on their way or wait, once for each destination.
    pub(super) fn open(&self) -> usize {
        let open = |to: &Destination| {
            to.queue.len() + to.running.as_ref().map_or(0, |batch| batch.derivations)
        };
        self.destinations.iter().map(open).sum()
    }

    fn add(&mut self, upload: &Upload) {
        if !self.destinations.is_empty() && self.asked.insert(upload.drv_path.clone()) {
            for to in &mut self.destinations {
                to.queue.push(upload.clone());
            }
        }
    }
}

impl State {
    /// A check passed: its outputs go out, as far as they are here.
    pub(super) fn upload_check(&mut self, id: CheckId) {
        let check = &self.checks[id.0];
        if let Some(drv_path) = &check.drv_path {
            let upload = Upload {
                drv_path: drv_path.clone(),
                outputs: check.outputs.clone(),
            };
            self.uploads.add(&upload);
        }
    }

    /// A step was built here: its outputs go out if what is built on the way is wanted too.
    pub(super) fn upload_step(&mut self, id: StepId) {
        if self.uploads.with_dependencies {
            let upload = Upload {
                drv_path: self.steps[id.0].drv_path.clone(),
                outputs: BTreeMap::new(),
            };
            self.uploads.add(&upload);
        }
    }

    /// Whether nothing more is to be sent: someone wants to stop, or nothing works any more.
    pub(in crate::run) fn stops_uploads(&self) -> bool {
        match &self.ending {
            Some(Ending::Stopped(_) | Ending::Errored { .. }) => true,
            Some(Ending::FailFast) | None => false,
        }
    }

    /// Sends what has waited long enough, and everything once nothing is to come.
    pub(super) fn start_uploads(&mut self, now: Instant) {
        let is_last = self.is_all_done() || self.ending.is_some();
        let stops = self.stops_uploads();
        for number in 0..self.uploads.destinations.len() {
            let to = &mut self.uploads.destinations[number];
            if stops {
                to.queue.clear();
            }
            if to.queue.is_empty() {
                continue;
            }
            let waits_since = *to.waiting_since.get_or_insert(now);
            let is_early = now.duration_since(waits_since) < GATHERING && to.queue.len() < ENOUGH;
            if to.running.is_some() || (is_early && !is_last) {
                continue;
            }
            to.waiting_since = None;
            if let Some(reason) = to.gave_up.clone() {
                let end = UploadEnd {
                    failed: known_outputs(std::mem::take(&mut to.queue)),
                    error: reason,
                    gave_up: true,
                    ..UploadEnd::default()
                };
                self.tell_of_uploads(number, end, Duration::ZERO);
                continue;
            }
            let rest = to.queue.split_off(to.queue.len().min(BATCH_MAX));
            let uploads = std::mem::replace(&mut to.queue, rest);
            to.running = Some(Batch {
                derivations: uploads.len(),
                paths: Vec::new(),
                since: now,
            });
            self.effects.push(Effect::Upload {
                destination: number,
                uploads,
            });
        }
    }

    pub(super) fn upload_noted(&mut self, number: usize, note: UploadNote) {
        let Some((name, batch)) = self.uploads.destinations.get_mut(number).and_then(|to| {
            let batch = to.running.as_mut()?;
            Some((to.name.clone(), batch))
        }) else {
            return;
        };
        match note {
            UploadNote::Started(paths) => {
                batch.paths.clone_from(&paths);
                self.emit(EventKind::UploadStarted {
                    destination: name,
                    paths,
                });
            }
            UploadNote::Retrying(reason) => self.emit(EventKind::Warned {
                message: format!("an upload to {name} failed and is tried again: {reason}"),
            }),
        }
    }

    pub(super) fn upload_ended(&mut self, number: usize, end: UploadEnd, now: Instant) {
        let Some(to) = self.uploads.destinations.get_mut(number) else {
            return;
        };
        let Some(batch) = to.running.take() else {
            return;
        };
        if end.gave_up {
            to.gave_up = Some(end.error.clone());
        }
        self.tell_of_uploads(number, end, now.duration_since(batch.since));
    }

    /// Ends what did not stop when it was told to.
    pub(in crate::run) fn cut_uploads(&mut self, now: Instant) -> Vec<Effect> {
        for number in 0..self.uploads.destinations.len() {
            let batch = self.uploads.destinations[number].running.as_mut();
            if let Some(failed) = batch.map(|batch| std::mem::take(&mut batch.paths)) {
                let end = UploadEnd {
                    failed,
                    error: "stopped in its midst".into(),
                    ..UploadEnd::default()
                };
                self.upload_ended(number, end, now);
            }
        }
        std::mem::take(&mut self.effects)
    }

    fn tell_of_uploads(&mut self, number: usize, end: UploadEnd, duration: Duration) {
        let name = self.uploads.destinations[number].name.clone();
        if !end.failed.is_empty() {
            self.upload_error
                .get_or_insert_with(|| format!("{UPLOAD_FAILED}{name}: {}", end.error));
        }
        for (paths, outcome, error) in [
            (end.uploaded, UploadOutcome::Uploaded, String::new()),
            (end.failed, UploadOutcome::UploadFailed, end.error),
        ] {
            if !paths.is_empty() {
                self.emit(EventKind::UploadFinished {
                    destination: name.clone(),
                    paths,
                    outcome,
                    duration,
                    error,
                });
            }
        }
    }
}

/// Outputs of what is not sent any more. Where they are not known, the derivation stands for them.
fn known_outputs(uploads: Vec<Upload>) -> Vec<StorePath> {
    let paths = |upload: Upload| {
        let known: Vec<StorePath> = upload.outputs.into_values().flatten().collect();
        if known.is_empty() {
            vec![upload.drv_path]
        } else {
            known
        }
    };
    uploads.into_iter().flat_map(paths).collect()
}
