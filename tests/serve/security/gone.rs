//! What is not everybody's any more, or never was: repositories that have gone, and trouble of the server.

use crate::{
    pages::{TOKEN, ask, page, world},
    world::{World, flake},
};

fn good() -> String {
    flake(&[("good", "echo some words; echo ok > $out")])
}

/// The text of a page for who has a token.
async fn in_full(world: &World, path: &str) -> String {
    let answer = ask(world, path, Some(TOKEN)).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.text().await.unwrap()
}

/// Security: "info leak": it becomes private, and the token does not see it any more to say so.
#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_private_is_gone_for_everybody() {
    let mut world = world(&good()).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let paths = [
        "/runs/1",
        "/runs/1/events",
        "/runs/1/steps/1/raw",
        "/repositories/work/acme/demo",
        "/repositories/work/acme/demo/badge.svg",
    ];
    for path in paths {
        assert_eq!(ask(&world, path, None).await.status(), 200, "{path}");
    }
    world.forge.world().repositories.clear();
    world.sweep().await;
    world.until_built(&[]).await;
    for path in paths {
        assert_eq!(ask(&world, path, None).await.status(), 404, "{path}");
        assert_eq!(ask(&world, path, Some(TOKEN)).await.status(), 200, "{path}");
    }
    for path in ["/", "/repositories"] {
        assert!(!page(&world, path).await.contains("demo"), "{path}");
        assert!(in_full(&world, path).await.contains("demo"), "{path}");
    }
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "info leak".
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_server_is_not_everybodys() {
    let mut world = world(&good()).await;
    world.forge.world().broken = vec![("/hooks".to_owned(), 403), ("/statuses".to_owned(), 403)];
    world.start().await;
    world
        .eventually("both are noted", async || {
            let text = async |path| {
                let answer = ask(&world, path, Some(TOKEN)).await;
                answer.text().await.unwrap()
            };
            let repository = text("/repositories/work/acme/demo").await;
            repository.contains("the webhook cannot be set: HTTP 403")
                && text("/runs/1").await.contains("HTTP 403")
        })
        .await;
    for path in ["/repositories", "/repositories/work/acme/demo", "/runs/1"] {
        let shown = page(&world, path).await;
        assert!(shown.contains("something is wrong on the server"), "{path}");
        assert!(!shown.contains("HTTP 403"), "{path}");
    }
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_is_taken_out_is_not_built_and_comes_back() {
    let mut world = world(&good()).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let whole = std::fs::read_to_string(&world.config).unwrap();
    let reload = async |text: String| {
        world.change_settings(|_| text);
        let (code, _, error) = world.ctl(&["reload"]).await;
        assert_eq!(code, Some(0), "{error}");
        world.sweep().await;
    };
    let (without, _) = whole.split_once("[forge.work]").unwrap();
    reload(without.to_owned()).await;
    world.until_built(&[]).await;
    assert_eq!(ask(&world, "/runs/1", None).await.status(), 404);
    reload(whole).await;
    world.until_built(&["acme/demo"]).await;
    assert_eq!(ask(&world, "/runs/1", None).await.status(), 200);
    assert_eq!(world.stop().await, Some(0));
}
