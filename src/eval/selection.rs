//! Which attributes are evaluated: those of the wanted systems, those that patterns choose, and sets that ask not to be
//! looked into.
//!
//! The rules are the same for both evaluators. Pure.

use super::EvalRequest;
use crate::nix::{AttrPath, CheckPattern, Reach, System, looks_like_system};

/// How deep sets may be nested below the attribute asked for: one that contains itself has no end.
const DEPTH_MAX: usize = 32;

/// What is wanted of all that is below an attribute.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    asked: AttrPath,
    roots: Vec<AttrPath>,
    /// The systems; `None`: all.
    systems: Option<Vec<System>>,
    only: Vec<CheckPattern>,
    exclude: Vec<CheckPattern>,
}

impl Selection {
    /// Reads what is wanted from a request. If the attribute asked for names a system, all below it is wanted.
    pub(super) fn new(request: &EvalRequest) -> Self {
        let asked = request.installable.attribute.clone();
        let systems = request.systems.clone();
        Self {
            systems: systems.filter(|_| asked.split_system().1.is_none()),
            asked,
            roots: request.scope.roots(),
            only: request.scope.only.clone(),
            exclude: request.scope.exclude.clone(),
        }
    }

    /// Whether this is an attribute that was asked for itself.
    pub(super) fn is_root(&self, path: &AttrPath) -> bool {
        self.roots.contains(path)
    }

    /// How far the attribute `name` of the set at `path` is wanted, as far as its name tells.
    pub(super) fn wish(&self, path: &AttrPath, name: &str) -> Wish {
        let is_wanted =
            path.split_system().1.is_some() || !looks_like_system(name) || self.wants_system(name);
        if !is_wanted {
            return Wish::OtherSystem;
        }
        match self.chosen(&path.child(name)) {
            Reach::Outside => Wish::Nothing,
            Reach::Above => Wish::WhatIsInIt,
            Reach::Inside => Wish::All,
        }
    }

    /// Whether an attribute is wanted, as far as the names of its path tell.
    pub(super) fn wants_path(&self, path: &AttrPath) -> bool {
        let system = path.split_system().1;
        system.is_none_or(|system| self.wants_system(system))
    }

    /// Whether a derivation is wanted. Where no name of the path is a system, the derivation's own counts, unless it
    /// was asked for itself.
    pub(super) fn wants_derivation(&self, path: &AttrPath, system: &System) -> bool {
        self.is_root(path) || path.split_system().1.is_some() || self.wants_system(system.as_str())
    }

    /// Whether the set at `path` may ask not to be looked into: neither what was asked for nor all of a system may.
    pub(super) fn may_refuse(&self, path: &AttrPath) -> bool {
        !self.split(path).1.split_system().0.is_empty()
    }

    /// Whether an attribute that was asked for is at this path, or below it.
    pub(super) fn is_above_root(&self, path: &AttrPath) -> bool {
        self.roots
            .iter()
            .any(|root| root.names().starts_with(path.names()))
    }

    /// Whether an attribute is one of those that were asked for or in one, and patterns choose it.
    pub(super) fn is_asked_for(&self, path: &AttrPath) -> bool {
        let mut roots = self.roots.iter();
        roots.any(|root| path.names().starts_with(root.names()))
            && self.chosen(path) == Reach::Inside
    }

    /// Whether a pattern leaves an attribute out.
    pub(super) fn is_excluded(&self, path: &AttrPath) -> bool {
        let mut patterns = self.exclude.iter();
        patterns.any(|pattern| self.reach(pattern, path) == Reach::Inside)
    }

    /// The numbers of the patterns of `only` that choose an attribute.
    pub(super) fn chosen_by(&self, path: &AttrPath) -> impl Iterator<Item = usize> {
        let patterns = self.only.iter().enumerate();
        patterns
            .filter_map(|(at, pattern)| (self.reach(pattern, path) == Reach::Inside).then_some(at))
    }

    /// Whether a pattern chooses an attribute, or may choose something below it.
    pub(super) fn may_choose(&self, pattern: usize, path: &AttrPath) -> bool {
        let pattern = self.only.get(pattern);
        pattern.is_some_and(|pattern| self.reach(pattern, path) != Reach::Outside)
    }

    /// How far patterns choose an attribute.
    pub(super) fn chosen(&self, path: &AttrPath) -> Reach {
        if self.is_excluded(path) {
            return Reach::Outside;
        }
        let reaches = self.only.iter().map(|pattern| self.reach(pattern, path));
        reaches.max().unwrap_or(Reach::Inside)
    }

    fn reach(&self, pattern: &CheckPattern, path: &AttrPath) -> Reach {
        let (asked, below) = self.split(path);
        pattern.reach(&asked, &below)
    }

    /// Takes a path apart into the attribute asked for, from the outputs on, and what is below it.
    fn split(&self, path: &AttrPath) -> (AttrPath, AttrPath) {
        let (root, below) = path.split_root(&self.roots);
        (self.asked.join(&root), below)
    }

    /// Whether a system is wanted, by its name.
    pub(super) fn wants_system(&self, name: &str) -> bool {
        let wanted = |systems: &Vec<System>| systems.iter().any(|system| system.as_str() == name);
        self.systems.as_ref().is_none_or(wanted)
    }
}

/// How far an attribute is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// No pattern chooses it or anything in it.
    Nothing,
    /// It is for a system that is not wanted.
    OtherSystem,
    /// Not itself, but patterns may choose something in it.
    WhatIsInIt,
    /// It is wanted with all that is in it.
    All,
}

/// Whether the set at `path` is nested too deeply.
pub(super) fn is_too_deep(path: &AttrPath) -> bool {
    path.names().len() >= DEPTH_MAX
}

#[cfg(test)]
mod tests;
