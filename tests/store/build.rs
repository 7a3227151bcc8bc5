//! Builds of every kind and end.

use std::{collections::BTreeMap, time::Duration};

use nixci::{
    nix::StorePath,
    store::{
        Activity, BuildMode, BuildStatus, ClientSettings, DerivedPath, LogMessage, Meaning,
        Outputs, StoreError, Success,
    },
};

use crate::{
    fixture::{all, all_with, build},
    log::log,
};

#[tokio::test]
async fn what_can_be_built_is_built_and_then_valid() {
    for fixture in all() {
        let drv_path =
            fixture.instantiate_one(r#"drv "ok" "echo one; echo two >&2; echo ok > $out" { }"#);
        let mut connection = fixture.open().await;
        let (result, messages) = build(&mut connection, &drv_path).await;
        let result = result.unwrap();
        assert_eq!(
            result.meaning(),
            Meaning::Success(Success::Built),
            "{fixture}: {result:?}"
        );
        assert_eq!(result.error_message, "");
        let out = &result.built_outputs["out"];
        assert_eq!(out.store_dir(), fixture.store.dir().to_str().unwrap());
        assert_eq!(std::fs::read_to_string(out.as_str()).unwrap(), "ok\n");
        assert_eq!(log(&messages), ["one", "two"], "{fixture}");

        let started = messages.iter().find_map(|message| match message {
            LogMessage::ActivityStarted {
                id,
                activity: activity @ Activity::Build { .. },
                ..
            } => Some((*id, activity)),
            _ => None,
        });
        let (id, activity) = started.unwrap();
        assert_eq!(
            activity,
            &Activity::Build {
                drv_path: drv_path.clone(),
                machine: String::new()
            }
        );
        assert!(
            messages.contains(&LogMessage::ActivityStopped { id }),
            "{fixture}"
        );

        let (again, messages) = build(&mut connection, &drv_path).await;
        assert_eq!(
            again.unwrap().meaning(),
            Meaning::Success(Success::AlreadyValid),
            "{fixture}"
        );
        assert_eq!(log(&messages), [""; 0]);
        connection.close().await;
    }
}

#[tokio::test]
async fn what_fails_says_how() {
    for fixture in all() {
        let drv_paths = fixture.instantiate(
            r#"[
              (drv "fails" "echo last words; exit 3" { })
              (drv "user" "echo > $out" { dep = drv "dep" "exit 1" { }; })
              (drv "wrong-hash" "echo > $out" { outputHash = ""; outputHashAlgo = "sha256"; })
              (drv "no-output" "echo nothing" { })
              (drv "no-builder" "" { builder = "/no/such/program"; })
            ]"#,
        );
        let mut connection = fixture.open().await;
        for (drv_path, status, meaning, text) in [
            (
                &drv_paths[0],
                BuildStatus::PermanentFailure,
                Meaning::Failed,
                "exit code 3",
            ),
            (
                &drv_paths[1],
                BuildStatus::DependencyFailed,
                Meaning::DependencyFailed,
                "user",
            ),
            (
                &drv_paths[2],
                BuildStatus::OutputRejected,
                Meaning::Failed,
                "hash mismatch",
            ),
            (
                &drv_paths[3],
                BuildStatus::OutputRejected,
                Meaning::Failed,
                "failed to produce output",
            ),
            (
                &drv_paths[4],
                BuildStatus::PermanentFailure,
                Meaning::Failed,
                "No such file or directory",
            ),
        ] {
            let (result, _) = build(&mut connection, drv_path).await;
            let result = result.unwrap();
            assert_eq!(
                (result.status, result.meaning()),
                (status, meaning),
                "{fixture}: {result:?}"
            );
            assert!(result.error_message.contains(text), "{fixture}: {result:?}");
            assert!(
                !result.error_message.contains('\x1b'),
                "{fixture}: {result:?}"
            );
            assert!(
                !result.error_message.starts_with("error"),
                "{fixture}: {result:?}"
            );
        }
        connection.close().await;
    }
}

#[tokio::test]
async fn what_takes_too_long_is_timed_out() {
    for fixture in all() {
        let drv_paths =
            fixture.instantiate(r#"[ (drv "slow" "nap 30" { }) (drv "silent" "nap 30" { }) ]"#);
        let by_time = ClientSettings {
            overrides: BTreeMap::from([("timeout".to_owned(), "1".to_owned())]),
            ..ClientSettings::default()
        };
        let by_silence = ClientSettings {
            max_silent_time: Duration::from_secs(1),
            ..ClientSettings::default()
        };
        let build = async |settings: &ClientSettings, drv_path| {
            let mut connection = fixture.open_with(settings).await;
            let result = build(&mut connection, drv_path).await.0.unwrap();
            assert_eq!(result.meaning(), Meaning::TimedOut, "{fixture}: {result:?}");
            connection.close().await;
        };
        tokio::join!(
            build(&by_time, &drv_paths[0]),
            build(&by_silence, &drv_paths[1])
        );
    }
}

/// Old daemons fail the whole operation, newer ones send a result; both mean the same.
async fn meaning(connection: &mut nixci::store::Connection, drv_path: &StorePath) -> Meaning {
    match build(connection, drv_path).await.0 {
        Ok(result) => result.meaning(),
        Err(StoreError::Daemon { message, .. }) => Meaning::of_error_text(&message),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_no_machine_can_build_is_unsupported() {
    for fixture in all() {
        let drv_paths = fixture.instantiate(
            r#"[
              (drv "foreign" "echo > $out" { system = "riscv64-plan9"; })
              (drv "feature" "echo > $out" { requiredSystemFeatures = [ "no-such-feature" ]; })
              (drv "ok" "echo > $out" { })
            ]"#,
        );
        let mut connection = fixture.open().await;
        assert_eq!(
            meaning(&mut connection, &drv_paths[0]).await,
            Meaning::Unsupported,
            "{fixture}"
        );
        assert_eq!(
            meaning(&mut connection, &drv_paths[1]).await,
            Meaning::Unsupported,
            "{fixture}"
        );
        // The connection is still good after that.
        let ok = meaning(&mut connection, &drv_paths[2]).await;
        assert_eq!(ok, Meaning::Success(Success::Built), "{fixture}");
        connection.close().await;
    }
}

#[tokio::test]
async fn local_builds_switched_off_are_infrastructure() {
    for fixture in all() {
        let drv_path = fixture.instantiate_one(r#"drv "ok" "echo > $out" { }"#);
        let settings = ClientSettings {
            max_build_jobs: 0,
            ..ClientSettings::default()
        };
        let mut connection = fixture.open_with(&settings).await;
        assert_eq!(
            meaning(&mut connection, &drv_path).await,
            Meaning::Infrastructure,
            "{fixture}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn a_derivation_that_is_gone_is_infrastructure() {
    for fixture in all() {
        let drv_path = format!(
            "{}/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-gone.drv",
            fixture.store.dir().display()
        );
        let drv_path = StorePath::parse(&drv_path).unwrap();
        let mut connection = fixture.open().await;
        assert_eq!(
            meaning(&mut connection, &drv_path).await,
            Meaning::Infrastructure,
            "{fixture}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn outputs_are_told_by_name() {
    for fixture in all() {
        let drv_path = fixture.instantiate_one(
            r#"drv "multi" "echo a > $lib; echo b > $dev" { outputs = [ "lib" "dev" ]; }"#,
        );
        let mut connection = fixture.open().await;
        let only_dev = DerivedPath::Built {
            drv_path: drv_path.clone(),
            outputs: Outputs::Names(["dev".to_owned()].into()),
        };
        for (target, names) in [
            (only_dev, &["dev"][..]),
            (DerivedPath::all_outputs(drv_path), &["dev", "lib"]),
        ] {
            let results = connection
                .build_paths_with_results(
                    std::slice::from_ref(&target),
                    BuildMode::Normal,
                    &mut |_| (),
                )
                .await
                .unwrap();
            assert_eq!(results.len(), 1, "{fixture}: {results:?}");
            assert_eq!(results[0].target, target, "{fixture}");
            for name in names {
                let path = &results[0].result.built_outputs[*name];
                assert!(
                    path.as_str().ends_with(&format!("-multi-{name}")),
                    "{fixture}: {path}"
                );
            }
        }
        connection.close().await;
    }
}

#[tokio::test]
async fn content_addressed_outputs_are_known_after_the_build() {
    for fixture in all_with(&[("extra-experimental-features", "ca-derivations")]) {
        let drv_paths = fixture.instantiate(
            r#"let ca = { __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256"; };
                   lib = drv "lib" "echo lib > $out" ca;
               in [ lib (drv "user" "read -r x < $lib; echo $x > $out" (ca // { inherit lib; })) ]"#,
        );
        let mut connection = fixture.open().await;
        let before = connection
            .query_derivation_output_map(&drv_paths[1])
            .await
            .unwrap();
        assert_eq!(
            before,
            BTreeMap::from([("out".to_owned(), None)]),
            "{fixture}"
        );
        let result = build(&mut connection, &drv_paths[1]).await.0.unwrap();
        assert_eq!(
            result.meaning(),
            Meaning::Success(Success::Built),
            "{fixture}: {result:?}"
        );
        let out = &result.built_outputs["out"];
        assert_eq!(std::fs::read_to_string(out.as_str()).unwrap(), "lib\n");
        let after = connection
            .query_derivation_output_map(&drv_paths[1])
            .await
            .unwrap();
        assert_eq!(
            after,
            BTreeMap::from([("out".to_owned(), Some(out.clone()))]),
            "{fixture}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn several_targets_have_their_results_by_path() {
    for fixture in all() {
        let drv_paths = fixture.instantiate(
            r#"[ (drv "a" "echo > $out" { }) (drv "b" "exit 1" { }) (drv "c" "echo > $out" { }) ]"#,
        );
        let targets: Vec<_> = drv_paths
            .iter()
            .cloned()
            .map(DerivedPath::all_outputs)
            .collect();
        let mut connection = fixture.open().await;
        let results = connection
            .build_paths_with_results(&targets, BuildMode::Normal, &mut |_| ())
            .await
            .unwrap();
        let meaning = |drv_path| {
            let keyed = results
                .iter()
                .find(|keyed| keyed.target.path() == drv_path)
                .unwrap();
            keyed.result.meaning()
        };
        assert_eq!(
            meaning(&drv_paths[0]),
            Meaning::Success(Success::Built),
            "{fixture}"
        );
        assert_eq!(meaning(&drv_paths[1]), Meaning::Failed, "{fixture}");
        assert_eq!(
            meaning(&drv_paths[2]),
            Meaning::Success(Success::Built),
            "{fixture}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn a_second_client_waits_for_the_first() {
    for fixture in all() {
        let drv_path =
            fixture.instantiate_one(r#"drv "shared" "echo begun; nap 1; echo > $out" { }"#);
        // How often it looks whether the first is done, in seconds.
        let settings = ClientSettings {
            overrides: BTreeMap::from([("build-poll-interval".to_owned(), "1".to_owned())]),
            ..ClientSettings::default()
        };
        let mut first = fixture.open().await;
        let mut second = fixture.open_with(&settings).await;
        let (one, two) = tokio::join!(build(&mut first, &drv_path), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            build(&mut second, &drv_path).await
        });
        assert_eq!(
            one.0.unwrap().meaning(),
            Meaning::Success(Success::Built),
            "{fixture}"
        );
        assert_eq!(
            two.0.unwrap().meaning(),
            Meaning::Success(Success::AlreadyValid),
            "{fixture}"
        );
        let waits = two.1.iter().any(|message| {
            matches!(
                message,
                LogMessage::ActivityStarted {
                    activity: Activity::BuildWaiting { .. },
                    ..
                }
            )
        });
        assert!(waits, "{fixture}: {:?}", two.1);
        first.close().await;
        second.close().await;
    }
}
