//! A run as Markdown: a file of the user's, or the summary that a CI shows of a step.
//!
//! What comes from outside stands in code, so that it can be no heading, link, image or mention. The text stays below the
//! size that GitHub takes; what does not fit is counted.

use std::fmt::Write as _;

use super::{
    ReportOptions,
    format::{count, counted, duration},
    record::Record,
    sanitize::log_line,
    shell,
    styles::Styles,
    summary::{Ending, Entry, Summary, last_line},
    words::{LOG_COLUMNS_MAX, as_it_may, check_name, headline, spoken, text},
};
use crate::event::RunOutcome;

/// How many bytes there may be: GitHub takes 1 MiB for all that a step writes.
pub(super) const BYTES_MAX: usize = 1_000_000;
/// How many failures the table has.
const ROWS_MAX: usize = 500;
/// How many checks are named as the slowest.
const SLOWEST: usize = 10;

/// Writes a run in at most so many bytes.
pub(super) fn markdown(
    record: &Record,
    summary: &Summary,
    ending: Ending<'_>,
    options: &ReportOptions,
    bytes_max: usize,
) -> String {
    let styles = Styles::new(false, true);
    let glyph = match ending.outcome {
        RunOutcome::Passed => styles.glyphs.pass,
        RunOutcome::Failed | RunOutcome::Errored => styles.glyphs.fail,
        RunOutcome::Cancelled => styles.glyphs.neutral,
    };
    let revision = record.revision.as_deref().map(code).unwrap_or_default();
    let mut out = format!("## {glyph} nixci: {} {revision}\n\n", code(&record.title));
    let last_line = last_line(summary, ending, options, &styles);
    let _ = writeln!(out, "{}\n", escaped(&last_line));
    let entries = summary.entries(ending);
    failures(&mut out, &entries);
    slowest(&mut out, record);
    let mut left_out = 0;
    for entry in &entries {
        let details = details(entry, options);
        if out.len() + details.len() + 200 > bytes_max {
            left_out += 1;
        } else {
            out.push_str(&details);
        }
    }
    if left_out > 0 {
        let _ = writeln!(
            out,
            "The details of {} did not fit: see the log.",
            counted(left_out, "failure")
        );
    }
    if out.len() > bytes_max {
        let mut end = bytes_max;
        while !out.is_char_boundary(end) {
            end -= 1;
        }
        out.truncate(end);
    }
    out
}

fn failures(out: &mut String, entries: &[Entry<'_>]) {
    if entries.is_empty() {
        return;
    }
    out.push_str("| what | how | breaks | why |\n|---|---|---|---|\n");
    for entry in entries.iter().take(ROWS_MAX) {
        let mut checks = String::new();
        if entry.breaks().is_some() {
            let named: Vec<_> = entry
                .checks
                .iter()
                .map(|check| cell(&check_name(check)))
                .collect();
            checks = named.join(", ");
            if entry.checks_total > named.len() {
                let _ = write!(
                    checks,
                    " and {} more",
                    count(entry.checks_total - named.len())
                );
            }
        }
        let _ = writeln!(
            out,
            "| {} | {} | {checks} | {} |",
            cell(&entry.subject),
            escaped(entry.how_compared().trim_start_matches([':', ' '])),
            cell(headline(&entry.reason.join("\n")))
        );
    }
    if entries.len() > ROWS_MAX {
        let _ = writeln!(
            out,
            "\nand {} more failures",
            count(entries.len() - ROWS_MAX)
        );
    }
    out.push('\n');
}

fn slowest(out: &mut String, record: &Record) {
    let slowest = record.slowest(SLOWEST);
    if slowest.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "<details><summary>{} that took longest</summary>\n\n| check | outcome | time |\n|---|---|---|",
        counted(slowest.len(), "check")
    );
    for check in slowest {
        let (name, outcome) = (cell(&check_name(&check.check)), spoken(check.outcome));
        let may = as_it_may(check.allowed);
        let took = duration(check.duration);
        let _ = writeln!(out, "| {name} | {outcome}{may} | {took} |");
    }
    out.push_str("\n</details>\n\n");
}

fn details(entry: &Entry<'_>, options: &ReportOptions) -> String {
    let open = if entry.is_allowed { "" } else { " open" };
    let mut out = format!(
        "<details{open}><summary><code>{}</code>{}</summary>\n\n",
        html(&entry.subject),
        html(&entry.how_compared())
    );
    if let Some(place) = entry.place() {
        let _ = writeln!(out, "At {}:\n", code(&place));
    }
    block(
        &mut out,
        entry
            .outputs
            .as_deref()
            .into_iter()
            .chain(entry.reason.iter().copied()),
    );
    block(&mut out, entry.excerpt.iter().map(String::as_str));
    if let Some(fix) = entry.fix {
        block(&mut out, [fix.one_line("→").as_str()]);
    }
    if !entry.log.is_empty() {
        if !entry.which_lines.is_empty() {
            let _ = writeln!(out, "Log, {}:\n", entry.which_lines);
        }
        block(&mut out, entry.log.iter().copied());
    }
    let commands = shell::reproduce(
        options,
        entry.outcome,
        entry.drv_path,
        entry.checks.first().map(String::as_str),
    );
    block(&mut out, commands.iter().map(String::as_str));
    out.push_str("</details>\n\n");
    out
}

/// Lines of text as they are, in a fence that none of them can end.
fn block<'l>(out: &mut String, lines: impl IntoIterator<Item = &'l str>) {
    let lines: Vec<_> = lines
        .into_iter()
        .map(|line| log_line(line, false, LOG_COLUMNS_MAX, "…"))
        .collect();
    if lines.is_empty() {
        return;
    }
    let longest = lines
        .iter()
        .map(|line| longest_run(line, '`'))
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    let _ = writeln!(out, "{fence}text\n{}\n{fence}\n", lines.join("\n"));
}

/// A text within a line, as code.
fn code(words: &str) -> String {
    let text = text(words);
    if text.trim().is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&text, '`') + 1);
    // A space at both ends is taken off again.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) {
        " "
    } else {
        ""
    };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A text within a cell of a table, as code.
fn cell(text: &str) -> String {
    code(text).replace('|', r"\|")
}

/// Words of ours with something from outside in them.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_punctuation() && !matches!(c, '.' | ',' | ':' | '(' | ')' | '-' | ';' | '/') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A text within an element of HTML.
fn html(words: &str) -> String {
    text(words).replace('&', "&amp;").replace('<', "&lt;")
}

fn longest_run(text: &str, c: char) -> usize {
    text.split(|other| other != c)
        .map(str::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
