//! Which run begins next. Pure.

use std::{cmp::Reverse, collections::HashMap};

use crate::db::server::{Repository, RepositoryId, Run, RunId, RunKind};

/// How many runs go on at once: those that build, and those that evaluate.
const RUNS_MAX: usize = 64;
/// How many of them leave room for what is pushed.
const RUNS_LESS_URGENT: usize = 48;
/// How many of them are of one repository, and how many of these leave room for what is pushed there.
const RUNS_OF_ONE: usize = 32;
const RUNS_OF_ONE_LESS_URGENT: usize = 24;

/// How many runs are prepared at once, how many of them of one forge, and of one repository.
const PREPARED_MAX: usize = 8;
const PREPARED_OF_FORGE: usize = 6;
const PREPARED_OF_ONE: usize = 4;

/// How important a run is: the smaller, the more.
pub(super) fn class(kind: RunKind) -> u8 {
    match kind {
        RunKind::Push | RunKind::Tag | RunKind::MergeQueue | RunKind::Manual => 0,
        RunKind::PullRequest => 1,
        RunKind::Schedule => 2,
    }
}

/// Chooses the runs whose preparation begins now: as they are carried out, pushes before pull requests, and repositories in
/// turn, so that many of one hold up no other. Neither a repository nor a forge takes all places: what is fetched from it
/// may take long. `going_on` has what is being prepared; of what is not fetched from yet, `is_new`, there is one at once,
/// since each would fetch all of it.
pub(super) fn to_prepare(
    taken: Vec<(Run, Repository)>,
    going_on: &HashMap<RunId, Repository>,
    is_new: impl Fn(&Repository) -> bool,
) -> Vec<(Run, Repository)> {
    let mut busy: Vec<&Repository> = going_on.values().collect();
    let taken = in_turn(taken);
    let mut chosen = Vec::new();
    for entry @ (run, repository) in &taken {
        let of_one = busy
            .iter()
            .filter(|other| other.id == repository.id)
            .count();
        let of_forge = busy
            .iter()
            .filter(|other| other.seen.forge == repository.seen.forge)
            .count();
        if busy.len() < PREPARED_MAX
            && of_forge < PREPARED_OF_FORGE
            && of_one < PREPARED_OF_ONE
            && !going_on.contains_key(&run.id)
            && (of_one == 0 || !is_new(repository))
        {
            busy.push(repository);
            chosen.push(entry.clone());
        }
    }
    chosen
}

fn in_turn(mut taken: Vec<(Run, Repository)>) -> Vec<(Run, Repository)> {
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
/// runs of each repository go on, `served` when one of it began last. None where no place is left for any: one repository
/// never takes them all, nor do pull requests.
pub(super) fn next<'r>(
    waiting: &'r [(Run, Repository)],
    going_on: &HashMap<RepositoryId, usize>,
    served: &HashMap<RepositoryId, u64>,
) -> Option<&'r (Run, Repository)> {
    let of = |repository: &Repository| going_on.get(&repository.id).copied().unwrap_or(0);
    let all: usize = going_on.values().sum();
    let has_place = |(run, repository): &&(Run, Repository)| {
        let (most, of_one) = match class(run.new.kind) {
            0 => (RUNS_MAX, RUNS_OF_ONE),
            _ => (RUNS_LESS_URGENT, RUNS_OF_ONE_LESS_URGENT),
        };
        !repository.paused && all < most && of(repository) < of_one
    };
    waiting
        .iter()
        .filter(has_place)
        .min_by_key(|(run, repository)| {
            let is_pull_request = run.new.pull_request.is_some();
            (
                class(run.new.kind),
                of(repository),
                served.get(&repository.id).copied().unwrap_or(0),
                is_pull_request.then_some(Reverse(run.id)),
                run.id,
            )
        })
}

#[cfg(test)]
mod tests;
