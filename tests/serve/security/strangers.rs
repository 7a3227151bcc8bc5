//! Whoever has an account at the forge wants to be built as those are whom the server is for.

use serde_json::json;

use crate::world::{SECRET, World, flake, push};

fn good() -> String {
    flake(&[("good", "echo ok > $out")])
}

impl World {
    /// What the token's user may do with a repository, as the forge shows it.
    fn permit(&self, name: &str, permissions: serde_json::Value) {
        let mut forge = self.forge.world();
        forge.find(name).unwrap().permissions = permissions;
    }

    /// Asserts that nothing came of a repository: no run, no status, no webhook.
    fn nothing_of(&self, name: &str) {
        let mut forge = self.forge.world();
        let known = forge.find(name).unwrap();
        assert!(known.hooks.is_empty() && known.told.is_empty(), "{name}");
        let runs = "SELECT 1 FROM runs r JOIN repositories o ON o.id = r.repository WHERE o.full_name = ?1";
        let database = self.database();
        let has_run = database.prepare(runs).unwrap().exists([name]).unwrap();
        assert!(!has_run, "{name}\n{}", self.log());
    }
}

/// Security: "topic of a stranger's repository".
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_built_for_giving_a_repository_a_topic() {
    let mut world = World::new(&good(), "").await;
    world.change_settings(|text| text.replace("topics = []", "topics = [\"nixci\"]"));
    world.add(20, "acme/own", &["nixci"]);
    let evil = world.add(21, "mallory/evil", &["nixci"]);
    // Gitea finds it, as it does all that is public.
    let stranger = json!({ "admin": false, "push": false, "pull": true });
    world.permit("mallory/evil", stranger);
    world.start().await;
    world.log_has("no `owners`: whoever has an account").await;
    world.log_has("not built in spite of their topic").await;
    world.until_built(&["acme/demo", "acme/own"]).await;
    // Nor for a webhook, by whatever he knows the secret.
    let mut pushed = push("main", &evil, "");
    pushed["repository"]["id"] = json!(21);
    pushed["repository"]["full_name"] = json!("mallory/evil");
    assert_eq!(world.deliver("push", &pushed).await, 202);
    world
        .log_has("mallory/evil is none of the repositories that are built")
        .await;
    world.sweep().await;
    world.until_built(&["acme/demo", "acme/own"]).await;
    world.nothing_of("mallory/evil");
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "topic of a stranger's repository": its owner gives the server all rights there.
#[tokio::test(flavor = "multi_thread")]
async fn only_topics_of_owners_count_where_the_settings_name_them() {
    let mut world = World::new(&good(), "").await;
    let owners = "topics = [\"nixci\"]\nowners = [\"Acme\"]";
    world.change_settings(|text| text.replace("topics = []", owners));
    world.add(20, "acme/own", &["nixci"]);
    world.add(21, "mallory/evil", &["nixci"]);
    world.add(22, "acmes/evil", &["nixci"]);
    world.add(23, "alice/listed", &[]);
    world.change_settings(|text| {
        text.replace("[\"acme/demo\"]", "[\"acme/demo\", \"alice/listed\"]")
    });
    world.start().await;
    let own = ["acme/demo", "acme/own", "alice/listed"];
    world.until_built(&own).await;
    world.sweep().await;
    world.until_built(&own).await;
    for name in ["mallory/evil", "acmes/evil"] {
        world.nothing_of(name);
    }
    // One that was built without the key is not any more.
    let without = |text: String| text.replace("owners = [\"Acme\"]\n", "");
    let text = std::fs::read_to_string(&world.config).unwrap();
    world.change_settings(without);
    let reload = async || {
        let (code, _, error) = world.ctl(&["reload"]).await;
        assert_eq!(code, Some(0), "{error}");
        world.sweep().await;
    };
    reload().await;
    let all = [
        "acme/demo",
        "acme/own",
        "acmes/evil",
        "alice/listed",
        "mallory/evil",
    ];
    world.until_built(&all).await;
    world.change_settings(|_| text);
    reload().await;
    world.until_built(&own).await;
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "topic of a stranger's repository": on GitLab he makes the server's user a member of his own.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_strangers_project_builds_nothing_of_it() {
    let mut world = World::new(&good(), "").await;
    world.on_gitlab(&[SECRET]);
    let owners = "topics = [\"nixci\"]\nowners = [\"acme\"]";
    world.change_settings(|text| text.replace("topics = []", owners));
    world.add(20, "acme/tools/own", &["nixci"]);
    world.add(21, "mallory/evil", &["nixci"]);
    world.add(22, "acme/seen", &["nixci"]);
    let level =
        |level: u64| json!({ "project_access": { "access_level": level }, "group_access": null });
    // By the group above its group, of which a list says nothing.
    world.permit(
        "acme/tools/own",
        json!({ "project_access": null, "group_access": null }),
    );
    world
        .forge
        .world()
        .find("acme/tools/own")
        .unwrap()
        .inherited = 50;
    world.permit("mallory/evil", level(50));
    world.permit("acme/seen", level(30));
    world.start().await;
    world.until_built(&["acme/demo", "acme/tools/own"]).await;
    world.sweep().await;
    world.until_built(&["acme/demo", "acme/tools/own"]).await;
    for name in ["mallory/evil", "acme/seen"] {
        world.nothing_of(name);
    }
    assert_eq!(world.stop().await, Some(0));
}

/// Security: "confused deputy by payload": rights are asked by the number, and what is built is fetched by the name.
#[tokio::test(flavor = "multi_thread")]
async fn a_payload_gives_no_repository_another_number() {
    let mut world = World::new(&good(), "").await;
    world.change_settings(|text| text.replace("[\"acme/demo\"]", "[\"acme/*\"]"));
    world.start().await;
    world.until_built(&["acme/demo"]).await;
    let new = world.add(30, "acme/new", &[]);
    let mut pushed = push("main", &new, "");
    pushed["repository"]["id"] = json!(31);
    pushed["repository"]["full_name"] = json!("acme/new");
    assert_eq!(world.deliver("push", &pushed).await, 202);
    // The forge is asked, which knows none of that number; and it is found under its own.
    world.all_is_handled().await;
    world.sweep().await;
    world.until_built(&["acme/demo", "acme/new"]).await;
    world.verdict(&new).await;
    let ids = "SELECT group_concat(forge_id) FROM repositories WHERE full_name = 'acme/new'";
    let ids: String = world
        .database()
        .query_row(ids, [], |row| row.get(0))
        .unwrap();
    assert_eq!(ids, "30");
    assert_eq!(world.stop().await, Some(0));
}
