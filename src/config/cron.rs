//! When something is to be done again and again: cron expressions, in UTC.

use std::fmt;

use croner::parser::{CronParser, Seconds, Year};
use jiff::{Timestamp, tz::TimeZone};

/// The longest expression, in bytes.
const BYTES_MAX: usize = 100;

/// A cron expression: minute, hour, day of the month, month and day of the week, in UTC. It has a next time.
#[derive(Clone)]
pub struct Cron {
    text: String,
    times: croner::Cron,
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cron {
    /// Reads an expression; an error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is no cron expression: write minute, hour, day of the month, month and day of the week, such as `30 2 * * 1-5`",
                text.escape_debug()
            )
        };
        if text.len() > BYTES_MAX {
            return Err(format!(
                "a cron expression has {BYTES_MAX} characters at most"
            ));
        }
        // Without this check letters are made upper case first, which may be those of other alphabets.
        if !text.is_ascii() {
            return Err(wrong());
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = Self {
            times: parser.parse(text).map_err(|_| wrong())?,
            text: text.to_owned(),
        };
        // A leap day is at most eight years away.
        if cron.next_after(0).is_none() {
            return Err(format!("there is no day that `{text}` means"));
        }
        Ok(cron)
    }

    /// The first of its times after a time; both in milliseconds since 1970.
    pub fn next_after(&self, time: i64) -> Option<i64> {
        let time = Timestamp::from_millisecond(time).ok()?;
        let next = self
            .times
            .find_next_occurrence(&time.to_zoned(TimeZone::UTC), false)
            .ok()?;
        Some(next.timestamp().as_millisecond())
    }

    /// Whether there is always an hour or more between two of its times.
    pub fn is_hourly_at_most(&self) -> bool {
        self.times.pattern.minutes.values().len() == 1
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests;
