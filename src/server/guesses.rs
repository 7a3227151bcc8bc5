//! Slows down whoever guesses tokens.
//!
//! A client that has shown several different wrong ones is not heard for a while: what it shows then is not even compared, or
//! it would learn which is right all the same. Another client's token counts meanwhile as before. One wrong token, shown
//! again and again, is no guess: a script with a token that was replaced keeps nobody at the same address out.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::client::Client;

/// How many different wrong tokens a client may show.
const WRONG: usize = 10;
/// For how long a wrong token counts after the last one: so long a client that has shown too many is not heard.
const PAUSE: Duration = Duration::from_secs(600);
/// Of how many clients wrong tokens are remembered.
const CLIENTS: usize = 4096;

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// It is one of this server's.
    Right,
    /// It is none.
    Wrong,
    /// It is none, and no other of this client is looked at for so long.
    WrongTooOften(Duration),
    /// It was not looked at, and none of this client's is for so long.
    Unheard(Duration),
}

/// The wrong tokens of a client.
#[derive(Debug)]
struct Wrong {
    /// Each of them once, as a digest that means nothing elsewhere.
    tokens: Vec<u64>,
    last: Instant,
}

impl Wrong {
    /// How long it still is not heard.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let left = PAUSE.checked_sub(now.saturating_duration_since(self.last))?;
        (self.tokens.len() >= WRONG && !left.is_zero()).then_some(left)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= PAUSE
    }
}

/// Who has shown wrong tokens of late.
#[derive(Debug, Default)]
struct Guessers(HashMap<Client, Wrong>);

impl Guessers {
    /// What a token is worth that a client shows now; `is_right` looks at it, if anybody does.
    fn judge(
        &mut self,
        client: Client,
        token: u64,
        is_right: impl FnOnce() -> bool,
        now: Instant,
    ) -> Worth {
        if let Some(pause) = self.0.get(&client).and_then(|wrong| wrong.pause(now)) {
            return Worth::Unheard(pause);
        }
        // What was wrong before is forgotten by no right one: whoever has one could guess another.
        if is_right() {
            return Worth::Right;
        }
        let wrong = self.of(client, now);
        if wrong.tokens.contains(&token) {
            return Worth::Wrong;
        }
        wrong.tokens.push(token);
        wrong.last = now;
        wrong.pause(now).map_or(Worth::Wrong, Worth::WrongTooOften)
    }

    /// What a client has shown. Where there are too many clients, the one goes that is nearest to being forgotten, those
    /// that are not heard last.
    fn of(&mut self, client: Client, now: Instant) -> &mut Wrong {
        if self.0.get(&client).is_some_and(|wrong| wrong.is_over(now)) {
            self.0.remove(&client);
        }
        if self.0.len() >= CLIENTS && !self.0.contains_key(&client) {
            self.0.retain(|_, wrong| !wrong.is_over(now));
            let first = |(_, wrong): &(&Client, &Wrong)| (wrong.tokens.len() >= WRONG, wrong.last);
            if self.0.len() >= CLIENTS
                && let Some(goes) = self.0.iter().min_by_key(first).map(|(client, _)| *client)
            {
                self.0.remove(&goes);
            }
        }
        self.0.entry(client).or_insert_with(|| Wrong {
            tokens: Vec::new(),
            last: now,
        })
    }
}

/// Who has shown wrong tokens of late, for all who ask at once.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    guessers: Mutex<Guessers>,
    /// Makes digests of tokens: nobody outside can find two that have the same.
    digest: RandomState,
}

impl Guesses {
    /// What a token is worth that a client shows now; `is_right` looks at it, if anybody does.
    pub(super) fn judge(
        &self,
        client: Client,
        token: &[u8],
        is_right: impl FnOnce() -> bool,
    ) -> Worth {
        let token = self.digest.hash_one(token);
        let guessers = self.guessers.lock();
        // Those who ask at once are judged one after the other: none is compared that is one too many.
        let mut guessers = guessers.unwrap_or_else(PoisonError::into_inner);
        guessers.judge(client, token, is_right, Instant::now())
    }
}

#[cfg(test)]
mod tests;
