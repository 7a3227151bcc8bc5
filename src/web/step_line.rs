//! A step as a line of a list.

use super::{moment::took, sign::Sign, site::Site};
use crate::{
    db::server::{PostBuildRow, StepRow},
    report::harmless,
};

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepLine {
    /// Its page.
    pub href: String,
    /// How it stands.
    pub sign: Sign,
    /// Its name.
    pub name: String,
    /// Its system.
    pub system: String,
    /// Where it is built; empty: here.
    pub machine: String,
    /// The phase it is or was in; empty if unknown.
    pub phase: String,
    /// How long it took, or takes so far; empty if unknown.
    pub took: String,
}

impl StepLine {
    /// A step of a run, seen at a time in milliseconds since 1970.
    pub(super) fn new(site: &Site, run: i64, step: &StepRow, now: i64) -> Self {
        let so_far = || step.started_at.map(|started_at| now - started_at);
        let duration = match step.outcome {
            Some(_) => step.duration,
            None => so_far(),
        };
        Self {
            href: site.step(run, step.id),
            sign: Sign::of_step(step),
            name: harmless(&step.name),
            system: harmless(&step.system),
            machine: harmless(&step.machine),
            phase: harmless(step.phase.as_deref().unwrap_or_default()),
            took: duration.map(took).unwrap_or_default(),
        }
    }

    /// What is run after a check, whose path stands in place of a system.
    pub(super) fn of_post_build(site: &Site, row: &PostBuildRow, now: i64) -> Self {
        let duration = match (row.outcome, row.done_in) {
            (_, Some(_)) => None,
            (Some(_), None) => row.duration,
            (None, None) => Some(now - row.started_at),
        };
        Self {
            href: site.post_build(row.new.run.0, row.id),
            sign: Sign::of_post_build(row),
            name: harmless(&row.new.name),
            system: harmless(&row.new.path),
            machine: String::new(),
            phase: row
                .done_in
                .map(|run| format!("in run {}", run.0))
                .unwrap_or_default(),
            took: duration.map(took).unwrap_or_default(),
        }
    }
}
