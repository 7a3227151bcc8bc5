//! Connections to a real daemon that break at a chosen moment.

use nixci::store::{ClientSettings, Connection, Meaning, Pool, StoreAddress, StoreError, Success};

use crate::{
    fixture::{Fixture, Way, build},
    support::{
        PATIENCE, nix,
        stand_in::{Fault, Proxy},
    },
};

#[tokio::test]
async fn a_connection_that_breaks_during_a_build_is_lost_and_the_next_one_builds() {
    for nix in nix::all() {
        for (fault, is_garbage) in [
            (Fault::CutWhenBuilding("ok".to_owned()), false),
            (Fault::GarbageWhenBuilding("ok".to_owned()), true),
        ] {
            let fixture = Fixture::new(&nix, Way::Socket, &[]);
            let drv_path = fixture.instantiate_one(r#"drv "ok" "nap 0.3; echo > $out" { }"#);
            let proxy = Proxy::start(&fixture.store.socket(), fault, 1);
            // How often the second build looks whether the first is gone, in seconds.
            let settings = ClientSettings {
                overrides: [("build-poll-interval".to_owned(), "1".to_owned())].into(),
                ..ClientSettings::default()
            };
            let pool = Pool::new(StoreAddress::Socket(proxy.socket()), settings, 1);

            let error = build(&mut pool.acquire().await.unwrap(), &drv_path)
                .await
                .0
                .unwrap_err();
            assert_eq!(
                matches!(error, StoreError::Protocol { .. }),
                is_garbage,
                "{fixture}: {error:?}"
            );
            assert_eq!(
                matches!(error, StoreError::Lost { .. }),
                !is_garbage,
                "{fixture}: {error:?}"
            );
            assert!(error.is_transient());
            assert_eq!(proxy.faults_left(), 0);

            let result = build(&mut pool.acquire().await.unwrap(), &drv_path)
                .await
                .0
                .unwrap();
            assert!(
                matches!(
                    result.meaning(),
                    Meaning::Success(Success::Built | Success::AlreadyValid)
                ),
                "{fixture}: {result:?}"
            );
            pool.close().await;
        }
    }
}

#[tokio::test]
async fn wherever_a_connection_breaks_there_is_an_error_and_no_panic() {
    for nix in nix::all() {
        let fixture = Fixture::new(&nix, Way::Socket, &[]);
        let drv_path = fixture.instantiate_one(r#"drv "ok" "echo a line; echo > $out" { }"#);
        let mut connection = fixture.open().await;
        build(&mut connection, &drv_path).await.0.unwrap();
        for cut in (0..2000).step_by(37) {
            for fault in [Fault::CutAfter(cut), Fault::GarbageAfter(cut)] {
                let proxy = Proxy::start(&fixture.store.socket(), fault.clone(), 1);
                let address = StoreAddress::Socket(proxy.socket());
                let asked = async {
                    let mut connection =
                        Connection::open(&address, &ClientSettings::default()).await?;
                    loop {
                        connection.query_path_info(&drv_path).await?;
                        build(&mut connection, &drv_path).await.0?;
                    }
                };
                let asked: Result<Result<(), StoreError>, _> =
                    tokio::time::timeout(PATIENCE, asked).await;
                let error = asked
                    .unwrap_or_else(|_| panic!("{fixture}: {fault:?} hangs"))
                    .unwrap_err();
                assert!(
                    error.is_connection_lost(),
                    "{fixture}: {fault:?}: {error:?}"
                );
            }
        }
    }
}
