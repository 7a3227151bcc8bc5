//! What holds paths against garbage collection.

use std::{
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

use nixci::nix::StorePath;

use crate::{
    fixture::{Fixture, all},
    support::PATIENCE,
};

fn collect_garbage(fixture: &Fixture) {
    let output = fixture
        .store
        .command("nix-store")
        .arg("--gc")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{fixture}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test]
async fn a_temporary_root_lasts_as_long_as_its_connection() {
    for fixture in all() {
        let drv_paths = fixture.instantiate(
            r#"let dep = drv "dep" "echo > $out" { }; in [ (drv "held" "echo > $out" { inherit dep; }) dep (drv "loose" "" { }) ]"#,
        );
        let exists = |n: usize| Path::new(drv_paths[n].as_str()).exists();
        let mut connection = fixture.open().await;
        connection.add_temp_root(&drv_paths[0]).await.unwrap();
        collect_garbage(&fixture);
        assert!(
            exists(0) && exists(1),
            "{fixture}: what a root refers to is held too"
        );
        assert!(!exists(2), "{fixture}");
        connection.close().await;
        // A daemon notices by and by that its client is gone.
        for _ in 0..1000 {
            collect_garbage(&fixture);
            if !exists(0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!exists(0), "{fixture}");
    }
}

#[tokio::test]
async fn thousands_of_temporary_roots_are_added_at_once() {
    for fixture in all() {
        let drv_paths = fixture.instantiate(r#"[ (drv "first" "" { }) (drv "last" "" { }) ]"#);
        // What is held need not be there.
        let mut held: Vec<StorePath> = (0..10_000)
            .map(|n| {
                StorePath::parse(&format!("{}/{n:032}-held", fixture.store.dir().display()))
                    .unwrap()
            })
            .collect();
        held.insert(0, drv_paths[0].clone());
        held.push(drv_paths[1].clone());
        let mut connection = fixture.open().await;
        let started = Instant::now();
        connection.add_temp_roots(&held).await.unwrap();
        assert!(
            started.elapsed() < PATIENCE,
            "{fixture}: {:?}",
            started.elapsed()
        );
        collect_garbage(&fixture);
        assert!(
            drv_paths
                .iter()
                .all(|path| Path::new(path.as_str()).exists()),
            "{fixture}"
        );
        connection.add_temp_roots(&[]).await.unwrap();
        connection.close().await;
    }
}

#[tokio::test]
async fn a_root_that_is_refused_is_an_error_and_says_which() {
    for fixture in all() {
        let drv_path = fixture.instantiate_one(r#"drv "ok" "" { }"#);
        let elsewhere = StorePath::parse("/elsewhere/6gdvyj6j7fbm4bkvqy7rrp36n7m5b9ha-a").unwrap();
        let mut connection = fixture.open().await;
        let error = connection
            .add_temp_roots(&[drv_path, elsewhere])
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("/elsewhere/"),
            "{fixture}: {error}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn what_is_gone_gets_no_link() {
    for fixture in all() {
        let drv_path = fixture.instantiate_one(r#"drv "ok" "" { }"#);
        let gone = format!("{}/{:032}-gone", fixture.store.dir().display(), 0);
        let gone = StorePath::parse(&gone).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let link = |name: &str| dir.path().join(name);
        let mut connection = fixture.open().await;
        let roots = [(link("gone"), gone.clone()), (link("there"), drv_path)];
        let left_out = connection.add_gc_roots(&roots).await.unwrap();
        assert_eq!(
            left_out.into_iter().collect::<Vec<_>>(),
            [gone],
            "{fixture}"
        );
        assert!(link("gone").symlink_metadata().is_err(), "{fixture}");
        connection.close().await;
        collect_garbage(&fixture);
        assert!(link("there").exists(), "{fixture}");
    }
}

#[tokio::test]
async fn an_indirect_root_lasts_as_long_as_its_link() {
    for fixture in all() {
        let drv_path = fixture.instantiate_one(r#"drv "ok" "" { }"#);
        let exists = || Path::new(drv_path.as_str()).exists();
        let link = fixture.store.folder().join("a link");
        symlink(drv_path.as_str(), &link).unwrap();
        let mut connection = fixture.open().await;
        connection.add_indirect_root(&link).await.unwrap();
        connection.close().await;
        collect_garbage(&fixture);
        assert!(exists(), "{fixture}");
        std::fs::remove_file(&link).unwrap();
        collect_garbage(&fixture);
        assert!(!exists(), "{fixture}");
    }
}
