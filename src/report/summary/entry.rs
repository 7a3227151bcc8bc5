//! Every cause of failure in one form, for all that lists them: text, annotations, Markdown.
//!
//! Texts in here are as they came from outside, but for `how`, which is harmless.

use super::{
    Checks, Ending, EvaluationError, Failure, Summary, hash_fix::HashFix, noise::relevant,
};
use crate::{
    event::{Outcome, RunOutcome},
    nix::StorePath,
    report::{
        format::{count, counted, duration},
        sanitize::harmless,
        source_tree::Place,
        words::{as_it_may, check_name, in_phase, on_machine, place, spoken, text},
    },
};

/// A cause of failure.
#[derive(Debug)]
pub(in crate::report) struct Entry<'a> {
    /// What kind of failure it is.
    pub outcome: Outcome,
    /// Whether it fails only checks that may fail.
    pub is_allowed: bool,
    /// What failed: a check, several ones, a derivation.
    pub subject: String,
    /// What happened to it, to be put right behind it: ` failed after 3.1s in checkPhase`.
    pub how: String,
    /// How it compares with the run before, if that is known.
    pub compared: Option<Compared>,
    /// The first checks that fail by it, and how many do.
    pub checks: &'a [String],
    pub checks_total: usize,
    /// The outputs that were not uploaded, if that is what failed.
    pub outputs: Option<String>,
    /// The file, line and column it is about.
    pub file: Option<&'a str>,
    pub line: Option<u32>,
    pub column: Option<u32>,
    /// What Nix says.
    pub reason: Vec<&'a str>,
    /// Lines of source around the place, if Nix says none.
    pub excerpt: &'a [String],
    /// If it is a hash that is wrong.
    pub fix: Option<&'a HashFix>,
    /// The last lines of its log, as far as they matter.
    pub log: Vec<&'a str>,
    /// Which lines of the log these are; empty: all.
    pub which_lines: String,
    /// Whether there is more of the log.
    pub has_more_log: bool,
    /// The derivation that failed.
    pub drv_path: Option<&'a StorePath>,
}

/// How a cause of failure compares with the run before.
#[derive(Debug)]
pub(in crate::report) struct Compared {
    /// Whether it is new for any of its checks.
    pub is_new: bool,
    /// The same in words, to be put right behind `how`.
    pub words: String,
}

impl Entry<'_> {
    fn new(outcome: Outcome, subject: String, how: String) -> Self {
        Self {
            outcome,
            is_allowed: false,
            subject,
            how,
            compared: None,
            checks: &[],
            checks_total: 0,
            outputs: None,
            file: None,
            line: None,
            column: None,
            reason: Vec::new(),
            excerpt: &[],
            fix: None,
            log: Vec::new(),
            which_lines: String::new(),
            has_more_log: false,
            drv_path: None,
        }
    }

    /// The same of a cause that fails these checks.
    fn failing(mut self, checks: &Checks) -> Self {
        self.is_allowed = checks.may_fail();
        self.how.push_str(as_it_may(self.is_allowed));
        self
    }

    /// What happened, and how that compares with the run before.
    pub(in crate::report) fn how_compared(&self) -> String {
        let compared = self.compared.as_ref();
        let compared = compared.map_or("", |compared| compared.words.as_str());
        format!("{}{compared}", self.how)
    }

    /// `FILE:LINE:COLUMN` as far as known.
    pub(in crate::report) fn place(&self) -> Option<String> {
        place(self.file, self.line, self.column)
    }

    /// Whether the place is that of a wrong hash.
    pub(in crate::report) fn has_hash_place(&self) -> bool {
        self.fix.is_some_and(|fix| !fix.places.is_empty())
    }

    /// The checks that fail by it, if that says more than its subject does.
    pub(in crate::report) fn breaks(&self) -> Option<String> {
        let least = if self.drv_path.is_some() { 1 } else { 2 };
        if self.checks_total < least || self.checks.is_empty() {
            return None;
        }
        Some(list(self.checks, self.checks_total))
    }
}

impl Summary {
    /// Every cause of failure: of evaluations, of derivations, of other kinds, and why nothing more could be done. What
    /// may fail comes last.
    pub(in crate::report) fn entries<'a>(&'a self, ending: Ending<'a>) -> Vec<Entry<'a>> {
        let evaluation = self.evaluation_errors.in_order().into_iter().enumerate();
        let evaluation = evaluation.map(|(n, (error, checks))| Entry {
            excerpt: self.excerpts.get(&n).map(Vec::as_slice).unwrap_or_default(),
            compared: self.compared(checks),
            ..of_evaluation(error, checks, self.evaluation_fixes.get(&n)).failing(checks)
        });
        let mishaps = self.mishaps.in_order().into_iter();
        let mishaps = mishaps.map(|((outcome, why), checks)| {
            let how = format!(": {}", spoken(*outcome));
            Entry {
                compared: self.compared(checks),
                checks: &checks.named,
                checks_total: checks.total,
                reason: why.lines().collect(),
                ..Entry::new(*outcome, subject(checks), how).failing(checks)
            }
        });
        let uploads = self.failed_uploads.in_order().into_iter();
        let uploads = uploads.map(|((destination, error), outputs)| {
            let how = format!(": {} not uploaded", counted(outputs.total, "output"));
            Entry {
                outputs: Some(list(&outputs.named, outputs.total)),
                reason: error.lines().collect(),
                ..Entry::new(Outcome::InfrastructureFailed, text(destination), how)
            }
        });
        let error = self.untold_error(ending).map(|error| {
            let mut lines = error.trim().lines();
            let first = lines.next().unwrap_or("the run could not be carried out");
            let how = format!(": {}", harmless(first));
            Entry {
                reason: lines.collect(),
                ..Entry::new(Outcome::InfrastructureFailed, "error".to_owned(), how)
            }
        });
        let failures = self.failures.iter().map(|failure| Entry {
            compared: self.compared(&failure.breaks),
            ..of_failure(failure)
        });
        let mut entries: Vec<_> = evaluation
            .chain(failures)
            .chain(mishaps)
            .chain(uploads)
            .chain(error)
            .collect();
        entries.sort_by_key(|entry| entry.is_allowed);
        entries
    }

    /// Tells what failed before, too, from what is new.
    fn compared(&self, checks: &Checks) -> Option<Compared> {
        if !self.past.is_known || checks.named.is_empty() {
            return None;
        }
        let new = checks.total.saturating_sub(checks.before);
        let words = if new == 0 {
            " (failed before, too)".to_owned()
        } else if checks.before == 0 {
            " (new)".to_owned()
        } else {
            let all = counted(checks.total, "check");
            format!(" (new for {} of {all})", count(new))
        };
        Some(Compared {
            is_new: new > 0,
            words,
        })
    }

    /// Why nothing more could be done, unless one of the causes says it.
    fn untold_error<'e>(&self, ending: Ending<'e>) -> Option<&'e str> {
        let mut causes = self.evaluation_errors.checks.iter();
        let is_told =
            causes.any(|checks| checks.named.is_empty()) || !self.failed_uploads.is_empty();
        ending
            .error
            .filter(|_| ending.outcome == RunOutcome::Errored && !is_told)
    }
}

fn of_evaluation<'a>(
    error: &'a EvaluationError,
    checks: &'a Checks,
    fix: Option<&'a HashFix>,
) -> Entry<'a> {
    let mut entry = Entry {
        checks: &checks.named,
        checks_total: checks.total,
        file: error.file.as_deref(),
        line: error.line,
        column: error.column,
        fix,
        ..Entry::new(
            Outcome::EvaluationFailed,
            subject(checks),
            " failed to evaluate".to_owned(),
        )
    };
    // The place is told beside it.
    let place = entry.place().map(|place| format!("at {place}:"));
    let lines = error.error.trim().lines();
    entry.reason = lines
        .filter(|line| place.as_deref() != Some(line.trim()) && !is_told_by(fix, line))
        .collect();
    // An annotation stands where the hash does.
    if let Some(found) = fix.and_then(|fix| fix.places.first()) {
        entry.file = Some(&found.place.file);
        entry.line = Some(found.place.line);
        entry.column = Some(found.place.column);
    }
    entry
}

pub(in crate::report) fn of_failure(failure: &Failure) -> Entry<'_> {
    let how = format!(
        " {} {}{}{}",
        failed_after(failure.outcome),
        duration(failure.duration),
        in_phase(failure.phase.as_deref()),
        on_machine(&failure.machine)
    );
    let found = failure.fix.as_ref().and_then(|fix| fix.places.first());
    let place: Option<&Place> = found.map(|found| &found.place);
    let (log, left_out) = relevant(&failure.log_tail);
    Entry {
        checks: &failure.breaks.named,
        checks_total: failure.breaks.total,
        file: place.map(|place| place.file.as_str()),
        line: place.map(|place| place.line),
        column: place.map(|place| place.column),
        reason: reason(failure),
        fix: failure.fix.as_ref(),
        which_lines: which_lines(failure, left_out),
        log,
        has_more_log: failure.log_lines_before > 0,
        drv_path: Some(&failure.drv_path),
        ..Entry::new(failure.outcome, failure.name.clone(), how).failing(&failure.breaks)
    }
}

/// The first of some checks or outputs by name, and how many more there are.
pub(super) fn list(named: &[String], total: usize) -> String {
    let shown: Vec<_> = named.iter().map(|name| check_name(name)).collect();
    let list = shown.join(", ");
    match total.saturating_sub(named.len()) {
        0 => list,
        more => format!("{list} and {} more", count(more)),
    }
}

/// What a cause is about: the only check, or how many there are.
fn subject(checks: &Checks) -> String {
    match checks.named.as_slice() {
        [] => "the flake".to_owned(),
        [only] if checks.total == 1 => check_name(only),
        _ => counted(checks.total, "check"),
    }
}

/// Which lines of a log are shown; empty: all of them.
fn which_lines(failure: &Failure, left_out: usize) -> String {
    let kept = failure.log_tail.len();
    let all = failure.log_lines_before.saturating_add(kept as u64);
    let which = match failure.log_lines_before {
        0 => String::new(),
        _ => format!("the last {} of {} lines", count(kept), count(all)),
    };
    if left_out == 0 {
        return which;
    }
    let comma = if which.is_empty() { "" } else { ", " };
    format!(
        "{which}{comma}without {} of stdenv's own",
        counted(left_out, "line")
    )
}

/// The lines of a daemon's error without those that are told beside it: the log that newer ones put behind it, and the
/// two hashes of a mismatch.
fn reason(failure: &Failure) -> Vec<&str> {
    let begins_log = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("last ") && line.contains(" log line")
    };
    let lines = failure.error.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !is_told_by(failure.fix.as_ref(), line))
        .take_while(|line| failure.log_tail.is_empty() || !begins_log(line))
        .collect()
}

/// Whether a line of an error has one of the hashes that a fix tells.
fn is_told_by(fix: Option<&HashFix>, line: &str) -> bool {
    let line = line.trim_start();
    fix.is_some() && (line.starts_with("specified:") || line.starts_with("got:"))
}

/// What a failed step did, up to how long it took.
fn failed_after(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::TimedOut => "timed out after",
        Outcome::InfrastructureFailed => "was lost, through no fault of its own, after",
        Outcome::Failed
        | Outcome::Built
        | Outcome::Substituted
        | Outcome::Cached
        | Outcome::Evaluated
        | Outcome::DependencyFailed
        | Outcome::EvaluationFailed
        | Outcome::Unsupported
        | Outcome::Skipped
        | Outcome::Cancelled => "failed after",
    }
}
