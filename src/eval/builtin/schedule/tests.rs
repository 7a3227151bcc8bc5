use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    ANSWERS_PER_EVICTION, Duration, Effect, FAILED_STARTS_MAX, LOSSES_MAX, Loss, Schedule, Task,
    request::{REQUEST_AIM, REQUEST_MAX},
};
use crate::{eval::builtin::worker::WorkerId, nix::AttrPath};

fn path(name: &str) -> AttrPath {
    AttrPath::new([name])
}

/// What a worker is to look at that gets one attribute.
fn look(worker: WorkerId, path: AttrPath) -> Effect {
    Effect::Look(worker, vec![path])
}

/// Lets a worker answer what it was asked last, in a time that leaves the size of its next request as it is.
fn answer(schedule: &mut Schedule, worker: WorkerId) -> Option<Task> {
    let task = schedule.looked(worker);
    schedule.rested(worker, REQUEST_AIM);
    task
}

/// A schedule whose first worker has answered that there are these attributes.
fn open(workers: usize, names: &[&str]) -> Schedule {
    let mut schedule = Schedule::new(workers);
    schedule.open();
    schedule.extend(vec![Task::evaluate(AttrPath::default())]);
    start_all(&mut schedule);
    answer(&mut schedule, 0).unwrap();
    let tasks = names.iter().map(|name| Task::evaluate(path(name)));
    schedule.extend(tasks.collect());
    start_all(&mut schedule);
    schedule
}

/// Lets all workers that are asked for start; returns what they are to look at.
fn start_all(schedule: &mut Schedule) -> Vec<Effect> {
    let mut looks = Vec::new();
    loop {
        let effects = schedule.effects();
        if effects.is_empty() {
            return looks;
        }
        for effect in effects {
            match effect {
                Effect::Start(worker) => schedule.ready(worker),
                Effect::Stop(worker) => drop(schedule.ended(worker)),
                look @ Effect::Look(..) => looks.push(look),
            }
        }
    }
}

#[test]
fn the_first_worker_starts_before_the_flake_is_locked_and_looks_afterwards() {
    let mut schedule = Schedule::new(4);
    schedule.extend(vec![Task::evaluate(AttrPath::default())]);
    assert_eq!(schedule.effects(), [Effect::Start(0)]);
    schedule.ready(0);
    assert_eq!(schedule.effects(), []);
    schedule.open();
    assert_eq!(
        schedule.effects(),
        [look(0, AttrPath::default()), Effect::Start(1)]
    );
    schedule.ready(1);
    assert_eq!(schedule.effects(), []);
    // Three attributes: one more worker is of use.
    assert!(answer(&mut schedule, 0).is_some());
    schedule.extend(
        ["a", "b", "c"]
            .map(|name| Task::evaluate(path(name)))
            .into(),
    );
    assert_eq!(
        schedule.effects(),
        [look(0, path("a")), look(1, path("b")), Effect::Start(2)]
    );
    assert_eq!(schedule.effects(), []);
}

#[test]
fn workers_are_stopped_while_the_flake_takes_long_to_lock() {
    let mut schedule = Schedule::new(2);
    schedule.extend(vec![Task::evaluate(AttrPath::default())]);
    assert_eq!(schedule.effects(), [Effect::Start(0)]);
    schedule.pause();
    assert_eq!(schedule.effects(), [Effect::Stop(0)]);
    assert_eq!(schedule.effects(), []);
    schedule.ended(0);
    assert_eq!(schedule.effects(), []);
    assert!(!schedule.is_finished());
    schedule.open();
    let looks = start_all(&mut schedule);
    assert_eq!(looks, [look(1, AttrPath::default())]);
}

#[test]
fn workers_load_the_flake_while_the_first_answer_takes_long() {
    let mut schedule = Schedule::new(3);
    schedule.extend(vec![Task::evaluate(AttrPath::default())]);
    schedule.open();
    assert_eq!(start_all(&mut schedule), [look(0, AttrPath::default())]);
    schedule.warm_up();
    assert_eq!(
        start_all(&mut schedule),
        [1, 2].map(|worker| look(worker, AttrPath::default()))
    );
    assert_eq!(answer(&mut schedule, 1), None);
    // It is warm now, and is not told to warm up again.
    assert_eq!(schedule.effects(), []);
    assert_eq!(
        answer(&mut schedule, 0),
        Some(Task::evaluate(AttrPath::default()))
    );
    assert!(schedule.is_finished());
}

#[test]
fn a_lost_task_is_tried_alone_when_all_else_is_done() {
    let mut schedule = open(2, &["a", "b"]);
    let Loss::Task(task) = schedule.ended(0) else {
        panic!("it was looking at a")
    };
    schedule.retry_alone(task);
    assert_eq!(schedule.effects(), [], "b goes on by itself");
    answer(&mut schedule, 1);
    // The other worker has a heap of its own: it goes, and a fresh one comes when it is gone.
    assert_eq!(schedule.effects(), [Effect::Stop(1)]);
    assert_eq!(schedule.effects(), []);
    assert_eq!(schedule.ended(1), Loss::Nothing);
    assert_eq!(schedule.effects(), [Effect::Start(2)]);
    schedule.extend(vec![Task::evaluate(path("c"))]);
    schedule.ready(2);
    assert_eq!(
        schedule.effects(),
        [look(2, path("c"))],
        "what is not alone comes first"
    );
    answer(&mut schedule, 2);
    assert_eq!(start_all(&mut schedule), [look(3, path("a"))]);
    schedule.extend(vec![Task::evaluate(path("d"))]);
    assert_eq!(schedule.effects(), [], "nothing runs beside it");
    let alone = answer(&mut schedule, 3).unwrap();
    assert!(alone.is_alone);
    assert_eq!(schedule.effects(), [look(3, path("d"))]);
}

#[test]
fn a_worker_that_was_dismissed_says_nothing_more() {
    let mut schedule = open(1, &["a"]);
    schedule.dismiss(0);
    assert_eq!(answer(&mut schedule, 0), None);
    assert_eq!(schedule.ended(0), Loss::Nothing);
    assert_eq!(start_all(&mut schedule), [look(1, path("a"))]);
}

#[test]
fn there_are_fewer_workers_for_some_time_when_one_had_to_go() {
    let names: Vec<String> = (0..100).map(|i| i.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut schedule = open(3, &names);
    let task = schedule.evict(1).unwrap();
    schedule.retry_alone(task);
    schedule.ended(1);
    assert_eq!(schedule.workers_max(), 2);
    for answers in 1..=ANSWERS_PER_EVICTION {
        assert_eq!(schedule.effects().len(), usize::from(answers > 1));
        assert!(answer(&mut schedule, answers % 2 * 2).is_some());
    }
    assert_eq!(schedule.workers_max(), 3);
    assert!(schedule.effects().contains(&Effect::Start(3)));
}

#[test]
fn workers_that_do_not_start_end_the_evaluation() {
    let mut schedule = Schedule::new(1);
    schedule.extend(vec![Task::evaluate(path("a"))]);
    // Not while the flake is being locked, which may tell better what is wrong.
    assert_eq!(schedule.effects(), [Effect::Start(0)]);
    assert_eq!(schedule.ended(0), Loss::Nothing);
    assert_eq!(schedule.effects(), []);
    schedule.open();
    for worker in 1..=FAILED_STARTS_MAX {
        assert_eq!(schedule.effects(), [Effect::Start(worker)]);
        let loss = schedule.ended(worker);
        assert_eq!(loss == Loss::TooMany, worker == FAILED_STARTS_MAX);
    }
}

/// Loses workers one after the other until that is too many; `forgive` says after which loss there is an answer.
fn losses_until_the_end(forgive: impl Fn(usize) -> bool) -> Option<usize> {
    let mut schedule = open(1, &[]);
    for lost in 1..LOSSES_MAX * 3 {
        schedule.extend(["a", "b"].map(|name| Task::evaluate(path(name))).into());
        while let [Effect::Look(worker, _)] = start_all(&mut schedule)[..] {
            match schedule.ended(worker) {
                Loss::TooMany => return Some(lost),
                loss @ (Loss::Task(_) | Loss::Nothing) => assert!(matches!(loss, Loss::Task(_))),
            }
            if forgive(lost)
                && let [Effect::Look(worker, _)] = start_all(&mut schedule)[..]
            {
                answer(&mut schedule, worker).unwrap();
            }
        }
    }
    None
}

#[test]
fn losses_without_end_end_the_evaluation_but_an_answer_forgives_them() {
    assert_eq!(losses_until_the_end(|_| false), Some(LOSSES_MAX / 2));
    assert_eq!(losses_until_the_end(|lost| lost % 10 == 0), None);
}

/// A schedule with this many attributes, `0` to the last, and one worker that is about to get its first request.
fn many(workers: usize, count: usize) -> Schedule {
    let names: Vec<String> = (0..count).map(|i| i.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    open(workers, &names)
}

/// Lets a worker answer all it was asked in this time; returns how much it is asked next.
fn next_request(schedule: &mut Schedule, worker: WorkerId, took: Duration) -> usize {
    while schedule.looked(worker).is_some() {}
    schedule.rested(worker, took);
    let looks = start_all(schedule);
    let Some(Effect::Look(_, paths)) = looks.first() else {
        return 0;
    };
    paths.len()
}

#[test]
fn quick_workers_get_more_at_once_but_never_more_than_their_share() {
    let mut schedule = many(1, 300);
    let mut sizes: Vec<usize> = (0..8)
        .map(|_| next_request(&mut schedule, 0, Duration::ZERO))
        .collect();
    assert_eq!(sizes, [2, 4, 8, 16, 32, REQUEST_MAX, REQUEST_MAX, 55]);
    sizes = (0..3)
        .map(|_| next_request(&mut schedule, 0, REQUEST_AIM * 3))
        .collect();
    assert_eq!(sizes, [28, 14, 7], "its share of what is left");
}

#[test]
fn what_was_not_looked_at_after_an_error_is_given_out_again() {
    let mut schedule = many(1, 9);
    assert_eq!(next_request(&mut schedule, 0, Duration::ZERO), 2);
    assert_eq!(schedule.looked(0), Some(Task::evaluate(path("1"))));
    schedule.rested(0, REQUEST_AIM);
    assert_eq!(
        schedule.effects(),
        [Effect::Look(0, vec![path("2"), path("3")])]
    );
}

#[test]
fn a_slow_attribute_does_not_hold_up_those_behind_it() {
    let mut schedule = many(2, 20);
    assert_eq!(next_request(&mut schedule, 0, Duration::ZERO), 2);
    assert_eq!(schedule.task(0), Some(&Task::evaluate(path("2"))));
    schedule.withdraw();
    assert_eq!(schedule.effects(), [], "a moment is no long time");
    schedule.withdraw();
    answer(&mut schedule, 1);
    assert_eq!(schedule.effects(), [look(1, path("3"))]);
    assert_eq!(schedule.looked(0), Some(Task::evaluate(path("2"))));
    assert_eq!(schedule.looked(0), None, "the other one tells");
}

/// What happens next to one of the workers.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Answer,
    /// It does not look at the rest of the request.
    Error,
    TimePasses,
    Dies,
    Evicted,
}

proptest! {
    /// Whatever happens to workers: all tasks end exactly once, and never are there too many workers.
    #[test]
    fn every_task_ends_once(
        workers in 1usize..5,
        tasks in 0usize..20,
        fates in proptest::collection::vec((0usize..5, prop_oneof![
            6 => Just(Happens::Answer), 1 => Just(Happens::Error), 2 => Just(Happens::TimePasses),
            1 => Just(Happens::Dies), 1 => Just(Happens::Evicted)
        ]), 0..100),
    ) {
        let mut schedule = Schedule::new(workers);
        schedule.open();
        let names: Vec<AttrPath> = (0..tasks).map(|i| path(&i.to_string())).collect();
        schedule.extend(names.iter().cloned().map(Task::evaluate).collect());
        let mut ended: BTreeSet<AttrPath> = BTreeSet::new();
        let mut looking: BTreeMap<usize, usize> = BTreeMap::new();
        let mut alive: BTreeSet<usize> = BTreeSet::new();
        let mut fates = fates.into_iter();
        for _ in 0..10_000 {
            for effect in schedule.effects() {
                match effect {
                    Effect::Start(worker) => {
                        alive.insert(worker);
                        prop_assert!(alive.len() <= workers);
                        schedule.ready(worker);
                    }
                    Effect::Look(worker, paths) => {
                        let task = schedule.task(worker).unwrap();
                        prop_assert_eq!(&task.path, &paths[0]);
                        prop_assert!(!task.is_alone || (alive.len() == 1 && paths.len() == 1));
                        looking.insert(worker, paths.len());
                    }
                    Effect::Stop(worker) => {
                        alive.remove(&worker);
                        // What it may still look at was given out again.
                        looking.remove(&worker);
                        prop_assert_eq!(schedule.ended(worker), Loss::Nothing);
                    }
                }
            }
            if schedule.is_finished() {
                break;
            }
            if looking.is_empty() {
                continue;
            }
            let (at, happens) = fates.next().unwrap_or((0, Happens::Answer));
            let worker = *looking.keys().nth(at % looking.len()).unwrap();
            let unanswered = looking.remove(&worker).unwrap();
            let task = match happens {
                Happens::Answer | Happens::Error => {
                    if let Some(task) = schedule.looked(worker) {
                        prop_assert!(ended.insert(task.path));
                    }
                    if unanswered > 1 && matches!(happens, Happens::Answer) {
                        looking.insert(worker, unanswered - 1);
                    } else {
                        schedule.rested(worker, Duration::ZERO);
                    }
                    continue;
                }
                Happens::TimePasses => {
                    looking.insert(worker, unanswered);
                    schedule.withdraw();
                    continue;
                }
                Happens::Dies => match schedule.ended(worker) {
                    Loss::Task(task) => Some(task),
                    Loss::Nothing => None,
                    Loss::TooMany => return Err(TestCaseError::fail("too many losses")),
                },
                Happens::Evicted => {
                    let task = schedule.evict(worker);
                    prop_assert_eq!(schedule.ended(worker), Loss::Nothing);
                    task
                }
            };
            alive.remove(&worker);
            let Some(task) = task else {
                continue;
            };
            if task.is_alone {
                prop_assert!(ended.insert(task.path));
            } else {
                schedule.retry_alone(task);
            }
        }
        prop_assert!(schedule.is_finished());
        prop_assert_eq!(ended, names.into_iter().collect::<BTreeSet<_>>());
    }
}
