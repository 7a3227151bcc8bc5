//! How many checks ended how.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Outcome;

/// A number for each outcome that occurred.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Counts(BTreeMap<Outcome, usize>);

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, outcome: Outcome) {
        *self.0.entry(outcome).or_default() += 1;
    }

    /// Counts one that ended so as one that ended otherwise.
    pub fn move_one(&mut self, from: Outcome, to: Outcome) {
        if let Some(count) = self.0.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&from);
            }
        }
        self.add(to);
    }

    /// How many ended so.
    pub fn of(&self, outcome: Outcome) -> usize {
        self.0.get(&outcome).copied().unwrap_or_default()
    }

    /// How many passed.
    pub fn passed(&self) -> usize {
        self.sum(Outcome::is_passed)
    }

    /// How many failed.
    pub fn failed(&self) -> usize {
        self.sum(Outcome::is_failed)
    }

    /// How many ended at all.
    pub fn total(&self) -> usize {
        self.sum(|_| true)
    }

    /// The outcomes that occurred, with their numbers, in the order of [`Outcome::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Outcome, usize)> + '_ {
        self.0.iter().map(|(outcome, n)| (*outcome, *n))
    }

    fn sum(&self, wanted: fn(Outcome) -> bool) -> usize {
        self.iter()
            .filter(|(outcome, _)| wanted(*outcome))
            .map(|(_, n)| n)
            .sum()
    }
}
