//! `nixci ctl` against a server.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    pages::page,
    support::running::Running,
    world::{World, flake},
};

impl World {
    /// Runs `nixci ctl` with these arguments.
    pub(crate) async fn ctl(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        self.ctl_beside(arguments).await.unwrap()
    }

    /// Runs it beside what the test does.
    pub(crate) fn ctl_beside(
        &self,
        arguments: &[&str],
    ) -> JoinHandle<(Option<i32>, String, String)> {
        let running = self.start_ctl(arguments);
        tokio::task::spawn_blocking(move || {
            let ended = running.finish();
            (ended.code, ended.stdout, ended.stderr)
        })
    }

    /// Starts it.
    pub(crate) fn start_ctl(&self, arguments: &[&str]) -> Running {
        let mut command = self.store.command(env!("CARGO_BIN_EXE_nixci"));
        command.arg("ctl");
        if arguments.first() != Some(&"--url") {
            command
                .arg("--socket")
                .arg(self.store.folder().join("state/nixci.sock"));
        }
        Running::start(command.args(arguments))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_carried_out() {
    let flake = flake(&[
        ("good", "echo fine; echo ok > $out"),
        ("bad", "echo oh no; exit 3"),
    ]);
    let mut world = World::new(&flake, "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let (code, list, error) = world.ctl(&["list"]).await;
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(
        list.contains("failed") && list.contains("work/acme/demo") && list.contains("first"),
        "{list}"
    );
    let (_, shown, _) = world.ctl(&["show", "1"]).await;
    assert!(
        shown.contains("checks.x86_64-linux.bad") && shown.contains("  oh no"),
        "{shown}"
    );
    let (code, log, _) = world.ctl(&["log", "1", "bad"]).await;
    assert_eq!((code, log.as_str()), (Some(0), "oh no\n"));
    let (code, log, _) = world.ctl(&["log", "1", "good"]).await;
    assert_eq!((code, log.as_str()), (Some(0), "fine\n"));
    let (code, log, _) = world.ctl(&["log", "1", "bad", "--json"]).await;
    assert_eq!((code, log.as_str()), (Some(0), "{\"line\":\"oh no\"}\n"));
    let (code, _, error) = world.ctl(&["log", "1", "nothing"]).await;
    assert_eq!(
        (code, error.as_str()),
        (Some(2), "error: there is no check nothing in run 1\n")
    );
    // As `nixci check` shows it, and with its exit code.
    let (code, shown, _) = world
        .ctl(&["run", "acme/demo", "--reason", "to see it", "--watch"])
        .await;
    assert_eq!(code, Some(1), "{shown}");
    assert!(
        shown.contains("x86_64-linux.bad") && shown.contains("already"),
        "{shown}"
    );
    let page = page(&world, "/runs/2").await;
    assert!(
        page.contains(r#"<a href="/runs/1">Run 1, where it failed</a>"#),
        "{page}"
    );
    let (code, shown, _) = world.ctl(&["rebuild", "1", "--json"]).await;
    assert_eq!(code, Some(0), "{shown}");
    let run = serde_json::from_str::<Value>(&shown).unwrap()["run"].to_string();
    let (code, shown, _) = world.ctl(&["watch", &run]).await;
    assert!(
        code == Some(1) && !shown.contains("already"),
        "a rebuild builds what failed\n{shown}"
    );
    let (code, _, error) = world.ctl(&["rebuild", "1", "nothing"]).await;
    assert_eq!(
        (code, error.as_str()),
        (Some(2), "error: there is no check nothing in run 1\n")
    );
    let (code, audit, _) = world.ctl(&["audit"]).await;
    let deeds: Vec<&str> = audit
        .lines()
        .map(|line| line.split_once("  ").unwrap().1)
        .collect();
    let who = format!("socket:uid {}", rustix::process::geteuid().as_raw());
    let run = format!("{who}  run      acme/demo {commit}");
    assert_eq!(code, Some(0));
    assert_eq!(deeds, [format!("{who}  rebuild  run 1"), run], "{audit}");
    let (code, _, error) = world.ctl(&["run", "acme/demo", "no-such-branch"]).await;
    assert_eq!(code, Some(2), "{error}");
    let (_, repositories, _) = world.ctl(&["repositories"]).await;
    assert_eq!(repositories, "work/acme/demo  built\n");
    let (code, doctor, _) = world.ctl(&["doctor"]).await;
    assert_eq!(code, Some(0), "{doctor}");
    assert!(doctor.contains("sees acme/demo"), "{doctor}");
    assert_eq!(world.stop().await, Some(0));
    let (code, _, error) = world.ctl(&["list"]).await;
    assert!(
        code == Some(4) && error.contains("does `nixci serve` run"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_check_failed_by_is_built_again_and_nothing_else() {
    let flake = flake(&[
        ("bad", "echo oh no; exit 3"),
        ("worse", "echo oh dear; exit 4"),
    ])
    .replace("worse = derivation", "\"much worse\" = derivation");
    let mut world = World::new(&flake, "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let (code, shown, error) = world.ctl(&["rebuild", "1", "much worse", "--json"]).await;
    assert_eq!(code, Some(0), "{error}");
    let run = serde_json::from_str::<Value>(&shown).unwrap()["run"].to_string();
    world.ctl(&["watch", &run]).await;
    let (_, shown, _) = world.ctl(&["show", &run]).await;
    let reason = |name: &str| {
        let name = format!("checks.x86_64-linux.{name} ");
        let line = shown.lines().find(|line| line.contains(&name));
        line.unwrap_or_else(|| panic!("{shown}")).to_owned()
    };
    assert!(
        reason("bad").contains("it failed in run 1 already"),
        "{shown}"
    );
    assert!(!reason("\"much worse\"").contains("already"), "{shown}");
    assert_eq!(world.stop().await, Some(0));
}

/// What is built once more may be at no branch by now: it is built for itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_rebuilt_is_built_wherever_its_branch_is() {
    let flaky = flake(&[("good", "echo ok > $out"), ("bad", "echo oh no; exit 3")]);
    let mut world = World::new(&flaky, "branches = [\"next\"]").await;
    world.start().await;
    let old = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&old).await;
    let new = world.commit("new", &[("file", "1")]);
    world.push_event("main", &new).await;
    world.verdict(&new).await;
    // The branch has moved on.
    let (code, shown, said) = world.ctl(&["rebuild", "1", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let run = serde_json::from_str::<Value>(&shown).unwrap()["run"].to_string();
    let (code, shown, _) = world.ctl(&["watch", &run]).await;
    assert!(code == Some(1) && !shown.contains("already"), "{shown}");
    let told = world.verdict(&old).await;
    assert_eq!(told["nixci/build"].0, "failure", "{told:?}");
    // What is newer goes on to be the newest.
    let (_, shown, _) = world.ctl(&["show", &run]).await;
    assert!(shown.contains(&old), "{shown}");
    // It is gone.
    world.git(&["checkout", "-q", "-b", "next"]);
    let gone = world.commit("gone", &[("file", "2")]);
    world.push_event("next", &gone).await;
    world.verdict(&gone).await;
    world.git(&["push", "-q", "origin", ":next"]);
    let (_, shown, _) = world.ctl(&["rebuild", "4", "--json"]).await;
    let run = serde_json::from_str::<Value>(&shown).unwrap()["run"].to_string();
    let (code, shown, _) = world.ctl(&["watch", &run]).await;
    assert!(
        code == Some(1) && shown.contains("x86_64-linux.bad"),
        "{shown}"
    );
    // There never was such a commit.
    let (_, shown, _) = world
        .ctl(&["run", "acme/demo", &"1".repeat(40), "--json"])
        .await;
    let run = serde_json::from_str::<Value>(&shown).unwrap()["run"].to_string();
    world.ctl(&["watch", &run]).await;
    let (_, shown, _) = world.ctl(&["show", &run]).await;
    assert!(
        shown.contains("the repository has no commit 11111111"),
        "{shown}"
    );
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_repository_waits_and_a_cancelled_run_is_over() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    world.start().await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&first).await;
    world.ctl(&["pause", "acme/demo"]).await;
    let commit = world.commit("second", &[("file", "2")]);
    world.push_event("main", &commit).await;
    world
        .until(&commit, |statuses| statuses.contains_key("nixci/build"))
        .await;
    world
        .eventually("the run waits", async || {
            world.ctl(&["list"]).await.1.starts_with("2  waiting")
        })
        .await;
    // And goes on to.
    tokio::time::sleep(std::time::Duration::from_millis(800)).await;
    assert_eq!(world.statuses(&commit)["nixci/build"].0, "pending");
    let (_, list, _) = world.ctl(&["list"]).await;
    assert!(list.starts_with("2  waiting"), "{list}");
    assert_eq!(world.ctl(&["cancel", "2"]).await.0, Some(0));
    assert_eq!(
        world.verdict(&commit).await["nixci/build"],
        ("error".to_owned(), "cancelled by hand".to_owned())
    );
    world.ctl(&["resume", "acme/demo"]).await;
    let third = world.commit("third", &[("file", "3")]);
    world.push_event("main", &third).await;
    assert_eq!(world.verdict(&third).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nobody_gives_orders_over_http() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    world.start().await;
    let http = reqwest::Client::new();
    for (header, path) in [
        ("", "runs"),
        ("Bearer ", "runs"),
        ("Bearer secret", "doctor"),
    ] {
        let answer = http
            .get(format!("{}/api/v1/{path}", world.url))
            .header("authorization", header)
            .send()
            .await;
        assert_eq!(answer.unwrap().status().as_u16(), 401, "{header:?}");
    }
    assert_eq!(world.stop().await, Some(0));
}

/// Evaluations have the server's user, and behind Landlock they reach its socket: the mode of that is not enough.
#[tokio::test(flavor = "multi_thread")]
async fn orders_by_the_socket_take_the_key_beside_it() {
    let mut world = World::new(&flake(&[]), "").await;
    world.start().await;
    let socket = world.store.folder().join("state/nixci.sock");
    let key_file = world.store.folder().join("state/nixci.sock.key");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(&key_file)), (0o600, 0o600));
    let key = fs::read_to_string(&key_file).unwrap();
    assert_eq!(key.len(), 43);
    let http = reqwest::Client::builder()
        .unix_socket(socket)
        .no_proxy()
        .build()
        .unwrap();
    let ask = |key: Option<String>| {
        let request = http.get("http://localhost/api/v1/runs");
        let request = key
            .into_iter()
            .fold(request, reqwest::RequestBuilder::bearer_auth);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(ask(None).await, 401);
    assert_eq!(ask(Some(key.replace(|_: char| true, "0"))).await, 401);
    assert_eq!(ask(Some(key.clone())).await, 200);
    // Who cannot read it is told what is missing.
    fs::remove_file(&key_file).unwrap();
    let (code, _, error) = world.ctl(&["list"]).await;
    assert_eq!(code, Some(2));
    assert!(error.contains("the key that lies beside it"), "{error}");
    // Another start has another.
    world.stop().await;
    assert!(!key_file.exists());
    world.start().await;
    assert_ne!(fs::read_to_string(&key_file).unwrap(), key);
    world.stop().await;
}

/// Each token is somebody's: who gave an order is known by the name of its file.
#[tokio::test(flavor = "multi_thread")]
async fn orders_from_elsewhere_take_a_token_and_are_noted_by_its_name() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "TOKENS").await;
    let file = |name: &str| world.store.folder().join(name);
    for (name, token) in [
        ("alice", "a-token"),
        ("bob", "b-token\n"),
        ("eve", "c-token"),
    ] {
        fs::write(file(name), token).unwrap();
    }
    let files = [file("alice"), file("bob")];
    let eve = file("eve");
    world.change_settings(|text| text.replace("TOKENS", &format!("ctl_token_file = {files:?}")));
    world.start().await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&commit).await;
    let url = world.url.clone();
    let from_elsewhere = |token: &Path, order: &[&str]| {
        let way = ["--url", &url, "--token-file", token.to_str().unwrap()];
        world.ctl_beside(&[&way, order].concat())
    };
    let (code, list, said) = from_elsewhere(&files[0], &["list"]).await.unwrap();
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(list.contains("work/acme/demo"), "{list}");
    for (token, order) in [(&files[0], "pause"), (&files[1], "resume")] {
        let (code, _, said) = from_elsewhere(token, &[order, "acme/demo"]).await.unwrap();
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, _, said) = from_elsewhere(&eve, &["pause", "acme/demo"]).await.unwrap();
    assert_eq!(code, Some(2));
    assert!(said.contains("a token of this server is needed"), "{said}");
    fs::write(&eve, "b-token\na-token").unwrap();
    let (code, _, said) = from_elsewhere(&eve, &["list"]).await.unwrap();
    assert_eq!(code, Some(2));
    assert!(said.contains("no token in it, or more than one"), "{said}");
    // A server below a folder is asked there.
    let below = format!("{url}/nixci");
    let way = ["--url", &below, "--token-file", files[0].to_str().unwrap()];
    let (code, _, said) = world
        .ctl_beside(&[&way[..], &["list"]].concat())
        .await
        .unwrap();
    assert!(code == Some(2) && said.contains("404"), "{said}");
    let (_, audit, _) = from_elsewhere(&files[1], &["audit"]).await.unwrap();
    let deeds = audit.lines().map(|line| line.split_once("  ").unwrap().1);
    let deeds: Vec<String> = deeds
        .map(|deed| deed.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        deeds,
        ["token:bob resume acme/demo", "token:alice pause acme/demo"],
        "{audit}"
    );
    assert_eq!(world.stop().await, Some(0));
}
