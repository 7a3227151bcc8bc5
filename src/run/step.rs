//! One derivation of a run and what is known of it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    ready::Priority,
    state::{CheckId, GUESS},
};
use crate::{
    event::Outcome,
    nix::{StorePath, System},
};

/// The number of a step in its run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub(super) usize);

/// How a step is obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Means {
    /// Built on this machine.
    Local,
    /// Built on another machine.
    Remote,
    /// Downloaded.
    Substitute,
}

/// Where a step stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Waits for other steps.
    Blocked,
    /// Waits for a slot.
    Ready,
    /// An attempt runs.
    Running,
    /// Over. With the step that is to blame, if it is another one.
    Done(Outcome, Option<StepId>),
}

/// One derivation to obtain.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, true or not whatever the others are"
)]
pub(super) struct Step {
    pub(super) target: StorePath,
    pub(super) drv_path: StorePath,
    pub(super) name: String,
    pub(super) system: System,
    pub(super) means: Means,
    pub(super) status: Status,
    /// Steps this one waits for; needed to pass its rank down.
    pub(super) inputs: Vec<StepId>,
    /// How many of them are not done.
    pub(super) open_inputs: usize,
    /// Steps that wait for this one.
    pub(super) dependents: Vec<StepId>,
    /// Checks whose own step this is.
    pub(super) checks: Vec<CheckId>,
    /// Its place among those that wait for a slot.
    pub(super) priority: Priority,
    /// The attempt that runs or ran, from 1.
    pub(super) attempt: u32,
    pub(super) started: Option<Instant>,
    /// How long it took before, where known.
    pub(super) expected: Option<Duration>,
    /// Whether it is among the work that is left.
    pub(super) is_counted: bool,
    /// How long the last attempt ran.
    pub(super) duration: Duration,
    /// Whether `step_started` was told for this attempt.
    pub(super) announced: bool,
    /// Whether any event was told of it, so that its end has to be told too.
    pub(super) told: bool,
    pub(super) machine: String,
    pub(super) phase: Option<String>,
    pub(super) log: LogTail,
    /// Bytes downloaded, and to download.
    pub(super) download: (u64, u64),
    /// Where it is downloaded from.
    pub(super) source: String,
    /// Whether a check that is not over needs it.
    pub(super) is_wanted: bool,
    /// Whether its attempt was told to stop because nothing needed it any more.
    pub(super) is_cancelled: bool,
    /// Whether it failed in a way that may pass.
    pub(super) may_pass: bool,
    /// Why nobody can build it or what failed, in words.
    pub(super) reason: Option<String>,
}

impl Step {
    pub(super) fn new(
        target: StorePath,
        drv_path: StorePath,
        system: System,
        means: Means,
        log_lines: usize,
    ) -> Self {
        let name = drv_path.step_name().to_owned();
        Self {
            target,
            drv_path,
            name,
            system,
            means,
            status: Status::Blocked,
            inputs: Vec::new(),
            open_inputs: 0,
            dependents: Vec::new(),
            checks: Vec::new(),
            priority: Priority::default(),
            attempt: 0,
            started: None,
            expected: None,
            is_counted: false,
            duration: Duration::ZERO,
            announced: false,
            told: false,
            machine: String::new(),
            phase: None,
            log: LogTail::new(log_lines),
            download: (0, 0),
            source: String::new(),
            is_wanted: true,
            is_cancelled: false,
            may_pass: false,
            reason: None,
        }
    }

    /// How long it is taken to last. Downloads are not guessed at.
    pub(super) fn work(&self) -> Duration {
        match self.means {
            Means::Local | Means::Remote => self.expected.unwrap_or(GUESS),
            Means::Substitute => Duration::ZERO,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.status, Status::Done(..))
    }

    pub(super) fn is_infrastructure_failure(&self) -> bool {
        matches!(self.status, Status::Done(Outcome::InfrastructureFailed, _))
    }
}

/// The last lines of a log, and how many came before.
#[derive(Debug)]
pub(super) struct LogTail {
    lines: VecDeque<String>,
    max: usize,
    before: u64,
}

impl LogTail {
    fn new(max: usize) -> Self {
        Self {
            lines: VecDeque::new(),
            max,
            before: 0,
        }
    }

    pub(super) fn push(&mut self, line: String) {
        self.lines.push_back(line);
        if self.lines.len() > self.max {
            self.lines.pop_front();
            self.before += 1;
        }
    }

    pub(super) fn skip(&mut self, lines: u64) {
        self.before += lines;
    }

    /// Takes the lines out, and the number of those before them.
    pub(super) fn take(&mut self) -> (Vec<String>, u64) {
        (
            std::mem::take(&mut self.lines).into(),
            std::mem::take(&mut self.before),
        )
    }
}
