//! What a stranger builds where nothing keeps a builder in.

use serde_json::json;

use crate::{
    support::nix,
    world::{World, flake, pull_request},
};

/// Security: "sandbox escape".
#[tokio::test(flavor = "multi_thread")]
async fn without_a_sandbox_nothing_of_a_stranger_is_built_unasked() {
    for sandbox in ["false", "relaxed"] {
        let store = nix::newest().store().with_setting("sandbox", sandbox);
        let settings = "[pull_requests]\nbuild = \"all\"";
        let good = flake(&[("good", "echo ok > $out")]);
        let mut world = World::in_store(store.with_daemon(), &good, settings).await;
        let main = world.git(&["rev-parse", "HEAD"]);
        let escaped = world.store.folder().join("escaped");
        let escape = format!("echo out > {}; echo > $out", escaped.display());
        let evil = flake(&[("evil", &escape)]).replace("builder =", "__noChroot = true; builder =");
        world.git(&["checkout", "-q", "-B", "topic"]);
        let head = world.commit("evil", &[("flake.nix", &evil)]);
        world.git(&["push", "-q", "origin", "HEAD:refs/pull/7/head", ":topic"]);
        world.git(&["checkout", "-q", "main"]);
        world.start().await;
        // What its own people push is theirs.
        assert_eq!(world.verdict(&main).await["nixci/build"].0, "success");
        let opened = pull_request("opened", 7, &head, (3, "reader"));
        world.deliver("pull_request", &opened).await;
        let said =
            format!("waits for approval: /nixci approve {head} (builds have no sandbox here)");
        world
            .until(&head, |statuses| {
                statuses
                    .get("nixci/build")
                    .is_some_and(|(_, text)| *text == said)
            })
            .await;
        assert!(!escaped.exists(), "sandbox = {sandbox}");
        assert!(
            world.log().contains("Nix has no sandbox here"),
            "{}",
            world.log()
        );
        let (_, findings, _) = world.ctl(&["doctor"]).await;
        assert!(
            findings.contains(&format!("Nix has `sandbox = {sandbox}`")),
            "{findings}"
        );

        // Somebody who may write has looked at it.
        world.forge.world().find("acme/demo").unwrap().pulls.insert(
            7,
            json!({ "number": 7, "state": "open", "title": "a pull request", "draft": false, "merged": false,
                "user": { "id": 3, "login": "reader" }, "mergeable": true,
                "base": { "label": "main", "ref": "main", "sha": main, "repo_id": 12, "repo": { "id": 12 } },
                "head": { "label": "topic", "ref": "topic", "sha": head, "repo_id": 13, "repo": { "id": 13 } } }),
        );
        let (code, _, error) = world.ctl(&["approve", "2"]).await;
        assert_eq!(code, Some(0), "{error}");
        world.verdict(&head).await;
        assert_eq!(world.stop().await, Some(0));
    }
}

/// With a sandbox a stranger's builder gets nowhere, and is built where the settings say so.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_sandbox_a_strangers_builder_sees_and_changes_nothing() {
    let settings = "[pull_requests]\nbuild = \"all\"";
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), settings).await;
    let folder = world.store.folder().display().to_string();
    let escape = format!(
        "if read line < {folder}/hook; then echo it reads $line; fi; if read line < {folder}/state/nixci.sock.key; \
         then echo it reads $line; fi; echo out > {folder}/escaped; echo ok > $out"
    );
    let evil = flake(&[("evil", &escape)]);
    let out_of_it = evil
        .replace("evil", "worse")
        .replace("builder =", "__noChroot = true; builder =");
    world.start().await;
    for (number, flake, state) in [(7, &evil, "success"), (8, &out_of_it, "failure")] {
        world.git(&["checkout", "-q", "-B", "topic", "main"]);
        let head = world.commit("evil", &[("flake.nix", flake)]);
        let to = format!("HEAD:refs/pull/{number}/head");
        world.git(&["push", "-q", "origin", &to, ":topic"]);
        let opened = pull_request("opened", number, &head, (3, "reader"));
        world.deliver("pull_request", &opened).await;
        let verdict = world.verdict(&head).await;
        assert_eq!(
            verdict["nixci/build"].0,
            state,
            "{verdict:?}\n{}",
            world.log()
        );
    }
    let (_, log, _) = world.ctl(&["log", "2", "evil"]).await;
    assert!(log.contains("hook") && !log.contains("it reads"), "{log}");
    assert!(!world.store.folder().join("escaped").exists());
    assert_eq!(world.stop().await, Some(0));
}
