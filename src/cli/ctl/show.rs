//! Answers of a server as lines for people. Pure.

use jiff::{SpanRound, Timestamp, Unit};
use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use crate::report::harmless;

/// How long a title is in a list, in characters.
const TITLE_CHARS: usize = 50;

/// A string of an answer, made harmless.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => harmless(text),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// A table with columns as wide as they have to be.
fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.width())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells =
            cells.map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// How a run stands, in a word or two.
fn standing(run: &Value) -> String {
    match (run["state"].as_str(), run["outcome"].as_str()) {
        (Some("finished"), Some(outcome)) => outcome.to_owned(),
        (Some("approval"), _) => "needs approval".to_owned(),
        (Some("taken" | "queued"), _) => "waiting".to_owned(),
        (state, _) => state.unwrap_or_default().to_owned(),
    }
}

fn ago(value: &Value) -> String {
    let since = value.as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let Some(since) = since else {
        return String::new();
    };
    let span = since.until(Timestamp::now()).ok();
    let unit = |seconds: i64| match seconds {
        0..=119 => Unit::Second,
        120..=7199 => Unit::Minute,
        7200..=172_799 => Unit::Hour,
        _ => Unit::Day,
    };
    let rounded = span.and_then(|span| {
        let seconds = span.total(Unit::Second).ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "it is bounded by jiff")]
        let unit = unit(seconds as i64);
        let round = SpanRound::new()
            .largest(unit)
            .smallest(unit)
            .days_are_24_hours();
        span.round(round).ok()
    });
    rounded.map_or_else(String::new, |span| format!("{span:#} ago"))
}

/// A list of runs.
pub(super) fn runs(answer: &Value) -> Vec<String> {
    let Some(runs) = answer["runs"].as_array() else {
        return Vec::new();
    };
    if runs.is_empty() {
        return vec!["no runs yet".to_owned()];
    }
    let short = |git_ref: &str| {
        let short = git_ref
            .strip_prefix("refs/heads/")
            .or_else(|| git_ref.strip_prefix("refs/tags/"));
        short.unwrap_or(git_ref).to_owned()
    };
    let row = |run: &Value| {
        let title: String = text(&run["title"]).chars().take(TITLE_CHARS).collect();
        let place = match run["pull_request"].as_i64() {
            Some(number) => format!("#{number}"),
            None => short(&text(&run["ref"])),
        };
        let commit: String = text(&run["commit"]).chars().take(8).collect();
        vec![
            run["run"].to_string(),
            standing(run),
            text(&run["repository"]),
            place,
            commit,
            ago(&run["created_at"]),
            title,
        ]
    };
    table(&runs.iter().map(row).collect::<Vec<_>>())
}

/// A run.
pub(super) fn run(answer: &Value) -> Vec<String> {
    let mut lines = vec![format!(
        "run {} of {} at {}: {}",
        answer["run"],
        text(&answer["repository"]),
        text(&answer["commit"]),
        standing(answer)
    )];
    for (name, label) in [
        ("title", "title"),
        ("error", "because"),
        ("reason", "reason"),
        ("url", "page"),
    ] {
        if !text(&answer[name]).is_empty() {
            lines.extend(paragraph(label, &answer[name]));
        }
    }
    for what in ["removed", "added"] {
        let paths = answer["compared"][what].as_array().into_iter().flatten();
        let paths: Vec<String> = paths.map(text).collect();
        if !paths.is_empty() {
            lines.push(format!("checks {what}: {}", paths.join(", ")));
        }
    }
    let warnings = answer["warnings"].as_array().into_iter().flatten();
    lines.extend(warnings.flat_map(|warning| {
        let about = text(&warning["check"]);
        let about = (!about.is_empty()).then_some(format!(" of {about}"));
        let label = format!("warning{}", about.unwrap_or_default());
        paragraph(&label, &warning["message"])
    }));
    let rows = answer["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|check| {
            let outcome = text(&check["outcome"]);
            vec![
                String::new(),
                if outcome.is_empty() {
                    "waiting".to_owned()
                } else {
                    outcome
                },
                text(&check["check"]),
                harmless(first_line(&check["reason"])),
            ]
        });
    lines.extend(table(&rows.collect::<Vec<_>>()));
    let checks = answer["checks"].as_array().into_iter().flatten();
    let longer =
        checks.filter(|check| check["reason"].as_str().is_some_and(|it| it.contains('\n')));
    lines.extend(longer.flat_map(|check| paragraph(&text(&check["check"]), &check["reason"])));
    let post_builds = answer["post_builds"].as_array().into_iter().flatten();
    let rows = post_builds.map(|step| {
        let standing = match (text(&step["outcome"]), &step["done_in"]) {
            (outcome, Value::Null) if outcome.is_empty() => "going on".to_owned(),
            (outcome, Value::Null) => outcome,
            (_, run) => format!("done in run {run}"),
        };
        vec![
            String::new(),
            standing,
            format!("{} after {}", text(&step["name"]), text(&step["check"])),
            text(&step["reason"]),
        ]
    });
    lines.extend(table(&rows.collect::<Vec<_>>()));
    let failed = answer["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|step| step["log_tail"].is_string());
    for step in failed {
        lines.push(format!("{}: {}", text(&step["name"]), text(&step["error"])));
        let tail = step["log_tail"].as_str().unwrap_or_default();
        lines.extend(tail.lines().map(|line| format!("  {}", harmless(line))));
    }
    lines
}

/// A text that may have several lines, below what it is about.
fn paragraph(label: &str, value: &Value) -> Vec<String> {
    let rest = value.as_str().unwrap_or_default().lines().skip(1);
    let first = format!("{label}: {}", harmless(first_line(value)));
    [first]
        .into_iter()
        .chain(rest.map(|line| format!("  {}", harmless(line))))
        .collect()
}

fn first_line(value: &Value) -> &str {
    let text = value.as_str().unwrap_or_default();
    text.lines().next().unwrap_or_default()
}

/// The repositories.
pub(super) fn repositories(answer: &Value) -> Vec<String> {
    let all = answer["repositories"].as_array().into_iter().flatten();
    let row = |repository: &Value| {
        let is = |name: &str| repository[name].as_bool().unwrap_or_default();
        let state = match (is("enabled"), is("paused")) {
            (false, _) => "not built",
            (true, true) => "paused",
            (true, false) => "built",
        };
        vec![
            text(&repository["name"]),
            state.to_owned(),
            text(&repository["problem"]),
        ]
    };
    let rows: Vec<_> = all.map(row).collect();
    if rows.is_empty() {
        return vec!["no repositories yet".to_owned()];
    }
    table(&rows)
}

/// What is built because it is time.
pub(super) fn schedules(answer: &Value) -> Vec<String> {
    let all = answer["schedules"].as_array().into_iter().flatten();
    let row = |schedule: &Value| {
        let last = schedule["run"].as_i64();
        vec![
            text(&schedule["repository"]),
            text(&schedule["name"]),
            text(&schedule["branch"]),
            text(&schedule["cron"]),
            format!("next {}", text(&schedule["next"])),
            last.map(|run| format!("last run {run}"))
                .unwrap_or_default(),
            text(&schedule["problem"]),
        ]
    };
    let rows: Vec<_> = all.map(row).collect();
    if rows.is_empty() {
        return vec!["no schedules".to_owned()];
    }
    table(&rows)
}

/// What came of reading the settings anew.
pub(super) fn reloaded(answer: &Value) -> Vec<String> {
    let kept: Vec<String> = answer["kept"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|key| format!("`{}`", text(key)))
        .collect();
    if kept.is_empty() {
        return vec!["the settings count".to_owned()];
    }
    vec![format!(
        "the settings count, but for {}: restart the server for that",
        kept.join(", ")
    )]
}

/// Who did what.
pub(super) fn deeds(answer: &Value) -> Vec<String> {
    let all = answer["audit"].as_array().into_iter().flatten();
    let row = |deed: &Value| {
        let at = text(&deed["at"]);
        vec![
            at.split_once('.')
                .map_or(at.clone(), |(at, _)| format!("{at}Z")),
            text(&deed["who"]),
            text(&deed["what"]),
            text(&deed["detail"]),
        ]
    };
    let rows: Vec<_> = all.map(row).collect();
    if rows.is_empty() {
        return vec!["nothing yet".to_owned()];
    }
    table(&rows)
}

/// What a look at the server found.
pub(super) fn findings(answer: &Value) -> Vec<String> {
    let all = answer["findings"].as_array().into_iter().flatten();
    let row = |found: &Value| {
        let sign = match found["verdict"].as_str() {
            Some("good") => "ok",
            Some("doubtful") => "hm",
            _ => "bad",
        };
        vec![sign.to_owned(), text(&found["about"]), text(&found["text"])]
    };
    table(&all.map(row).collect::<Vec<_>>())
}

/// Whether something does not work.
pub(super) fn is_bad(answer: &Value) -> bool {
    let mut all = answer["findings"].as_array().into_iter().flatten();
    all.any(|found| found["verdict"] == "bad")
}
