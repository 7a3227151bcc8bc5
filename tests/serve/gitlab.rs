//! GitLab, from the webhook to the status, with both ways in which it proves itself.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{SECRET, World, flake};

/// The key of the signing token that GitLab made.
const KEY: [u8; 32] = [7; 32];

impl World {
    /// Makes the forge GitLab; the webhook has a secret token, or one that signs.
    pub(crate) fn on_gitlab(&self, secrets: &[&str]) {
        let names: Vec<String> = secrets
            .iter()
            .enumerate()
            .map(|(number, secret)| {
                let file = self.store.folder().join(format!("gitlab-{number}"));
                std::fs::write(&file, secret).unwrap();
                format!("\"{}\"", file.display())
            })
            .collect();
        let hook = format!("\"{}\"", self.store.folder().join("hook").display());
        self.change_settings(|text| {
            text.replace("kind = \"gitea\"", "kind = \"gitlab\"")
                .replace("/api/v1\"", "/api/v4\"")
                .replace(&hook, &format!("[{}]", names.join(", ")))
        });
        let mut forge = self.forge.world();
        let demo = forge.find("acme/demo").unwrap();
        demo.permissions =
            json!({ "project_access": { "access_level": 40 }, "group_access": null });
        let rights = &mut demo.rights;
        // GitLab's levels: maintainer, developer, reporter.
        for (name, level) in [("owner", "40"), ("writer", "30"), ("reader", "20")] {
            rights.get_mut(name).unwrap().1 = level;
        }
    }

    /// Sends what GitLab would; `proof` are the headers that prove it.
    pub(crate) async fn gitlab(&self, event: &str, proof: &[(&str, String)], body: &str) -> u16 {
        let mut request = self
            .http
            .post(format!("{}/webhook/work", self.url))
            .header("content-type", "application/json")
            .header("x-gitlab-event", event);
        for (name, value) in proof {
            request = request.header(*name, value);
        }
        let answer = request.body(body.to_owned()).send().await.unwrap();
        answer.status().as_u16()
    }
}

pub(crate) fn token(secret: &str, id: &str) -> Vec<(&'static str, String)> {
    vec![
        ("x-gitlab-token", secret.to_owned()),
        ("idempotency-key", id.to_owned()),
        ("x-gitlab-event-uuid", format!("{id}-event")),
    ]
}

fn signed(id: &str, at: i64, body: &str) -> Vec<(&'static str, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    let tag = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", format!("v1,{tag}")),
    ]
}

fn project() -> Value {
    json!({
        "id": 12, "name": "demo", "path_with_namespace": "acme/demo", "default_branch": "main", "visibility_level": 20,
        "git_http_url": "http://elsewhere.example/acme/demo.git",
    })
}

fn push(commit: &str) -> String {
    json!({
        "object_kind": "push", "event_name": "push", "ref": "refs/heads/main", "before": "0".repeat(40), "after": commit,
        "checkout_sha": commit, "user_id": 2, "user_username": "writer", "project_id": 12, "project": project(),
        "commits": [{ "id": commit, "message": "m", "author": { "name": "x", "email": "x@example.org" } }],
        "total_commits_count": 1,
    })
    .to_string()
}

pub(crate) fn merge_request(head: &str, number: u64, author: (u64, &str)) -> String {
    json!({
        "object_kind": "merge_request", "event_type": "merge_request", "project": project(),
        "user": { "id": author.0, "username": author.1, "name": "x" },
        "object_attributes": {
            "id": 900, "iid": number, "action": "open", "state": "opened", "source_branch": "topic", "target_branch": "main",
            "source_project_id": 12, "target_project_id": 12, "author_id": author.0, "draft": false, "title": "t",
            // Anybody can write any author into a commit.
            "last_commit": { "id": head, "message": "m", "author": { "name": "owner", "email": "owner@example.org" } },
        },
        "changes": {},
    })
    .to_string()
}

fn approval(head: &str, author: (u64, &str)) -> String {
    json!({
        "object_kind": "note", "event_type": "note", "project": project(),
        "user": { "id": author.0, "username": author.1, "name": "x" },
        "object_attributes": {
            "id": 5, "note": format!("/nixci approve {head}"), "noteable_type": "MergeRequest", "action": "create",
        },
        "merge_request": { "id": 900, "iid": 3 },
    })
    .to_string()
}

fn good() -> String {
    flake(&[("good", "echo ok > $out"), ("bad", "exit 1")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_built_from_its_webhook_to_its_status() {
    let mut world = World::new(&good(), "").await;
    world.on_gitlab(&[SECRET]);
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let verdict = world.verdict(&first).await;
    let failed = "nixci/build gitlab:acme/demo#checks.x86_64-linux.bad";
    for context in ["nixci/build", failed] {
        assert_eq!(verdict[context].0, "failed", "{verdict:?}");
    }
    let hook = world.forge.world().find("acme/demo").unwrap().hooks[0].clone();
    for (field, value) in [
        ("url", json!(format!("{}/webhook/work", world.url))),
        ("token", json!(SECRET)),
        ("push_events", json!(true)),
        ("tag_push_events", json!(true)),
        ("merge_requests_events", json!(true)),
        ("note_events", json!(true)),
    ] {
        assert_eq!(hook[field], value, "{field}");
    }

    let next = world.commit("next", &[("flake.nix", &flake(&[("good", "echo > $out")]))]);
    let body = push(&next);
    assert_eq!(
        world.gitlab("Push Hook", &token("wrong", "a"), &body).await,
        401
    );
    assert_eq!(world.gitlab("Push Hook", &[], &body).await, 401);
    assert_eq!(
        world.gitlab("Push Hook", &token(SECRET, "b"), &body).await,
        202
    );
    assert_eq!(
        world.gitlab("Push Hook", &token(SECRET, "b"), &body).await,
        200
    );
    assert_eq!(world.verdict(&next).await["nixci/build"].0, "success");

    // A merge request of somebody who may only read waits for one who may write.
    world.git(&["checkout", "-q", "-B", "topic"]);
    world.git(&["commit", "-q", "--allow-empty", "-m", "topic"]);
    world.git(&["push", "-q", "origin", "HEAD:refs/merge-requests/3/head"]);
    let head = world.git(&["rev-parse", "HEAD"]);
    let now = json!({
        "iid": 3, "sha": head, "source_project_id": 12, "target_branch": "main", "state": "opened",
        "author": { "id": 3, "username": "reader" }, "draft": false, "title": "t",
    });
    world
        .forge
        .world()
        .find("acme/demo")
        .unwrap()
        .pulls
        .insert(3, now);
    let strange = merge_request(&head, 3, (3, "reader"));
    let proof = token(SECRET, "c");
    let sent = world.gitlab("Merge Request Hook", &proof, &strange);
    assert_eq!(sent.await, 202);
    world
        .until(&head, |statuses| {
            statuses
                .get("nixci/build")
                .is_some_and(|(_, text)| text.starts_with("waits for approval"))
        })
        .await;
    // In a writer's name, by somebody who has the secret: of a comment that is not there, and of one that is another's.
    let has = |id: u64, author: (u64, &str)| {
        let said = format!("/nixci approve {head}");
        let author = (author.0, author.1.to_owned());
        let mut forge = world.forge.world();
        let comments = &mut forge.find("acme/demo").unwrap().comments;
        comments.insert(id, (3, author, said));
    };
    let comment = approval(&head, (2, "writer"));
    for (id, why) in [("forged", "HTTP 404"), ("stolen", "comment 5 is another")] {
        assert_eq!(
            world
                .gitlab("Note Hook", &token(SECRET, id), &comment)
                .await,
            202
        );
        world.log_has(why).await;
        has(5, (3, "reader"));
    }
    assert!(
        world.statuses(&head)["nixci/build"]
            .1
            .starts_with("waits for approval")
    );
    has(5, (2, "writer"));
    let proof = token(SECRET, "d");
    let sent = world.gitlab("Note Hook", &proof, &comment);
    assert_eq!(sent.await, 202);
    assert_eq!(world.verdict(&head).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}

/// It may have been told so before by this server, which was killed then, or by somebody else with its token.
#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_gitlab_has_already_counts_as_told() {
    let mut world = World::new(&good(), "").await;
    world.on_gitlab(&[SECRET]);
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&first).await;
    let next = world.commit("next", &[("flake.nix", &flake(&[("good", "echo > $out")]))]);
    {
        let mut forge = world.forge.world();
        let demo = forge.find("acme/demo").unwrap();
        for context in ["nixci/eval", "nixci/build"] {
            let running = json!({ "state": "running", "name": context, "description": "?" });
            demo.statuses
                .insert((next.clone(), context.to_owned()), running);
        }
        demo.told.clear();
        forge.requests.clear();
    }
    let proof = token(SECRET, "a");
    assert_eq!(world.gitlab("Push Hook", &proof, &push(&next)).await, 202);
    assert_eq!(world.verdict(&next).await["nixci/build"].0, "success");
    let (tried, told) = {
        let mut forge = world.forge.world();
        let is_of = |request: &&String| request.ends_with(&format!("/statuses/{next}"));
        let tried = forge.requests.iter().filter(is_of).count();
        (tried, forge.find("acme/demo").unwrap().told.len())
    };
    // Each of the two ends is told; that they begin was refused.
    assert_eq!(told, 2);
    assert!(tried >= 4, "{tried}");
    assert!(!world.log().contains("a forge refuses a status"));
    // And nothing waits to be told once more.
    let waiting = "SELECT count(*) FROM statuses WHERE sent < version";
    world
        .eventually("nothing waits", async || {
            let count = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            world.database().query_row(waiting, [], count) == Ok(0)
        })
        .await;
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gitlab_could_not_deliver_is_asked_for_again() {
    let mut world = World::new(&good(), "tags = [\"v*\"]").await;
    world.on_gitlab(&[SECRET]);
    let first = world.git(&["rev-parse", "HEAD"]);
    world.git(&["tag", "v1"]);
    world.git(&["push", "-q", "origin", "v1"]);
    world.start().await;
    world.verdict(&first).await;
    // No look at branches finds a tag.
    let tagged = push(&first).replace("refs/heads/main", "refs/tags/v1");
    let sent = |id: u64, key: &str, status: &str| {
        json!({
            "id": id, "request_headers": { "Idempotency-Key": key, "X-Gitlab-Event": "Tag Push Hook" }, "request_data": {},
            "response_status": status, "created_at": Timestamp::now().to_string(),
        })
    };
    // One arrived although GitLab thinks that it did not.
    let proof = token(SECRET, "known");
    assert_eq!(world.gitlab("Push Hook", &proof, &push(&first)).await, 202);
    world.forge.world().find("acme/demo").unwrap().deliveries = vec![
        sent(4, "lost", "internal error"),
        sent(3, "known", "504"),
        sent(2, "well", "202"),
    ];
    world.sweep().await;
    world
        .eventually("it is asked for", async || {
            world.forge.world().redelivered == [4]
        })
        .await;
    let proof = token(SECRET, "lost");
    assert_eq!(world.gitlab("Tag Push Hook", &proof, &tagged).await, 202);
    world
        .eventually("the tag is built", async || {
            let (_, list, _) = world.ctl(&["list", "--json"]).await;
            list.contains("refs/tags/v1")
        })
        .await;
    world.sweep().await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(world.forge.world().redelivered, [4]);
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_webhook_of_gitlab_is_taken_and_an_old_one_is_not() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let signing = format!("whsec_{}", BASE64_STANDARD.encode(KEY));
    world.on_gitlab(&[&signing]);
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    // No webhook can be made with a token that GitLab makes; what is there is built all the same.
    world.verdict(&first).await;
    let problem = async || {
        let all = world.repositories().await;
        all.into_iter().find_map(|(.., problem)| problem)
    };
    world
        .eventually("it is said what to do", async || {
            let text = problem().await.unwrap_or_default();
            text.contains("GitLab makes signing tokens itself: add a webhook to http")
        })
        .await;
    // Somebody makes it; what is missing in it is set.
    let by_hand =
        json!({ "id": 5, "url": format!("{}/webhook/work", world.url), "push_events": true });
    world.forge.world().find("acme/demo").unwrap().hooks = vec![by_hand];
    world.sweep().await;
    world
        .eventually("nothing is wrong any more", async || {
            problem().await.is_none()
        })
        .await;
    let hooks = world.forge.world().find("acme/demo").unwrap().hooks.clone();
    assert_eq!(
        (hooks.len(), &hooks[0]["note_events"], &hooks[0]["token"]),
        (1, &json!(true), &Value::Null)
    );

    let commit = world.commit("next", &[("next", "1")]);
    let body = push(&commit);
    let now = Timestamp::now().as_second();
    for (what, proof) in [
        ("another body", signed("a", now, "{}")),
        ("long ago", signed("a", now - 600, &body)),
        ("not signed", token(&signing, "a")),
    ] {
        assert_eq!(
            world.gitlab("Push Hook", &proof, &body).await,
            401,
            "{what}"
        );
    }
    let proof = signed("a", now, &body);
    assert_eq!(world.gitlab("Push Hook", &proof, &body).await, 202);
    assert_eq!(world.gitlab("Push Hook", &proof, &body).await, 200);
    assert_eq!(world.verdict(&commit).await["nixci/build"].0, "success");
    assert_eq!(world.stop().await, Some(0));
}
