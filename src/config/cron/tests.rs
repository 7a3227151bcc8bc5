//! Expressions as people write them, and as nobody should.

use std::time::Instant;

use jiff::Timestamp;
use proptest::prelude::*;

use super::Cron;

fn millis(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_millisecond()
}

/// The times of an expression after another.
fn times(text: &str, after: &str, count: usize) -> Vec<String> {
    let cron = Cron::parse(text).unwrap();
    let mut time = millis(after);
    let mut next = || {
        time = cron.next_after(time).unwrap();
        Timestamp::from_millisecond(time).unwrap().to_string()
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn the_next_time_is_in_utc_and_never_now() {
    assert_eq!(
        times("30 2 * * 1-5", "2026-11-27T02:29:59.999Z", 2),
        ["2026-11-27T02:30:00Z", "2026-11-30T02:30:00Z"]
    );
    assert_eq!(
        times("* * * * *", "2026-11-27T02:30:00Z", 2),
        ["2026-11-27T02:31:00Z", "2026-11-27T02:32:00Z"]
    );
    assert_eq!(
        times("0 0 29 2 *", "2096-03-01T00:00:00Z", 1),
        ["2104-02-29T00:00:00Z"]
    );
    // As everywhere, either the day of the month or that of the week is enough.
    assert_eq!(
        times("0 0 1 * sun", "2026-11-28T00:00:00Z", 3),
        [
            "2026-11-29T00:00:00Z",
            "2026-12-01T00:00:00Z",
            "2026-12-06T00:00:00Z"
        ]
    );
    assert_eq!(
        times("@daily", "2026-11-28T00:00:00Z", 1),
        ["2026-11-29T00:00:00Z"]
    );
}

#[test]
fn what_is_none_is_refused_with_what_to_write() {
    for text in [
        "",
        "daily",
        "@never",
        "* * * *",
        "* * * * * *",
        "* * * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "0 0 0 1 *",
        "*/0 * * * *",
        "5-1 * * * *",
        "0 0 * * 8",
        "\u{1b}[31m * * * *",
        "０ 0 * * *",
    ] {
        let error = Cron::parse(text).unwrap_err();
        assert!(error.contains("is no cron expression: write"), "{error}");
        assert!(!error.contains('\u{1b}'));
    }
    let long = format!("{} * * * *", "1,".repeat(100));
    assert!(Cron::parse(&long).unwrap_err().contains("100 characters"));
    let began = Instant::now();
    let error = Cron::parse("0 0 30 2 *").unwrap_err();
    assert_eq!(error, "there is no day that `0 0 30 2 *` means");
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}

#[test]
fn what_comes_more_than_once_an_hour_is_known() {
    for text in [
        "0 * * * *",
        "59 */2 * * *",
        "@hourly",
        "@daily",
        "7,7 * * * *",
    ] {
        assert!(Cron::parse(text).unwrap().is_hourly_at_most(), "{text}");
    }
    for text in ["* * * * *", "*/30 * * * *", "0,1 0 1 1 *", "0-1 * * * *"] {
        assert!(!Cron::parse(text).unwrap().is_hourly_at_most(), "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_or_refused(
        text in "[0-9*,/LW#?@a-zA-Z-]{0,8}( [0-9*,/LW#?a-zA-Z+-]{1,6}){0,6}|.{0,120}",
        time in 0_i64..4_000_000_000_000,
    ) {
        if let Ok(cron) = Cron::parse(&text) {
            let next = cron.next_after(time).unwrap();
            prop_assert!(next > time);
            let after = cron.next_after(next).unwrap();
            prop_assert!(!cron.is_hourly_at_most() || after - next >= 3_600_000);
        }
    }
}
