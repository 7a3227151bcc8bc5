//! How a check, a step or a run ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a check or a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Built in this run.
    Built,
    /// Downloaded in this run.
    Substituted,
    /// Valid here already, or offered by a trusted substituter and not needed here.
    Cached,
    /// Looked at and as it should be, with nothing to build. Never the outcome of a step.
    Evaluated,
    /// Its own build failed.
    Failed,
    /// Its own build took too long or was silent for too long.
    TimedOut,
    /// Something it needs failed.
    DependencyFailed,
    /// It could not be evaluated. Never the outcome of a step.
    EvaluationFailed,
    /// Not its own fault: the daemon was lost, the disk is full.
    InfrastructureFailed,
    /// No builder has its system or its features.
    Unsupported,
    /// Not wanted: `--no-build`, or excluded.
    Skipped,
    /// The run was stopped before it ended.
    Cancelled,
}

impl Outcome {
    /// Every outcome, in the order in which tables list them.
    pub const ALL: [Self; 12] = [
        Self::Built,
        Self::Substituted,
        Self::Cached,
        Self::Evaluated,
        Self::Failed,
        Self::TimedOut,
        Self::DependencyFailed,
        Self::EvaluationFailed,
        Self::InfrastructureFailed,
        Self::Unsupported,
        Self::Skipped,
        Self::Cancelled,
    ];

    /// Whether what was asked for is there.
    pub fn is_passed(self) -> bool {
        match self {
            Self::Built | Self::Substituted | Self::Cached | Self::Evaluated => true,
            Self::Failed
            | Self::TimedOut
            | Self::DependencyFailed
            | Self::EvaluationFailed
            | Self::InfrastructureFailed
            | Self::Unsupported
            | Self::Skipped
            | Self::Cancelled => false,
        }
    }

    /// Whether this makes a run fail. `unsupported`, `skipped` and `cancelled` are neither passed nor failed.
    pub fn is_failed(self) -> bool {
        match self {
            Self::Failed
            | Self::TimedOut
            | Self::DependencyFailed
            | Self::EvaluationFailed
            | Self::InfrastructureFailed => true,
            Self::Built
            | Self::Substituted
            | Self::Cached
            | Self::Evaluated
            | Self::Unsupported
            | Self::Skipped
            | Self::Cancelled => false,
        }
    }

    /// The name in the JSON form, such as `dependency_failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::Substituted => "substituted",
            Self::Cached => "cached",
            Self::Evaluated => "evaluated",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::DependencyFailed => "dependency_failed",
            Self::EvaluationFailed => "evaluation_failed",
            Self::InfrastructureFailed => "infrastructure_failed",
            Self::Unsupported => "unsupported",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome of this name in the JSON form.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// No check failed.
    Passed,
    /// At least one check failed, or was cancelled by hand.
    Failed,
    /// Someone stopped it.
    Cancelled,
    /// It could not be carried out: the evaluation failed as a whole, the daemon was lost, an upload failed.
    Errored,
}

/// How copying outputs to a destination ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadOutcome {
    /// They are there.
    Uploaded,
    /// They are not, or not all of them.
    UploadFailed,
}

impl RunOutcome {
    /// Every outcome of a run.
    pub const ALL: [Self; 4] = [Self::Passed, Self::Failed, Self::Cancelled, Self::Errored];

    /// The name in the JSON form, such as `passed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Errored => "errored",
        }
    }

    /// The outcome of this name in the JSON form.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }
}
