//! Which run begins next. Pure.

use std::{cmp::Reverse, collections::HashMap};

use crate::db::server::{Repository, RepositoryId, Run, RunKind};

/// How important a run is: the smaller, the more.
pub(super) fn class(kind: RunKind) -> u8 {
    match kind {
        RunKind::Push | RunKind::Tag | RunKind::MergeQueue | RunKind::Manual => 0,
        RunKind::PullRequest => 1,
        RunKind::Schedule => 2,
    }
}

/// The order in which runs are prepared: as they are carried out, pushes before pull requests, and repositories in turn, so
/// that many of one hold up no other.
pub(super) fn in_turn(mut taken: Vec<(Run, Repository)>) -> Vec<(Run, Repository)> {
    let mut before: HashMap<(RepositoryId, u8), usize> = HashMap::new();
    taken.sort_by_cached_key(|(run, repository)| {
        let class = class(run.new.kind);
        let nth = before.entry((repository.id, class)).or_default();
        *nth += 1;
        (class, *nth)
    });
    taken
}

/// Chooses among the runs that wait, oldest first: pushes before pull requests, then the repository of which the fewest
/// runs go on and that waited longest for one, then the newest pull request or the oldest push. `going_on` says how many
/// runs of each repository go on, `served` when one of it began last.
pub(super) fn next<'r>(
    waiting: &'r [(Run, Repository)],
    going_on: &HashMap<RepositoryId, usize>,
    served: &HashMap<RepositoryId, u64>,
) -> Option<&'r (Run, Repository)> {
    waiting
        .iter()
        .filter(|(_, repository)| !repository.paused)
        .min_by_key(|(run, repository)| {
            let is_pull_request = run.new.pull_request.is_some();
            (
                class(run.new.kind),
                going_on.get(&repository.id).copied().unwrap_or(0),
                served.get(&repository.id).copied().unwrap_or(0),
                is_pull_request.then_some(Reverse(run.id)),
                run.id,
            )
        })
}

#[cfg(test)]
mod tests;
