//! Which refused webhooks are written to the log: of each forge and reason the first, and then once a minute how many more.
//!
//! Anybody can send what is refused. The log would be full of it, and of nothing else.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::forge::SignatureError;

/// For how long nothing is said of the same.
const SILENCE: Duration = Duration::from_secs(60);

/// What was said last of one reason.
#[derive(Debug)]
struct Said {
    at: Instant,
    /// How many came since.
    more: u64,
}

/// What was said of which forge. Their names are those of the configuration, so it stays small.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<HashMap<(String, SignatureError), Said>>);

impl Refusals {
    /// Notes a webhook that is refused. If that is to be said, returns how many others were not since the last time.
    pub(super) fn note(&self, forge: &str, why: SignatureError) -> Option<u64> {
        self.note_at(forge, why, Instant::now())
    }

    fn note_at(&self, forge: &str, why: SignatureError, now: Instant) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = |at| Said { at, more: 0 };
        let Some(said) = all.get_mut(&(forge.to_owned(), why)) else {
            all.insert((forge.to_owned(), why), begun(now));
            return Some(0);
        };
        if now.saturating_duration_since(said.at) < SILENCE {
            said.more += 1;
            return None;
        }
        Some(std::mem::replace(said, begun(now)).more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_is_said_once_a_minute() {
        let refusals = Refusals::default();
        let began = Instant::now();
        let note = |forge: &str, why, seconds| {
            refusals.note_at(forge, why, began + Duration::from_secs(seconds))
        };
        let other = SignatureError::Sha1Only;
        assert_eq!(note("work", SignatureError::NoSecret, 0), Some(0));
        for seconds in 0..60 {
            assert_eq!(note("work", SignatureError::NoSecret, seconds), None);
        }
        // What else is wrong is not lost among them.
        assert_eq!(note("work", other, 30), Some(0));
        assert_eq!(note("hub", SignatureError::NoSecret, 30), Some(0));
        assert_eq!(note("work", SignatureError::NoSecret, 60), Some(60));
        assert_eq!(note("work", SignatureError::NoSecret, 119), None);
        assert_eq!(note("work", SignatureError::NoSecret, 300), Some(1));
        assert_eq!(note("work", other, 300), Some(0));
    }
}
