//! Words below a pull request that nobody said, or that say less than they seem to.

use serde_json::json;

use crate::{
    pull_requests::{comment, open},
    world::{World, flake, pull_request},
};

/// A stranger's pull request 7 that waits. Returns its commit.
async fn waiting(world: &mut World) -> String {
    let base = world.git(&["rev-parse", "HEAD"]);
    let head = open(world, 7, &base, &[("evil", "1")]);
    world.start().await;
    world.verdict(&base).await;
    let opened = pull_request("opened", 7, &head, (3, "reader"));
    world.deliver("pull_request", &opened).await;
    let waits = format!("waits for approval: /nixci approve {head}");
    assert!(waits.len() <= 140, "GitHub takes no longer ones");
    world
        .until(&head, |told| {
            told.get("nixci/build")
                .is_some_and(|(_, text)| *text == waits)
        })
        .await;
    head
}

/// Security: "forged comment": a forge shows the one secret of all its webhooks to whoever administers a repository.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wrote_at_the_forge_is_not_carried_out() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let head = waiting(&mut world).await;
    let approve = format!("/nixci approve {head}");
    let writer = (2, "writer");
    // What there is: his own word, a writer's about another pull request, and another word of hers.
    for (number, id, who, text) in [
        (7, 2, (3, "reader"), approve.as_str()),
        (8, 3, writer, &approve),
        (7, 4, writer, "/nixci rebuild"),
        (7, 5, writer, "> /nixci approve"),
    ] {
        world.forge_has(&comment(number, id, who, text));
    }
    for id in 1..=5 {
        let forged = comment(7, id, writer, &approve);
        let delivery = format!("forged-{id}");
        let taken = world.deliver_as(&delivery, "issue_comment", &forged).await;
        assert_eq!(taken, 202);
    }
    world.all_is_handled().await;
    let log = world.log();
    assert!(log.contains("cannot be asked: HTTP 404"), "{log}");
    for id in 2..=5 {
        let why = format!("comment {id} is another at the forge than was told");
        assert!(log.contains(&why), "{why}: {log}");
    }
    assert_eq!(world.statuses(&head)["nixci/build"].0, "pending", "{log}");
    world
        .deliver("issue_comment", &comment(7, 6, writer, &approve))
        .await;
    assert_eq!(world.verdict(&head).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}

/// The same on GitHub, whose addresses of comments are others.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wrote_at_github_is_not_carried_out() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    world.on_github_with_a_token();
    let head = waiting(&mut world).await;
    let approve = format!("/nixci approve {head}");
    world.forge_has(&comment(8, 3, (2, "writer"), &approve));
    let forged = comment(7, 3, (2, "writer"), &approve);
    let taken = world.deliver_as("forged", "issue_comment", &forged).await;
    assert_eq!(taken, 202);
    world
        .log_has("comment 3 is another at the forge than was told")
        .await;
    let mut real = comment(7, 4, (2, "writer"), &approve);
    real["comment"]["performed_via_github_app"] = json!(null);
    world.deliver("issue_comment", &real).await;
    assert_eq!(world.verdict(&head).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "approval TOCTOU" by two commits with the same first digits: who makes both finds them in minutes.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_digits_of_a_commit_approve_nothing() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let head = waiting(&mut world).await;
    for (id, digits) in [(1, 8), (2, 12), (3, 39)] {
        let text = format!("/nixci approve {}", &head[..digits]);
        world
            .deliver("issue_comment", &comment(7, id, (2, "writer"), &text))
            .await;
    }
    world.all_is_handled().await;
    let answer = format!("named by all of its digits: /nixci approve {head}");
    assert_eq!(world.log().matches(&answer).count(), 3, "{}", world.log());
    assert_eq!(world.statuses(&head)["nixci/build"].0, "pending");
    assert_eq!(world.stop().await, Some(0));
}
