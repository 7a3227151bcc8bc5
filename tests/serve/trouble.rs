//! A forge that is in trouble, a daemon that goes away, a disk that is full, a database that is locked.

use std::time::Duration;

use serde_json::json;

use crate::{
    support::{gate, servers, wait_until},
    world::{World, flake, push},
};

/// What `ctl watch` says of a run that has begun.
const WATCHED: &str = "Evaluating";

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
async fn a_token_that_is_wrong_for_a_while_costs_time_only() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let wrong = |status| (status, Vec::new(), json!({ "message": "who are you?" }));
    let answers = [401, 403, 404].map(wrong);
    world.forge.world().answers.extend(answers);
    // Nor does the forge show the repository.
    let git = world.store.folder().join("git/acme");
    let next = world.commit("next", &[("file", "x")]);
    std::fs::rename(git.join("demo.git"), git.join("hidden.git")).unwrap();
    world.push_event("main", &next).await;
    world.log_has("a run is not prepared").await;
    std::fs::rename(git.join("hidden.git"), git.join("demo.git")).unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_restarts_while_a_flake_is_evaluated_costs_time_only() {
    let slow = r#"{ outputs = _: { checks.x86_64-linux = builtins.listToAttrs (map (n: {
        name = "c${toString n}";
        value = derivation {
            name = "c${toString n}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ];
            sum = builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 300000);
        }; }) (builtins.genList (x: x) 60)); }; }"#;
    let mut world = World::new(slow, "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &commit).await;
    world
        .until(&commit, |statuses| {
            statuses
                .get("nixci/eval")
                .is_some_and(|(_, text)| text == "evaluating")
        })
        .await;
    let mut watching = world.start_ctl(&["watch", "1"]);
    tokio::task::block_in_place(|| {
        watching.wait_for(WATCHED);
        world.store.kill_daemon();
    });
    world
        .log_has("the machine is at fault: the run is tried again")
        .await;
    tokio::task::block_in_place(|| world.store.start_daemon());
    let verdict = world.verdict(&commit).await;
    let passed = |text: &str| ("success".to_owned(), text.to_owned());
    assert_eq!(
        verdict["nixci/eval"],
        passed("60 checks"),
        "{}",
        world.log()
    );
    assert_eq!(verdict["nixci/build"], passed("60 passed"));
    // What was the daemon's fault is told of nobody.
    let ends = world.ends_told(&commit);
    assert!(ends.values().all(|count| *count == 1), "{ends:?}");
    // Whoever watches sees both attempts, and the end of the second is the run's.
    let watched = tokio::task::block_in_place(|| watching.finish());
    assert_eq!(watched.code, Some(0), "{watched}");
    let said = &watched.stderr;
    assert!(said.contains("run 1 is tried again"), "{watched}");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_locked_costs_time_only() {
    let good = flake(&[("good", "echo ok > $out")]);
    let mut world = World::in_store(gate::store(), &good, "").await;
    world.start().await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&first).await;
    let lock = world.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let next = world.commit("next", &[("file", "x")]);
    let sender = world.sender();
    let payload = push("main", &next, "next");
    // Longer than the server waits for a lock: what it cannot write down it does not say that it has.
    assert_eq!(sender.deliver("locked", "push", &payload).await, 503);
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(sender.deliver("locked", "push", &payload).await, 202);
    let script = gate::wait_by_itself(&world.store, "end") + "echo > $out";
    let slow = flake(&[("slow", &script)]);
    let building = world.commit("slow", &[("flake.nix", &slow)]);
    world.push_event("main", &building).await;
    world
        .until(&building, |statuses| {
            statuses
                .get("nixci/build")
                .is_some_and(|(_, text)| text == "building")
        })
        .await;
    // The end of the build comes while nothing can be written.
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    gate::open(&world.store, "end");
    world
        .log_has("not written down; tried again until it is")
        .await;
    lock.execute_batch("COMMIT").unwrap();
    assert_eq!(world.verdict(&building).await["nixci/build"].0, "success");
    assert_eq!(world.verdict(&next).await.len(), 2);
    assert_eq!(world.stop().await, Some(0));
    world.database_is_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_goes_while_the_server_is_down_leaves_nothing() {
    let good = flake(&[("good", "echo ok > $out")]);
    let mut world = World::new(&good, "branches = [\"feature-*\"]\n").await;
    let main = world.git(&["rev-parse", "HEAD"]);
    world.git(&["checkout", "-q", "-b", "feature-a"]);
    let commit = world.commit("feature", &[]);
    world.start().await;
    world.verdict(&main).await;
    world.verdict(&commit).await;
    let root = world
        .store
        .folder()
        .join("state/gcroots/1/feature-a/x86_64-linux.good");
    assert!(root.exists(), "{}", world.log());
    assert_eq!(world.stop().await, Some(0));
    world.git(&["push", "-q", "origin", ":feature-a"]);
    world.start().await;
    world.log_has("a branch is gone").await;
    assert!(!root.exists());
    assert!(world.store.folder().join("state/gcroots/1/main").exists());
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_time_only() {
    let good = flake(&[("good", "echo ok > $out")]);
    let mut world = World::in_store(gate::store(), &good, "branches = [\"full-*\"]\n").await;
    // Whoever may use that has namespaces of mounts, too.
    if servers::bubblewrap().is_none() {
        return;
    }
    world.on_a_small_disk(32);
    world.start().await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&first).await;
    assert_eq!(world.ready().await, 200);
    let script = gate::wait_by_itself(&world.store, "end") + "echo > $out; echo done";
    let slow = flake(&[("slow", &script)]);
    let building = world.commit("slow", &[("flake.nix", &slow)]);
    world.push_event("main", &building).await;
    world
        .until(&building, |statuses| {
            statuses
                .get("nixci/build")
                .is_some_and(|(_, text)| text == "building")
        })
        .await;
    world.disk().fill();
    assert_eq!(world.ready().await, 503);
    // What does not fit is not said to be taken; what is taken is built, when there is room.
    let (mut all, mut refused) = (Vec::new(), 0);
    for n in 0..6 {
        let branch = format!("full-{n}");
        world.git(&["checkout", "-q", "-b", &branch]);
        let text = flake(&[(&format!("of-{n}"), "echo > $out")]);
        let commit = world.commit(&branch, &[("flake.nix", &text)]);
        let payload = push(&branch, &commit, &"words ".repeat(100_000));
        let status = world.sender().deliver(&branch, "push", &payload).await;
        assert!(matches!(status, 202 | 503), "{status}");
        refused += u32::from(status == 503);
        all.push((branch, commit, payload));
    }
    assert!(refused > 0);
    // The end of the build comes while nothing can be written.
    gate::open(&world.store, "end");
    tokio::task::block_in_place(|| {
        wait_until("the end of the build", || world.store.builders().is_empty());
    });
    world
        .log_has("not written down; tried again until it is")
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.disk().free();
    assert_eq!(world.ready().await, 200);
    for (branch, commit, payload) in &all {
        assert_eq!(world.sender().deliver(branch, "push", payload).await, 202);
        assert_eq!(world.verdict(commit).await["nixci/build"].0, "success");
    }
    let verdict = world.verdict(&building).await;
    assert_eq!(verdict["nixci/build"].0, "success", "{}", world.log());
    for commit in all.iter().map(|(_, commit, _)| commit).chain([&building]) {
        let ends = world.ends_told(commit);
        assert!(ends.values().all(|count| *count == 1), "{ends:?}");
    }
    assert_eq!(world.stop().await, Some(0));
    let copy = world.store.folder().join("copy");
    world.disk().copy_to(&copy);
    std::fs::rename(
        copy.join("nixci.sqlite"),
        world.store.folder().join("state/nixci.sqlite"),
    )
    .unwrap();
    world.database_is_whole();
}
