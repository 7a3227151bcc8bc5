//! What several checks have in common: why they failed, or what was warned of.

use std::{collections::HashMap, hash::Hash};

/// How many checks are named for one cause.
pub(super) const CHECKS_NAMED: usize = 5;
/// How many different warnings, reasons and evaluation errors are kept, each.
const CAUSES_MAX: usize = 10_000;

/// The checks that share a cause.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// The first of them.
    pub(super) named: Vec<String>,
    /// How many there are.
    pub(super) total: usize,
    /// How many of them have ended.
    pub(super) ended: usize,
    /// How many of those that have ended failed before, too.
    pub(super) before: usize,
    /// How many of those that have ended may fail.
    pub(super) allowed: usize,
}

impl Checks {
    pub(super) fn add(&mut self, check: &str) {
        self.total += 1;
        self.name(check);
    }

    pub(super) fn name(&mut self, check: &str) {
        if self.named.len() < CHECKS_NAMED && !self.named.iter().any(|known| known == check) {
            self.named.push(check.to_owned());
        }
    }

    pub(super) fn end(&mut self, before: usize, allowed: bool) {
        self.ended += 1;
        self.before += before;
        self.allowed += usize::from(allowed);
    }

    /// Whether what they have in common fails nothing.
    pub(super) fn may_fail(&self) -> bool {
        self.allowed > 0 && self.allowed == self.ended
    }
}

/// Causes in the order in which they came up, each with its checks.
#[derive(Debug)]
pub(super) struct Causes<K> {
    index: HashMap<K, usize>,
    pub(super) checks: Vec<Checks>,
}

impl<K> Default for Causes<K> {
    fn default() -> Self {
        Self {
            index: HashMap::new(),
            checks: Vec::new(),
        }
    }
}

/// Where a cause is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Added {
    /// Its place; `None`: there are too many.
    pub(super) at: Option<usize>,
    pub(super) is_new: bool,
}

impl<K: Eq + Hash> Causes<K> {
    /// Adds a check, or an occurrence without one.
    pub(super) fn add(&mut self, cause: K, check: Option<&str>) -> Added {
        let next = self.checks.len();
        if next == CAUSES_MAX && !self.index.contains_key(&cause) {
            return Added::default();
        }
        let at = *self.index.entry(cause).or_insert(next);
        if at == next {
            self.checks.push(Checks::default());
        }
        match check {
            Some(check) => self.checks[at].add(check),
            None => self.checks[at].total += 1,
        }
        Added {
            at: Some(at),
            is_new: at == next,
        }
    }

    /// Notes that a check of a cause has ended.
    pub(super) fn end(&mut self, at: Option<usize>, before: usize, allowed: bool) {
        if let Some(checks) = at.and_then(|at| self.checks.get_mut(at)) {
            checks.end(before, allowed);
        }
    }

    pub(super) fn in_order(&self) -> Vec<(&K, &Checks)> {
        let mut causes: Vec<_> = self.index.iter().collect();
        causes.sort_unstable_by_key(|(_, at)| **at);
        causes
            .into_iter()
            .map(|(cause, at)| (cause, &self.checks[*at]))
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }
}
