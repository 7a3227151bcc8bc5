//! How much a forge is told, where it does not take as much as there is to say.

use std::time::Duration;

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
