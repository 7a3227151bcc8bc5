//! What a repository says about how it is built, and who can make it say so.

use std::time::Duration;

use crate::world::{World, flake, pull_request};

const FMT: &[(&str, &str)] = &[("fmt", "echo fmt > $out"), ("good", "echo ok > $out")];

/// Pushes a branch as a pull request's head. Returns its commit.
fn open(world: &World, number: u64, files: &[(&str, &str)]) -> String {
    world.git(&["checkout", "-q", "-B", "topic", "main"]);
    let head = world.commit("topic", files);
    let to = format!("HEAD:refs/pull/{number}/head");
    world.git(&["push", "-q", "-f", "origin", &to, ":topic"]);
    world.git(&["checkout", "-q", "main"]);
    head
}

async fn page(world: &World, path: &str) -> String {
    let answer = reqwest::get(format!("{}{path}", world.url)).await.unwrap();
    answer.text().await.unwrap()
}

/// Security: "spoofed green".
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_deletes_a_required_check_fails() {
    let mut world = World::new(&flake(FMT), "").await;
    let rules = "[serve]\nrequired = [\"checks.x86_64-linux.fmt\"]\n";
    let main = world.commit("rules", &[("nixci.toml", rules)]);
    world.start().await;
    assert_eq!(world.verdict(&main).await["nixci/build"].0, "success");
    let without = flake(&[("good", "echo ok > $out"), ("new", "echo new > $out")]);
    let failing = flake(&[("fmt", "exit 1"), ("good", "echo ok > $out")]);
    let missing = "required checks did not pass: checks.x86_64-linux.fmt";
    let tries: [(&[(&str, &str)], &str); 4] = [
        (&[("flake.nix", &without)], "(not there)"),
        // It wants to be asked no longer.
        (
            &[("flake.nix", &without), ("nixci.toml", "")],
            "(not there)",
        ),
        (&[("nixci.toml", "exclude = [\"fmt\"]")], "(not there)"),
        (
            &[
                ("flake.nix", &failing),
                (
                    "nixci.toml",
                    "[[check]]\nname = \"fmt\"\nallow_failure = true",
                ),
            ],
            "(failed)",
        ),
    ];
    for (number, (files, why)) in (7..).zip(tries) {
        let head = open(&world, number, files);
        let opened = pull_request("opened", number, &head, (2, "writer"));
        world.deliver("pull_request", &opened).await;
        let verdict = world.verdict(&head).await;
        let expected = ("failure".to_owned(), format!("{missing} {why}"));
        assert_eq!(verdict["nixci/build"], expected, "{}", world.log());
    }
    let run = page(&world, "/runs/2").await;
    assert!(run.contains(missing), "{run}");
    assert!(run.contains("Checks removed"), "{run}");
    assert!(run.contains("checks.x86_64-linux.new"), "{run}");

    // What leaves it alone passes.
    let head = open(&world, 20, &[("other", "")]);
    world
        .deliver(
            "pull_request",
            &pull_request("opened", 20, &head, (2, "writer")),
        )
        .await;
    assert_eq!(world.verdict(&head).await["nixci/build"].0, "success");
    // Merged, the new rules count.
    let merged = world.commit("merged", &[("flake.nix", &without), ("nixci.toml", "")]);
    world.push_event("main", &merged).await;
    assert_eq!(world.verdict(&merged).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "spoofed green", by way of a merge queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_queue_has_to_do_what_the_branch_demands_that_it_is_for() {
    let mut world = World::new(&flake(FMT), "branches = [\"release/*\"]").await;
    let main = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&main).await;
    world.git(&["checkout", "-q", "-b", "release/1"]);
    let rules = "[serve]\nrequired = [\"checks.x86_64-linux.fmt\"]\n";
    let release = world.commit("rules", &[("nixci.toml", rules)]);
    // gitea-mq names its branches by the pull request alone.
    let mut opened = pull_request("opened", 12, &main, (2, "writer"));
    opened["pull_request"]["base"]["ref"] = "release/1".into();
    world.forge_has(&opened);
    let without = flake(&[("good", "echo ok > $out")]);
    let missing = "required checks did not pass: checks.x86_64-linux.fmt (not there)";
    for (candidate, from, ends) in [
        (
            format!("gh-readonly-queue/release/1/pr-7-{release}"),
            "release/1",
            "failure",
        ),
        ("gitea-mq/12".to_owned(), "release/1", "failure"),
        // The default branch demands nothing, and is what counts where the branch is not known.
        (
            format!("gh-readonly-queue/main/pr-8-{main}"),
            "main",
            "success",
        ),
        ("staging".to_owned(), "release/1", "success"),
        ("gitea-mq/99".to_owned(), "release/1", "success"),
    ] {
        world.git(&["checkout", "-q", "-b", &candidate, from]);
        let files = [
            ("flake.nix", without.as_str()),
            ("nixci.toml", ""),
            ("candidate", &candidate),
        ];
        let commit = world.commit("merged", &files);
        world.push_event(&candidate, &commit).await;
        let (state, text) = world.verdict(&commit).await["nixci/build"].clone();
        assert_eq!(state, ends, "{candidate}: {text}: {}", world.log());
        assert_eq!(text == missing, ends == "failure", "{candidate}: {text}");
    }
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_default_branch_says_what_else_is_built() {
    let mut world = World::new(&flake(FMT), "").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&first).await;
    let wide = "[serve]\nbranches = [\"*\"]\ntags = [\"*\"]\n";
    // A branch, and a pull request that was built, ask for themselves.
    world.git(&["checkout", "-q", "-b", "mine"]);
    let mine = world.commit("mine", &[("nixci.toml", wide)]);
    world.git(&["checkout", "-q", "main"]);
    let head = open(&world, 7, &[("nixci.toml", wide)]);
    world
        .deliver(
            "pull_request",
            &pull_request("opened", 7, &head, (2, "writer")),
        )
        .await;
    assert_eq!(world.verdict(&head).await["nixci/build"].0, "success");
    world.push_event("mine", &mine).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(world.statuses(&mine).is_empty(), "{}", world.log());
    // Merged, it counts at once: the branch is found without another webhook.
    let merged = world.commit(
        "merged",
        &[("nixci.toml", "[serve]\nbranches = [\"mi*\"]\n")],
    );
    world.push_event("main", &merged).await;
    assert_eq!(world.verdict(&merged).await["nixci/build"].0, "success");
    assert_eq!(world.verdict(&mine).await["nixci/build"].0, "success");
    world.git(&["checkout", "-q", "-b", "other"]);
    let other = world.commit("other", &[("x", "1")]);
    world.push_event("other", &other).await;
    world.git(&["checkout", "-q", "-b", "mine-too"]);
    let too = world.commit("too", &[("x", "2")]);
    world.push_event("mine-too", &too).await;
    assert_eq!(world.verdict(&too).await["nixci/build"].0, "success");
    assert!(world.statuses(&other).is_empty());
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "spoofed green", by having built once more what a branch has left behind.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_moves_a_branch_on_is_asked_for_no_less() {
    let mut world = World::new(&flake(FMT), "branches = [\"next\"]").await;
    let rules = "[serve]\nrequired = [\"checks.x86_64-linux.fmt\"]\n";
    let main = world.commit("rules", &[("nixci.toml", rules)]);
    world.start().await;
    assert_eq!(world.verdict(&main).await["nixci/build"].0, "success");
    world.git(&["checkout", "-q", "-b", "next"]);
    let without = flake(&[("good", "echo ok > $out")]);
    let without = world.commit("without", &[("flake.nix", &without), ("nixci.toml", "")]);
    world.push_event("next", &without).await;
    let missing = "required checks did not pass: checks.x86_64-linux.fmt (not there)";
    let refused = ("failure".to_owned(), missing.to_owned());
    assert_eq!(world.verdict(&without).await["nixci/build"], refused);
    world.commit("on", &[("file", "1")]);
    let (code, shown, said) = world.ctl(&["rebuild", "2", "--json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let run = serde_json::from_str::<serde_json::Value>(&shown).unwrap()["run"].to_string();
    let (code, _, _) = world.ctl(&["watch", &run]).await;
    assert_eq!(code, Some(1));
    assert_eq!(world.verdict(&without).await["nixci/build"], refused);
    assert_eq!(world.stop().await, Some(0));
}

/// Whether this is noted of what the default branch says.
fn noted(world: &World, rule: &str) -> bool {
    let ask = "SELECT coalesce(serve, '') FROM repositories";
    let serve: String = world
        .database()
        .query_row(ask, [], |row| row.get(0))
        .unwrap();
    serve.contains(rule)
}

/// What gives rights counts as it is on the default branch: on whichever that is now, and whether it is built or not.
#[tokio::test(flavor = "multi_thread")]
async fn what_another_default_branch_says_counts_although_it_was_built_before() {
    let mut world = World::new(&flake(FMT), "branches = [\"next\"]").await;
    world.start().await;
    let main = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&main).await;
    // A commit that is not to be built says something, too.
    let rules = "[serve]\nrequired = [\"checks.x86_64-linux.fmt\"]\n";
    let skipped = world.commit("rules [skip ci]", &[("nixci.toml", rules)]);
    let mut event = crate::world::push("main", &skipped, "rules [skip ci]");
    event["head_commit"]["message"] = "rules [skip ci]".into();
    world.deliver("push", &event).await;
    let fmt = "\"required\":[\"checks.x86_64-linux.fmt\"]";
    world
        .eventually("it is not noted", async || noted(&world, fmt))
        .await;
    assert!(world.statuses(&skipped).is_empty());

    world.git(&["checkout", "-q", "-b", "next"]);
    let rules = "[serve]\nrequired = [\"checks.x86_64-linux.good\"]\n";
    let next = world.commit("next", &[("nixci.toml", rules)]);
    world.push_event("next", &next).await;
    assert_eq!(world.verdict(&next).await["nixci/build"].0, "success");
    assert!(noted(&world, fmt));
    world.git(&["push", "-q", "origin", "HEAD:refs/heads/next"]);
    world
        .forge
        .world()
        .find("acme/demo")
        .unwrap()
        .default_branch = Some("next".into());
    world.sweep().await;
    let good = "\"required\":[\"checks.x86_64-linux.good\"]";
    world
        .eventually("the other is not noted", async || noted(&world, good))
        .await;
    // Once.
    let runs = || -> i64 {
        let ask = "SELECT count(*) FROM runs";
        world
            .database()
            .query_row(ask, [], |row| row.get(0))
            .unwrap()
    };
    let before = runs();
    world.sweep().await;
    world.sweep().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(runs(), before);
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_may_be_stricter_with_pull_requests_and_never_less() {
    let settings = "[pull_requests]\nbuild = \"approved\"";
    let mut world = World::new(&flake(FMT), settings).await;
    let all = "[serve]\npull_requests = \"all\"\n";
    let main = world.commit("rules", &[("nixci.toml", all)]);
    world.start().await;
    world.verdict(&main).await;
    let head = open(&world, 7, &[("evil", "1")]);
    let opened = pull_request("opened", 7, &head, (3, "reader"));
    world.deliver("pull_request", &opened).await;
    let waits = |text: &str| text.starts_with("waits for approval");
    world
        .until(&head, |told| {
            told.get("nixci/build").is_some_and(|(_, text)| waits(text))
        })
        .await;
    let trusted = "[serve]\npull_requests = \"trusted\"\n";
    let main = world.commit("stricter", &[("nixci.toml", trusted)]);
    world.push_event("main", &main).await;
    world.verdict(&main).await;
    let head = open(&world, 8, &[("evil", "2"), ("nixci.toml", all)]);
    let opened = pull_request("opened", 8, &head, (3, "reader"));
    world.deliver("pull_request", &opened).await;
    let verdict = world.verdict(&head).await;
    let text = "not built: its author may not write to the repository";
    assert_eq!(verdict["nixci/build"].1, text, "{verdict:?}");
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "symlink config".
#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_a_link_are_not_read() {
    let mut world = World::new(&flake(FMT), "").await;
    world.git(&["checkout", "-q", "main"]);
    world.link("/etc/passwd", "nixci.toml");
    let commit = world.commit("a link", &[]);
    world.start().await;
    let verdict = world.verdict(&commit).await;
    assert_ne!(verdict["nixci/build"].0, "success", "{verdict:?}");
    for (_, text) in verdict.values() {
        assert!(!text.contains("root:"), "{text}");
    }
    assert!(!page(&world, "/runs/1").await.contains("root:"));
    assert_eq!(world.stop().await, Some(0));
}
