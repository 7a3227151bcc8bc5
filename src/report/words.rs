//! Pieces of sentences that lines and summary share: names, places, outcomes in words.
//!
//! Every text from outside comes out harmless and of bounded length.

use super::{
    format::counted,
    sanitize::{fit, harmless},
};
use crate::{
    event::Outcome,
    nix::{StorePath, System},
};

/// How long a text from outside may be within a line.
const TEXT_COLUMNS_MAX: usize = 400;
/// How long a line of a log may be.
pub(super) const LOG_COLUMNS_MAX: usize = 4000;

/// An outcome in words.
pub fn spoken(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Built => "built",
        Outcome::Substituted => "substituted",
        Outcome::Cached => "cached",
        Outcome::Evaluated => "evaluated",
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed out",
        Outcome::DependencyFailed => "dependency failed",
        Outcome::EvaluationFailed => "evaluation failed",
        Outcome::InfrastructureFailed => "infrastructure failed",
        Outcome::Unsupported => "unsupported",
        Outcome::Skipped => "skipped",
        Outcome::Cancelled => "cancelled",
    }
}

/// The line of a daemon's error that says what happened. From Nix 2.30 on, the first one only names the derivation.
pub fn headline(error: &str) -> &str {
    let mut lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().next().unwrap_or("no reason given");
    lines
        .find_map(|line| line.strip_prefix("Reason: "))
        .unwrap_or(first)
}

/// `, as it may`, or nothing.
pub(super) fn as_it_may(allowed: bool) -> &'static str {
    if allowed { ", as it may" } else { "" }
}

/// ` in buildPhase`, or nothing.
pub(super) fn in_phase(phase: Option<&str>) -> String {
    phase.map_or(String::new(), |phase| format!(" in {}", text(phase)))
}

/// ` on HOST`, or nothing for this machine.
pub(super) fn on_machine(machine: &str) -> String {
    if machine.is_empty() {
        String::new()
    } else {
        format!(" on {}", text(machine))
    }
}

/// `FILE:LINE:COLUMN` as far as known.
pub(super) fn place(file: Option<&str>, line: Option<u32>, column: Option<u32>) -> Option<String> {
    let mut place = text(file?);
    for number in [line, line.and(column)].into_iter().flatten() {
        place = format!("{place}:{number}");
    }
    Some(place)
}

/// The name of a check; that of the attribute itself where the path below it is empty.
pub(super) fn check_name(check: &str) -> String {
    if check.is_empty() {
        "the attribute itself".to_owned()
    } else {
        text(check)
    }
}

/// The name of a derivation, without `.drv`; harmless by what a store path may hold.
pub(super) fn step_name(drv_path: &StorePath) -> &str {
    drv_path.step_name()
}

/// Systems as a list; `all systems` if there are none.
pub(super) fn list_of_systems(systems: &[System]) -> String {
    let names: Vec<_> = systems.iter().map(|system| text(system.as_str())).collect();
    if names.is_empty() {
        "all systems".to_owned()
    } else {
        names.join(", ")
    }
}

/// ` for CHECK and 3 other checks`, or nothing; nothing too where the attribute itself is the only check there is.
pub(super) fn for_checks(checks: &[String]) -> String {
    match checks {
        [] => String::new(),
        [only] if only.is_empty() => String::new(),
        [only] => format!(" for {}", check_name(only)),
        [first, rest @ ..] => format!(
            " for {} and {}",
            check_name(first),
            counted(rest.len(), "other check")
        ),
    }
}

/// The first line of a text from outside that says anything.
pub(super) fn first_line(message: &str) -> String {
    text(message.trim().lines().next().unwrap_or_default().trim_end())
}

/// A text from outside within a line.
pub(super) fn text(text: &str) -> String {
    if text.len() <= TEXT_COLUMNS_MAX {
        harmless(text)
    } else {
        fit(text, TEXT_COLUMNS_MAX, "...")
    }
}

#[cfg(test)]
mod tests;
