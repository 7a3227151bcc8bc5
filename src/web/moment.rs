//! Times and durations in words.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

use crate::report::duration;

/// A time, as a browser and as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// By RFC 3339.
    pub at: String,
    /// `2026-11-20 19:54 UTC`.
    pub date: String,
    /// `3m ago`.
    pub ago: String,
}

impl Moment {
    /// A time in milliseconds since 1970, seen from another.
    pub(super) fn new(at: i64, now: i64) -> Self {
        let time = Timestamp::from_millisecond(at).unwrap_or_default();
        let second = Timestamp::from_second(time.as_second()).unwrap_or_default();
        let date = second.to_zoned(TimeZone::UTC);
        Self {
            at: second.to_string(),
            date: date.strftime("%Y-%m-%d %H:%M UTC").to_string(),
            ago: ago(now - at),
        }
    }
}

/// Now, in milliseconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn ago(millis: i64) -> String {
    let seconds = millis.max(0) / 1000;
    match seconds {
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..86400 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86400),
    }
}

/// How long something took, in milliseconds.
pub(super) fn took(millis: i64) -> String {
    duration(Duration::from_millis(
        u64::try_from(millis).unwrap_or_default(),
    ))
}
