//! What a worker is asked at once, and how much that is.
//!
//! A worker whose answers are quick gets several attributes with one request, since a request costs more than a small
//! attribute. Pure.

use std::{collections::VecDeque, time::Duration};

use crate::{eval::builtin::flake_check::Rule, nix::AttrPath};

/// How long a worker may take for one request, as far as that can be foretold.
pub(super) const REQUEST_AIM: Duration = Duration::from_millis(10);
/// How many attributes a request has at most.
pub(super) const REQUEST_MAX: usize = 64;
/// How many bytes the names in a request have at most, but for a single attribute that has more.
const REQUEST_BYTES: usize = 4096;

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::eval::builtin) struct Task {
    /// The attribute, below the one asked for.
    pub(in crate::eval::builtin) path: AttrPath,
    /// Whether all that is wanted is to know if it is a set with something in it.
    pub(in crate::eval::builtin) is_survey: bool,
    /// How it is looked at.
    pub(in crate::eval::builtin) look: Look,
    /// Whether this is its second and last try.
    pub(in crate::eval::builtin) is_alone: bool,
}

/// How something is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::eval::builtin) enum Look {
    /// As a check.
    Whole,
    /// It is wanted only if it is a set, for what is in it: a derivation is not evaluated any further.
    Glance,
    /// As `nix flake check` does.
    Rule(Rule),
}

impl Task {
    /// Makes the first try at evaluating an attribute.
    pub(in crate::eval::builtin) fn evaluate(path: AttrPath) -> Self {
        Self {
            path,
            is_survey: false,
            look: Look::Whole,
            is_alone: false,
        }
    }

    /// Makes the first try at an attribute that is wanted only for what is in it.
    pub(in crate::eval::builtin) fn glance(path: AttrPath) -> Self {
        Self {
            look: Look::Glance,
            ..Self::evaluate(path)
        }
    }

    /// Makes the first try at something that is looked at by a rule.
    pub(in crate::eval::builtin) fn by_rule(path: AttrPath, rule: Rule) -> Self {
        Self {
            look: Look::Rule(rule),
            ..Self::evaluate(path)
        }
    }

    /// Makes a question whether there is anything at an attribute.
    pub(in crate::eval::builtin) fn survey(path: AttrPath) -> Self {
        Self {
            is_survey: true,
            ..Self::glance(path)
        }
    }
}

/// What a worker is looking at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    /// What it has not answered yet, in order.
    pub(super) tasks: VecDeque<Task>,
    /// Whether nothing was answered since [`super::Schedule::withdraw`] was last called.
    pub(super) is_slow: bool,
}

/// How many of these make a request of at most `max`. With one request all are looked at in
/// the same way.
pub(super) fn request_length(queue: &VecDeque<Task>, max: usize) -> usize {
    let bytes = |task: &Task| task.path.names().iter().map(String::len).sum::<usize>();
    let mut left = REQUEST_BYTES;
    let first = queue.front();
    let fits = |task: &&Task| {
        if first.is_some_and(|first| first.look != task.look) {
            return false;
        }
        left = left.saturating_sub(bytes(task));
        left > 0
    };
    let count = queue.iter().take(max).take_while(fits).count();
    count.max(usize::from(!queue.is_empty()))
}

/// How many attributes a worker gets next whose last request had `size` and took this long.
pub(super) fn next_request_size(size: usize, took: Duration) -> usize {
    if took <= REQUEST_AIM / 2 {
        (size * 2).min(REQUEST_MAX)
    } else if took > REQUEST_AIM * 2 {
        (size / 2).max(1)
    } else {
        size
    }
}
