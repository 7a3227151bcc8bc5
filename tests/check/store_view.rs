//! The store as a run sees it, against real daemons: what is there and what is not, and that a daemon that went away and
//! came back is asked again.

use std::{future::Future, path::Path, sync::Arc, time::Duration};

use nixci::{
    eval::RootKeeper,
    graph::StoreView,
    nix::StorePath,
    run::{Builder, PooledStore, Start, StepEnd, StepId},
    store::{BuildLimits, ClientSettings, Pool, StoreAddress},
};
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, Project, nix, project::SYSTEM, store::TestStore};

fn view(store: &TestStore) -> PooledStore {
    PooledStore::new(Arc::new(pool(store, 4)), true)
}

fn pool(store: &TestStore, max_open: usize) -> Pool {
    let address = StoreAddress::Socket(store.socket());
    Pool::new(address, ClientSettings::default(), max_open)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// The derivation of a check that was never built.
fn unbuilt(project: &Project<'_>, name: &str) -> StorePath {
    StorePath::parse(&project.drv_path(SYSTEM, name)).unwrap()
}

#[test]
fn what_is_there_and_what_is_missing() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store).check("a", "echo > $out").committed();
        let drv_path = unbuilt(&project, "a");
        let view = view(&store);
        wait(async {
            let derivation = view.derivation(drv_path.clone()).await.unwrap();
            assert_eq!(derivation.system, SYSTEM);
            let out = StorePath::parse(&derivation.outputs["out"].path).unwrap();
            let paths = vec![drv_path.clone(), out.clone()];
            let valid = view.valid_paths(paths).await.unwrap();
            assert_eq!(
                valid.into_iter().collect::<Vec<_>>(),
                [drv_path.clone()],
                "Nix {nix}"
            );
            let missing = view.missing_for_drvs(vec![drv_path.clone()]).await.unwrap();
            assert_eq!(
                missing.will_build.into_iter().collect::<Vec<_>>(),
                [drv_path.clone()]
            );
            assert!(missing.will_substitute.is_empty());
            let missing = view.missing_for_paths(vec![out.clone()]).await.unwrap();
            assert!(missing.will_build.is_empty() && missing.will_substitute.is_empty());
            let outputs = view.output_map(drv_path.clone()).await.unwrap();
            assert_eq!(outputs["out"], Some(out), "Nix {nix}");
        });
    }
}

#[test]
fn what_is_held_survives_the_collection_of_garbage_as_long_as_the_view() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store)
            .check("a", "echo a > $out")
            .check("b", "echo b > $out")
            .committed();
        let (held, other) = (unbuilt(&project, "a"), unbuilt(&project, "b"));
        let view = view(&store);
        wait(async {
            RootKeeper::hold(&view, vec![held.clone()]).await.unwrap();
            store.run_nix(&["store", "gc"], project.dir());
            let valid = view.valid_paths(vec![held.clone(), other]).await.unwrap();
            assert_eq!(
                valid.into_iter().collect::<Vec<_>>(),
                [held.clone()],
                "Nix {nix}"
            );
        });
    }
}

#[test]
fn what_is_held_takes_no_builds_place_and_is_let_go_of_with_its_run() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store).check("a", "echo a > $out").committed();
        let held = unbuilt(&project, "a");
        let pool = Arc::new(pool(&store, 1));
        wait(async {
            let runs: Vec<PooledStore> = (0..3)
                .map(|_| PooledStore::new(Arc::clone(&pool), true))
                .collect();
            for run in &runs {
                RootKeeper::hold(run, vec![held.clone()]).await.unwrap();
            }
            let place = tokio::time::timeout(PATIENCE, pool.acquire());
            drop(place.await.expect("there is a place").unwrap());
            drop(runs);
            // A daemon notices by and by that its client is gone.
            for _ in 0..1000 {
                store.run_nix(&["store", "gc"], project.dir());
                if !Path::new(held.as_str()).exists() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            panic!("Nix {nix}: it is held for ever");
        });
    }
}

#[test]
fn what_a_run_has_built_is_held_when_the_connection_is_gone() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store).check("a", "echo a > $out").committed();
        let drv_path = unbuilt(&project, "a");
        let pool = Arc::new(pool(&store, 2));
        wait(async {
            let run = Arc::new(PooledStore::new(Arc::clone(&pool), true));
            let builder = Builder::new(Arc::clone(&pool)).held_by(Arc::clone(&run));
            let start = Start {
                step: StepId::default(),
                target: drv_path.clone(),
                substitute: false,
                remote: false,
                delay: Duration::ZERO,
                limits: BuildLimits::default(),
            };
            let cancel = CancellationToken::new();
            let end = builder.obtain(&start, &cancel, &mut |_| ()).await;
            assert_eq!(end, StepEnd::Built, "Nix {nix}");
            let out = run.output_map(drv_path).await.unwrap();
            let out = out["out"].clone().unwrap();
            // Nobody waits for it.
            tokio::time::sleep(Duration::from_secs(1)).await;
            pool.close().await;
            // The daemon is to have noticed that.
            tokio::time::sleep(Duration::from_secs(1)).await;
            store.run_nix(&["store", "gc"], project.dir());
            assert!(Path::new(out.as_str()).exists(), "Nix {nix}");
        });
    }
}

#[test]
fn a_daemon_that_was_restarted_is_asked_again_and_holds_again() {
    for nix in nix::all() {
        let mut store = nix.store().with_daemon();
        let (held, other) = {
            let project = Project::new(&store)
                .check("a", "echo a > $out")
                .check("b", "echo b > $out")
                .committed();
            (unbuilt(&project, "a"), unbuilt(&project, "b"))
        };
        let view = view(&store);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime
            .block_on(RootKeeper::hold(&view, vec![held.clone()]))
            .unwrap();
        // What is asked now is answered by the daemon that comes up meanwhile; if it needs longer than the second after
        // which it is asked again, once more.
        let mut valid = Err("nobody asked".to_owned());
        for _ in 0..5 {
            store.kill_daemon();
            valid = std::thread::scope(|scope| {
                let asked = scope.spawn(|| runtime.block_on(view.valid_paths(vec![held.clone()])));
                store.start_daemon();
                asked.join().unwrap().map_err(|error| error.to_string())
            });
            if valid.is_ok() {
                break;
            }
        }
        assert_eq!(valid.unwrap().len(), 1, "Nix {nix}");
        runtime
            .block_on(RootKeeper::hold(&view, vec![other.clone()]))
            .unwrap();
        store.run_nix(&["store", "gc"], store.folder());
        let both = vec![held.clone(), other.clone()];
        let valid = runtime.block_on(view.valid_paths(both)).unwrap();
        assert_eq!(valid.len(), 2, "Nix {nix}");
    }
}

#[test]
fn what_cannot_be_held_is_not_said_to_be_held() {
    let mut store = nix::newest().store().with_daemon();
    let (held, other) = {
        let project = Project::new(&store)
            .check("a", "echo a > $out")
            .check("b", "echo b > $out")
            .committed();
        (unbuilt(&project, "a"), unbuilt(&project, "b"))
    };
    let view = view(&store);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime
        .block_on(RootKeeper::hold(&view, vec![held.clone()]))
        .unwrap();
    store.kill_daemon();
    for path in [other, held] {
        let answer = runtime.block_on(RootKeeper::hold(&view, vec![path]));
        assert!(answer.is_err(), "{answer:?}");
    }
}
