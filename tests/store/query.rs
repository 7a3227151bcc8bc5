//! Questions to the store.

use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Stdio,
};

use nixci::{
    nix::{Derivation, StorePath},
    store::{BuildMode, DerivedPath, Meaning, ProtocolVersion, StoreError, Success, Trust},
};

use crate::{
    fixture::{Fixture, all, build, set},
    support::nix,
};

/// A path of this store that nobody ever made.
fn unknown_path(fixture: &Fixture) -> StorePath {
    let path = format!(
        "{}/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-unknown",
        fixture.store.dir().display()
    );
    StorePath::parse(&path).unwrap()
}

#[tokio::test]
async fn both_sides_say_who_they_are() {
    for fixture in all() {
        let connection = fixture.open().await;
        assert_eq!(connection.nix_version(), fixture.store.nix().to_string());
        let expected = match fixture.store.nix().version {
            (2, ..15, _) => 34,
            (2, 15..20, _) => 35,
            (2, 20..24, _) => 37,
            _ => 38,
        };
        assert_eq!(
            connection.protocol_version(),
            ProtocolVersion::new(expected),
            "{fixture}"
        );
        assert_eq!(
            connection.trust() == Trust::Unknown,
            expected < 35,
            "{fixture}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn what_is_missing_is_told_before_anything_is_done() {
    for fixture in all() {
        let drv_paths = fixture.instantiate(
            r#"let lib = drv "lib" "echo > $out" { }; in [ lib (drv "user" "echo > $out" { inherit lib; }) ]"#,
        );
        let user = [DerivedPath::all_outputs(drv_paths[1].clone())];
        let mut connection = fixture.open().await;
        let missing = connection.query_missing(&user).await.unwrap();
        assert_eq!(missing.will_build, set(&drv_paths), "{fixture}");
        assert_eq!(missing.will_substitute, BTreeSet::new(), "{fixture}");

        build(&mut connection, &drv_paths[0]).await.0.unwrap();
        let missing = connection.query_missing(&user).await.unwrap();
        assert_eq!(missing.will_build, set(&drv_paths[1..]), "{fixture}");

        let unknown = unknown_path(&fixture);
        let missing = connection
            .query_missing(&[DerivedPath::Opaque(unknown.clone())])
            .await
            .unwrap();
        assert_eq!(missing.unknown, set(&[unknown]), "{fixture}");
        assert_eq!(
            connection.query_missing(&[]).await.unwrap().will_build,
            BTreeSet::new()
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn valid_paths_and_what_is_known_of_them() {
    for fixture in all() {
        let drv_path = fixture
            .instantiate_one(r#"drv "ok" "echo $dep > $out" { dep = builtins.toFile "dep" "x"; }"#);
        let mut connection = fixture.open().await;
        let outputs = connection
            .query_derivation_output_map(&drv_path)
            .await
            .unwrap();
        let out = outputs["out"].clone().unwrap();
        let (unknown, asked) = (
            unknown_path(&fixture),
            [drv_path.clone(), out.clone(), unknown_path(&fixture)],
        );
        let valid = connection
            .query_valid_paths(&set(&asked), false)
            .await
            .unwrap();
        assert_eq!(valid, set(&asked[..1]), "{fixture}");
        assert_eq!(
            connection.query_path_info(&out).await.unwrap(),
            None,
            "{fixture}"
        );

        build(&mut connection, &drv_path).await.0.unwrap();
        let valid = connection
            .query_valid_paths(&set(&asked), false)
            .await
            .unwrap();
        assert_eq!(valid, set(&asked[..2]), "{fixture}");
        let info = connection.query_path_info(&out).await.unwrap().unwrap();
        assert_eq!(info.deriver.as_ref(), Some(&drv_path), "{fixture}");
        assert!(
            info.is_ultimate && info.references.len() == 1 && info.nar_hash.len() == 64,
            "{fixture}: {info:?}"
        );
        assert!(
            info.nar_size_bytes > 0 && info.registered_at > 1_700_000_000,
            "{fixture}: {info:?}"
        );

        let refused = connection
            .query_derivation_output_map(&unknown)
            .await
            .unwrap_err();
        assert!(
            matches!(refused, StoreError::Daemon { .. }),
            "{fixture}: {refused:?}"
        );
        assert!(!refused.is_connection_lost());
        connection.close().await;
    }
}

#[tokio::test]
async fn thousands_of_paths_are_asked_for_at_once() {
    for fixture in all() {
        let mut connection = fixture.open().await;
        let dir = fixture.store.dir();
        let paths: BTreeSet<StorePath> = (0..20_000)
            .map(|n| StorePath::parse(&format!("{}/{n:032}-unknown", dir.display())).unwrap())
            .collect();
        assert_eq!(
            connection.query_valid_paths(&paths, false).await.unwrap(),
            BTreeSet::new(),
            "{fixture}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn derivations_are_read_through_the_daemon() {
    for fixture in all() {
        let drv_path = fixture.instantiate_one(r#"drv "ok" "echo > $out" { name = "ok"; }"#);
        let on_disk = fs::read(drv_path.as_str()).unwrap();
        let mut connection = fixture.open().await;
        let read = connection.read_file(&drv_path, 1 << 20).await.unwrap();
        assert!(read == on_disk, "{fixture}");
        assert_eq!(
            Derivation::parse(&read).unwrap().to_aterm(),
            on_disk,
            "{fixture}"
        );

        let error = connection.read_file(&drv_path, 100).await.unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::TooLarge {
                    size_max_bytes: 100,
                    ..
                }
            ),
            "{fixture}: {error:?}"
        );
        let error = connection
            .read_file(&unknown_path(&fixture), 100)
            .await
            .unwrap_err();
        assert!(
            error.to_string().ends_with("is not valid"),
            "{fixture}: {error}"
        );
        // Neither was a reason to give the connection up.
        assert!(
            connection.read_file(&drv_path, 1 << 20).await.is_ok(),
            "{fixture}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn only_single_files_are_read_through_the_daemon() {
    for fixture in all() {
        let folder = fixture.store.folder().join("source");
        fs::create_dir(&folder).unwrap();
        let script = folder.join("script");
        fs::write(&script, "#!/bin/sh").unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
        let add = |path: &Path| {
            let output = fixture
                .store
                .command("nix-store")
                .arg("--add")
                .arg(path)
                .output()
                .unwrap();
            StorePath::parse(String::from_utf8_lossy(&output.stdout).trim()).unwrap()
        };
        let (folder, script) = (add(&folder), add(&script));
        let mut connection = fixture.open().await;
        assert_eq!(
            connection.read_file(&script, 1 << 20).await.unwrap(),
            b"#!/bin/sh",
            "{fixture}"
        );
        let error = connection.read_file(&folder, 1 << 20).await.unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("`directory` instead of `regular`: that is no single file"),
            "{fixture}: {error}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn a_path_of_another_store_makes_the_daemon_hang_up_and_it_says_why() {
    for fixture in all() {
        let elsewhere = StorePath::parse("/elsewhere/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a").unwrap();
        let mut connection = fixture.open().await;
        let refused = connection.query_path_info(&elsewhere).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Daemon { .. }),
            "{fixture}: {refused:?}"
        );
        assert!(
            refused.to_string().ends_with("is not in the Nix store"),
            "{fixture}: {refused}"
        );
        connection.close().await;
    }
}

/// Builds something, puts it into a binary cache and removes it from the store.
async fn offered(fixture: &Fixture) -> (StorePath, StorePath) {
    let drv_path = fixture.instantiate_one(r#"drv "offered" "echo offered > $out" { }"#);
    let mut connection = fixture.open().await;
    let out = build(&mut connection, &drv_path)
        .await
        .0
        .unwrap()
        .built_outputs["out"]
        .clone();
    connection.close().await;
    let cache = format!("file://{}/cache", fixture.store.folder().display());
    fixture.store.run_nix(
        &["copy", "--to", &cache, out.as_str()],
        fixture.store.folder(),
    );
    // Only a cache that says so is asked for many paths at once.
    let info = fixture.store.folder().join("cache/nix-cache-info");
    let text = fs::read_to_string(&info).unwrap();
    fs::write(&info, text + "WantMassQuery: 1\n").unwrap();
    let deleted = fixture
        .store
        .command("nix-store")
        .args(["--delete", out.as_str()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(deleted.unwrap().success());
    (drv_path, out)
}

#[tokio::test]
async fn what_a_substituter_offers_is_told_and_taken() {
    for nix in nix::all() {
        for way in crate::fixture::Way::ALL {
            let fixture = Fixture::new(
                &nix,
                way,
                &[("require-sigs", "false"), ("trusted-users", "*")],
            );
            let cache = format!("file://{}/cache", fixture.store.folder().display());
            let (drv_path, out) = offered(&fixture).await;
            let settings = nixci::store::ClientSettings {
                overrides: [("substituters".to_owned(), cache)].into(),
                ..Default::default()
            };
            let mut connection = fixture.open_with(&settings).await;
            let offered = connection
                .query_substitutable_paths(&set(std::slice::from_ref(&out)))
                .await
                .unwrap();
            assert_eq!(offered, set(std::slice::from_ref(&out)), "{fixture}");
            let missing = connection
                .query_missing(&[DerivedPath::all_outputs(drv_path.clone())])
                .await
                .unwrap();
            assert_eq!(missing.will_substitute, offered, "{fixture}");
            assert_eq!(missing.will_build, BTreeSet::new(), "{fixture}");
            assert!(
                missing.download_bytes > 0 && missing.nar_bytes > 0,
                "{fixture}: {missing:?}"
            );

            let opaque = DerivedPath::Opaque(out.clone());
            let results = connection
                .build_paths_with_results(&[opaque], BuildMode::Normal, &mut |_| ())
                .await
                .unwrap();
            let meaning = results[0].result.meaning();
            assert!(
                matches!(
                    meaning,
                    Meaning::Success(Success::Substituted | Success::Built)
                ),
                "{fixture}: {results:?}"
            );
            assert_eq!(
                fs::read_to_string(out.as_str()).unwrap(),
                "offered\n",
                "{fixture}"
            );
            connection.ensure_path(&out, &mut |_| ()).await.unwrap();

            let unknown = unknown_path(&fixture);
            let refused = connection
                .ensure_path(&unknown, &mut |_| ())
                .await
                .unwrap_err();
            assert!(
                matches!(refused, StoreError::Daemon { .. }),
                "{fixture}: {refused:?}"
            );
            let opaque = DerivedPath::Opaque(unknown);
            let results = connection
                .build_paths_with_results(&[opaque], BuildMode::Normal, &mut |_| ())
                .await
                .unwrap();
            assert_eq!(
                results[0].result.meaning(),
                Meaning::Failed,
                "{fixture}: {results:?}"
            );
            connection.close().await;
        }
    }
}
