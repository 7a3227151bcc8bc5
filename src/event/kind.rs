//! The kinds of events, as DESIGN.md §5 lists them.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    Counts, Download, Outcome, Progress, RunOutcome, UploadOutcome, Wait, milliseconds,
    optional_milliseconds,
};
use crate::nix::{OutputKind, StorePath, System};

/// What happened, in the past tense.
///
/// Texts in here (`check`, `error`, `message`, `lines`, `phase`, …) come from outside and may hold anything, terminal
/// escapes included; whoever shows them makes them harmless.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The run began. First event of every run.
    RunStarted {
        /// The version of this form.
        format: u32,
        /// The id of the run (a UUID, version 7: sorts by time).
        run: String,
        /// The flake as the user named it.
        flake: String,
        /// A name for people: the flake's folder or repository.
        title: String,
        /// The commit and whether the tree is dirty, where known: `3f2c1ab +dirty`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        revision: Option<String>,
        /// The attribute below the flake's outputs.
        attribute: String,
        /// The systems asked for; empty means all.
        systems: Vec<System>,
        /// `nix-eval-jobs` or `builtin`; `none` where the evaluation cache answered.
        evaluator: String,
        /// The version of Nix that evaluates and builds.
        nix_version: String,
        /// How many builds run here at once.
        slots: usize,
        /// How many evaluation workers there are.
        eval_workers: usize,
    },
    /// An attribute was evaluated and is a derivation.
    CheckFound {
        /// The attribute path below the attribute asked for, quoted as Nix does: `x86_64-linux.fmt`.
        check: String,
        /// The system it is for.
        system: System,
        /// The row: the path without its system.
        name: String,
        /// Its derivation.
        drv_path: StorePath,
        /// Its outputs by name; `null` where the path is only known after the build.
        outputs: BTreeMap<String, Option<StorePath>>,
        /// What `--apply` makes of the derivation.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        extra: Option<serde_json::Value>,
    },
    /// An attribute, or the whole evaluation, failed.
    EvaluationFailed {
        /// The attribute; absent for the whole evaluation.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        check: Option<String>,
        /// What Nix says of it.
        error: String,
        /// The file it points at, relative to the flake where it lies in it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        file: Option<String>,
        /// The line in that file, from 1.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        line: Option<u32>,
        /// The column in that line, from 1.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        column: Option<u32>,
        /// Whether it is that of a check that may fail.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        allowed: bool,
    },
    /// The evaluation warned or traced something.
    EvaluationWarning {
        /// The attribute it came up at, where known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        check: Option<String>,
        /// The text, without `warning:`.
        message: String,
    },
    /// There is nothing more to evaluate.
    EvaluationFinished {
        /// How many checks were found, failed ones included.
        checks: usize,
        /// How many of them failed to evaluate.
        failed: usize,
        /// How long it took.
        #[serde(rename = "duration_ms", with = "milliseconds")]
        duration: Duration,
        /// Whether the evaluation cache answered.
        cached: bool,
        /// The systems for which the attribute has something, those not asked for included.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        systems_available: Vec<System>,
    },
    /// What has to be done is known better than before; all figures are totals of the run so far.
    PlanChanged {
        /// Derivations to build.
        to_build: usize,
        /// Derivations to substitute.
        to_substitute: usize,
        /// Bytes to download, compressed.
        download_bytes: u64,
    },
    /// A step began: its builder or its download runs.
    StepStarted {
        /// Its derivation.
        drv_path: StorePath,
        /// The derivation's name, without `.drv`.
        name: String,
        /// The system it is for.
        system: System,
        /// The machine it runs on; empty: this one.
        machine: String,
        /// Whether it is downloaded and not built.
        #[serde(default)]
        substitute: bool,
        /// How long it took before, by the history of earlier runs.
        #[serde(rename = "expected_ms", with = "optional_milliseconds")]
        #[serde(skip_serializing_if = "Option::is_none", default)]
        expected: Option<Duration>,
        /// The checks that need it.
        checks: Vec<String>,
    },
    /// A build entered a phase (stdenv's `buildPhase` and so on).
    StepPhase {
        /// Its derivation.
        drv_path: StorePath,
        /// The phase.
        phase: String,
    },
    /// A step waits for something outside of this run: a lock, a machine, a build user.
    StepWaiting {
        /// Its derivation.
        drv_path: StorePath,
        /// What the daemon says it waits for.
        reason: String,
        /// The checks that need it.
        #[serde(default)]
        checks: Vec<String>,
    },
    /// A build wrote to its log.
    StepLogged {
        /// Its derivation.
        drv_path: StorePath,
        /// The lines, without line ends; each cut to a bounded length.
        lines: Vec<String>,
    },
    /// A step failed in a way that may pass, and is tried again.
    StepRetrying {
        /// Its derivation.
        drv_path: StorePath,
        /// Which attempt begins now: 2 for the first retry.
        attempt: u32,
        /// Why the attempt before failed.
        reason: String,
    },
    /// A step ended.
    StepFinished {
        /// Its derivation.
        drv_path: StorePath,
        /// The derivation's name, without `.drv`.
        name: String,
        /// The system it is for.
        system: System,
        /// How it ended.
        outcome: Outcome,
        /// How long it ran, without waiting for its turn.
        #[serde(rename = "duration_ms", with = "milliseconds")]
        duration: Duration,
        /// The machine it ran on; empty: this one.
        machine: String,
        /// What the daemon says of a failure; empty otherwise.
        error: String,
        /// The last lines of its log, if it failed.
        log_tail: Vec<String>,
        /// How many lines of its log came before `log_tail`.
        #[serde(default)]
        log_lines_before: u64,
        /// The phase it was in at the end, where known.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        phase: Option<String>,
        /// The checks that need it.
        #[serde(default)]
        checks: Vec<String>,
        /// Whether it failed, and every check may do so that is known to need it.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        allowed: bool,
        /// Whether it failed in a way that may pass: what Nix calls transient, as whatever fetches something from a network
        /// is, and a builder that was killed.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        may_pass: bool,
    },
    /// A check ended. Comes exactly once for each check.
    CheckFinished {
        /// The attribute path below the attribute asked for.
        check: String,
        /// The system it is for; empty where its evaluation failed before that was known.
        system: System,
        /// The row.
        name: String,
        /// Its derivation; absent where its evaluation failed.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        drv_path: Option<StorePath>,
        /// What it is; only where all outputs of the flake are looked at.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        kind: Option<OutputKind>,
        /// How it ended.
        outcome: Outcome,
        /// How long its own step ran.
        #[serde(rename = "duration_ms", with = "milliseconds")]
        duration: Duration,
        /// Its outputs by name.
        outputs: BTreeMap<String, Option<StorePath>>,
        /// The derivation whose failure is the cause, where it is another one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        cause: Option<StorePath>,
        /// Why, in words, where there is something to say: what no builder offers, why it was skipped.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<String>,
        /// Whether it failed and may do so: the run does not fail by it.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        allowed: bool,
        /// How it ended when it last passed or failed, by the history of earlier runs.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        previous: Option<Outcome>,
    },
    /// Outputs began to be copied to where they were asked to go.
    UploadStarted {
        /// Where to, without passwords: `s3://bucket`, `cachix NAME`.
        destination: String,
        /// The outputs.
        paths: Vec<StorePath>,
    },
    /// Copying outputs ended, with whatever they refer to. Changes no outcome of a check or step.
    UploadFinished {
        /// Where to, as in [`EventKind::UploadStarted`].
        destination: String,
        /// The outputs; those that were copied and those that were not come in an event each.
        paths: Vec<StorePath>,
        /// How it ended.
        outcome: UploadOutcome,
        /// How long it took, retries included.
        #[serde(rename = "duration_ms", with = "milliseconds")]
        duration: Duration,
        /// Why it failed; empty otherwise.
        error: String,
    },
    /// Something went wrong that belongs to no check or step, and the run goes on.
    Warned {
        /// What, and what follows.
        message: String,
    },
    /// Someone asked the run to stop; it is ending.
    RunCancelled {
        /// `SIGINT`, `SIGTERM`, `--fail-fast`, …
        reason: String,
    },
    /// Figures for a display; comes at every tick and is not part of the JSON stream.
    Ticked {
        /// The figures.
        progress: Progress,
        /// The downloads that run.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        downloads: Vec<Download>,
    },
    /// The answer to a display that asked what a check waits for; not part of the JSON stream.
    CheckExplained {
        /// The check.
        check: String,
        /// The chain of steps from its own one down; empty while its plan is being made, and when it is over.
        waits: Vec<Wait>,
    },
    /// The run ended. Last event of every run.
    RunFinished {
        /// How it ended.
        outcome: RunOutcome,
        /// How many checks ended how.
        counts: Counts,
        /// How long it took.
        #[serde(rename = "duration_ms", with = "milliseconds")]
        duration: Duration,
        /// The exit code of `nixci check`.
        exit_code: u8,
        /// Why nothing more could be done, if the run was `errored`.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        error: Option<String>,
        /// How many checks failed that may.
        #[serde(skip_serializing_if = "is_zero", default)]
        allowed: usize,
    },
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}
