//! Options of single checks, chosen by patterns.

use std::time::Duration;

use crate::nix::{AttrPath, CheckPattern, Reach};

/// Options for the checks that a pattern chooses. What is `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRule {
    /// The checks.
    pub name: CheckPattern,
    /// Whether they may fail.
    pub allow_failure: Option<bool>,
    /// How long their builds may take.
    pub timeout: Option<Duration>,
    /// Whether they are built on this machine only.
    pub local: Option<bool>,
}

/// Rules in order; of those that say something about the same, the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckRules(Vec<CheckRule>);

/// What the rules say about a check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Whether its failure does not fail the run.
    pub may_fail: bool,
    /// How long its build may take; `None`: as long as all others.
    pub timeout: Option<Duration>,
    /// Whether it is built on this machine only.
    pub is_local: bool,
}

impl CheckRules {
    /// Takes rules in order.
    pub fn new(rules: Vec<CheckRule>) -> Self {
        Self(rules)
    }

    /// Says what holds for the check `below` the attribute `asked` for.
    pub fn options(&self, asked: &AttrPath, below: &AttrPath) -> CheckOptions {
        let mut options = CheckOptions::default();
        for rule in &self.0 {
            if rule.name.reach(asked, below) != Reach::Inside {
                continue;
            }
            options.may_fail = rule.allow_failure.unwrap_or(options.may_fail);
            options.timeout = rule.timeout.or(options.timeout);
            options.is_local = rule.local.unwrap_or(options.is_local);
        }
        options
    }
}
