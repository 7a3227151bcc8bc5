//! What may be written to a forge now, so that it never has enough of this server. Pure.
//!
//! Forges count what is written for a minute and an hour, of each account, and may ban who goes on beyond that. The
//! verdicts of runs are told as long as there is anything left; those of single checks leave something for them, and no
//! repository takes all:
//!
//! | | of a run | of a check |
//! |---|---|---|
//! | written in all | less than the limit | less than ¾ of it |
//! | written for the repository in an hour | less than ¾ of the limit | less than ¼ of it for checks |
//!
//! What was written before the server was started is not known; then the forge says when it has enough.

use std::collections::{HashMap, VecDeque};

use crate::{
    config::WriteLimits,
    db::server::{DueStatus, RepositoryId},
};

const MINUTE_MS: i64 = 60 * 1000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// What was written to a forge in the last hour, oldest first, and which accounts it has had enough of.
#[derive(Debug, Default)]
pub(super) struct Budget {
    writes: VecDeque<Write>,
    /// Until when they wait, in milliseconds since 1970.
    shut: HashMap<Option<String>, i64>,
}

#[derive(Debug)]
struct Write {
    /// In milliseconds since 1970.
    at: i64,
    account: Option<String>,
    repository: RepositoryId,
    is_of_check: bool,
}

impl Budget {
    /// Whether a state may be told now, at a time in milliseconds since 1970.
    pub(super) fn allows(&self, limits: WriteLimits, due: &DueStatus, now: i64) -> bool {
        if self
            .shut
            .get(&due.account)
            .is_some_and(|until| now < *until)
        {
            return false;
        }
        let of_account = |write: &&Write| write.account == due.account;
        let since = |age: i64| {
            let writes = self.writes.iter().filter(of_account);
            // A clock that was set back does not make what was written undone.
            writes.filter(move |write| now - write.at < age)
        };
        if let Some(limit) = limits.per_minute {
            let limit = if due.is_of_check {
                part(limit, 3)
            } else {
                limit
            };
            if since(MINUTE_MS).count() >= limit {
                return false;
            }
        }
        let Some(limit) = limits.per_hour else {
            return true;
        };
        let of_repository = || since(HOUR_MS).filter(|write| write.repository == due.repository);
        let in_all = since(HOUR_MS).count();
        if due.is_of_check {
            let of_checks = of_repository().filter(|write| write.is_of_check);
            in_all < part(limit, 3) && of_checks.count() < part(limit, 1)
        } else {
            in_all < limit && of_repository().count() < part(limit, 3)
        }
    }

    /// Notes that a forge has enough of the account of a state until then. Each has limits of its own: the others go on.
    pub(super) fn shut(&mut self, due: &DueStatus, until: i64) {
        self.shut.insert(due.account.clone(), until);
    }

    /// When the next account may be told something again, in milliseconds since 1970.
    pub(super) fn opens(&self, now: i64) -> Option<i64> {
        self.shut.values().copied().filter(|at| *at > now).min()
    }

    /// Notes that a state is told.
    pub(super) fn note(&mut self, due: &DueStatus, now: i64) {
        while self
            .writes
            .front()
            .is_some_and(|first| now - first.at >= HOUR_MS)
        {
            self.writes.pop_front();
        }
        self.writes.push_back(Write {
            at: now,
            account: due.account.clone(),
            repository: due.repository,
            is_of_check: due.is_of_check,
        });
    }
}

/// So many quarters of a limit, and never nothing.
fn part(limit: usize, quarters: usize) -> usize {
    (limit.saturating_mul(quarters) / 4).max(1)
}

#[cfg(test)]
mod tests;
