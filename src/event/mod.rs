//! What a run tells the outside: owned data, without channels or borrows.
//!
//! The terminal, the JSON stream and whatever records a run see the same events in the same order. Events are made by
//! `run` alone. The JSON form is that of DESIGN.md §5; its version is [`FORMAT`], and fields are only ever added.

mod counts;
mod kind;
mod log_folder;
mod outcome;
mod progress;
mod texts;
mod wait;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use counts::Counts;
pub use kind::EventKind;
pub use log_folder::LogFolder;
pub use outcome::{Outcome, RunOutcome, UploadOutcome};
pub use progress::Progress;
pub use wait::{Download, Wait, WaitReason};

/// The version of the JSON form.
pub const FORMAT: u32 = 1;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened, by the clock on the wall.
    pub at: Timestamp,
    /// How long after the start of the run it happened.
    #[serde(rename = "elapsed_ms", with = "milliseconds")]
    pub elapsed: Duration,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The longest duration that is read, so that sums of those that another machine tells stay within what can be counted.
const DURATION_MAX: Duration = Duration::from_secs(1000 * 366 * 24 * 60 * 60);

/// Writes a duration as whole milliseconds.
pub(crate) mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let milliseconds = u64::deserialize(deserializer)?;
        Ok(Duration::from_millis(milliseconds).min(super::DURATION_MAX))
    }
}

/// Writes a duration that may be unknown as whole milliseconds.
pub(crate) mod optional_milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(
        clippy::ref_option,
        reason = "serde hands over a reference to the field"
    )]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::milliseconds::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let milliseconds = Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis);
        Ok(milliseconds.map(|duration| duration.min(super::DURATION_MAX)))
    }
}

#[cfg(test)]
mod tests;
