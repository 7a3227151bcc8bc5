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

impl CheckRule {
    /// A rule for all checks, which says nothing yet.
    pub fn of_all() -> Self {
        Self {
            name: CheckPattern::all(),
            allow_failure: None,
            timeout: None,
            local: None,
        }
    }
}

/// Rules in order; of those that say something about the same, the last one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckRules {
    rules: Vec<CheckRule>,
    asked: AttrPath,
    roots: Vec<AttrPath>,
}

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
    /// Takes rules in order, for checks below the attribute `asked` for, or more precisely below one of `roots`, which are
    /// below that.
    pub fn new(rules: Vec<CheckRule>, asked: AttrPath, roots: Vec<AttrPath>) -> Self {
        Self {
            rules,
            asked,
            roots,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether one of these patterns means a check, named by its path below the attribute asked for.
    pub fn is_named(&self, patterns: &[CheckPattern], path: &AttrPath) -> bool {
        let (root, below) = path.split_root(&self.roots);
        let asked = self.asked.join(&root);
        patterns
            .iter()
            .any(|pattern| pattern.reach(&asked, &below) == Reach::Inside)
    }

    /// Says what holds for a check, named by its path below the attribute asked for.
    pub fn options(&self, path: &AttrPath) -> CheckOptions {
        let mut options = CheckOptions::default();
        if self.is_empty() {
            return options;
        }
        let (root, below) = path.split_root(&self.roots);
        let asked = self.asked.join(&root);
        for rule in &self.rules {
            if rule.name.reach(&asked, &below) != Reach::Inside {
                continue;
            }
            options.may_fail = rule.allow_failure.unwrap_or(options.may_fail);
            options.timeout = rule.timeout.or(options.timeout);
            options.is_local = rule.local.unwrap_or(options.is_local);
        }
        options
    }
}
