//! A forge that is in trouble, and a daemon that goes away.

use std::time::Duration;

use serde_json::json;

use crate::world::{World, flake};

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_in_trouble_is_told_everything_later() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let limited = || {
        (
            429,
            vec![("retry-after", "1".to_owned())],
            json!({ "message": "slow down" }),
        )
    };
    let broken = || (500, Vec::new(), json!({ "message": "oops" }));
    world
        .forge
        .world()
        .answers
        .extend([broken(), limited(), broken(), limited()]);
    let next = world.commit("next", &[("file", "x")]);
    world.push_event("main", &next).await;
    assert_eq!(world.verdict(&next).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_restarts_costs_time_only() {
    let slow = flake(&[(
        "slow",
        "echo > $out; n=0; while [ $n -lt 15 ]; do read -t 0.1 x < /dev/zero; n=$((n+1)); done",
    )]);
    let mut world = World::new(&slow, "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &commit).await;
    world
        .until(&commit, |statuses| {
            statuses
                .get("nixci/build")
                .is_some_and(|(_, text)| text == "building")
        })
        .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    tokio::task::block_in_place(|| {
        world.store.kill_daemon();
        world.store.start_daemon();
    });
    assert_eq!(
        world.verdict(&commit).await["nixci/build"].0,
        "success",
        "{}",
        world.log()
    );
    assert_eq!(world.stop().await, Some(0));
}
