//! Pull requests: whose are built, and what of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    gitlab::{merge_request, token},
    world::{SECRET, Status, World, flake, pull_request, push},
};

/// A builder that takes a minute.
const SLOW: &str =
    "n=0; while [ $n -lt 600 ]; do read -t 0.1 x < /dev/zero; n=$((n+1)); done; echo > $out";

/// What is told of a comment below a pull request.
pub(crate) fn comment(number: u64, id: u64, who: (u64, &str), text: &str) -> Value {
    let user = json!({ "id": who.0, "login": who.1 });
    json!({
        "action": "created", "is_pull": true, "sender": user,
        "repository": { "id": 12, "full_name": "acme/demo", "default_branch": "main", "private": false },
        "issue": { "id": 1, "number": number, "pull_request": {}, "user": { "id": 3, "login": "reader" } },
        "comment": { "id": id, "body": text, "user": user },
    })
}

/// Pushes a branch as a pull request's head. Returns its commit.
pub(crate) fn open(world: &World, number: u64, from: &str, files: &[(&str, &str)]) -> String {
    world.git(&["checkout", "-q", "-B", "topic", from]);
    let head = world.commit("topic", files);
    world.git(&[
        "push",
        "-q",
        "-f",
        "origin",
        &format!("HEAD:refs/pull/{number}/head"),
    ]);
    world.git(&["push", "-q", "origin", ":topic"]);
    world.git(&["checkout", "-q", "main"]);
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_built_as_it_would_be_merged() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let head = open(&world, 7, &base, &[("topic", "a file")]);
    // Only merged with this one does it fail.
    let main = world.commit("main moves", &[("flake.nix", &flake(&[("bad", "exit 1")]))]);
    world.start().await;
    world.verdict(&main).await;
    let opened = pull_request("opened", 7, &head, (2, "writer"));
    assert_eq!(world.deliver("pull_request", &opened).await, 202);
    let verdict = world.verdict(&head).await;
    assert_eq!(
        verdict["nixci/build"],
        ("failure".to_owned(), "1 failed".to_owned()),
        "{verdict:?}"
    );
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_said_and_nothing_is_built() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let head = open(&world, 7, &base, &[("file", "one\n")]);
    world.commit("main", &[("file", "two\n")]);
    world.start().await;
    let opened = pull_request("opened", 7, &head, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    let verdict = world.verdict(&head).await;
    let conflict = (
        "failure".to_owned(),
        "merge conflict with main: file".to_owned(),
    );
    assert_eq!(
        (&verdict["nixci/eval"], &verdict["nixci/build"]),
        (&conflict, &conflict)
    );
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "approval bypass by `AGit`", "approval bypass by identity", "approval TOCTOU", "benign actor, evil code".
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_commit_waits_until_a_writer_approves_that_very_one() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let head = open(&world, 7, &base, &[("evil", "1")]);
    world.start().await;
    let waits = |text: &str| text.starts_with("waits for approval");
    // AGit: head and base are the same repository, and a maintainer is the actor.
    let mut opened = pull_request("opened", 7, &head, (3, "reader"));
    opened["pull_request"]["head"] = json!({ "label": "", "ref": "refs/pull/7/head", "sha": head, "repo_id": 12, "repo": { "id": 12 } });
    opened["sender"] = json!({ "id": 1, "login": "owner" });
    world.deliver("pull_request", &opened).await;
    world
        .until(&head, |statuses| {
            statuses
                .get("nixci/build")
                .is_some_and(|(_, text)| waits(text))
        })
        .await;
    let mut comments = 90;
    let mut say = |who: (u64, &str), text: String| {
        comments += 1;
        comment(7, comments, who, &text)
    };
    let mut pull = json!({ "number": 7, "state": "open", "title": "a pull request", "draft": false, "merged": false,
        "user": { "id": 3, "login": "reader" }, "mergeable": true,
        "base": { "label": "main", "ref": "main", "sha": base, "repo_id": 12, "repo": { "id": 12 } },
        "head": { "label": "", "ref": "refs/pull/7/head", "sha": head, "repo_id": 12, "repo": { "id": 12 } } });
    let now = |world: &World, pull: &serde_json::Value| {
        world
            .forge
            .world()
            .find("acme/demo")
            .unwrap()
            .pulls
            .insert(7, pull.clone());
    };
    now(&world, &pull);
    // Not by the author, not without a commit, not by someone who takes a writer's name.
    world
        .deliver(
            "issue_comment",
            &say((3, "reader"), format!("/nixci approve {head}")),
        )
        .await;
    world
        .deliver(
            "issue_comment",
            &say((2, "writer"), "/nixci approve".to_owned()),
        )
        .await;
    world
        .deliver(
            "issue_comment",
            &say((9, "writer"), format!("/nixci approve {head}")),
        )
        .await;
    // Something else is pushed between the look and the word.
    let evil = open(&world, 7, &base, &[("evil", "2")]);
    pull["head"]["sha"] = json!(evil);
    now(&world, &pull);
    world
        .deliver(
            "pull_request",
            &pull_request("synchronized", 7, &evil, (3, "reader")),
        )
        .await;
    world
        .until(&evil, |statuses| {
            statuses
                .get("nixci/build")
                .is_some_and(|(_, text)| waits(text))
        })
        .await;
    world
        .deliver(
            "issue_comment",
            &say((2, "writer"), format!("/nixci approve {head}")),
        )
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert!(
        waits(&world.statuses(&evil)["nixci/build"].1),
        "{}",
        world.log()
    );
    world
        .deliver(
            "issue_comment",
            &say((2, "writer"), format!("/nixci approve {evil}")),
        )
        .await;
    assert_eq!(world.verdict(&evil).await["nixci/build"].0, "success");
    assert_ne!(world.statuses(&head)["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "benign actor, evil code": others push to what a writer has opened.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_writer_opens_of_somebody_elses_fork_waits() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let owners = [
        (
            7,
            json!({ "id": 13, "owner": { "id": 3, "login": "reader" } }),
        ),
        (8, json!({ "id": 13 })),
        (9, json!(null)),
    ];
    let heads = owners.map(|(number, head)| {
        let commit = open(&world, number, &base, &[("of", &number.to_string())]);
        (number, head, commit)
    });
    let own = open(&world, 10, &base, &[("of", "10")]);
    let here = open(&world, 11, &base, &[("of", "11")]);
    world.start().await;
    world.verdict(&base).await;
    for (number, head, commit) in &heads {
        let mut opened = pull_request("opened", *number, commit, (2, "writer"));
        opened["pull_request"]["head"]["repo"] = head.clone();
        world.deliver("pull_request", &opened).await;
    }
    let opened = pull_request("opened", 10, &own, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    let mut opened = pull_request("opened", 11, &here, (2, "writer"));
    opened["pull_request"]["head"]["repo"] = json!({ "id": 12, "owner": { "id": 5 } });
    world.deliver("pull_request", &opened).await;
    for commit in [&own, &here] {
        assert_eq!(world.verdict(commit).await["nixci/build"].0, "success");
    }
    for (_, _, commit) in &heads {
        world
            .until(commit, |told| {
                told.get("nixci/build")
                    .is_some_and(|(_, text)| text.starts_with("waits for approval"))
            })
            .await;
    }
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "out-of-order".
#[tokio::test(flavor = "multi_thread")]
async fn an_old_word_that_something_is_gone_ends_nothing() {
    let script =
        "n=0; while [ $n -lt 20 ]; do read -t 0.1 x < /dev/zero; n=$((n+1)); done; echo ok > $out";
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let slow = flake(&[("slow", script)]);
    let head = open(&world, 7, &base, &[("flake.nix", &slow)]);
    world.start().await;
    world.verdict(&base).await;
    let opened = pull_request("opened", 7, &head, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    world
        .until(&head, |told| {
            told.get("nixci/build")
                .is_some_and(|(_, text)| text == "building")
        })
        .await;
    // It was closed and opened again; the forge tells of the first only now. So it was with the branch.
    let closed = pull_request("closed", 7, &head, (2, "writer"));
    assert_eq!(world.deliver_as("late", "pull_request", &closed).await, 202);
    world
        .log_has("refs/pull/7/head is there all the same")
        .await;
    let mut deleted = push("main", &"0".repeat(40), "");
    deleted["ref"] = "main".into();
    deleted["ref_type"] = "branch".into();
    assert_eq!(world.deliver("delete", &deleted).await, 202);
    world.log_has("refs/heads/main is there all the same").await;
    assert_eq!(world.verdict(&head).await["nixci/build"].0, "success");
    let roots = world.store.folder().join("state/gcroots/1/main");
    assert!(roots.is_dir());
    // When it is gone, it is.
    let last = open(
        &world,
        8,
        &base,
        &[("flake.nix", &slow.replace("20", "600"))],
    );
    let opened = pull_request("opened", 8, &last, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    world
        .until(&last, |told| {
            told.get("nixci/build")
                .is_some_and(|(_, text)| text == "building")
        })
        .await;
    let closed = pull_request("closed", 8, &last, (2, "writer"));
    {
        let mut forge = world.forge.world();
        let pulls = &mut forge.find("acme/demo").unwrap().pulls;
        pulls.get_mut(&8).unwrap()["state"] = json!("closed");
    }
    assert_eq!(
        world.deliver_as("closed", "pull_request", &closed).await,
        202
    );
    let told = world.verdict(&last).await;
    assert_eq!(told["nixci/build"].1, "refs/pull/8/head is gone");
    assert_eq!(world.stop().await, Some(0));
}

/// A branch is at the commit of a pull request, and somebody builds that commit by hand, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_below_a_pull_request_is_about_that_one() {
    let mut world = World::new(
        &flake(&[("good", "echo ok > $out")]),
        "branches = [\"release-*\"]",
    )
    .await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let slow = flake(&[("slow", SLOW)]);
    let head = open(&world, 7, &base, &[("flake.nix", &slow)]);
    world.git(&[
        "push",
        "-q",
        "origin",
        &format!("{head}:refs/heads/release-1"),
    ]);
    world.start().await;
    world.verdict(&base).await;
    world.run_is("release-1", 0, "running").await;
    let opened = pull_request("opened", 7, &head, (3, "reader"));
    world.deliver("pull_request", &opened).await;
    let first = world.run_is("pull/7", 0, "approval").await;
    // The newest of the commit is not that of the pull request.
    let (code, _, error) = world.ctl(&["run", "acme/demo", "refs/pull/7/head"]).await;
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let approve = comment(7, 1, (2, "writer"), &format!("/nixci approve {head}"));
    world.deliver("issue_comment", &approve).await;
    world.run_is("pull/7", 0, "running").await;
    let cancel = comment(7, 2, (2, "writer"), "/nixci cancel");
    world.deliver("issue_comment", &cancel).await;
    let ended = world.run_is("pull/7", 0, "finished").await;
    assert_eq!(first, ended);
    // And of all others none ended.
    assert_eq!(world.open_runs(), 2, "{}", world.log());
    world.end_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_turn_of_a_pull_request_is_followed() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let head = open(&world, 7, &base, &[("topic", "a file")]);
    let of_lost = open(&world, 8, &base, &[("topic", "another file")]);
    world.git(&["checkout", "-q", "-B", "other"]);
    let bad = flake(&[("bad", "exit 1")]);
    world.commit("other", &[("flake.nix", &bad)]);
    world.git(&["checkout", "-q", "main"]);
    world.on_github_with_a_token();
    world.start().await;
    world.verdict(&base).await;
    let opened = pull_request("opened", 7, &head, (3, "reader"));
    world.deliver("pull_request", &opened).await;
    let first = world.run_is("pull/7", 0, "approval").await;

    let closed = pull_request("closed", 7, &head, (3, "reader"));
    {
        let mut forge = world.forge.world();
        let pulls = &mut forge.find("acme/demo").unwrap().pulls;
        pulls.get_mut(&7).unwrap()["state"] = json!("closed");
    }
    world.deliver_as("closed", "pull_request", &closed).await;
    world.run_is("pull/7", 0, "finished").await;

    // By a maintainer, which lends its author nothing.
    let mut reopened = pull_request("reopened", 7, &head, (3, "reader"));
    reopened["sender"] = json!({ "id": 1, "login": "owner" });
    world.deliver("pull_request", &reopened).await;
    let second = world.run_is("pull/7", first, "approval").await;

    let mut retargeted = pull_request("edited", 7, &head, (3, "reader"));
    retargeted["changes"] = json!({ "base": { "ref": { "from": "main" } } });
    retargeted["pull_request"]["base"]["ref"] = json!("other");
    world.deliver("pull_request", &retargeted).await;
    let third = world.run_is("pull/7", second, "approval").await;
    let approve = comment(7, 1, (2, "writer"), &format!("/nixci approve {head}"));
    world.deliver("issue_comment", &approve).await;
    world.run_is("pull/7", second, "finished").await;
    let verdict = world.verdict(&head).await;
    assert_eq!(verdict["nixci/build"].1, "1 failed", "{verdict:?}");

    let mut ready = retargeted.clone();
    ready["action"] = json!("ready_for_review");
    ready.as_object_mut().unwrap().remove("changes");
    world.deliver("pull_request", &ready).await;
    world.run_is("pull/7", third, "finished").await;

    // Its title changed: nothing to build.
    let mut edited = ready.clone();
    edited["action"] = json!("edited");
    edited["changes"] = json!({ "title": { "from": "another title" } });
    world.deliver("pull_request", &edited).await;
    world.all_is_handled().await;
    assert_eq!(world.open_runs(), 0, "{}", world.log());

    // The repository that it came from is gone, and with it who pushes there; its commit is not.
    let mut lost = pull_request("opened", 8, &of_lost, (2, "writer"));
    lost["pull_request"]["head"]["repo"] = Value::Null;
    world.deliver("pull_request", &lost).await;
    world.run_is("pull/8", 0, "approval").await;
    let approve = comment(8, 2, (2, "writer"), &format!("/nixci approve {of_lost}"));
    world.deliver("issue_comment", &approve).await;
    let verdict = world.verdict(&of_lost).await;
    assert_eq!(verdict["nixci/build"].0, "success", "{verdict:?}");
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "webhook replay". The id of a delivery is signed by nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_comment_is_acted_upon_once_whatever_it_comes_as() {
    let mut world = World::new(&flake(&[("bad", "exit 1")]), "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let head = open(&world, 7, &base, &[("topic", "a file")]);
    world.start().await;
    let opened = pull_request("opened", 7, &head, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    let first = world.run_is("pull/7", 0, "finished").await;
    // Who may not say it has said nothing.
    let rebuild = comment(7, 5, (3, "reader"), "/nixci rebuild");
    world.deliver("issue_comment", &rebuild).await;
    world.log_has("reader may not write to acme/demo").await;
    let rebuild = comment(7, 5, (2, "writer"), "/nixci rebuild");
    world.deliver("issue_comment", &rebuild).await;
    let second = world.run_is("pull/7", first, "finished").await;
    for id in ["again", "and-again"] {
        world.deliver_as(id, "issue_comment", &rebuild).await;
        world.all_is_handled().await;
    }
    assert_eq!(world.run_is("pull/7", 0, "finished").await, second);
    // Another one is.
    let rebuild = comment(7, 6, (2, "writer"), "/nixci rebuild");
    world.deliver("issue_comment", &rebuild).await;
    let third = world.run_is("pull/7", second, "finished").await;
    assert_eq!(third, second + 1, "{}", world.log());
    assert_eq!(world.stop().await, Some(0));
}

/// The forge shows what failed when the same commit was merged with another base.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_run_of_a_commit_failed_by_is_taken_back() {
    let bad = flake(&[("bad", "exit 1"), ("worse", "exit 2")]);
    let mut world = World::new(&bad, "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let head = open(&world, 7, &base, &[("topic", "a file")]);
    world.start().await;
    let opened = pull_request("opened", 7, &head, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    let of = |name: &str| format!("nixci/build gitea:acme/demo#checks.x86_64-linux.{name}");
    let is = |state: &'static str| {
        let contexts = [of("bad"), of("worse"), "nixci/build".to_owned()];
        move |statuses: &BTreeMap<String, Status>| {
            let mut told = contexts.iter().map(|context| statuses.get(context));
            told.all(|told| told.is_some_and(|(is, _)| is == state))
        }
    };
    world.until(&head, is("failure")).await;
    // Now the base is right: one check passes, the other one is gone.
    let right = flake(&[("bad", "echo ok > $out")]);
    let main = world.commit("right", &[("flake.nix", &right)]);
    world.push_event("main", &main).await;
    world.verdict(&main).await;
    let reopened = pull_request("reopened", 7, &head, (2, "writer"));
    world.deliver("pull_request", &reopened).await;
    let told = world.until(&head, is("success")).await;
    assert_eq!(told[&of("worse")].1, "not checked any more");

    // The same where the result of another pull request stands for it.
    let other = open(&world, 8, &base, &[("other", "a file")]);
    world.git(&["push", "-q", "-f", "origin", &format!("{base}:main")]);
    let opened = pull_request("opened", 8, &other, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    world.until(&other, is("failure")).await;
    world.git(&["push", "-q", "-f", "origin", &format!("{main}:main")]);
    let same = open(&world, 9, &main, &[("other", "a file")]);
    let opened = pull_request("opened", 9, &same, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    let verdict = world.verdict(&same).await;
    assert_eq!(verdict["nixci/build"].0, "success", "{verdict:?}");
    let reopened = pull_request("reopened", 8, &other, (2, "writer"));
    world.deliver("pull_request", &reopened).await;
    let told = world.until(&other, is("success")).await;
    assert!(told[&of("bad")].1.contains("the same tree"), "{told:?}");
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "approval bypass by identity", "webhook replay": whoever has the secret of a webhook can sign any name.
#[tokio::test(flavor = "multi_thread")]
async fn who_opened_a_pull_request_is_asked_from_the_forge() {
    let ask = async |kind: &str| {
        let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
        let base = world.git(&["rev-parse", "HEAD"]);
        let old = open(&world, 7, &base, &[("evil", "1")]);
        let head = open(&world, 7, &base, &[("evil", "2")]);
        match kind {
            "github" => world.on_github_with_a_token(),
            "gitlab" => world.on_gitlab(&[SECRET]),
            kind => world.change_settings(|text| text.replace("\"gitea\"", &format!("{kind:?}"))),
        }
        if kind == "gitlab" {
            let merge_request = format!("{head}:refs/merge-requests/7/head");
            world.git(&["push", "-q", "-f", "origin", &merge_request]);
        }
        // The forge knows who opened it, and where it is.
        world.forge_has(&pull_request("opened", 7, &head, (3, "reader")));
        if kind == "gitlab" {
            let now = json!({
                "iid": 7, "sha": head, "source_project_id": 13, "target_branch": "main", "state": "opened",
                "author": { "id": 3, "username": "reader" }, "draft": false, "title": "t",
            });
            let mut forge = world.forge.world();
            forge.find("acme/demo").unwrap().pulls.insert(7, now);
        }
        world.start().await;
        world.verdict(&base).await;
        world.forge.asked();
        // Signed, and of a writer as it says; then one that came long ago.
        for (id, commit) in [("forged", &head), ("replayed", &old)] {
            let status = if kind == "gitlab" {
                let body = merge_request(commit, 7, (2, "writer"));
                let proof = token(SECRET, id);
                world.gitlab("Merge Request Hook", &proof, &body).await
            } else {
                let opened = pull_request("opened", 7, commit, (2, "writer"));
                world.deliver_as(id, "pull_request", &opened).await
            };
            assert_eq!(status, 202, "{kind}");
            world
                .until(commit, |told| {
                    told.get("nixci/build").is_some_and(|(_, text)| {
                        let is_new = *commit == head;
                        text.starts_with(if is_new {
                            "waits for approval"
                        } else {
                            "out of date"
                        })
                    })
                })
                .await;
        }
        let asked = world.forge.asked();
        let pulls = asked.iter().filter(|asked| {
            ["/pulls/7", "/merge_requests/7"]
                .iter()
                .any(|end| asked.ends_with(end))
        });
        // Once for the first, twice for the one that does not agree: the forge may be behind itself.
        assert_eq!(pulls.count(), 3, "{kind}: {asked:#?}");
        let waits = &world.statuses(&head)["nixci/build"].1;
        assert!(waits.starts_with("waits for approval"), "{kind}: {waits}");
        assert_eq!(world.log().matches("a run begins").count(), 1, "{kind}");
        assert_eq!(world.stop().await, Some(0));
    };
    futures_util::join!(ask("gitea"), ask("forgejo"), ask("github"), ask("gitlab"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_built_where_the_forge_has_it_whatever_was_told() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let base = world.git(&["rev-parse", "HEAD"]);
    world.git(&["push", "-q", "origin", "HEAD:refs/heads/other"]);
    let old = open(&world, 7, &base, &[("topic", "1")]);
    let head = open(&world, 7, &base, &[("topic", "2")]);
    let elsewhere = open(&world, 8, &base, &[("topic", "3")]);
    world.forge_has(&pull_request("opened", 7, &head, (2, "writer")));
    world.forge_has(&pull_request("opened", 8, &elsewhere, (2, "writer")));
    world.forge_has(&pull_request("opened", 9, &old, (2, "writer")));
    {
        let mut forge = world.forge.world();
        let pulls = &mut forge.find("acme/demo").unwrap().pulls;
        pulls.get_mut(&8).unwrap()["base"]["ref"] = json!("other");
        pulls.get_mut(&9).unwrap()["state"] = json!("closed");
    }
    world.start().await;
    world.verdict(&base).await;
    // An older head, another base, one that is closed by now, and one that never was.
    let gone = open(&world, 10, &base, &[("topic", "4")]);
    for (number, commit) in [(7, &old), (8, &elsewhere), (9, &old), (10, &gone)] {
        let opened = pull_request("opened", number, commit, (2, "writer"));
        let id = format!("of-{number}");
        assert_eq!(world.deliver_as(&id, "pull_request", &opened).await, 202);
    }
    for commit in [&head, &elsewhere] {
        let verdict = world.verdict(commit).await;
        assert_eq!(verdict["nixci/build"].0, "success", "{verdict:?}");
    }
    world
        .until(&gone, |told| {
            told.get("nixci/build")
                .is_some_and(|(_, text)| text.starts_with("out of date"))
        })
        .await;
    let database = world.database();
    let mut ended = database
        .prepare("SELECT group_concat(pull_request || ' ' || coalesce(error, outcome), '\n') FROM runs WHERE kind = 'pull_request'")
        .unwrap();
    let ended: String = ended.query_row([], |row| row.get(0)).unwrap();
    for why in [
        format!("7 out of date: refs/pull/7/head is at {}", &head[..7]),
        "8 out of date: the pull request goes to refs/heads/other now".to_owned(),
        "9 out of date: the pull request is closed".to_owned(),
        "10 out of date: the forge shows no such pull request".to_owned(),
        "7 passed".to_owned(),
        "8 passed".to_owned(),
    ] {
        assert!(ended.contains(&why), "{why}:\n{ended}");
    }
    assert_eq!(world.stop().await, Some(0));
}

/// That it passes on its branch says nothing of it merged.
#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_told_of_a_commit_that_passed_on_its_branch() {
    let settings = "branches = [\"next\"]";
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), settings).await;
    world.start().await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&first).await;
    world.git(&["checkout", "-q", "-b", "next"]);
    let next = world.commit("next", &[("file", "1")]);
    world.push_event("next", &next).await;
    assert_eq!(world.verdict(&next).await["nixci/build"].0, "success");
    world.git(&["push", "-q", "origin", "HEAD:refs/pull/9/head"]);
    world.git(&["checkout", "-q", "main"]);
    let main = world.commit("main", &[("file", "2")]);
    world.push_event("main", &main).await;
    world.verdict(&main).await;
    let opened = pull_request("opened", 9, &next, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    world.run_is("pull/9", 0, "finished").await;
    world
        .eventually("the conflict is not told", async || {
            world.statuses(&next)["nixci/build"].1.contains("conflict")
        })
        .await;
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "spoofed green", and red: what is said of a commit is not for a stranger to change who opens a pull request of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_of_somebody_elses_commit_changes_nothing_of_it() {
    let settings = "pull_requests.build = \"approved\"\nbranches = [\"next\"]";
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), settings).await;
    world.start().await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.verdict(&first).await;
    world.git(&["checkout", "-q", "-b", "next"]);
    let next = world.commit("next", &[("file", "1")]);
    world.push_event("next", &next).await;
    assert_eq!(world.verdict(&next).await["nixci/build"].0, "success");
    let told = world.statuses(&next);
    world.git(&["push", "-q", "origin", "HEAD:refs/pull/9/head"]);
    let event = |action: &str| pull_request(action, 9, &next, (3, "reader"));
    world.deliver("pull_request", &event("opened")).await;
    world.run_is("pull/9", 0, "approval").await;
    assert_eq!(world.statuses(&next), told);
    // A writer wants to know what comes of it: that counts, until it is closed.
    let run = world.run_is("pull/9", 0, "approval").await;
    let (code, _, said) = world.ctl(&["approve", &run.to_string()]).await;
    assert_eq!(code, Some(0), "{said}");
    world.run_is("pull/9", 0, "finished").await;
    world
        .eventually("that is not told", async || world.statuses(&next) != told)
        .await;
    {
        let mut forge = world.forge.world();
        let pulls = &mut forge.find("acme/demo").unwrap().pulls;
        pulls.get_mut(&9).unwrap()["state"] = json!("closed");
    }
    let closed = event("closed");
    world.deliver_as("closed", "pull_request", &closed).await;
    world
        .eventually("what was said before is not told", async || {
            world.statuses(&next) == told
        })
        .await;
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "IFD", "`nixConfig` of the PR": what a stranger's flake may not do although it is evaluated.
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_evaluation_builds_nothing_and_sets_nothing() {
    let mut world = World::new(
        &flake(&[("good", "echo ok > $out")]),
        "[pull_requests]\nbuild = \"all\"",
    )
    .await;
    let base = world.git(&["rev-parse", "HEAD"]);
    let imports = r#"{
      nixConfig.allow-import-from-derivation = true;
      outputs = _: { checks.x86_64-linux.x =
        let made = derivation { name = "made.nix"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo 1 > $out" ]; };
        in derivation { name = "x-${toString (import made)}"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; };
      }; }"#;
    let head = open(&world, 7, &base, &[("flake.nix", imports)]);
    world.start().await;
    let opened = pull_request("opened", 7, &head, (3, "reader"));
    world.deliver("pull_request", &opened).await;
    let verdict = world.verdict(&head).await;
    assert_eq!(
        verdict["nixci/eval"].0,
        "failure",
        "{verdict:?}\n{}",
        world.log()
    );
    // The same by someone who may write.
    let trusted = open(&world, 8, &base, &[("flake.nix", imports), ("other", "")]);
    let opened = pull_request("opened", 8, &trusted, (2, "writer"));
    world.deliver("pull_request", &opened).await;
    assert_eq!(
        world.verdict(&trusted).await["nixci/eval"].0,
        "success",
        "{}",
        world.log()
    );
    assert!(!world.log().contains("not kept apart"), "{}", world.log());
    assert_eq!(world.stop().await, Some(0));
}
