//! Runs that wait, of made-up repositories.

use std::collections::HashMap;

use super::{
    PREPARED_MAX, PREPARED_OF_FORGE, PREPARED_OF_ONE, RUNS_LESS_URGENT, RUNS_MAX, RUNS_OF_ONE,
    RUNS_OF_ONE_LESS_URGENT, in_turn, next, to_prepare,
};
use crate::db::server::{
    NewRun, OwnRules, Repository, RepositoryId, Run, RunId, RunKind, RunState, SeenRepository,
};

/// A run that waits; a pull request's has its number.
fn run(id: i64, repository: i64, kind: RunKind, pull_request: Option<i64>) -> (Run, Repository) {
    let new = NewRun {
        pull_request,
        ..NewRun::of_ref(
            RepositoryId(repository),
            kind,
            "refs/heads/main".into(),
            "c".into(),
        )
    };
    let run = Run {
        id: RunId(id),
        new,
        tested_commit: None,
        tree: None,
        base_commit: None,
        for_itself: false,
        state: RunState::Queued,
        trust: None,
        attempt: 0,
        retries: 0,
        outcome: None,
        error: None,
        counts: None,
        checks: None,
        reused_from: None,
        created_at: id,
        started_at: None,
        evaluated_at: None,
        finished_at: None,
    };
    let seen = SeenRepository {
        forge: "hub".to_owned(),
        forge_id: repository.to_string(),
        full_name: format!("acme/{repository}"),
        default_branch: "main".to_owned(),
        private: false,
        installation: None,
    };
    let repository = Repository {
        id: RepositoryId(repository),
        seen,
        enabled: true,
        paused: false,
        problem: None,
        rules: OwnRules::default(),
    };
    (run, repository)
}

fn push(id: i64, repository: i64) -> (Run, Repository) {
    run(id, repository, RunKind::Push, None)
}

fn pull_request(id: i64, repository: i64, number: i64) -> (Run, Repository) {
    run(id, repository, RunKind::PullRequest, Some(number))
}

/// Begins all that waits, one after the other; each ends before the next begins, or none does. Returns the order.
fn order(mut waiting: Vec<(Run, Repository)>, do_they_end: bool) -> Vec<i64> {
    let (mut going_on, mut served) = (HashMap::new(), HashMap::new());
    let mut order = Vec::new();
    for clock in 1.. {
        let Some((run, repository)) = next(&waiting, &going_on, &served).cloned() else {
            break;
        };
        served.insert(repository.id, clock);
        if !do_they_end {
            *going_on.entry(repository.id).or_default() += 1;
        }
        waiting.retain(|(other, _)| other.id != run.id);
        order.push(run.id.0);
    }
    order
}

#[test]
fn pushes_come_before_pull_requests_and_these_before_what_it_is_time_for() {
    let waiting = vec![
        run(1, 1, RunKind::Schedule, None),
        pull_request(2, 1, 7),
        push(3, 1),
        run(4, 1, RunKind::MergeQueue, None),
        run(5, 1, RunKind::Tag, None),
        run(6, 1, RunKind::Manual, None),
    ];
    assert_eq!(order(waiting, true), [3, 4, 5, 6, 2, 1]);
}

#[test]
fn repositories_have_their_turn_however_much_one_of_them_asks_for() {
    let waiting = || {
        let busy = (1..=4).map(|id| push(id, 1));
        busy.chain([push(5, 2), push(6, 3), push(7, 2)]).collect()
    };
    for do_they_end in [true, false] {
        assert_eq!(order(waiting(), do_they_end), [1, 5, 6, 2, 7, 3, 4]);
    }
    // A pull request waits for no turn of a push elsewhere.
    let waiting = vec![push(1, 1), pull_request(2, 2, 7), push(3, 1)];
    assert_eq!(order(waiting, true), [1, 3, 2]);
}

#[test]
fn who_has_fewest_runs_comes_first_even_if_it_was_served_last() {
    let going_on = HashMap::from([(RepositoryId(1), 2), (RepositoryId(2), 1)]);
    let served = HashMap::from([(RepositoryId(1), 1), (RepositoryId(2), 9)]);
    let waiting = [push(1, 1), push(2, 2)];
    let (chosen, _) = next(&waiting, &going_on, &served).expect("one is chosen");
    assert_eq!(chosen.id, RunId(2));
}

#[test]
fn of_pull_requests_the_newest_comes_first_and_of_pushes_the_oldest() {
    let waiting = vec![
        pull_request(1, 1, 7),
        pull_request(2, 1, 8),
        pull_request(3, 1, 7),
        push(4, 1),
        push(5, 1),
    ];
    assert_eq!(order(waiting, true), [4, 5, 3, 2, 1]);
}

#[test]
fn what_is_paused_waits() {
    let mut waiting = vec![push(1, 1), push(2, 2)];
    waiting[0].1.paused = true;
    assert_eq!(order(waiting, true), [2]);
}

#[test]
fn many_pull_requests_are_prepared_after_the_pushes_and_in_turn_with_others() {
    let waiting = [
        pull_request(1, 1, 7),
        pull_request(2, 1, 8),
        pull_request(3, 1, 9),
        pull_request(4, 2, 7),
        push(5, 1),
        push(6, 1),
        push(7, 3),
    ];
    let order = in_turn(waiting.into()).into_iter();
    let order: Vec<i64> = order.map(|(run, _)| run.id.0).collect();
    assert_eq!(order, [5, 7, 6, 1, 4, 2, 3]);
}

#[test]
fn neither_a_repository_nor_pull_requests_take_all_places() {
    // Of ten repositories each asks for a hundred.
    let count = |run_of: &dyn Fn(i64) -> (Run, Repository)| {
        order((1..=1000).map(run_of).collect(), false).len()
    };
    assert_eq!(count(&|id| push(id, 1)), RUNS_OF_ONE);
    assert_eq!(
        count(&|id| pull_request(id, 1, id)),
        RUNS_OF_ONE_LESS_URGENT
    );
    assert_eq!(count(&|id| push(id, id % 10)), RUNS_MAX);
    assert_eq!(count(&|id| pull_request(id, id % 10, id)), RUNS_LESS_URGENT);
    // One that has all that pull requests may have goes on with what is pushed.
    let going_on = HashMap::from([(RepositoryId(1), RUNS_OF_ONE_LESS_URGENT)]);
    let waiting = [pull_request(1, 1, 7), push(2, 1)];
    let (chosen, _) = next(&waiting, &going_on, &HashMap::new()).expect("one is chosen");
    assert_eq!(chosen.id, RunId(2));
    assert!(next(&waiting[..1], &going_on, &HashMap::new()).is_none());
}

#[test]
fn what_is_slow_to_fetch_from_leaves_places_for_others() {
    let at = |forge: &str, id, repository| {
        let (run, mut of) = push(id, repository);
        forge.clone_into(&mut of.seen.forge);
        (run, of)
    };
    let chosen = |taken: Vec<_>, going_on: &HashMap<_, _>, is_new: bool| {
        let chosen = to_prepare(taken, going_on, |_| is_new).into_iter();
        chosen.map(|(run, _)| run.id.0).collect::<Vec<_>>()
    };
    let of_one = || (1..=20).map(|id| at("hub", id, 1)).collect::<Vec<_>>();
    assert_eq!(
        chosen(of_one(), &HashMap::new(), false).len(),
        PREPARED_OF_ONE
    );
    assert_eq!(chosen(of_one(), &HashMap::new(), true), [1]);
    let of_forge = (1..=20).map(|id| at("hub", id, id)).collect::<Vec<_>>();
    let first = to_prepare(of_forge.clone(), &HashMap::new(), |_| false);
    assert_eq!(first.len(), PREPARED_OF_FORGE);
    // With those going on, another forge has the rest, and nothing is begun twice.
    let going_on = first.into_iter().map(|(run, of)| (run.id, of)).collect();
    let mut taken = of_forge;
    taken.extend((21..=30).map(|id| at("work", id, id)));
    let more = chosen(taken, &going_on, true);
    assert_eq!(more.len(), PREPARED_MAX - PREPARED_OF_FORGE);
    assert!(more.iter().all(|id| *id > 20), "{more:?}");
}
