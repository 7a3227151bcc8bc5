//! What a server keeps, and for how long.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::Value;

use crate::world::{World, flake};

const KEPT_FOR_AN_HOUR: &str = "[limits]\nkeep_runs = \"1h\"\nfailed_for = \"1h\"";
/// Two hours and two months before now, as SQL has it.
const LONG_AGO: &str = "7200000";
const LONGER_AGO: &str = "5270400000";

impl World {
    fn state(&self, path: &str) -> PathBuf {
        self.store.folder().join("state").join(path)
    }

    fn count(&self, what: &str) -> i64 {
        let ask = format!("SELECT count(*) FROM {what}");
        self.database()
            .query_row(&ask, [], |row| row.get(0))
            .unwrap()
    }

    /// Makes it as if all that was longer ago.
    fn age(&self) {
        let older = format!(
            "UPDATE runs SET finished_at = finished_at - {LONG_AGO};
             UPDATE statuses SET changed_at = changed_at - {LONG_AGO};
             UPDATE failed_builds SET at = at - {LONG_AGO};
             UPDATE repositories SET seen_at = seen_at - {LONG_AGO};
             UPDATE deliveries SET received_at = received_at - {LONGER_AGO};"
        );
        self.database().execute_batch(&older).unwrap();
        let held = fs::read_dir(self.state("mirrors/1/.git/refs/nixci")).unwrap();
        for held in held {
            let file = File::options().append(true).open(held.unwrap().path());
            let before = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
            file.unwrap().set_modified(before).unwrap();
        }
    }
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The newest run of a branch stays, however old it is, and all that belongs to it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_forgotten_with_all_that_belongs_to_it() {
    let bad = |reason: &str| flake(&[("bad", &format!("echo {reason}; exit 3"))]);
    let mut world = World::new(&bad("first"), KEPT_FOR_AN_HOUR).await;
    world.start().await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&first).await;
    let second = world.commit("second", &[("flake.nix", &bad("second"))]);
    world.push_event("main", &second).await;
    world.verdict(&second).await;
    assert_eq!(world.stop().await, Some(0));
    let held = |commit: &str| world.state(&format!("mirrors/1/.git/refs/nixci/{commit}"));
    assert!(is_there(&held(&first)) && is_there(&held(&second)));
    assert!(is_there(&world.state("logs/1")) && is_there(&world.state("logs/2")));
    world.age();
    // A delivery that nothing came of yet waits, however old it is.
    let waiting = "INSERT INTO deliveries (forge, delivery, event, content_type, body, received_at)
                   VALUES ('elsewhere', 'x', 'push', '', x'7b7d', 1)";
    assert_eq!(world.database().execute(waiting, []), Ok(1));
    let before = world.count("deliveries");
    let (gone, kept) = (held(&first), held(&second));
    world.start().await;
    world
        .eventually("its commit is held", async || !is_there(&gone))
        .await;
    assert!(is_there(&kept));
    assert_eq!(
        (world.count("runs"), world.count("runs WHERE id = 2")),
        (1, 1)
    );
    assert!(!is_there(&world.state("logs/1")) && is_there(&world.state("logs/2")));
    for (commit, is_known) in [(&first, false), (&second, true)] {
        let known = world.count(&format!("statuses WHERE commit_id = '{commit}'"));
        assert_eq!(known > 0, is_known, "{commit}");
    }
    assert!(before > 1);
    // The one that waited comes to its end first.
    world.sweep().await;
    let old = format!("deliveries WHERE received_at < {LONGER_AGO}");
    world
        .eventually("old deliveries are there", async || world.count(&old) == 0)
        .await;
    assert!(world.log().contains("its mirror lets go of commits"));
    assert_eq!(world.stop().await, Some(0));
    assert!(!world.log().contains("is not tidied"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_gone_leaves_nothing_in_the_end() {
    let good = flake(&[("good", "echo ok > $out")]);
    let mut world = World::new(&good, KEPT_FOR_AN_HOUR).await;
    world.start().await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&commit).await;
    let places = ["mirrors/1", "gcroots/1", "homes/1-trusted"].map(|place| world.state(place));
    world
        .eventually("nothing is kept", async || {
            places.iter().all(|place| is_there(place))
        })
        .await;
    assert_eq!(world.stop().await, Some(0));
    let listed = "repositories = [\"acme/demo\"]";
    world.change_settings(|text| text.replace(listed, "repositories = []"));
    // Not at once: it may come back.
    world.start().await;
    world
        .eventually("it is built", async || {
            world.count("repositories WHERE enabled") == 0
        })
        .await;
    world.ctl(&["sweep"]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(places.iter().all(|place| is_there(place)));
    assert_eq!(world.stop().await, Some(0));
    world.age();
    world.start().await;
    world
        .eventually("something is left", async || {
            !places.iter().any(|place| is_there(place)) && world.count("repositories") == 0
        })
        .await;
    for table in ["runs", "statuses", "said", "tags"] {
        assert_eq!(world.count(table), 0, "{table}");
    }
    assert!(!is_there(&world.state("logs/1")));
    assert_eq!(world.stop().await, Some(0));
}

/// What failed is not built again for as long as the settings say, or until somebody wants it to be.
#[tokio::test(flavor = "multi_thread")]
async fn what_failed_counts_for_so_long_or_until_it_is_forgotten() {
    let bad = flake(&[("bad", "echo oh no; exit 3")]);
    let mut world = World::new(&bad, KEPT_FOR_AN_HOUR).await;
    world.start().await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&commit).await;
    assert!(is_remembered(&world).await);
    assert_eq!(forget(&world, &["/nix/store/unknown.drv"]).await, 0);
    assert!(is_remembered(&world).await);
    let ask = "SELECT drv_path FROM failed_builds";
    let drv_path: String = world
        .database()
        .query_row(ask, [], |row| row.get(0))
        .unwrap();
    assert_eq!(forget(&world, &[&drv_path]).await, 1);
    assert!(!is_remembered(&world).await, "it was forgotten by its name");
    assert!(is_remembered(&world).await, "it has failed again");
    assert_eq!(forget(&world, &[]).await, 1);
    assert!(!is_remembered(&world).await, "all were forgotten");
    assert_eq!(world.stop().await, Some(0));
    world.age();
    world.start().await;
    assert!(!is_remembered(&world).await, "it was long ago");
    assert_eq!(world.stop().await, Some(0));
}

/// Whether another run does not build what failed.
async fn is_remembered(world: &World) -> bool {
    let (code, shown, said) = world.ctl(&["run", "acme/demo", "--watch"]).await;
    assert_eq!(code, Some(1), "{shown}{said}");
    shown.contains("already")
}

/// How many derivations were forgotten.
async fn forget(world: &World, drv_paths: &[&str]) -> u64 {
    let (code, shown, said) = world
        .ctl(&[&["forget", "--json"], drv_paths].concat())
        .await;
    assert_eq!(code, Some(0), "{said}");
    let answer: Value = serde_json::from_str(&shown).unwrap();
    answer["forgotten"].as_u64().unwrap()
}

/// As after a backup that has no mirrors: they are not in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_lost_is_fetched_again() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    world.start().await;
    world.ctl(&["pause", "acme/demo"]).await;
    let commit = world.commit("second", &[("file", "2")]);
    world.push_event("main", &commit).await;
    let waits = format!("a run waits for its turn run=2 commit={commit}");
    world.log_has(&waits).await;
    fs::remove_dir_all(world.state("mirrors/1")).unwrap();
    world.ctl(&["resume", "acme/demo"]).await;
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
    world.log_has("it is fetched again").await;
    assert_eq!(world.stop().await, Some(0));
}
