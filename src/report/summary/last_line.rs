//! The last line of a run: how many checks ended how, or why there is nothing to count.

use super::{Ending, Summary};
use crate::{
    event::{Counts, Outcome, RunOutcome},
    report::{
        ReportOptions,
        format::{count, duration},
        sanitize::harmless,
        styles::{Styles, paint},
        words::{as_it_may, first_line, list_of_systems, spoken},
    },
};

/// Writes the line.
pub(in crate::report) fn last_line(
    summary: &Summary,
    ending: Ending<'_>,
    options: &ReportOptions,
    styles: &Styles,
) -> String {
    let counts = ending.counts;
    let glyphs = styles.glyphs;
    let mut parts = Vec::new();
    if counts.total() == 0 {
        let (outcome, text) = match ending.outcome {
            RunOutcome::Passed | RunOutcome::Failed => {
                (Outcome::Skipped, no_checks(summary, options))
            }
            RunOutcome::Cancelled => (Outcome::Cancelled, stopped(summary)),
            RunOutcome::Errored => (
                Outcome::InfrastructureFailed,
                "nothing was checked".to_owned(),
            ),
        };
        let (glyph, style) = styles.outcome(outcome, false);
        parts.push(paint(style, format_args!("{glyph} {text}")));
    } else if ending.outcome == RunOutcome::Cancelled {
        parts.push(paint(&styles.notice, stopped(summary)));
    }
    if counts.passed() > 0 {
        let kinds = kinds(counts, None, Outcome::is_passed, Outcome::Built);
        let mut text = format!("{} {} passed{kinds}", glyphs.pass, count(counts.passed()));
        if summary.past.fixed > 0 {
            text = format!("{text}, {} fixed", count(summary.past.fixed));
        }
        parts.push(paint(&styles.pass, text));
    }
    let allowed = &summary.allowed;
    let failed = counts.failed().saturating_sub(allowed.total());
    if failed > 0 {
        let kinds = kinds(counts, Some(allowed), Outcome::is_failed, Outcome::Failed);
        let mut text = format!("{} {} failed{kinds}", glyphs.fail, count(failed));
        let new = failed.saturating_sub(summary.past.failed_before);
        if summary.past.is_known && new > 0 {
            text = format!("{text}, {} new", count(new));
        }
        parts.push(paint(&styles.fail, text));
    }
    if allowed.total() > 0 {
        let kinds = kinds(allowed, None, Outcome::is_failed, Outcome::Failed);
        let n = count(allowed.total());
        let text = format!("{} {n} failed{kinds}{}", glyphs.allowed, as_it_may(true));
        parts.push(paint(&styles.notice, text));
    }
    let others: Vec<_> = counts
        .iter()
        .filter(|(outcome, _)| !outcome.is_passed() && !outcome.is_failed())
        .map(|(outcome, n)| format!("{} {}", count(n), spoken(outcome)))
        .collect();
    if !others.is_empty() {
        let text = format!("{} {}", glyphs.neutral, others.join(", "));
        parts.push(paint(&styles.notice, text));
    }
    if summary.uploaded > 0 {
        parts.push(format!(
            "{} {} uploaded",
            glyphs.up,
            count(summary.uploaded)
        ));
    }
    if !summary.failed_uploads.is_empty() {
        let failed: usize = summary
            .failed_uploads
            .checks
            .iter()
            .map(|outputs| outputs.total)
            .sum();
        let text = format!("{} {} not uploaded", glyphs.fail, count(failed));
        parts.push(paint(&styles.fail, text));
    }
    parts.push(format!("in {}", duration(ending.duration)));
    parts.join("  ")
}

fn no_checks(summary: &Summary, options: &ReportOptions) -> String {
    let (none, some) = match options.attribute.as_str() {
        "checks" => ("No checks".to_owned(), "the flake has checks"),
        "" => ("Nothing to check".to_owned(), "there is something"),
        attribute => (
            format!("Nothing to check in `{}`", harmless(attribute)),
            "it has something",
        ),
    };
    let none = format!("{none} for {}", list_of_systems(&summary.systems));
    if summary.systems_available.is_empty() {
        return none;
    }
    format!(
        "{none}; {some} for {}",
        list_of_systems(&summary.systems_available)
    )
}

fn stopped(summary: &Summary) -> String {
    match &summary.cancelled {
        Some(reason) => format!("stopped ({})", first_line(reason)),
        None => "stopped".to_owned(),
    }
}

/// The kinds of outcomes behind a number, in brackets; nothing if all are of the usual one. Those in `without` are told
/// elsewhere.
fn kinds(
    counts: &Counts,
    without: Option<&Counts>,
    wanted: fn(Outcome) -> bool,
    usual: Outcome,
) -> String {
    let kinds: Vec<_> = counts
        .iter()
        .filter(|(outcome, _)| wanted(*outcome))
        .map(|(outcome, n)| {
            let elsewhere = without.map_or(0, |without| without.of(outcome));
            (outcome, n.saturating_sub(elsewhere))
        })
        .filter(|(_, n)| *n > 0)
        .collect();
    if kinds.iter().all(|(outcome, _)| *outcome == usual) {
        return String::new();
    }
    let kinds: Vec<_> = kinds
        .into_iter()
        .map(|(outcome, n)| {
            let kind = match outcome {
                Outcome::Failed => "by themselves",
                Outcome::DependencyFailed => "by a dependency",
                Outcome::EvaluationFailed => "in evaluation",
                Outcome::InfrastructureFailed => "by the infrastructure",
                Outcome::TimedOut
                | Outcome::Built
                | Outcome::Substituted
                | Outcome::Cached
                | Outcome::Evaluated
                | Outcome::Unsupported
                | Outcome::Skipped
                | Outcome::Cancelled => spoken(outcome),
            };
            format!("{} {kind}", count(n))
        })
        .collect();
    format!(" ({})", kinds.join(", "))
}

#[cfg(test)]
mod tests;
