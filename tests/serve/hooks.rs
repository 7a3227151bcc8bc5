//! Webhooks at the forge: made, repaired, given another secret, and asked for again where they did not arrive.

use std::fs;

use serde_json::{Value, json};

use crate::world::{SECRET, World, flake, signature};

fn good() -> String {
    flake(&[("good", "echo ok > $out")])
}

impl World {
    /// The webhooks of the repository.
    fn hooks(&self) -> Vec<Value> {
        self.forge.world().find("acme/demo").unwrap().hooks.clone()
    }

    /// Waits until the repository has one webhook, and it is as it should be.
    async fn until_right(&self, events: &[&str], secret: &str, what: &str) {
        let url = format!("{}/webhook/work", self.url);
        self.eventually(&format!("{what}: {:#?}", self.hooks()), async || {
            let hooks = self.hooks();
            let ours: Vec<&Value> = hooks.iter().filter(|hook| hook["id"] != 77).collect();
            let [hook] = ours.as_slice() else {
                return false;
            };
            hook["active"] == true
                && hook["config"]["url"] == url.as_str()
                && hook["config"]["content_type"] == "json"
                && hook["config"]["secret"] == secret
                && hook["branch_filter"]
                    .as_str()
                    .unwrap_or_default()
                    .is_empty()
                && events
                    .iter()
                    .all(|&event| hook["events"].as_array().unwrap().contains(&json!(event)))
        })
        .await;
    }

    /// Makes it a GitHub that is asked with a token.
    pub(crate) fn on_github_with_a_token(&self) {
        self.change_settings(|text| {
            text.replace("kind = \"gitea\"", "kind = \"github\"")
                .replace("/api/v1\"", "\"")
        });
    }
}

/// What somebody could have done to the webhook by hand.
fn wrongs(is_gitea: bool) -> Vec<(&'static str, Value)> {
    let mut wrongs = vec![
        ("/config/url", json!("https://elsewhere.example/hook")),
        ("/config/content_type", json!("form")),
        ("/active", json!(false)),
        ("/events", json!(["push", "pull_request"])),
    ];
    if is_gitea {
        wrongs.push(("/branch_filter", json!("main")));
    }
    wrongs
}

async fn is_made_and_repaired(mut world: World, events: &[&str]) {
    let other = json!({ "id": 77, "active": true, "events": ["push"], "config": { "url": "https://other.example/" } });
    world.forge.world().find("acme/demo").unwrap().hooks = vec![other.clone()];
    world.start().await;
    world.until_right(events, SECRET, "made").await;
    let is_gitea = events.contains(&"delete");
    for (pointer, wrong) in wrongs(is_gitea) {
        {
            let mut forge = world.forge.world();
            let hooks = &mut forge.find("acme/demo").unwrap().hooks;
            let hook = hooks.iter_mut().find(|hook| hook["id"] != 77).unwrap();
            if is_gitea {
                hook["branch_filter"] = json!("");
            }
            *hook.pointer_mut(pointer).unwrap() = wrong;
        }
        world.sweep().await;
        world.until_right(events, SECRET, pointer).await;
    }
    let ours = |hook: &Value| hook["id"] != 77;
    world
        .forge
        .world()
        .find("acme/demo")
        .unwrap()
        .hooks
        .retain(|hook| !ours(hook));
    world.sweep().await;
    world.until_right(events, SECRET, "made anew").await;

    // Another secret, while the server is down.
    assert_eq!(world.stop().await, Some(0));
    fs::write(world.store.folder().join("hook"), "another secret").unwrap();
    world.start().await;
    world
        .until_right(events, "another secret", "another secret")
        .await;
    // Nothing more is written: no forge is asked to change what is right.
    assert_eq!(world.stop().await, Some(0));
    world.forge.asked();
    world.start().await;
    world.sweep().await;
    world
        .eventually("it was looked at", async || {
            let forge = world.forge.world();
            let is_list =
                |request: &&String| request.starts_with("GET") && request.contains("/hooks?");
            forge.requests.iter().filter(is_list).count() >= 2
        })
        .await;
    let asked = world.forge.asked();
    let is_write = |request: &&String| !request.starts_with("GET") && request.contains("/hooks");
    assert_eq!(asked.iter().find(is_write), None);
    assert_eq!(world.hooks()[0], other, "another one is left alone");
    let kept = fs::read_to_string(world.store.folder().join("state/webhooks.json")).unwrap();
    assert!(!kept.contains("another secret"), "{kept}");
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_gitea_is_made_and_repaired() {
    let world = World::new(&good(), "").await;
    let events = [
        "push",
        "delete",
        "pull_request",
        "pull_request_sync",
        "issue_comment",
    ];
    is_made_and_repaired(world, &events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_github_is_made_and_repaired() {
    let world = World::new(&good(), "").await;
    world.on_github_with_a_token();
    let events = [
        "push",
        "pull_request",
        "merge_group",
        "issue_comment",
        "repository",
    ];
    is_made_and_repaired(world, &events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_of_an_app_is_repaired() {
    let mut world = World::new(&good(), "").await;
    world.on_github();
    let url = format!("{}/webhook/work", world.url);
    let right = |secret: &str| json!({ "url": url, "content_type": "json", "insecure_ssl": "0", "secret": secret });
    let until_right = async |world: &World, secret: &str, what: &str| {
        let right = right(secret);
        let is_right = async || world.forge.world().app_hook == right;
        world.eventually(what, is_right).await;
    };
    // As the manifest made it, with the server's address of then.
    world.forge.world().app_hook = json!({
        "url": "https://old.example.org/webhook/work", "content_type": "json", "insecure_ssl": "0", "secret": "old",
    });
    world.start().await;
    until_right(&world, SECRET, "at the start").await;
    world.log_has("the App's webhook went elsewhere").await;
    for (field, wrong) in [
        ("url", json!("https://elsewhere.example/hook")),
        ("content_type", json!("form")),
        ("insecure_ssl", json!("1")),
    ] {
        world.forge.world().app_hook[field] = wrong;
        world.sweep().await;
        until_right(&world, SECRET, field).await;
    }
    // Another secret, while the server is down.
    assert_eq!(world.stop().await, Some(0));
    fs::write(world.store.folder().join("hook"), "another secret").unwrap();
    world.start().await;
    until_right(&world, "another secret", "another secret").await;
    // What is right is left alone.
    assert_eq!(world.stop().await, Some(0));
    world.forge.asked();
    world.start().await;
    world.sweep().await;
    let looked = "GET /app/hook/config";
    world
        .eventually("it was looked at", async || {
            let forge = world.forge.world();
            let mut looks = forge.requests.iter().filter(|request| *request == looked);
            looks.nth(1).is_some()
        })
        .await;
    let asked = world.forge.asked();
    assert!(
        !asked
            .iter()
            .any(|request| request.starts_with("PATCH /app"))
    );
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn forgejo_has_webhooks_of_its_own_kind() {
    let mut world = World::new(&good(), "").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.change_settings(|text| text.replace("\"gitea\"", "\"forgejo\""));
    world.start().await;
    world.verdict(&first).await;
    assert_eq!(world.hooks()[0]["type"], "forgejo");
    let commit = world.commit("next", &[("next", "1")]);
    let body = crate::world::push("main", &commit, "m").to_string();
    let deliver = async |id: &str, signature: String| {
        let request = world
            .http
            .post(format!("{}/webhook/work", world.url))
            .header("content-type", "application/json");
        // Forgejo sends Gitea's headers, too; what counts is its own.
        let headers = [
            ("x-forgejo-event", "push"),
            ("x-forgejo-delivery", id),
            ("x-forgejo-signature", &signature),
            ("x-gitea-event", "push"),
            ("x-gitea-delivery", id),
            ("x-gitea-signature", &signature),
        ];
        let request = headers.into_iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        request
            .body(body.clone())
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(deliver("a", signature("wrong", &body)).await, 401);
    assert_eq!(deliver("b", signature(SECRET, &body)).await, 202);
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}

/// A delivery as GitHub lists it.
fn delivery(id: u64, guid: &str, status: u16) -> Value {
    json!({
        "id": id, "guid": guid, "delivered_at": jiff::Timestamp::now().to_string(), "status_code": status, "status": "x",
        "redelivery": false, "event": "push", "action": null, "duration": 0.1, "installation_id": 5, "repository_id": 12,
    })
}

/// A push of a tag: no look at branches finds it.
fn tagged(commit: &str) -> Value {
    let mut push = crate::world::push("main", commit, "m");
    push["ref"] = json!("refs/tags/v1");
    push["installation"] = json!({ "id": 5 });
    push
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_could_not_deliver_to_an_app_is_asked_for_again() {
    let mut world = World::new(&good(), "tags = [\"v*\"]").await;
    world.on_github();
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.git(&["tag", "v1"]);
    world.git(&["push", "-q", "origin", "v1"]);
    world.start().await;
    world
        .eventually("the look at the start is over", async || {
            world.log().contains("something moved that nobody told of")
        })
        .await;
    // One arrived although GitHub thinks that it did not.
    let push = tagged(&commit);
    assert_eq!(world.deliver_as("known", "push", &push).await, 202);
    world.forge.world().deliveries = vec![
        delivery(4, "lost", 502),
        delivery(3, "known", 504),
        delivery(2, "well", 200),
    ];
    world.sweep().await;
    world
        .eventually("it is asked for", async || {
            !world.forge.world().redelivered.is_empty()
        })
        .await;
    assert_eq!(world.deliver_as("lost", "push", &push).await, 202);
    // At the start, too, and not what came meanwhile.
    assert_eq!(world.stop().await, Some(0));
    world
        .forge
        .world()
        .deliveries
        .insert(0, delivery(5, "later", 0));
    world.start().await;
    world
        .eventually("the newer one is asked for", async || {
            world.forge.world().redelivered.len() >= 2
        })
        .await;
    let redelivered = world.forge.world().redelivered.clone();
    assert_eq!(redelivered, [4, 5]);
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_github_could_not_deliver_to_a_repository_is_asked_for_again() {
    let mut world = World::new(&good(), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.on_github_with_a_token();
    world.start().await;
    world.verdict(&commit).await;
    world.forge.world().find("acme/demo").unwrap().deliveries =
        vec![delivery(8, "b", 502), delivery(7, "a", 200)];
    world.sweep().await;
    world
        .eventually("it is asked for", async || {
            world.forge.world().redelivered == [8]
        })
        .await;
    assert_eq!(world.stop().await, Some(0));
}
