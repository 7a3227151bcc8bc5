//! The store as a run sees it, against real daemons: what is there and what is not, and that a daemon that went away and
//! came back is asked again.

use std::{future::Future, sync::Arc};

use nixci::{
    eval::RootKeeper,
    graph::StoreView,
    nix::StorePath,
    run::PooledStore,
    store::{ClientSettings, Pool, StoreAddress},
};

use crate::support::{Project, nix, project::SYSTEM, store::TestStore};

fn view(store: &TestStore) -> PooledStore {
    let address = StoreAddress::Socket(store.socket());
    PooledStore::new(
        Arc::new(Pool::new(address, ClientSettings::default(), 4)),
        true,
    )
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
        store.kill_daemon();
        // What is asked now is answered by the daemon that comes up meanwhile.
        let valid = std::thread::scope(|scope| {
            let asked = scope.spawn(|| runtime.block_on(view.valid_paths(vec![held.clone()])));
            std::thread::sleep(std::time::Duration::from_millis(200));
            store.start_daemon();
            asked.join().unwrap()
        });
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
