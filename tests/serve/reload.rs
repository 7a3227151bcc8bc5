//! Settings that change while the server runs, and a server that is told to end while it builds.

use std::{fs, time::Duration};

use crate::{
    support::PATIENCE,
    world::{SECRET, World, flake, push, signature},
};

/// A flake with one check that takes so many tenths of a second.
fn slow(tenths: u32) -> String {
    let script = format!(
        "echo > $out; n=0; while [ $n -lt {tenths} ]; do read -t 0.1 x < /dev/zero; n=$((n+1)); done"
    );
    flake(&[("slow", &script)])
}

impl World {
    /// Has the settings read anew by a signal, and waits until the server says so.
    pub(crate) async fn reload(&self, said: &str) {
        let before = self.log().matches(said).count();
        self.server
            .as_ref()
            .unwrap()
            .signal(rustix::process::Signal::HUP);
        let began = std::time::Instant::now();
        while self.log().matches(said).count() == before {
            assert!(began.elapsed() < PATIENCE, "{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_building(&self, commit: &str) {
        self.until(commit, |statuses| {
            statuses
                .get("nixci/build")
                .is_some_and(|(_, text)| text == "building")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_and_other_branches_count_at_once_and_runs_go_on() {
    let mut world = World::new(&slow(15), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &commit).await;
    world.until_building(&commit).await;
    let deliver = async |id: &str, secret: &str, branch: &str, commit: &str| {
        let body = push(branch, commit, "a message").to_string();
        let signature = signature(secret, &body);
        world.post(id, "push", &signature, body).await
    };
    fs::write(world.store.folder().join("hook"), "another secret").unwrap();
    world.change_settings(|text| format!("branches = [\"release-*\"]\n{text}"));
    world.reload("the settings are read anew").await;
    assert_eq!(deliver("a", SECRET, "main", &commit).await, 401);
    world.git(&["checkout", "-q", "-b", "release-1"]);
    let release = world.commit("a release", &[("file", "1")]);
    assert_eq!(
        deliver("b", "another secret", "release-1", &release).await,
        202
    );
    for commit in [&commit, &release] {
        let verdict = world.verdict(commit).await;
        assert_eq!(verdict["nixci/build"].0, "success", "{}", world.log());
    }
    // The forge's webhook has the new secret, too.
    let hooks = world.forge.world().find("acme/demo").unwrap().hooks.clone();
    assert!(
        hooks
            .iter()
            .all(|hook| hook["config"]["secret"] == "another secret"),
        "{hooks:?}"
    );
    let log = world.log();
    assert_eq!(log.matches("a run begins").count(), 2, "{log}");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_wrong_change_nothing_and_say_where() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    world.change_settings(|text| text.replace("[forge.work]", "nonsense = 1\n[forge.work]"));
    let (code, said, error) = world.ctl(&["reload"]).await;
    assert_eq!((code, said.as_str()), (Some(2), ""));
    let place = "server.toml:5:1: unknown field `nonsense`";
    assert!(error.contains(place), "{error}");
    let next = world.commit("next", &[("file", "1")]);
    assert_eq!(world.push_event("main", &next).await, 202);
    assert_eq!(world.verdict(&next).await["nixci/build"].0, "success");

    world.change_settings(|text| {
        text.replace("nonsense = 1\n", "")
            .replace("state_dir = \"", "state_dir = \"/other")
    });
    let (code, said, _) = world.ctl(&["reload"]).await;
    assert_eq!(
        (code, said.as_str()),
        (
            Some(0),
            "the settings count, but for `state_dir`, `socket`: restart the server for that\n"
        )
    );
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_may_end_before_the_server_does() {
    let mut world = World::new(&slow(15), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &commit).await;
    world.until_building(&commit).await;
    assert_eq!(world.stop().await, Some(0));
    // Told before it ended: no server is there any more.
    assert_eq!(world.statuses(&commit)["nixci/build"].0, "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_too_long_for_that_is_taken_up_again() {
    let mut world = World::new(&slow(60), "limits.drain = \"1s\"").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &commit).await;
    world.until_building(&commit).await;
    assert_eq!(world.stop().await, Some(0));
    assert_eq!(world.statuses(&commit)["nixci/build"].0, "pending");
    let left = world.store.wait_until_idle(PATIENCE);
    assert!(left.is_empty(), "{left:?}");
    world.start().await;
    assert_eq!(
        world.verdict(&commit).await,
        [("nixci/build", "1 passed"), ("nixci/eval", "1 check"),]
            .map(|(context, text)| (context.to_owned(), ("success".to_owned(), text.to_owned())))
            .into()
    );
    assert_eq!(world.stop().await, Some(0));
}

/// A webhook that comes while the server ends is on disk, and taken up by the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_goes_on_answering_while_builds_go_on() {
    let mut world = World::new(&slow(100), "").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &first).await;
    world.until_building(&first).await;
    let server = world.server.as_ref().expect("it runs");
    server.signal(rustix::process::Signal::TERM);
    world.log_has("ending: runs may go on for a while").await;
    let ready = world.http.get(format!("{}/readyz", world.url)).send().await;
    assert_eq!(ready.unwrap().status().as_u16(), 503);
    let second = world.commit("second", &[("file", "2")]);
    let answer = world.push_event("main", &second).await;
    assert!((200..300).contains(&answer), "{answer}");
    assert_eq!(world.stop().await, Some(0));
    world.start().await;
    assert_eq!(world.verdict(&second).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}
