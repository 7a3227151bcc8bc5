//! Turns a flake into checks, one by one as they are evaluated.
//!
//! Two evaluators stand behind [`Evaluator`]: nix-eval-jobs, and a built-in one that needs nothing but `nix`. Same
//! results, same texts, one memory budget. This module emits no [`crate::event`]s and knows no store connection: it
//! sends [`Evaluated`]s and asks its [`RootKeeper`] to hold each derivation against garbage collection.

mod budget;
mod builtin;
mod cache;
mod cgroup;
mod choose;
mod delivery;
mod failure;
mod fuzz;
mod isolation;
mod nix_eval_jobs;
mod process;
mod scope;
mod sections;
mod selection;

use std::{collections::BTreeMap, future::Future, path::PathBuf, pin::Pin};

pub use builtin::BuiltinEvaluator;
pub use cache::{CacheKey, CachedEvaluation, EvalCache};
pub use cgroup::{Cell, Delegation};
pub use choose::{EvaluatorKind, choose_evaluator};
#[doc(hidden)]
pub use fuzz::fuzz_evaluation;
pub use isolation::{
    Connect, CredentialFiles, EvalLimits, Fence, FenceError, HostToken, Isolation, LANDLOCK_MIN,
    Network, Walls, end_leftovers, landlock_abi,
};
pub use nix_eval_jobs::NixEvalJobs;
pub use scope::{EvalScope, FileSource};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::nix::{AttrPath, Installable, StorePath, System};

/// How many attributes an evaluation may have.
const ATTRIBUTES_MAX: usize = 100_000;

/// What to evaluate, and how.
#[derive(Clone, Debug)]
pub struct EvalRequest {
    /// The flake and the attribute.
    pub installable: Installable,
    /// The systems wanted; `None` means all.
    pub systems: Option<Vec<System>>,
    /// This machine's system; what `.#packages.default`-like shorthands and error texts use.
    pub current_system: System,
    /// How many workers evaluate at once; at least 1.
    pub workers: usize,
    /// The memory that all workers together may use, in bytes.
    pub memory_budget_bytes: u64,
    /// What of it is looked at.
    pub scope: EvalScope,
    /// What reaches Nix as it is.
    pub options: EvalOptions,
    /// The program `nix`.
    pub nix: PathBuf,
    /// Its version, as numbers: `(2, 34)`.
    pub nix_version: (u32, u32),
}

/// The options of Nix that reach evaluation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvalOptions {
    /// `--impure`.
    pub impure: bool,
    /// `--option NAME VALUE`, in order.
    pub nix_options: Vec<(String, String)>,
    /// `--override-input INPUT FLAKE`, in order.
    pub override_inputs: Vec<(String, String)>,
    /// `--reference-lock-file FILE`.
    pub reference_lock_file: Option<PathBuf>,
    /// `--accept-flake-config`; what the flake wishes for is in `nix_options` then.
    pub accept_flake_config: bool,
    /// `--show-trace`.
    pub show_trace: bool,
    /// How it is kept apart from this machine; `None`: it is the user's own.
    pub isolation: Option<Isolation>,
}

impl EvalRequest {
    /// How many attributes it may have.
    fn attributes_max(&self) -> usize {
        let isolation = self.options.isolation.as_ref();
        isolation.map_or(ATTRIBUTES_MAX, |it| {
            it.limits.attributes.min(ATTRIBUTES_MAX)
        })
    }
}

/// One thing an evaluation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluated {
    /// An attribute is a derivation.
    Check(EvaluatedCheck),
    /// Something is as it should be, and there is nothing to build. Only with [`EvalScope::flake_check`].
    Output(EvaluatedOutput),
    /// An attribute could not be evaluated, or is no derivation.
    Failed {
        /// The attribute, below the attribute asked for.
        path: AttrPath,
        /// Why.
        error: EvalFailure,
    },
    /// A warning or a trace.
    Warning {
        /// The attribute it came up at, where known.
        path: Option<AttrPath>,
        /// The text, without `warning:` or `trace:`.
        message: String,
    },
    /// How far the evaluation is. What turns out to be a set of attributes counts no more.
    Progress {
        /// Attributes evaluated; only grows.
        evaluated: usize,
        /// Attributes known, evaluated ones included.
        attributes: usize,
    },
}

/// A derivation found at an attribute.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EvaluatedCheck {
    /// The attribute, below the attribute asked for. Empty if that is a derivation itself.
    pub path: AttrPath,
    /// The derivation.
    pub drv_path: StorePath,
    /// Its name.
    pub name: String,
    /// Its system, as the derivation says.
    pub system: System,
    /// Its outputs by name; `None` where the path is only known after the build.
    pub outputs: BTreeMap<String, Option<StorePath>>,
    /// What [`EvalScope::apply`] makes of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<serde_json::Value>,
}

/// Something in a flake's outputs that is as it should be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EvaluatedOutput {
    /// The attribute, below the outputs.
    pub path: AttrPath,
    /// Its derivation, if it is one. Nothing holds it.
    pub drv_path: Option<StorePath>,
}

/// Why an attribute failed, for people and for annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct EvalFailure {
    /// The text, without ANSI escapes of Nix's own and without a leading `error:`; with `--show-trace` the whole trace.
    pub message: String,
    /// The file it points at: relative to the flake where it lies in it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
}

impl EvalFailure {
    /// Makes a failure of which no place is known.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }
}

/// What an evaluation was, when it ended well (single attributes may have failed).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvalSummary {
    /// The systems for which the attribute has something, those not asked for included.
    pub systems_available: Vec<System>,
    /// What the evaluation cache needs to keep the result; `None`: it must not be kept.
    pub locked: Option<LockedSource>,
}

/// The source an evaluation read, exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedSource {
    /// Whether every input was locked by the lock file in the tree, so that the tree alone decides the result.
    pub fully_locked: bool,
}

/// Why an evaluation failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// Nix refuses the flake: not found, does not parse, an input cannot be fetched.
    #[error("{}", .0.message)]
    Flake(EvalFailure),
    /// The attribute is not there.
    #[error("{}", attribute_missing(wanted, available))]
    AttributeMissing {
        /// What was looked for.
        wanted: String,
        /// What the flake has at the place where the path ends, at most 20 names.
        available: Vec<String>,
    },
    /// A pattern chooses nothing.
    #[error("{}", nothing_chosen(pattern, available, *is_elsewhere, *is_guess))]
    NothingChosen {
        /// The pattern.
        pattern: String,
        /// What there is instead, at most 20 names.
        available: Vec<String>,
        /// Whether it may choose something of a system that is not looked at.
        is_elsewhere: bool,
        /// Whether it may have been meant as the name of a flake.
        is_guess: bool,
    },
    /// The command line has something that cannot be evaluated at all.
    #[error("{0}")]
    Usage(String),
    /// A program could not be run or died in a way that says nothing about the flake.
    #[error("{0}")]
    Infrastructure(String),
    /// It was asked to stop.
    #[error("the evaluation was cancelled")]
    Cancelled,
}

impl EvalError {
    /// The exit code of a run that ends by it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Flake(_)
            | Self::AttributeMissing { .. }
            | Self::NothingChosen { .. }
            | Self::Cancelled => 3,
            Self::Infrastructure(_) => 4,
        }
    }
}

fn attribute_missing(wanted: &str, available: &[String]) -> String {
    if available.is_empty() {
        format!("the flake has no attribute `{wanted}`, nor anything beside it")
    } else {
        format!(
            "the flake has no attribute `{wanted}`; it has {}",
            available.join(", ")
        )
    }
}

fn nothing_chosen(
    pattern: &str,
    available: &[String],
    is_elsewhere: bool,
    is_guess: bool,
) -> String {
    let mut text = format!("no check is called `{pattern}`");
    if is_elsewhere {
        text.push_str(" for the systems looked at; `--systems` or `--all-systems` looks at others");
    }
    if !available.is_empty() {
        text = format!("{text}; there is {}", available.join(", "));
    }
    if is_guess {
        text = format!("{text} (a flake of that name in the registry is `flake:{pattern}`)");
    }
    text
}

/// A future in a box, for traits that are used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Holds derivations against garbage collection until the run ends.
pub trait RootKeeper: Send + Sync {
    /// Holds these derivations and all they refer to. Returns when they are held.
    fn hold(&self, drv_paths: Vec<StorePath>) -> BoxFuture<'_, Result<(), String>>;
}

/// Evaluates a flake.
pub trait Evaluator: Send + Sync {
    /// The name in events: `nix-eval-jobs` or `builtin`.
    fn name(&self) -> &'static str;

    /// Evaluates what is asked for and sends what it finds as it finds it. Every attribute ends as exactly one
    /// [`Evaluated::Check`] or [`Evaluated::Failed`]. Children are gone when this returns, also when `cancel` is
    /// cancelled or the receiver is dropped.
    fn evaluate<'a>(
        &'a self,
        request: &'a EvalRequest,
        roots: &'a dyn RootKeeper,
        found: mpsc::Sender<Evaluated>,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<EvalSummary, EvalError>>;
}
