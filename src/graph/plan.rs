//! What has to be done for a batch of checks, as plain data.

use std::collections::BTreeMap;

use crate::nix::{StorePath, System};

/// A derivation that a check asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The derivation.
    pub drv_path: StorePath,
    /// Its outputs by name; `None` where the path is only known after the build.
    pub outputs: BTreeMap<String, Option<StorePath>>,
}

/// What it takes to have a wanted derivation's outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// All outputs are valid here.
    Valid,
    /// A trusted substituter offers what is not valid here: these paths.
    Offered(Vec<StorePath>),
    /// It has to be built: there is a step for it, in this plan or an earlier one.
    Build,
}

/// The steps to add, and what becomes of each wanted derivation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Each wanted derivation.
    pub wanted: Vec<(StorePath, Disposition)>,
    /// New steps; a step comes after all new steps it waits for.
    pub steps: Vec<PlannedStep>,
    /// What the new substitutions download, compressed, in bytes.
    pub download_bytes: u64,
}

/// One derivation to obtain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// What identifies the step: the derivation to build, or the output to substitute.
    pub target: StorePath,
    /// The derivation.
    pub drv_path: StorePath,
    /// Its system.
    pub system: System,
    /// The targets of the steps that must be done before.
    pub inputs: Vec<StorePath>,
    /// How it is obtained.
    pub how: How,
}

/// The ways to obtain a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Build the derivation.
    Build {
        /// Whether this machine can; otherwise another one has to.
        local: bool,
    },
    /// Download the target from a substituter.
    Substitute,
    /// Nobody can build it.
    Unsupported {
        /// What is missing.
        reason: String,
    },
}
