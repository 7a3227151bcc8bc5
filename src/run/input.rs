//! What the owner of a run is told, and what it wants done.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{StepId, Upload, UploadEnd, UploadNote};
use crate::{
    eval::{EvalError, EvalSummary, Evaluated},
    event::EventKind,
    graph::{Plan, Wanted},
    nix::StorePath,
    store::BuildLimits,
};

/// Something the state has to know.
#[derive(Debug)]
pub enum Input {
    /// The run begins.
    Begin,
    /// The evaluation found something.
    Evaluated(Evaluated),
    /// The evaluation is over.
    EvaluationEnded {
        /// How it went.
        result: Result<EvalSummary, EvalError>,
        /// Whether the evaluation cache answered.
        cached: bool,
    },
    /// How long some builds of the plan that comes next took before, by their derivations.
    Expected(HashMap<StorePath, Duration>),
    /// The answer to [`Effect::Plan`].
    Planned(Result<Plan, String>),
    /// What a running step said since the last time.
    Noted(StepId, Vec<StepNote>),
    /// A step's attempt ended.
    Ended(StepId, StepEnd),
    /// What the running batch of a destination said.
    UploadNoted(usize, UploadNote),
    /// The running batch of a destination ended.
    UploadEnded(usize, UploadEnd),
    /// Something worth a warning happened that belongs to no step.
    Warned(String),
    /// The output cannot be written, for this reason.
    OutputFailed(String),
    /// Someone wants the run to stop.
    Stop(Stop),
    /// Someone wants the run to go on without these checks, named by their attribute paths.
    CancelChecks(Vec<String>),
    /// Someone asks what a check waits for, named by its attribute path.
    Explain(String),
    /// Time passed.
    Tick,
}

/// Why a run is to stop before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// The terminal is gone.
    Hangup,
    /// Nobody reads the output any more.
    OutputClosed,
}

impl Stop {
    /// The exit code of a run that was stopped so.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::Hangup => 129,
            // As a program that SIGPIPE ends.
            Self::OutputClosed => 141,
        }
    }

    /// The reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
            Self::OutputClosed => "output closed",
        }
    }
}

/// What a running step says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepNote {
    /// The builder runs, on this machine (empty) or another one.
    Building {
        /// The machine.
        machine: String,
    },
    /// A line of the log.
    Line(String),
    /// The build entered a phase.
    Phase(String),
    /// The step waits for something outside of this run.
    Waiting(String),
    /// How far its download is.
    Download {
        /// Bytes so far.
        done: u64,
        /// Bytes in all, as far as known.
        expected: u64,
    },
    /// Where its download comes from.
    Source(String),
    /// So many lines were dropped here.
    Dropped(u64),
}

/// How an attempt at a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// Built now.
    Built,
    /// Downloaded.
    Substituted,
    /// Was valid already, or became so by somebody else's work.
    AlreadyValid,
    /// The build failed.
    Failed(String),
    /// The builder was killed from outside: it may succeed another time, but not for being tried again at once.
    Killed(String),
    /// The build took or was silent for too long.
    TimedOut(String),
    /// Nobody can build it.
    Unsupported(String),
    /// Something below it failed while the daemon built it on the way.
    DependencyFailed(String),
    /// No substituter has it after all.
    NotSubstitutable(String),
    /// A failure that may pass, as the daemon says.
    Transient(String),
    /// The connection to the daemon was lost, or what came over it made no sense.
    Lost(String),
    /// The daemon cannot be reached.
    Unreachable(String),
    /// The machine is at fault and trying again will not help: the disk is full.
    Infrastructure(String),
    /// It was told to stop.
    Cancelled,
}

/// What the state wants done, in this order.
#[derive(Debug)]
pub enum Effect {
    /// Tell everybody.
    Emit(EventKind),
    /// Ask the store what these need; answered by [`Input::Planned`].
    Plan(Vec<Wanted>),
    /// Try to obtain a step; answered by [`Input::Ended`].
    Start(Start),
    /// Copy outputs to a destination; answered by [`Input::UploadEnded`].
    Upload {
        /// The number of the destination.
        destination: usize,
        /// What to copy.
        uploads: Vec<Upload>,
    },
    /// Stop a running step; it still answers.
    Cancel(StepId),
    /// Stop the evaluation and every running step; each still answers.
    CancelAll,
    /// The run is over with this exit code.
    Finish(u8),
}

/// An attempt at a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The step.
    pub step: StepId,
    /// The derivation to build or the path to download.
    pub target: StorePath,
    /// Whether to download and not to build.
    pub substitute: bool,
    /// Whether another machine builds it.
    pub remote: bool,
    /// How long to wait before it.
    pub delay: Duration,
    /// How it differs from others.
    pub limits: BuildLimits,
}
