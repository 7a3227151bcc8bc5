//! Workers: how many there are, and what becomes of attributes whose worker dies, grows too large, or is not wanted any
//! more.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use nixci::{
    eval::{BuiltinEvaluator, EvalError, Evaluated, Evaluator},
    nix::StorePath,
};
use tokio::sync::mpsc;

use crate::{
    harness::{Evaluation, NoRoots, each_nix, url},
    support::{
        AT_ONCE, PATIENCE, Project, nix,
        program::write_program,
        project::SYSTEM,
        store::{StoreProcess, TestStore},
        wait_until,
    },
};

/// An expression that needs this many MiB, and is kept as long as its worker lives.
fn ballast(mib: usize) -> String {
    // A pointer and a value each.
    let count = mib * 1024 * 1024 / 32;
    format!("builtins.seq (builtins.length (builtins.genList (x: x) {count}))")
}

/// Expressions that take a while.
const SLOW: &str =
    "builtins.seq (builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 300000))";

fn evaluation<'s>(store: &'s TestStore, project: &Project<'_>) -> Evaluation<'s> {
    Evaluation::new(store, &format!("{}#checks", url(project.dir())))
}

#[test]
fn an_attribute_that_needs_too_much_memory_fails_alone() {
    each_nix(|nix, store| {
        let mut project = Project::new(store).expression(
            "eats-all",
            "builtins.foldl' (all: x: all + \"${all}${toString x}\") \"x\" (builtins.genList (x: x) 60)",
        );
        for i in 0..6 {
            let expression = format!("{SLOW} (build \"a\" \"\" {{ i = {i}; }})");
            project = project.expression(&format!("a{i}"), &expression);
        }
        let project = project.committed();
        let mut evaluation = evaluation(store, &project);
        evaluation.request.memory_budget_bytes = 700 << 20;
        let started = Instant::now();
        let found = evaluation.run();
        found.summary();
        assert_eq!(found.checks.len(), 6, "{nix}: {found:#?}");
        let message = &found.failed[&format!("{SYSTEM}.eats-all")].message;
        assert_eq!(
            message,
            "its evaluation needs more than 700 MiB, even alone: raise the budget with `--eval-memory`",
            "{nix}"
        );
        assert!(started.elapsed() < PATIENCE);
    });
}

#[test]
fn attributes_that_fit_only_one_by_one_are_evaluated_one_by_one() {
    each_nix(|nix, store| {
        let mut project = Project::new(store);
        for i in 0..8 {
            let expression = format!(
                "{} ({SLOW} (build \"a\" \"\" {{ i = {i}; }}))",
                ballast(200)
            );
            project = project.expression(&format!("a{i}"), &expression);
        }
        let project = project.committed();
        let mut evaluation = evaluation(store, &project);
        evaluation.request.workers = 3;
        evaluation.request.memory_budget_bytes = 900 << 20;
        let found = evaluation.run();
        assert_eq!(found.drv_paths().len(), 8, "{nix}: {:#?}", found.failed);
    });
}

/// Kills all workers of a store, as the kernel does when memory runs out. Returns how many there were.
fn kill_workers(store: &TestStore) -> usize {
    let workers: Vec<_> = store.processes();
    let workers = workers
        .iter()
        .filter(|process| process.command_line.contains(" repl --show-trace"));
    workers.map(StoreProcess::kill).count()
}

#[test]
fn workers_that_are_killed_cost_nothing_once() {
    each_nix(|nix, store| {
        let mut project = Project::new(store);
        for i in 0..30 {
            let expression = format!("{SLOW} (build \"a\" \"\" {{ i = {i}; }})");
            project = project.expression(&format!("a{i}"), &expression);
        }
        let project = project.committed();
        let evaluation = evaluation(store, &project);
        let found = thread::scope(|scope| {
            let running = scope.spawn(|| evaluation.run());
            // Let them begin, and take them away once.
            wait_until("a worker", || {
                store
                    .processes()
                    .iter()
                    .any(|process| process.command_line.contains(" repl --show-trace"))
            });
            thread::sleep(Duration::from_millis(300));
            assert!(
                kill_workers(store) > 0 || running.is_finished(),
                "{nix}: nothing was killed"
            );
            running.join().unwrap()
        });
        assert_eq!(found.drv_paths().len(), 30, "{nix}");
    });
}

#[test]
fn an_attribute_whose_worker_is_always_killed_fails() {
    each_nix(|nix, store| {
        let project = Project::new(store)
            .check("good", "")
            .expression(
                "kills",
                // It waits long enough to be killed, twice.
                "builtins.trace \"now\" (builtins.seq (builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 80000000)) 1)",
            )
            .committed();
        let mut evaluation = evaluation(store, &project);
        evaluation.request.memory_budget_bytes = 64 << 30;
        let found = thread::scope(|scope| {
            let running = scope.spawn(|| evaluation.run());
            while !running.is_finished() {
                thread::sleep(Duration::from_millis(150));
                for worker in store.processes() {
                    // The workers that grow are those that look at it.
                    let status = fs::read_to_string(format!("/proc/{}/status", worker.id))
                        .unwrap_or_default();
                    let rss = status
                        .lines()
                        .find_map(|line| line.strip_prefix("VmRSS:"))
                        .unwrap_or_default();
                    let kib: u64 = rss.trim().trim_end_matches(" kB").parse().unwrap_or(0);
                    if worker.command_line.contains(" repl --show-trace") && kib > 300 << 10 {
                        worker.kill();
                    }
                }
            }
            running.join().unwrap()
        });
        found.summary();
        assert_eq!(found.checks.len(), 1);
        assert_eq!(
            found.failed[&format!("{SYSTEM}.kills")].message,
            "Nix was killed by signal 9 while it evaluated this alone: was there too little memory?",
            "{nix}"
        );
    });
}

#[test]
fn a_cancelled_evaluation_leaves_nothing_behind() {
    each_nix(|nix, store| {
        let mut project = Project::new(store);
        for i in 0..20 {
            project = project.expression(
                &format!("a{i}"),
                "let f = n: if n == 0 then 0 else f (n - 1) + f (n - 1); in f 40",
            );
        }
        let project = project.committed();
        for after in [0, 30, 100, 400] {
            let evaluation = evaluation(store, &project);
            let cancel = evaluation.cancel.clone();
            let found = thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(after));
                    cancel.cancel();
                });
                evaluation.run()
            });
            assert!(matches!(found.error(), EvalError::Cancelled), "{nix}");
        }
    });
}

#[test]
fn what_the_evaluation_builds_ends_with_it() {
    for with_daemon in [false, true] {
        each_nix(|nix, _| {
            let store = nix.store();
            let store = if with_daemon {
                store.with_daemon()
            } else {
                store
            };
            let project = Project::new(&store)
                .expression("builds", "import (build \"x\" \"nap 1000\" { })")
                .committed();
            let evaluation = evaluation(&store, &project);
            let cancel = evaluation.cancel.clone();
            let found = thread::scope(|scope| {
                scope.spawn(|| {
                    wait_until("a builder", || !store.builders().is_empty());
                    cancel.cancel();
                });
                evaluation.run()
            });
            assert!(matches!(found.error(), EvalError::Cancelled), "{nix}");
        });
    }
}

#[test]
fn an_evaluation_that_is_dropped_or_that_nobody_listens_to_ends() {
    each_nix(|nix, store| {
        let project = Project::new(store)
            .check("a", "")
            .expression(
                "slow",
                "let f = n: if n == 0 then 0 else f (n - 1) + f (n - 1); in f 40",
            )
            .committed();
        let evaluation = evaluation(store, &project);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            // Nobody listens any more.
            let (found_tx, mut found_rx) = mpsc::channel(1);
            let evaluate = BuiltinEvaluator.evaluate(
                &evaluation.request,
                &NoRoots,
                found_tx,
                evaluation.cancel.clone(),
            );
            let listen = async {
                while !matches!(found_rx.recv().await, Some(Evaluated::Check(_)) | None) {}
                drop(found_rx);
            };
            let (result, ()) = tokio::join!(evaluate, listen);
            assert!(matches!(result, Err(EvalError::Cancelled)), "{nix}");
            // The future is dropped.
            let (found_tx, mut found_rx) = mpsc::channel(1);
            let evaluate = BuiltinEvaluator.evaluate(
                &evaluation.request,
                &NoRoots,
                found_tx,
                evaluation.cancel.clone(),
            );
            tokio::select! {
                _ = evaluate => panic!("it ended"),
                _ = found_rx.recv() => {}
            }
        });
        let left = store.wait_until_idle(AT_ONCE);
        assert!(left.is_empty(), "{nix}: {left:#?}");
    });
}

#[test]
fn what_was_found_survives_a_garbage_collection() {
    each_nix(|nix, store| {
        let project = Project::new(store)
            .check("a", "")
            .check("b", "")
            .committed();
        let found = evaluation(store, &project).run();
        store.run_nix(&["store", "gc"], store.folder());
        for check in found.checks.values() {
            let path: &StorePath = &check.drv_path;
            assert!(fs::exists(path.as_str()).unwrap(), "{nix}: {path} is gone");
        }
    });
}

#[test]
fn a_nix_that_does_not_run_is_named() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("a", "").committed();
    let mut evaluation = evaluation(&store, &project);
    let good = evaluation.request.nix.clone();
    evaluation.request.nix = "/nowhere/nix".into();
    let error = evaluation.run().error().to_string();
    assert!(
        error.starts_with("cannot run `/nowhere/nix`: No such file"),
        "{error}"
    );
    // One whose workers end at once.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in 'repl '*) echo 'error: cannot open the store' >&2; exit 1;; esac\nexec '{}' \"$@\"\n",
        good.display()
    );
    evaluation.request.nix = write_program(&store.folder().join("broken"), &script);
    let error = evaluation.run().error().to_string();
    assert_eq!(
        error,
        "`nix repl` ends again and again: error: cannot open the store"
    );
    // One that says nothing sensible.
    evaluation.request.nix =
        write_program(&store.folder().join("silly"), "#!/bin/sh\necho hello\n");
    let error = evaluation.run().error().to_string();
    assert!(
        error.starts_with("cannot understand what `nix flake metadata --json` says"),
        "{error}"
    );
}
