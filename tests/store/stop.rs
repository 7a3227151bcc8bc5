//! What becomes of builds when the client goes away.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use nixci::{
    nix::StorePath,
    store::{
        ActivityResult, BuildMode, ClientSettings, Connection, DerivedPath, KeyedBuildResult,
        LogMessage, Meaning, Pool, StoreError,
    },
};
use tokio::sync::oneshot;

use crate::{
    fixture::{Fixture, Way, all},
    support::{AT_ONCE, nix, store::StoreProcess},
};

/// A build that runs until it is stopped, and does not care for a SIGHUP. It writes a line now and then: what a daemon
/// missed, see [`settle`], it sees with the next line.
const ENDLESS: &str = r#"drv "endless" "trap '' HUP; while :; do echo begun; nap 5; done" { }"#;

/// Builds something, and tells when its builder has written a line.
fn building<'a>(
    connection: &'a mut Connection,
    drv_path: &StorePath,
) -> (
    impl Future<Output = Result<Vec<KeyedBuildResult>, StoreError>> + 'a,
    oneshot::Receiver<()>,
) {
    let (begun_tx, begun_rx) = oneshot::channel();
    let mut begun_tx = Some(begun_tx);
    let target = DerivedPath::all_outputs(drv_path.clone());
    let build = async move {
        let mut on_message = |message: LogMessage| {
            if matches!(
                message,
                LogMessage::Result {
                    result: ActivityResult::LogLine(_),
                    ..
                }
            ) && let Some(begun_tx) = begun_tx.take()
            {
                let _ = begun_tx.send(());
            }
        };
        connection
            .build_paths_with_results(&[target], BuildMode::Normal, &mut on_message)
            .await
    };
    (build, begun_rx)
}

/// Waits until a daemon that handed on a line has gone back to waiting for the next one. 2.34 forgets what
/// tells it to stop, the end of its client or a signal, if that comes in the moment between.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Waits until no builder of this store is left.
async fn until_builders_are_gone(fixture: &Fixture) {
    let started = Instant::now();
    while !fixture.store.builders().is_empty() {
        assert!(
            started.elapsed() < AT_ONCE,
            "{fixture}: {:#?}",
            fixture.store.builders()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_request_given_up_halfway_makes_its_connection_unusable() {
    for fixture in all() {
        let drv_path = fixture.instantiate_one(ENDLESS);
        let mut connection = fixture.open().await;
        let (build, begun) = building(&mut connection, &drv_path);
        tokio::select! {
            ended = build => panic!("{fixture}: {ended:?}"),
            begun = begun => begun.unwrap(),
        }
        settle().await;
        assert_eq!(fixture.store.builders().len(), 1, "{fixture}");
        let error = connection.query_missing(&[]).await.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::Unusable {
                    during: "QueryMissing"
                }
            ),
            "{fixture}: {error:?}"
        );
        drop(connection);
        until_builders_are_gone(&fixture).await;
    }
}

#[tokio::test]
async fn a_builder_that_is_killed_is_told_from_one_that_fails() {
    for fixture in all() {
        let drv_path = fixture.instantiate_one(ENDLESS);
        let mut connection = fixture.open().await;
        let (build, begun) = building(&mut connection, &drv_path);
        let mut build = std::pin::pin!(build);
        tokio::select! {
            ended = &mut build => panic!("{fixture}: {ended:?}"),
            begun = begun => begun.unwrap(),
        }
        // As the kernel does it when there is no memory left.
        for builder in fixture.store.builders() {
            builder.kill();
        }
        let results = build.await.unwrap();
        let result = &results[0].result;
        assert_eq!(result.meaning(), Meaning::Killed, "{fixture}: {result:?}");
    }
}

#[tokio::test]
async fn closing_waits_for_the_end_of_a_child_and_its_builders() {
    for nix in nix::all() {
        let fixture = Fixture::new(&nix, Way::Stdio, &[]);
        let drv_path = fixture.instantiate_one(ENDLESS);
        let mut connection = fixture.open().await;
        let (build, begun) = building(&mut connection, &drv_path);
        tokio::select! {
            ended = build => panic!("{fixture}: {ended:?}"),
            begun = begun => begun.unwrap(),
        }
        let started = Instant::now();
        connection.close().await;
        assert!(
            started.elapsed() < AT_ONCE,
            "{fixture}: {:?}",
            started.elapsed()
        );
        assert_eq!(fixture.store.wait_until_idle(AT_ONCE), [], "{fixture}");
    }
}

#[tokio::test]
async fn a_pool_is_closed_when_children_of_dropped_connections_are_gone_too() {
    for nix in nix::all() {
        let fixture = Fixture::new(&nix, Way::Stdio, &[]);
        let drv_path = fixture.instantiate_one(ENDLESS);
        let pool = Pool::new(fixture.address(), ClientSettings::default(), 2);
        let mut connection = pool.acquire().await.unwrap();
        drop(pool.acquire().await.unwrap());
        let (build, begun) = building(&mut connection, &drv_path);
        tokio::select! {
            ended = build => panic!("{fixture}: {ended:?}"),
            begun = begun => begun.unwrap(),
        }
        drop(connection);
        let started = Instant::now();
        pool.close().await;
        assert!(
            started.elapsed() < AT_ONCE,
            "{fixture}: {:?}",
            started.elapsed()
        );
        assert_eq!(fixture.store.wait_until_idle(AT_ONCE), [], "{fixture}");
    }
}

#[test]
fn the_end_of_the_runtime_ends_children_and_builders() {
    for nix in nix::all() {
        let fixture = Fixture::new(&nix, Way::Stdio, &[]);
        let drv_path = fixture.instantiate_one(ENDLESS);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut connection = runtime.block_on(fixture.open());
        runtime.block_on(async {
            let (build, begun) = building(&mut connection, &drv_path);
            tokio::select! {
                ended = build => panic!("{fixture}: {ended:?}"),
                begun = begun => begun.unwrap(),
            }
            settle().await;
        });
        runtime.shutdown_background();
        drop(connection);
        let left = fixture.store.wait_until_idle(AT_ONCE);
        // What is left of a child that ended is for the end of this process to clear away; it has no command line.
        let left: Vec<_> = left
            .into_iter()
            .filter(|process| !process.command_line.is_empty())
            .collect();
        assert_eq!(left, [], "{fixture}");
    }
}

#[tokio::test]
async fn a_daemon_that_dies_is_a_lost_connection() {
    for mut fixture in all() {
        let drv_path = fixture.instantiate_one(ENDLESS);
        let mut connection = fixture.open().await;
        let (build, begun) = building(&mut connection, &drv_path);
        let store = &mut fixture.store;
        let (ended, ()) = tokio::join!(build, async {
            begun.await.unwrap();
            store.kill_daemon();
        });
        let error = ended.unwrap_err();
        assert!(
            error.is_connection_lost() && error.is_transient(),
            "{fixture}: {error:?}"
        );
        let StoreError::Lost {
            during: "BuildPathsWithResults",
            source,
        } = error
        else {
            panic!("{fixture}: {error:?}")
        };
        match fixture.way {
            Way::Socket => assert!(
                source.to_string().starts_with("closed by the daemon"),
                "{fixture}: {source}"
            ),
            Way::Stdio => {
                assert_eq!(
                    source.to_string(),
                    "the daemon's process ended (signal: 9 (SIGKILL))",
                    "{fixture}"
                );
            }
        }
    }
}

/// Sends a SIGTERM to the child that serves the connection.
fn terminate_child(fixture: &Fixture) {
    let is_child = |process: &StoreProcess| process.command_line.contains("--stdio");
    for child in fixture.store.processes().into_iter().filter(is_child) {
        let id = rustix::process::Pid::from_raw(child.id.cast_signed()).unwrap();
        // It may have ended a moment ago.
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
    }
}

#[tokio::test]
async fn a_child_that_is_terminated_takes_its_builders_along() {
    for nix in nix::all() {
        let fixture = Fixture::new(&nix, Way::Stdio, &[]);
        let drv_path = fixture.instantiate_one(ENDLESS);
        let mut connection = fixture.open().await;
        let (build, begun) = building(&mut connection, &drv_path);
        // Again and again, since a signal may be forgotten as well.
        let terminate = async {
            begun.await.unwrap();
            loop {
                settle().await;
                terminate_child(&fixture);
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout(AT_ONCE, build) => ended,
            () = terminate => unreachable!("it has no end"),
        };
        let error = ended.expect("it ends").unwrap_err();
        assert!(error.is_transient(), "{fixture}: {error:?}");
        until_builders_are_gone(&fixture).await;
        connection.close().await;
    }
}

#[tokio::test]
async fn a_child_that_cannot_serve_says_why() {
    for nix in nix::all() {
        let mut fixture = Fixture::new(&nix, Way::Stdio, &[]);
        fixture.store = fixture.store.with_setting("store", "nonsense://store");
        let error = Connection::open(&fixture.address(), &ClientSettings::default())
            .await
            .unwrap_err();
        let StoreError::Connect {
            address, source, ..
        } = error
        else {
            panic!("{fixture}: {error:?}")
        };
        assert!(
            address.ends_with("/bin/nix-daemon --stdio`"),
            "{fixture}: {address}"
        );
        let source = source.to_string();
        assert!(
            source.starts_with("the daemon's process ended (exit status: 1): "),
            "{fixture}: {source}"
        );
        assert!(source.contains("nonsense"), "{fixture}: {source}");
    }
}
