use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::{BYTES_MAX, code, escaped, markdown};
use crate::{
    event::{Event, EventKind, Outcome, RunOutcome},
    report::{
        options::tests::options,
        record::Record,
        script::{Script, any_events},
        summary::{
            Ending, Summary,
            tests::{X86, disaster, lenient},
        },
    },
};

fn text(events: &[Event], outcome: RunOutcome, bytes_max: usize) -> String {
    let (mut record, mut summary) = (Record::default(), Summary::new(5));
    for event in events {
        record.observe(event);
        summary.observe(event);
    }
    let counts = record.counts();
    let ending = Ending {
        outcome,
        counts: &counts,
        duration: Duration::from_secs(123),
        error: None,
    };
    markdown(&record, &summary, ending, &options(), bytes_max)
}

#[test]
fn a_run_with_everything_in_it() {
    assert_snapshot!(
        "disaster",
        text(&disaster().events, RunOutcome::Failed, BYTES_MAX)
    );
}

#[test]
fn what_may_fail_is_told_apart() {
    assert_snapshot!(
        "lenient",
        text(&lenient().events, RunOutcome::Failed, BYTES_MAX)
    );
}

#[test]
fn a_run_in_which_all_is_well() {
    let script = Script::start(&[X86])
        .check_ends("x86_64-linux.a", Outcome::Built, 12_450)
        .check_ends("x86_64-linux.b", Outcome::Cached, 0);
    assert_snapshot!(text(&script.events, RunOutcome::Passed, BYTES_MAX), @r"
    ## ✔ nixci: `my-flake` `3f2c1ab +dirty`

    ✔ 2 passed (1 built, 1 cached)  in 2m03s

    <details><summary>1 check that took longest</summary>

    | check | outcome | time |
    |---|---|---|
    | `x86_64-linux.a` | built | 12.4s |

    </details>
    ");
}

/// A run with a failure for each of these logs.
fn failures(logs: &[&str]) -> Vec<Event> {
    let mut script = Script::start(&[X86]);
    for (i, log) in logs.iter().enumerate() {
        script = script.step_ends(&format!("s{i}"), Outcome::Failed, 1, &[]);
        if let Some(EventKind::StepFinished { log_tail, .. }) =
            script.events.last_mut().map(|event| &mut event.kind)
        {
            *log_tail = log.lines().map(ToOwned::to_owned).collect();
        }
    }
    script.events
}

#[test]
fn what_does_not_fit_is_counted() {
    let long = "x".repeat(3_000);
    let events = failures(&[long.as_str(); 100]);
    let whole = text(&events, RunOutcome::Failed, BYTES_MAX);
    assert_eq!(whole.matches(&long).count(), 100);
    let short = text(&events, RunOutcome::Failed, 50_000);
    assert!(short.len() <= 50_000);
    let left = 100 - short.matches(&long).count();
    assert!((80..95).contains(&left), "{left}");
    assert!(short.ends_with(&format!(
        "The details of {left} failures did not fit: see the log.\n"
    )));
    // The table alone is too long.
    assert!(text(&events, RunOutcome::Failed, 700).len() <= 700);
    assert_eq!(text(&events, RunOutcome::Failed, 0), "");
}

#[test]
fn a_log_stays_in_its_fence() {
    let shown = text(
        &failures(&["```\n# heading\n`````\n</details>\n@someone \u{1b}[31mred\u{1b}[0m\r\n"]),
        RunOutcome::Failed,
        BYTES_MAX,
    );
    assert!(
        shown.contains("\n``````text\n```\n# heading\n`````\n</details>\n@someone red\n``````\n"),
        "{shown}"
    );
}

#[test]
fn texts_within_lines_stay_code() {
    assert_eq!(code("a"), "`a`");
    assert_eq!(code("a`b``c"), "```a`b``c```");
    assert_eq!(code("`a`"), "`` `a` ``");
    assert_eq!(code(" "), "");
    assert_eq!(super::cell("a|b"), r"`a\|b`");
    assert_eq!(
        escaped("a_b [x](y) <z> @c #1"),
        r"a\_b \[x\](y) \<z\> \@c \#1"
    );
    assert_eq!(super::html("<a>&"), "&lt;a>&amp;");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_run_fits(events in any_events(), bytes_max in 0_usize..20_000) {
        let text = text(&events, RunOutcome::Failed, bytes_max);
        prop_assert!(text.len() <= bytes_max);
        prop_assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
    }
}
