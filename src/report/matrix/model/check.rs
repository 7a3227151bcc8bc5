//! A check as a cell of the matrix.

use std::{sync::Arc, time::Duration};

use crate::{event::Outcome, nix::StorePath};

/// What became of a check; of a row, the first of these that one of its checks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::report::matrix) enum Class {
    Failed,
    Running,
    Waiting,
    /// Failed, as it may.
    Allowed,
    Passed,
    /// Ended without having passed or failed.
    Neutral,
}

/// How many classes there are.
pub(in crate::report::matrix) const CLASSES: usize = 6;

impl Class {
    /// Every class, the most pressing first.
    pub(in crate::report::matrix) const ALL: [Self; CLASSES] = [
        Self::Failed,
        Self::Running,
        Self::Waiting,
        Self::Allowed,
        Self::Neutral,
        Self::Passed,
    ];
}

/// Where a check stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report::matrix) enum Stage {
    /// It needs something that is not there yet, or its turn.
    Waiting,
    /// It ended.
    Ended(Outcome, Duration),
}

/// A cell of the matrix.
#[derive(Debug)]
pub(in crate::report::matrix) struct Check {
    /// Its number.
    pub at: usize,
    /// Its attribute path.
    pub path: Arc<str>,
    pub(super) row: usize,
    /// Its derivation, where it has one.
    pub drv_path: Option<StorePath>,
    /// Where it stands.
    pub stage: Stage,
    /// Whether it failed and may.
    pub is_allowed: bool,
    /// Why, in words; empty where there is nothing to say.
    pub note: Box<str>,
    /// Whether its own step runs.
    pub is_running: bool,
    /// How many steps that it needs run.
    pub dependencies_running: usize,
}

impl Check {
    /// What matters most of it.
    pub(in crate::report::matrix) fn class(&self) -> Class {
        match self.stage {
            Stage::Ended(..) if self.is_allowed => Class::Allowed,
            Stage::Ended(outcome, _) if outcome.is_failed() => Class::Failed,
            Stage::Ended(outcome, _) if outcome.is_passed() => Class::Passed,
            Stage::Ended(..) => Class::Neutral,
            Stage::Waiting if self.is_running || self.dependencies_running > 0 => Class::Running,
            Stage::Waiting => Class::Waiting,
        }
    }
}
