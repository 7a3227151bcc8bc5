//! Pools of connections.

use std::time::{Duration, Instant};

use nixci::store::{BuildMode, ClientSettings, Life, Missing, Pool, StoreAddress, StoreError};
use tokio::time::timeout;

use crate::{
    fixture::all,
    support::{
        AT_ONCE, PATIENCE, nix,
        stand_in::{Act, Asked, StandIn, answer, wire::Wire},
        store::TestStore,
    },
};

fn pool(stand_in: &StandIn, max_open: usize) -> Pool {
    Pool::new(
        StoreAddress::Socket(stand_in.socket()),
        ClientSettings::default(),
        max_open,
    )
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_good_end() {
    let stand_in = StandIn::builder().start();
    let pool = pool(&stand_in, 4);
    for _ in 0..10 {
        pool.acquire()
            .await
            .unwrap()
            .query_missing(&[])
            .await
            .unwrap();
    }
    assert_eq!(stand_in.connections(), 1);
    let (one, two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop((one, two));
    assert_eq!(stand_in.connections(), 2);
}

#[tokio::test]
async fn no_more_are_lent_out_than_may_be_open() {
    let stand_in = StandIn::builder().start();
    let pool = pool(&stand_in, 2);
    let one = pool.acquire().await.unwrap();
    let _two = pool.acquire().await.unwrap();
    let mut third = std::pin::pin!(pool.acquire());
    assert!(
        timeout(Duration::from_millis(50), &mut third)
            .await
            .is_err()
    );
    drop(one);
    third.await.unwrap();
    assert_eq!(stand_in.connections(), 2);
}

#[tokio::test]
async fn a_place_is_free_again_when_a_waiting_one_gives_up() {
    let stand_in = StandIn::builder().start();
    let pool = pool(&stand_in, 1);
    let one = pool.acquire().await.unwrap();
    assert!(
        timeout(Duration::from_millis(20), pool.acquire())
            .await
            .is_err()
    );
    drop(one);
    timeout(PATIENCE, pool.acquire()).await.unwrap().unwrap();
}

#[tokio::test]
async fn one_that_is_kept_for_long_takes_no_place() {
    let stand_in = StandIn::builder().start();
    let pool = pool(&stand_in, 1);
    let _kept = [pool.open().await.unwrap(), pool.open().await.unwrap()];
    timeout(Duration::from_secs(5), pool.acquire())
        .await
        .unwrap()
        .unwrap();
}

/// A pool whose connections stay open for other times, in milliseconds.
fn pool_with_life(address: StoreAddress, idle: u64, age: u64) -> Pool {
    let life = Life {
        idle: Duration::from_millis(idle),
        age: Duration::from_millis(age),
    };
    Pool::with_life(address, ClientSettings::default(), 4, life)
}

#[tokio::test]
async fn what_nobody_uses_for_a_while_is_closed() {
    for fixture in all() {
        let pool = pool_with_life(fixture.address(), 300, 60_000);
        let drv_path = fixture.instantiate_one(r#"drv "ok" "" { }"#);
        // Twice: closing begins anew.
        for _ in 0..2 {
            let mut lent = [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
            for connection in &mut lent {
                connection.add_temp_root(&drv_path).await.unwrap();
            }
            let [_kept, returned] = lent;
            let serving = || {
                let processes = fixture.store.processes();
                processes.iter().filter(|one| one.is_daemon()).count()
            };
            let before = serving();
            drop(returned);
            let began = Instant::now();
            while serving() == before && began.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            assert_eq!(serving(), before - 1, "{fixture}: one is in use");
        }
        pool.close().await;
    }
}

#[tokio::test]
async fn what_is_old_is_not_lent_out_again() {
    let stand_in = StandIn::builder().start();
    let address = || StoreAddress::Socket(stand_in.socket());
    let pool = pool_with_life(address(), 60_000, 3_000);
    drop(pool.acquire().await.unwrap());
    drop(pool.acquire().await.unwrap());
    assert_eq!(stand_in.connections(), 1);
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    drop(pool.acquire().await.unwrap());
    assert_eq!(stand_in.connections(), 2);
}

#[tokio::test]
async fn a_connection_is_thrown_away_after_a_refusal() {
    let refuse = |asked: &Asked| match asked {
        Asked::EnsurePath { .. } => Some(vec![Act::Send(answer::error("no"))]),
        _ => None,
    };
    let stand_in = StandIn::builder().answering(refuse).start();
    let pool = pool(&stand_in, 1);
    let path =
        nixci::nix::StorePath::parse("/nix/store/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a").unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let refused = connection.ensure_path(&path, &mut |_| ()).await;
    assert!(
        matches!(refused, Err(StoreError::Daemon { .. })),
        "{refused:?}"
    );
    connection
        .query_missing(&[])
        .await
        .expect("its holder may go on with it");
    drop(connection);
    pool.acquire()
        .await
        .unwrap()
        .query_missing(&[])
        .await
        .unwrap();
    assert_eq!(stand_in.connections(), 2);
}

#[tokio::test]
async fn a_connection_is_thrown_away_when_a_request_was_given_up() {
    let hang = |asked: &Asked| {
        matches!(asked, Asked::BuildPathsWithResults { .. }).then(|| vec![Act::Hang])
    };
    let stand_in = StandIn::builder().answering(hang).start();
    let pool = pool(&stand_in, 1);
    let mut connection = pool.acquire().await.unwrap();
    let mut ignore = |_| ();
    let build = connection.build_paths_with_results(&[], BuildMode::Normal, &mut ignore);
    assert!(timeout(Duration::from_millis(20), build).await.is_err());
    drop(connection);
    pool.acquire()
        .await
        .unwrap()
        .query_missing(&[])
        .await
        .unwrap();
    assert_eq!(stand_in.connections(), 2);
}

#[tokio::test]
async fn idle_connections_that_died_are_replaced_without_a_word() {
    let stand_in = StandIn::builder().start();
    let pool = pool(&stand_in, 3);
    let idle = [
        pool.acquire().await.unwrap(),
        pool.acquire().await.unwrap(),
        pool.acquire().await.unwrap(),
    ];
    drop(idle);
    stand_in.hang_up();
    for _ in 0..3 {
        pool.acquire()
            .await
            .unwrap()
            .query_missing(&[])
            .await
            .unwrap();
    }
    assert_eq!(stand_in.connections(), 4);
}

#[tokio::test]
async fn a_daemon_that_speaks_unasked_is_not_asked_again() {
    let speak = |asked: &Asked| match asked {
        Asked::QueryMissing { .. } => {
            let reply = answer::last().raw(answer::missing(&Missing::default()));
            Some(vec![Act::Send(reply.raw(Wire::default().u64(7)))])
        }
        _ => None,
    };
    let stand_in = StandIn::builder().answering(speak).start();
    let pool = pool(&stand_in, 1);
    for _ in 0..3 {
        pool.acquire()
            .await
            .unwrap()
            .query_missing(&[])
            .await
            .unwrap();
    }
    assert_eq!(stand_in.connections(), 3);
}

#[tokio::test]
async fn a_daemon_that_was_restarted_is_no_error() {
    for mut fixture in all() {
        let drv_path = fixture.instantiate_one(r#"drv "ok" "" { }"#);
        let paths = crate::fixture::set(&[drv_path]);
        let pool = Pool::new(fixture.address(), ClientSettings::default(), 1);
        let valid = pool
            .acquire()
            .await
            .unwrap()
            .query_valid_paths(&paths, false)
            .await
            .unwrap();
        assert_eq!(valid, paths, "{fixture}");
        fixture.store.kill_daemon();
        fixture.store.wait_until_idle(AT_ONCE);
        // The kernel takes the memory of a process that was killed first, and then closes its files.
        tokio::time::sleep(Duration::from_millis(100)).await;
        if fixture.way == crate::fixture::Way::Socket {
            fixture.store.start_daemon();
        }
        let valid = pool
            .acquire()
            .await
            .unwrap()
            .query_valid_paths(&paths, false)
            .await
            .unwrap();
        assert_eq!(valid, paths, "{fixture}");
        pool.close().await;
    }
}

#[tokio::test]
async fn a_new_store_is_made_by_one_process_alone() {
    for nix in nix::all() {
        let store = TestStore::unmade(&nix);
        assert!(!store.dir().exists(), "it is made already");
        let env = store
            .env()
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect();
        let program = nix.prefix.join("bin/nix-daemon");
        let address = StoreAddress::Command {
            program,
            args: vec!["--stdio".into()],
            env,
        };
        let pool = Pool::new(address, ClientSettings::default(), 8);
        let mut opening = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let pool = pool.clone();
            opening.spawn(async move { pool.acquire().await.map(drop) });
        }
        for opened in opening.join_all().await {
            opened.unwrap_or_else(|error| panic!("Nix {nix}: {error:?}"));
        }
        pool.close().await;
    }
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_an_error_each_time() {
    let pool = Pool::new(
        StoreAddress::Socket("/no/such/socket".into()),
        ClientSettings::default(),
        1,
    );
    for _ in 0..3 {
        let error = pool.acquire().await.unwrap_err();
        assert!(matches!(error, StoreError::Connect { .. }), "{error:?}");
    }
}
