//! How much a forge is told, where it does not take as much as there is to say.

use std::time::{Duration, Instant};

use crate::world::{World, flake};

const LIMIT: usize = 40;

impl World {
    /// How many checks the forge has a status of.
    fn checks_told(&self, commit: &str) -> usize {
        let statuses = self.statuses(commit);
        statuses.keys().filter(|name| name.contains(' ')).count()
    }

    async fn until_checks(&self, commit: &str, count: usize) {
        self.until(commit, |statuses| {
            statuses.keys().filter(|name| name.contains(' ')).count() >= count
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_is_told_no_more_than_its_limit_and_verdicts_first() {
    let names: Vec<String> = (0..15).map(|n| format!("bad{n}")).collect();
    let checks: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "exit 1")).collect();
    let mut world = World::new(&flake(&checks), "").await;
    let limited = |limit| format!("topics = []\nwrites_per_hour = {limit}\n");
    world.change_settings(|text| text.replace("topics = []\n", &limited(LIMIT)));
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    assert_eq!(world.verdict(&first).await["nixci/build"].0, "failure");
    // A quarter is for the checks of one repository.
    world.until_checks(&first, LIMIT / 4).await;
    // They wait; the verdict of the next run does not.
    let second = world.commit("second", &[("file", "1")]);
    world.push_event("main", &second).await;
    assert_eq!(world.verdict(&second).await["nixci/build"].0, "failure");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = world.told(&first) + world.told(&second);
    assert!(told <= LIMIT, "{told}");
    assert_eq!(
        world.checks_told(&first) + world.checks_told(&second),
        LIMIT / 4
    );

    world.change_settings(|text| text.replace(&limited(LIMIT), &limited(1000)));
    assert_eq!(world.ctl(&["reload"]).await.0, Some(0));
    world.until_checks(&first, 15).await;
    world.until_checks(&second, 15).await;
    assert_eq!(world.stop().await, Some(0));
}

/// How many states the forge takes in a minute, and how many checks fail: together with what is said of the run it is more.
const A_MINUTE: usize = 10;
const FAILED: usize = 8;

/// A server of checks that fail, with these settings of the forge, which takes a few states in a minute.
async fn failing(settings: &str) -> World {
    let names: Vec<String> = (0..FAILED).map(|n| format!("bad{n}")).collect();
    let checks: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "exit 1")).collect();
    let world = World::new(&flake(&checks), "").await;
    world.change_settings(|text| {
        text.replace("topics = []\n", &format!("topics = []\n{settings}\n"))
    });
    world.forge.world().writes_per_minute = Some(A_MINUTE);
    world
}

impl World {
    /// Waits until all is told that is to be told of a commit, however long that takes.
    async fn until_all_told(&self, commit: &str) {
        let began = Instant::now();
        while self.checks_told(commit) < FAILED {
            assert!(began.elapsed().as_secs() < 300, "{}", self.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// It takes more than a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_counts_by_the_minute_has_never_enough() {
    let mut world = failing(&format!("writes_per_minute = {A_MINUTE}")).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    let began = Instant::now();
    world.start().await;
    // The verdict is among the first.
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "failure");
    assert!(began.elapsed().as_secs() < 50);
    world.until_all_told(&commit).await;
    let (written, refused) = {
        let forge = world.forge.world();
        (forge.written.clone(), forge.too_many.len())
    };
    assert_eq!(refused, 0);
    let mut late = written.iter();
    assert!(late.any(|at| at.duration_since(written[0]).as_secs() >= 59));
    assert_eq!(world.stop().await, Some(0));
}

/// Others may write with the same token. It takes more than a minute, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_has_enough_is_left_alone_as_long_as_it_says() {
    let mut world = failing("").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.until_all_told(&commit).await;
    assert_eq!(world.statuses(&commit)["nixci/build"].0, "failure");
    let refused = world.forge.world().too_many.len();
    // The one that finds it out each time.
    assert!((1..=3).contains(&refused), "{refused}\n{}", world.log());
    let told = world.ends_told(&commit);
    assert!(told.values().all(|times| *times == 1), "{told:?}");
    assert_eq!(world.stop().await, Some(0));
}
