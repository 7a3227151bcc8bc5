//! From a push to the verdict.

use serde_json::json;

use crate::{
    support::PATIENCE,
    world::{World, flake, pull_request, push},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_pending_at_once_and_ends_in_its_verdict() {
    let flake = flake(&[
        ("good", "echo fine; echo ok > $out"),
        ("bad", "echo oh no; exit 3"),
    ]);
    let mut world = World::new(&flake, "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    assert_eq!(world.push_event("main", &commit).await, 202);
    let first = world.until(&commit, |statuses| statuses.len() >= 2).await;
    assert!(
        first.contains_key("nixci/eval") && first.contains_key("nixci/build"),
        "{first:?}"
    );
    let last = world.verdict(&commit).await;
    let is = |state: &str, text: &str| Some((state.to_owned(), text.to_owned()));
    assert_eq!(last.get("nixci/eval").cloned(), is("success", "2 checks"));
    assert_eq!(
        last.get("nixci/build").cloned(),
        is("failure", "1 passed, 1 failed")
    );
    assert_eq!(
        last.get("nixci/build gitea:acme/demo#checks.x86_64-linux.bad")
            .cloned(),
        is("failure", "failed: builder failed with exit code 3")
    );
    assert_eq!(last.len(), 3, "{last:?}");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_or_came_before_does_nothing() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    // The sweep at the start finds the branch by itself.
    world.verdict(&commit).await;
    let told = world.told(&commit);
    let payload = push("main", &commit, "a message");
    assert_eq!(world.post("x", "push", "", payload.to_string()).await, 401);
    assert_eq!(
        world
            .post("x", "push", &"0".repeat(64), payload.to_string())
            .await,
        401
    );
    assert_eq!(world.deliver_as("once", "push", &payload).await, 202);
    assert_eq!(
        world.deliver_as("once", "push", &payload).await,
        200,
        "a replay"
    );
    assert_eq!(
        world.deliver_as("other", "push", &payload).await,
        202,
        "the same push under another id"
    );
    assert_eq!(
        world.deliver("push", &json!({ "no": "push" })).await,
        202,
        "garbage is for the log"
    );
    let next = world.commit("next [skip ci]", &[]);
    let skipped = push("main", &next, "next [skip ci]");
    assert_eq!(world.deliver("push", &skipped).await, 202);
    // Nor by looking.
    world.sweep().await;
    world.sweep().await;
    let after = world.commit("after", &[]);
    assert_eq!(world.push_event("main", &after).await, 202);
    world.verdict(&after).await;
    assert!(
        world.statuses(&next).is_empty(),
        "{:?}",
        world.statuses(&next)
    );
    assert_eq!(world.told(&commit), told, "it was built again");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_push_ends_an_older_run_and_never_the_other_way_round() {
    let slow = flake(&[(
        "slow",
        "echo > $out; n=0; while [ $n -lt 600 ]; do read -t 0.1 x < /dev/zero; n=$((n+1)); done",
    )]);
    let mut world = World::new(&slow, "").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &first).await;
    world
        .until(&first, |statuses| {
            statuses
                .get("nixci/build")
                .is_some_and(|(_, text)| text == "building")
        })
        .await;
    let second = world.commit(
        "second",
        &[("flake.nix", &flake(&[("quick", "echo ok > $out")]))],
    );
    world.push_event("main", &second).await;
    let ended = world.verdict(&first).await;
    assert_eq!(ended["nixci/build"].0, "error", "{ended:?}");
    assert!(ended["nixci/build"].1.contains(&second[..8]), "{ended:?}");
    assert_eq!(world.verdict(&second).await["nixci/build"].0, "success");
    // A late webhook of the first push.
    world.push_event("main", &first).await;
    let third = world.commit("third", &[]);
    world.push_event("main", &third).await;
    assert_eq!(world.verdict(&third).await["nixci/build"].0, "success");
    assert_eq!(world.verdict(&second).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
    assert!(world.store.builders().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_tree_is_not_built_again() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &first).await;
    world.verdict(&first).await;
    let second = world.commit("only words", &[]);
    world.push_event("main", &second).await;
    let verdict = world.verdict(&second).await;
    assert_eq!(
        verdict["nixci/build"],
        (
            "success".to_owned(),
            "passed: the same tree as run 1".to_owned()
        )
    );
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_remembered_until_somebody_wants_it_built_again() {
    let mut world = World::new(&flake(&[("bad", "exit 1")]), "").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &first).await;
    world.verdict(&first).await;
    let second = world.commit("second", &[("other", "a file")]);
    world.push_event("main", &second).await;
    let verdict = world.verdict(&second).await;
    let (_, text) = &verdict["nixci/build gitea:acme/demo#checks.x86_64-linux.bad"];
    assert!(text.contains("failed in run 1 already"), "{text}");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_of_a_branch_are_held_and_named_as_long_as_it_is_there() {
    let outputs = tempfile::tempdir().unwrap();
    let settings = format!(
        "branches = [\"release-*\"]\noutputs_dir = \"{}\"",
        outputs.path().display()
    );
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), &settings).await;
    world.git(&["checkout", "-q", "-b", "release-1"]);
    let commit = world.commit("a release", &[("file", "1")]);
    world.start().await;
    world.push_event("release-1", &commit).await;
    world.verdict(&commit).await;
    let file = outputs.path().join("acme/demo/release-1/x86_64-linux.good");
    let path = std::fs::read_to_string(&file).unwrap();
    assert!(path.ends_with("-good"), "{path}");
    world.store.run_nix(&["store", "gc"], world.store.folder());
    assert!(std::path::Path::new(&path).exists(), "it was collected");
    world.git(&["push", "-q", "origin", ":release-1"]);
    let gone = json!({ "ref": "release-1", "ref_type": "branch", "pusher_type": "user",
        "repository": push("main", &commit, "")["repository"], "sender": { "id": 2, "login": "writer" } });
    world.deliver("delete", &gone).await;
    let began = std::time::Instant::now();
    while file.exists() {
        assert!(began.elapsed() < PATIENCE, "{}", world.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_go_to_the_cache_that_is_configured() {
    let cache = tempfile::tempdir().unwrap();
    let settings = format!(
        "[upload]\ncopy_to = [\"file://{}\"]",
        cache.path().display()
    );
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), &settings).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.push_event("main", &commit).await;
    let verdict = world.verdict(&commit).await;
    assert_eq!(
        verdict["nixci/build"].0,
        "success",
        "{verdict:?}\n{}",
        world.log()
    );
    let is_there = std::fs::read_dir(cache.path()).unwrap().any(|entry| {
        entry
            .unwrap()
            .path()
            .extension()
            .is_some_and(|kind| kind == "narinfo")
    });
    assert!(is_there, "{}", world.log());
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "cache poisoning". What a pull request builds goes nowhere; what is merged leaves what a branch leaves, also
/// where its tree was built before.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_behind_is_of_branches_and_of_what_they_had_last() {
    let dir = tempfile::tempdir().unwrap();
    let (outputs, cache) = (dir.path().join("outputs"), dir.path().join("cache"));
    let settings = format!(
        "outputs_dir = \"{}\"\nupload.copy_to = [\"file://{}\"]",
        outputs.display(),
        cache.display()
    );
    let mut world = World::new(&flake(&[("good", "echo 1 > $out")]), &settings).await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&first).await;
    let named = outputs.join("acme/demo/main/x86_64-linux.good");
    let content = || std::fs::read_to_string(std::fs::read_to_string(&named).unwrap()).unwrap();
    let copied = || {
        let entries = std::fs::read_dir(&cache).unwrap().flatten();
        let kind = |entry: &std::fs::DirEntry| entry.path().extension().map(ToOwned::to_owned);
        entries
            .filter(|entry| kind(entry).is_some_and(|kind| kind == "narinfo"))
            .count()
    };
    assert_eq!((content(), copied()), ("1\n".to_owned(), 1));

    world.git(&["checkout", "-q", "-B", "topic"]);
    let head = world.commit(
        "two",
        &[("flake.nix", &flake(&[("good", "echo 2 > $out")]))],
    );
    world.git(&["push", "-q", "origin", "HEAD:refs/pull/7/head", ":topic"]);
    let opened = pull_request("opened", 7, &head, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    assert_eq!(world.verdict(&head).await["nixci/build"].0, "success");
    assert_eq!((content(), copied()), ("1\n".to_owned(), 1));

    // Merged, it is the very tree that passed.
    world.git(&["checkout", "-q", "main"]);
    let merged = world.commit(
        "merged",
        &[("flake.nix", &flake(&[("good", "echo 2 > $out")]))],
    );
    world.push_event("main", &merged).await;
    assert_eq!(world.verdict(&merged).await["nixci/build"].0, "success");
    assert_eq!((content(), copied()), ("2\n".to_owned(), 2));
    world.store.run_nix(&["store", "gc"], world.store.folder());
    assert_eq!(content(), "2\n", "it was collected");

    // Undone, it is the tree that passed at first.
    let undone = world.commit(
        "undone",
        &[("flake.nix", &flake(&[("good", "echo 1 > $out")]))],
    );
    world.push_event("main", &undone).await;
    assert_eq!(world.verdict(&undone).await["nixci/build"].0, "success");
    assert_eq!(content(), "1\n");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_built_by_their_globs_annotated_ones_too() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "tags = [\"v*\"]").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    let commit = world.commit("tagged", &[("file", "1")]);
    world.git(&["tag", "-a", "-m", "one", "v1"]);
    world.git(&["tag", "other"]);
    world.git(&["push", "-q", "origin", "v1", "other"]);
    world.git(&["push", "-q", "-f", "origin", &format!("{first}:main")]);
    world.start().await;
    world.verdict(&first).await;
    let tag = world.git(&["rev-parse", "v1"]);
    let mut pushed = push("main", &tag, "");
    pushed["ref"] = json!("refs/tags/v1");
    pushed["head_commit"] = json!({ "id": commit, "message": "tagged" });
    let mut other = pushed.clone();
    other["ref"] = json!("refs/tags/other");
    other["after"] = json!(commit);
    world.deliver("push", &other).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(world.statuses(&commit).is_empty());
    world.deliver("push", &pushed).await;
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_queue_is_one_run_although_two_events_come() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    world.start().await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&first).await;
    let branch = "gh-readonly-queue/main/pr-7-0123456789abcdef0123456789abcdef01234567";
    world.git(&["checkout", "-q", "-b", branch]);
    let commit = world.commit("merged", &[("file", "1")]);
    world.push_event(branch, &commit).await;
    world.push_event(branch, &commit).await;
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
    world.push_event(branch, &commit).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let log = world.log();
    assert_eq!(log.matches("a run begins").count(), 2, "{log}");
    assert_eq!(world.stop().await, Some(0));
}

/// Two forges may have a repository of one name; the path of outputs does not say which is meant.
#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_those_of_the_first_forge_that_has_a_name() {
    let outputs = tempfile::tempdir().unwrap();
    let settings = format!(
        "branches = [\"release-*\"]\noutputs_dir = \"{}\"",
        outputs.path().display()
    );
    let mut world = World::new(&flake(&[("good", "echo ours > $out")]), &settings).await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.git(&["checkout", "-q", "-b", "release-1"]);
    let release = world.commit("a release", &[("file", "1")]);
    world.git(&["checkout", "-q", "main"]);
    world.start().await;
    for commit in [&first, &release] {
        world.verdict(commit).await;
    }
    let named = ["main", "release-1"].map(|branch| {
        let file = outputs.path().join("acme/demo").join(branch);
        file.join("x86_64-linux.good")
    });
    let paths = || {
        named
            .each_ref()
            .map(|file| std::fs::read_to_string(file).unwrap())
    };
    let before = paths();
    assert_eq!(world.stop().await, Some(0));
    // Somebody else's, at another forge.
    let other = world.store.folder().join("git/other");
    std::fs::create_dir_all(&other).unwrap();
    world.git(&[
        "clone",
        "-q",
        "--bare",
        ".",
        other.join("demo.git").to_str().unwrap(),
    ]);
    world.commit(
        "theirs",
        &[("flake.nix", &flake(&[("good", "echo theirs > $out")]))],
    );
    let theirs = world.git(&["rev-parse", "HEAD"]);
    let to = other.join("demo.git");
    world.git(&["push", "-q", to.to_str().unwrap(), "main", ":release-1"]);
    world.git(&["push", "-q", "-f", "origin", &format!("{first}:main")]);
    let address = world.git_server.address();
    world.change_settings(|text| {
        format!(
            "{text}\n[forge.other]\nkind = \"plain\"\n[forge.other.repository.\"acme/demo\"]\n\
             url = \"{address}/other/demo.git\"\npublic = true\n"
        )
    });
    world.start().await;
    let began = std::time::Instant::now();
    let ended =
        "SELECT id FROM runs WHERE commit_id = ?1 AND state = 'finished' AND outcome = 'passed'";
    let run: i64 = loop {
        if let Ok(run) = world
            .database()
            .query_row(ended, [&theirs], |row| row.get(0))
        {
            break run;
        }
        assert!(began.elapsed().as_secs() < 60, "{}", world.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    let (_, shown, _) = world.ctl(&["show", &run.to_string()]).await;
    assert!(
        shown.contains("a repository of the same name has that place"),
        "{shown}"
    );
    assert_eq!(world.ctl(&["sweep"]).await.0, Some(0));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(paths(), before);
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_held_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let in_the_way = dir.path().join("cache");
    std::fs::write(&in_the_way, "a file").unwrap();
    let settings = format!("upload.copy_to = [\"file://{}\"]", in_the_way.display());
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), &settings).await;
    world.start().await;
    world.log_has("the machine is at fault").await;
    let root = "state/gcroots/1/main/x86_64-linux.good";
    let root = world.store.folder().join(root);
    assert!(root.join("000000001-out").is_symlink(), "{}", world.log());
    world.end_all().await;
}
