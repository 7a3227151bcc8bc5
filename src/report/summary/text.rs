//! Writes a [`Summary`] as lines, the same on a terminal and without one.
//!
//! No line begins with a text from outside, so that a CI reads none of them as a command.

use std::time::Duration;

use console::Style;

use super::{
    Causes, Checks, Entry, Summary,
    entry::{Compared, list},
    last_line::last_line,
    passed::Passed,
};
use crate::{
    event::{Counts, Outcome, RunOutcome},
    report::{
        ReportOptions,
        format::{count, counted},
        sanitize::{harmless, log_line},
        shell,
        source_tree::Place,
        styles::{Styles, paint},
        words::{LOG_COLUMNS_MAX, check_name, place},
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
            options,
            styles,
            extent,
        };
        if extent == Extent::Full {
            text.warnings(&self.warnings);
            text.unsupported(&self.unsupported);
            text.passed(&self.passed);
        }
        for entry in self.entries(ending) {
            text.entry(&entry);
        }
        if extent != Extent::Headings && !text.lines.is_empty() {
            text.lines.push(String::new());
        }
        text.lines.push(last_line(self, ending, options, styles));
        text.lines
    }
}

impl Text<'_> {
    /// Begins a block with its heading.
    fn heading(&mut self, sign: (&str, &Style), subject: &str, rest: &str) {
        if self.extent != Extent::Headings {
            self.lines.push(String::new());
        }
        let (glyph, style) = sign;
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
        self.heading(self.styles.outcome(Outcome::Skipped, false), &heading, "");
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
                self.styles.outcome(Outcome::Unsupported, false),
                &format!("unsupported, {reason}"),
                &rest,
            );
        }
        self.more(unsupported.checks.len());
    }

    fn passed(&mut self, passed: &Passed) {
        let lines = passed.lines();
        if !lines.is_empty() {
            self.heading(self.styles.outcome(Outcome::Evaluated, false), "passed", "");
            let lines = lines.into_iter().map(|line| format!("    {line}"));
            self.lines.extend(lines);
        }
    }

    fn more(&mut self, total: usize) {
        if total > LISTED_MAX {
            self.labelled("", &format!("and {} more", count(total - LISTED_MAX)));
        }
    }

    fn entry(&mut self, entry: &Entry<'_>) {
        let compared = match &entry.compared {
            Some(Compared {
                is_new: true,
                words,
            }) => paint(&self.styles.notice, words),
            Some(Compared {
                is_new: false,
                words,
            }) => paint(&self.styles.dim, words),
            None => String::new(),
        };
        let how = format!("{}{compared}", entry.how);
        let sign = self.styles.outcome(entry.outcome, entry.is_allowed);
        self.heading(sign, &entry.subject, &how);
        if let Some(checks) = entry.breaks() {
            let is_cut = entry.checks_total > entry.checks.len();
            self.labelled("breaks", &self.dimmed(is_cut, checks));
        }
        if let Some(outputs) = &entry.outputs {
            self.labelled("outputs", outputs);
        }
        if let Some(place) = entry.place().filter(|_| !entry.has_hash_place()) {
            self.labelled("at", &place);
        }
        self.quoted(entry.reason.iter().copied());
        self.quoted(entry.excerpt.iter().map(String::as_str));
        if let Some(fix) = entry.fix {
            self.labelled("fix", &fix.one_line(self.styles.glyphs.arrow));
            for Place { file, line, column } in fix.places.iter().map(|found| &found.place) {
                let place = place(Some(file), Some(*line), Some(*column)).unwrap_or_default();
                self.labelled("", &format!("at {place}"));
            }
        }
        if !entry.log.is_empty() {
            self.labelled("log", &entry.which_lines);
            self.quoted(entry.log.iter().copied());
        }
        let check = entry.checks.first().map(String::as_str);
        let commands = shell::reproduce(self.options, entry.outcome, entry.drv_path, check);
        for (label, command) in ["rerun", ""].into_iter().zip(commands) {
            self.labelled(label, &command);
        }
        if let Some(drv_path) = entry.drv_path.filter(|_| entry.has_more_log) {
            let command = match (check, &self.options.logs) {
                (Some(check), Some(_)) => shell::show_check_log(self.options, check),
                (None, _) | (_, None) => shell::show_log(self.options, drv_path),
            };
            self.labelled("full log", &command);
        }
    }

    /// The checks of a cause by name, and how many more there are.
    fn list(&self, checks: &Checks) -> String {
        let is_cut = checks.total > checks.named.len();
        self.dimmed(is_cut, list(&checks.named, checks.total))
    }

    fn dimmed(&self, is_dim: bool, text: String) -> String {
        if is_dim {
            paint(&self.styles.dim, text)
        } else {
            text
        }
    }
}
