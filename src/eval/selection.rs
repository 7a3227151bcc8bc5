//! Which attributes are evaluated: those of the wanted systems, and sets that ask not to be looked into.
//!
//! The rules are the same for both evaluators. Pure.

use super::EvalRequest;
use crate::nix::{AttrPath, System, looks_like_system};

/// How deep sets may be nested below the attribute asked for: one that contains itself has no end.
const DEPTH_MAX: usize = 32;

/// What is wanted of all that is below an attribute.
#[derive(Clone, Debug)]
pub(super) struct Selection {
    /// The systems; `None`: all.
    systems: Option<Vec<System>>,
}

impl Selection {
    /// Reads what is wanted from a request. If the attribute asked for names a system, all below it is wanted.
    pub(super) fn new(request: &EvalRequest) -> Self {
        let (_, asked_system) = request.installable.attribute.split_system();
        let systems = request.systems.clone().filter(|_| asked_system.is_none());
        Self { systems }
    }

    /// Whether the attribute `name` of the set at `path` is wanted, as far as its name tells.
    pub(super) fn wants_attribute(&self, path: &AttrPath, name: &str) -> bool {
        path.split_system().1.is_some() || !looks_like_system(name) || self.wants_system(name)
    }

    /// Whether an attribute is wanted, as far as the names of its path tell.
    pub(super) fn wants_path(&self, path: &AttrPath) -> bool {
        let system = path.split_system().1;
        system.is_none_or(|system| self.wants_system(system))
    }

    /// Whether a derivation is wanted. Where no name of the path is a system, the derivation's own counts, unless it
    /// was asked for itself.
    pub(super) fn wants_derivation(&self, path: &AttrPath, system: &System) -> bool {
        path.is_empty() || path.split_system().1.is_some() || self.wants_system(system.as_str())
    }

    fn wants_system(&self, name: &str) -> bool {
        let wanted = |systems: &Vec<System>| systems.iter().any(|system| system.as_str() == name);
        self.systems.as_ref().is_none_or(wanted)
    }
}

/// Whether the set at `path` may ask not to be looked into: neither what was asked for nor all of a system may.
pub(super) fn may_refuse(path: &AttrPath) -> bool {
    !path.split_system().0.is_empty()
}

/// Whether the set at `path` is nested too deeply.
pub(super) fn is_too_deep(path: &AttrPath) -> bool {
    path.names().len() >= DEPTH_MAX
}

#[cfg(test)]
mod tests;
