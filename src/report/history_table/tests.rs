use std::time::Duration;

use super::{HistoryRow, HistorySign, history_heading, history_table};

fn row(
    age_s: u64,
    sign: HistorySign,
    outcome: &str,
    millis: Option<u64>,
    details: &[&str],
) -> HistoryRow {
    HistoryRow {
        age: Duration::from_secs(age_s),
        sign,
        outcome: outcome.into(),
        duration: millis.map(Duration::from_millis),
        details: details.iter().map(ToString::to_string).collect(),
    }
}

fn rows() -> Vec<HistoryRow> {
    vec![
        row(
            3,
            HistorySign::Neutral,
            "running",
            None,
            &["3f2c1ab +dirty", ""],
        ),
        row(
            300,
            HistorySign::Passed,
            "built",
            Some(62_000),
            &["3f2c1ab", ""],
        ),
        row(7200, HistorySign::Passed, "cached", Some(0), &["", ""]),
        row(
            400_000,
            HistorySign::Failed,
            "failed",
            Some(3100),
            &["8ab1234", "check\u{1b}[2JPhase"],
        ),
    ]
}

#[test]
fn a_table_with_bars() {
    insta::assert_snapshot!(history_table(&rows(), false, true, 80).join("\n"), @r"
 3s ago  – running                               3f2c1ab +dirty
 5m ago  ✔ built    1m02s  ████████████████████  3f2c1ab
 2h ago  ✔ cached    0.0s
 4d ago  ✖ failed    3.1s  █                     8ab1234         check\u{1b}[2JP…
");
}

#[test]
fn in_ascii_and_cut_to_a_narrow_terminal() {
    insta::assert_snapshot!(history_table(&rows(), false, false, 40).join("\n"), @r"
 3s ago  - running                     3f
 5m ago  + built    1m02s  ##########  3f
 2h ago  + cached    0.0s
 4d ago  x failed    3.1s  #           8a
");
}

#[test]
fn a_heading_says_what_the_rows_have_in_common() {
    assert_eq!(
        history_heading("checks.a\u{1b}", &rows()),
        "checks.a\\u{1b}: 4 runs, 2 passed, 1 failed, takes about 1m"
    );
    assert_eq!(history_heading("checks.a", &rows()[..1]), "checks.a: 1 run");
}

#[test]
fn no_line_is_wider_than_the_terminal_or_has_foreign_escapes() {
    for width in 0..100 {
        for line in history_table(&rows(), false, true, width) {
            assert!(super::columns(&line) <= width, "{width}: {line}");
            assert!(!line.contains('\u{1b}'), "{line:?}");
        }
    }
}

#[test]
fn colours_are_those_of_the_outcome() {
    let lines = history_table(&rows(), true, true, 80);
    assert!(
        lines[1].contains("\u{1b}[32m✔ built\u{1b}[0m"),
        "{:?}",
        lines[1]
    );
}
