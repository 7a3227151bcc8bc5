//! Writes a [`Summary`] as lines, the same on a terminal and without one.
//!
//! No line begins with a text from outside, so that a CI reads none of them as a command.

use std::time::Duration;

use super::{
    Causes, Checks, EvaluationError, Failure, Summary, hash_fix::HashFix, last_line::last_line,
    noise::relevant, passed::Passed,
};
use crate::{
    event::{Counts, Outcome, RunOutcome},
    report::{
        ReportOptions,
        format::{count, counted, duration},
        sanitize::{harmless, log_line},
        shell,
        source_tree::Place,
        styles::{Styles, paint},
        words::{LOG_COLUMNS_MAX, check_name, in_phase, on_machine, place, spoken, text},
    },
};

/// How many different warnings and reasons are listed; the rest is counted.
const LISTED_MAX: usize = 10;
/// How wide the widest label is.
const LABEL_COLUMNS: usize = 8;

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Ending<'a> {
    /// How it ended.
    pub outcome: RunOutcome,
    /// How many checks ended how.
    pub counts: &'a Counts,
    /// How long it took.
    pub duration: Duration,
    /// Why nothing more could be done.
    pub error: Option<&'a str>,
    /// How many checks failed that may.
    pub allowed: usize,
}

/// How much of a summary is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Extent {
    /// All of it.
    Full,
    /// The failures and the last line.
    Failures,
    /// The failures, a line each, and the last line.
    Headings,
}

/// Lines that are being written.
struct Text<'a> {
    lines: Vec<String>,
    /// Whether it is known how checks did before.
    knows_past: bool,
    options: &'a ReportOptions,
    styles: &'a Styles,
    extent: Extent,
}

impl Summary {
    /// Writes the summary.
    pub(in crate::report) fn lines(
        &self,
        ending: Ending<'_>,
        extent: Extent,
        options: &ReportOptions,
        styles: &Styles,
    ) -> Vec<String> {
        let mut text = Text {
            lines: Vec::new(),
            knows_past: self.past.is_known,
            options,
            styles,
            extent,
        };
        if extent == Extent::Full {
            text.warnings(&self.warnings);
            text.unsupported(&self.unsupported);
            text.passed(&self.passed);
        }
        for (n, (error, checks)) in self.evaluation_errors.in_order().into_iter().enumerate() {
            let excerpt = self.excerpts.get(&n).map(Vec::as_slice);
            text.evaluation_error(error, checks, excerpt.unwrap_or_default());
        }
        for failure in &self.failures {
            text.failure(failure);
        }
        for ((outcome, why), checks) in self.mishaps.in_order() {
            text.mishap(*outcome, why, checks);
        }
        for ((destination, error), outputs) in self.failed_uploads.in_order() {
            text.failed_upload(destination, error, outputs);
        }
        if let Some(error) = self.untold_error(ending) {
            text.error(error);
        }
        if extent != Extent::Headings && !text.lines.is_empty() {
            text.lines.push(String::new());
        }
        text.lines.push(last_line(self, ending, options, styles));
        text.lines
    }

    /// Why nothing more could be done, unless one of the causes says it.
    pub(super) fn untold_error<'e>(&self, ending: Ending<'e>) -> Option<&'e str> {
        let mut causes = self.evaluation_errors.checks.iter();
        let is_told =
            causes.any(|checks| checks.named.is_empty()) || !self.failed_uploads.is_empty();
        ending
            .error
            .filter(|_| ending.outcome == RunOutcome::Errored && !is_told)
    }
}

impl Text<'_> {
    /// Begins a block with its heading.
    fn heading(&mut self, outcome: Outcome, subject: &str, rest: &str) {
        if self.extent != Extent::Headings {
            self.lines.push(String::new());
        }
        let (glyph, style) = self.styles.outcome(outcome);
        let subject = paint(style, format_args!("{glyph} {}", harmless(subject)));
        self.lines.push(format!("{subject}{rest}"));
    }

    /// Adds a line with a label; without one it belongs to the line above.
    fn labelled(&mut self, label: &str, rest: &str) {
        if self.extent != Extent::Headings {
            let rest = format!("{:1$} {rest}", "", LABEL_COLUMNS - label.len());
            let label = paint(&self.styles.dim, label);
            self.lines
                .push(format!("    {label}{rest}").trim_end().to_owned());
        }
    }

    /// Adds the lines of a text from outside, behind a bar.
    fn quoted<'t>(&mut self, lines: impl IntoIterator<Item = &'t str>) {
        if self.extent == Extent::Headings {
            return;
        }
        let bar = paint(&self.styles.dim, self.styles.glyphs.quote);
        for line in lines {
            let line = log_line(
                line,
                self.styles.color,
                LOG_COLUMNS_MAX,
                self.styles.glyphs.ellipsis,
            );
            self.lines
                .push(format!("    {bar} {line}").trim_end().to_owned());
        }
    }

    fn warnings(&mut self, warnings: &Causes<String>) {
        if warnings.is_empty() {
            return;
        }
        let heading = match warnings.checks.len() {
            1 => "the evaluation warned".to_owned(),
            n => format!("the evaluation gave {}", counted(n, "different warning")),
        };
        self.heading(Outcome::Skipped, &heading, "");
        for (message, checks) in warnings.in_order().into_iter().take(LISTED_MAX) {
            let times = if checks.total > 1 {
                format!("{} times", count(checks.total))
            } else {
                String::new()
            };
            let place = match checks.named.as_slice() {
                [] => times,
                _ if times.is_empty() => format!("at {}", self.list(checks)),
                [first, ..] => format!("{times}, first at {}", check_name(first)),
            };
            self.quoted(message.lines());
            if !place.is_empty() {
                self.labelled("", &place);
            }
        }
        self.more(warnings.checks.len());
    }

    fn unsupported(&mut self, unsupported: &Causes<String>) {
        for (reason, checks) in unsupported.in_order().into_iter().take(LISTED_MAX) {
            let reason = if reason.is_empty() {
                "no builder for it"
            } else {
                reason
            };
            let rest = format!(": {}", self.list(checks));
            self.heading(
                Outcome::Unsupported,
                &format!("unsupported, {reason}"),
                &rest,
            );
        }
        self.more(unsupported.checks.len());
    }

    fn passed(&mut self, passed: &Passed) {
        let lines = passed.lines();
        if !lines.is_empty() {
            self.heading(Outcome::Evaluated, "passed", "");
            let lines = lines.into_iter().map(|line| format!("    {line}"));
            self.lines.extend(lines);
        }
    }

    fn more(&mut self, total: usize) {
        if total > LISTED_MAX {
            self.labelled("", &format!("and {} more", count(total - LISTED_MAX)));
        }
    }

    fn evaluation_error(&mut self, error: &EvaluationError, checks: &Checks, excerpt: &[String]) {
        let rest = format!(" failed to evaluate{}", self.compared(checks));
        self.heading(Outcome::EvaluationFailed, &subject(checks), &rest);
        if checks.total > 1 && !checks.named.is_empty() {
            self.labelled("breaks", &self.list(checks));
        }
        if let Some(place) = place(error.file.as_deref(), error.line, error.column) {
            self.labelled("at", &place);
        }
        self.quoted(message_lines(error));
        self.quoted(excerpt.iter().map(String::as_str));
        if let Some(check) = checks.named.first() {
            self.labelled("rerun", &shell::evaluate_check(self.options, check));
        }
    }

    fn failure(&mut self, failure: &Failure) {
        let rest = format!(
            " {} {}{}{}{}",
            failed_after(failure.outcome),
            duration(failure.duration),
            in_phase(failure.phase.as_deref()),
            on_machine(&failure.machine),
            self.compared(&failure.breaks)
        );
        self.heading(failure.outcome, &failure.name, &rest);
        if failure.breaks.total > 0 {
            self.labelled("breaks", &self.list(&failure.breaks));
        }
        self.quoted(reason(failure));
        if let Some(fix) = &failure.fix {
            self.fix(fix);
        }
        if !failure.log_tail.is_empty() {
            let (shown, left_out) = relevant(&failure.log_tail);
            self.labelled("log", &which_lines(failure, shown.len(), left_out));
            self.quoted(shown);
        }
        let derivation = &failure.drv_path;
        self.labelled(
            "rerun",
            &shell::build_derivation(derivation, self.options.nix_version),
        );
        if let Some(check) = failure.breaks.named.first() {
            self.labelled("", &shell::run_check(self.options, check));
        }
        if failure.log_lines_before > 0 {
            let command = match (failure.breaks.named.first(), &self.options.logs) {
                (Some(check), Some(_)) => shell::show_check_log(self.options, check),
                (None, _) | (_, None) => shell::show_log(derivation),
            };
            self.labelled("full log", &command);
        }
    }

    fn fix(&mut self, fix: &HashFix) {
        let arrow = self.styles.glyphs.arrow;
        let [first, rest @ ..] = fix.places.as_slice() else {
            self.labelled("fix", &format!("{} {arrow} {}", fix.specified, fix.got));
            return;
        };
        self.labelled("fix", &format!("{} {arrow} {}", first.wrong, first.right));
        for found in [first].into_iter().chain(rest) {
            let Place { file, line, column } = &found.place;
            let place = place(Some(file), Some(*line), Some(*column)).unwrap_or_default();
            self.labelled("", &format!("at {place}"));
        }
    }

    fn mishap(&mut self, outcome: Outcome, why: &str, checks: &Checks) {
        let rest = format!(": {}{}", spoken(outcome), self.compared(checks));
        self.heading(outcome, &subject(checks), &rest);
        if checks.total > 1 {
            self.labelled("breaks", &self.list(checks));
        }
        self.quoted(why.lines());
        if let Some(check) = checks.named.first() {
            self.labelled("rerun", &shell::run_check(self.options, check));
        }
    }

    fn failed_upload(&mut self, destination: &str, error: &str, outputs: &Checks) {
        let rest = format!(": {} not uploaded", counted(outputs.total, "output"));
        let subject = text(destination);
        self.heading(Outcome::InfrastructureFailed, &subject, &rest);
        self.labelled("outputs", &self.list(outputs));
        self.quoted(error.lines());
    }

    fn error(&mut self, error: &str) {
        let mut lines = error.trim().lines();
        let first = lines.next().unwrap_or("the run could not be carried out");
        self.heading(
            Outcome::InfrastructureFailed,
            "error",
            &format!(": {}", harmless(first)),
        );
        self.quoted(lines);
    }

    /// Tells what failed before, too, from what is new.
    fn compared(&self, checks: &Checks) -> String {
        let new = checks.total.saturating_sub(checks.before);
        if !self.knows_past || checks.named.is_empty() {
            String::new()
        } else if new == 0 {
            paint(&self.styles.dim, " (failed before, too)")
        } else if checks.before == 0 {
            paint(&self.styles.notice, " (new)")
        } else {
            let text = format!(
                " (new for {} of {})",
                count(new),
                counted(checks.total, "check")
            );
            paint(&self.styles.notice, text)
        }
    }

    /// The checks of a cause by name, and how many more there are.
    fn list(&self, checks: &Checks) -> String {
        match checks.total.saturating_sub(checks.named.len()) {
            0 => list(checks),
            _ => paint(&self.styles.dim, list(checks)),
        }
    }
}

/// What a cause is about: the only check, or how many there are.
pub(super) fn subject(checks: &Checks) -> String {
    match checks.named.as_slice() {
        [] => "the flake".to_owned(),
        [only] if checks.total == 1 => check_name(only),
        _ => counted(checks.total, "check"),
    }
}

/// The checks of a cause by name, and how many more there are.
pub(super) fn list(checks: &Checks) -> String {
    let named: Vec<_> = checks.named.iter().map(|check| check_name(check)).collect();
    let list = named.join(", ");
    match checks.total.saturating_sub(named.len()) {
        0 => list,
        more => format!("{list} and {} more", count(more)),
    }
}

/// Which lines of a log are shown; empty: all of them.
pub(super) fn which_lines(failure: &Failure, shown: usize, left_out: usize) -> String {
    let all = failure
        .log_lines_before
        .saturating_add(failure.log_tail.len() as u64);
    let without = match left_out {
        0 => String::new(),
        n => format!("without {} of stdenv's own", counted(n, "line")),
    };
    match (failure.log_lines_before, left_out) {
        (0, _) => without,
        (_, 0) => format!("the last {} of {} lines", count(shown), count(all)),
        (..) => format!(
            "the last {} of {} lines, {without}",
            count(failure.log_tail.len()),
            count(all)
        ),
    }
}

/// The lines of an evaluation error without that which only names its place, which is told beside it.
pub(super) fn message_lines(error: &EvaluationError) -> impl Iterator<Item = &str> {
    let place = place(error.file.as_deref(), error.line, error.column);
    let told = place.map(|place| format!("at {place}:"));
    let lines = error.error.trim().lines();
    lines.filter(move |line| told.as_deref() != Some(line.trim()))
}

/// What the daemon says of a failure, without what is told in other lines.
pub(super) fn reason(failure: &Failure) -> Vec<&str> {
    let mut lines = without_log(&failure.error, !failure.log_tail.is_empty());
    if failure.fix.is_some() {
        lines.retain(|line| !line.starts_with("specified:") && !line.starts_with("got:"));
    }
    lines
}

/// What a failed step did, up to how long it took.
pub(super) fn failed_after(outcome: Outcome) -> &'static str {
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

/// The lines of a daemon's error without the log that newer ones put behind it, if the log is shown anyway.
fn without_log(error: &str, has_log: bool) -> Vec<&str> {
    let begins_log = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.starts_with("last ") && line.contains(" log line")
    };
    let lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .take_while(|line| !(has_log && begins_log(line)))
        .collect()
}
