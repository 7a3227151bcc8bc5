//! What a run was asked to do.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use super::UploadSettings;
use crate::{config::CheckRules, event::Outcome, nix::System};

/// The settings of one run; fixed for its whole life.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// The flake as the user named it.
    pub flake: String,
    /// A name of the flake for people.
    pub title: String,
    /// The commit and whether the tree is dirty, where known.
    pub revision: Option<String>,
    /// The attribute below the flake's outputs.
    pub attribute: String,
    /// The systems asked for; empty means all.
    pub systems: Vec<System>,
    /// The name of the evaluator.
    pub evaluator: String,
    /// The version of Nix.
    pub nix_version: String,
    /// How many builds run on this machine at once; at least 1.
    pub slots: usize,
    /// How many builds run on other machines at once.
    pub remote_slots: usize,
    /// How many downloads run at once; they take no build slot.
    pub substitute_slots: usize,
    /// How many evaluation workers there are.
    pub eval_workers: usize,
    /// Stop at the first failure.
    pub fail_fast: bool,
    /// Evaluate and plan only.
    pub no_build: bool,
    /// Whether all outputs of the flake are looked at.
    pub flake_check: bool,
    /// Options of single checks.
    pub rules: CheckRules,
    /// How long a build may take that no rule is about; `None`: for ever.
    pub timeout: Option<Duration>,
    /// The checks to look at, by their paths below the attribute; `None`: all.
    pub only: Option<HashSet<String>>,
    /// How checks ended the last time, by their paths below the attribute, as far as known.
    pub previous: HashMap<String, Outcome>,
    /// How many of the last lines of a failed build's log are kept.
    pub log_lines: usize,
    /// Where outputs are to be copied.
    pub uploads: UploadSettings,
}
