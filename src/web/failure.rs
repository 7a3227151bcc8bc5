//! Why checks failed: each cause once, with the checks that it breaks and its last words.

use std::collections::HashMap;

use super::{ansi::LogHtml, site::Site};
use crate::{
    db::server::{CheckRow, FailedBuild, StepRow},
    event::Outcome,
    report::{harmless, headline},
};

/// How many causes a page shows.
const FAILURES: usize = 100;
/// How many checks are named with a cause.
const CHECKS: usize = 20;
/// How many lines of a log are shown with a cause, and of a warning.
const LINES: usize = 15;

/// A cause of failures.
#[derive(Debug)]
pub(super) struct Failure {
    /// What failed.
    pub name: String,
    /// Whether that is an evaluation, and no build.
    pub is_evaluation: bool,
    /// The checks that it breaks: name and page.
    pub checks: Vec<(String, String)>,
    /// How many more it breaks.
    pub more_checks: usize,
    /// What happened, in a line; empty where that is in `lines`.
    pub reason: String,
    /// The last lines of the log, or the text of the error, as HTML.
    pub lines: Vec<String>,
    /// The page with the whole log.
    pub log: Option<String>,
    /// The run that it failed in before, because of which it was not built: its number and page.
    pub before: Option<(i64, String)>,
}

/// The causes of all failures of a run, and how many more there are.
pub(super) fn failures(
    site: &Site,
    run: i64,
    checks: &[CheckRow],
    steps: &HashMap<&str, &StepRow>,
) -> (Vec<Failure>, usize) {
    let mut order: Vec<String> = Vec::new();
    let mut by_cause: HashMap<String, Vec<&CheckRow>> = HashMap::new();
    let failed = |check: &&CheckRow| {
        let outcome = check.outcome.as_deref().and_then(Outcome::parse);
        outcome.is_some_and(Outcome::is_failed)
    };
    for check in checks.iter().filter(failed) {
        let cause = check.cause.as_ref().or(check.drv_path.as_ref());
        // What could not be evaluated has none but its text: equal ones are one.
        let key = match (check.outcome.as_deref(), cause) {
            (Some("evaluation_failed"), _) | (_, None) => {
                format!(" {}", check.reason.as_deref().unwrap_or_default())
            }
            (_, Some(drv_path)) => drv_path.clone(),
        };
        let of_cause = by_cause.entry(key.clone()).or_default();
        if of_cause.is_empty() {
            order.push(key);
        }
        of_cause.push(check);
    }
    let more = order.len().saturating_sub(FAILURES);
    let failures = order
        .iter()
        .take(FAILURES)
        .map(|key| {
            let broken = &by_cause[key];
            failure(site, run, broken, steps.get(key.as_str()).copied())
        })
        .collect();
    (failures, more)
}

fn failure(site: &Site, run: i64, broken: &[&CheckRow], step: Option<&StepRow>) -> Failure {
    let first = broken[0];
    let reason = first.reason.as_deref().unwrap_or_default();
    let (name, reason, lines) = match step {
        Some(step) => (
            step.name.clone(),
            headline(step.error.as_deref().unwrap_or(reason)),
            last_lines(step.log_tail.as_deref().unwrap_or_default()),
        ),
        None => (first.path.clone(), "", last_lines(reason)),
    };
    let is_evaluation = first.outcome.as_deref() == Some("evaluation_failed");
    // What the flake says of itself is no refusal, whatever it reads like.
    let before = step
        .and_then(|step| step.error.as_deref())
        .or(first.reason.as_deref().filter(|_| !is_evaluation))
        .and_then(FailedBuild::run_of_refusal);
    Failure {
        name: harmless(&name),
        is_evaluation,
        checks: broken
            .iter()
            .take(CHECKS)
            .map(|check| (harmless(&check.path), site.check(run, &check.path)))
            .collect(),
        more_checks: broken.len().saturating_sub(CHECKS),
        reason: harmless(reason),
        lines,
        log: step
            .filter(|_| before.is_none())
            .map(|step| site.step(run, step.id)),
        before: before.map(|before| (before.0, site.run(before.0))),
    }
}

/// The last lines of a text, as HTML.
pub(super) fn last_lines(text: &str) -> Vec<String> {
    let mut lines = html_lines(text);
    lines.split_off(lines.len().saturating_sub(LINES))
}

/// The first lines of a text, as HTML.
pub(super) fn first_lines(text: &str) -> Vec<String> {
    let mut lines = html_lines(text);
    lines.truncate(LINES);
    lines
}

fn html_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut html = LogHtml::default();
    let mut push = |line: &str| {
        lines.push(if is_excerpt(line) {
            format!("<span class=\"excerpt\">{line}</span>")
        } else {
            line.to_owned()
        });
    };
    html.feed(text.as_bytes(), &mut push);
    html.finish(&mut push);
    lines
}

/// Whether a line is one of source code with its number, `12| foo`, or has the mark below such a one: broken, it would
/// point elsewhere.
fn is_excerpt(line: &str) -> bool {
    let number = line.trim_start_matches(' ');
    let after = number.trim_start_matches(|c: char| c.is_ascii_digit());
    after.trim_start_matches(' ').starts_with('|')
}

#[cfg(test)]
mod tests {
    use super::first_lines;

    #[test]
    fn lines_of_source_are_not_broken() {
        let text = "at flake.nix:2:9:\n 1| { a = <b>;\n  |       ^\n12 | c\nor | so\n";
        let excerpt = |line: &str| format!("<span class=\"excerpt\">{line}</span>");
        assert_eq!(
            first_lines(text),
            [
                "at flake.nix:2:9:".to_owned(),
                excerpt(" 1| { a = &lt;b&gt;;"),
                excerpt("  |       ^"),
                excerpt("12 | c"),
                "or | so".to_owned()
            ]
        );
    }
}
