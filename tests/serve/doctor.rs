//! `nixci serve --check`: each thing that can be wrong with a forge is said, with what to do about it.

use std::{fs, os::unix::fs::PermissionsExt as _};

use jiff::{SignedDuration, Timestamp, fmt::rfc2822, tz::TimeZone};
use serde_json::{Value, json};

use crate::{
    support::running::Running,
    world::{World, flake},
};

/// What is said: `ok`, `hm` or `bad`, what about, and the text.
type Said = Vec<(String, String, String)>;

impl World {
    /// Runs `nixci serve --check`. Returns its exit code, and what it says of the forge.
    async fn check(&self) -> (Option<i32>, Said) {
        let (code, mut said) = self.check_all().await;
        said.retain(|(_, about, _)| about.starts_with("forge work"));
        assert!(!said.is_empty());
        (code, said)
    }

    /// Runs `nixci serve --check`. Returns its exit code, and all that it says.
    async fn check_all(&self) -> (Option<i32>, Said) {
        let mut command = self.store.command(env!("CARGO_BIN_EXE_nixci"));
        command
            .args(["serve", "--check", "--config"])
            .arg(&self.config);
        let running = Running::start(&mut command);
        let ended = tokio::task::spawn_blocking(|| running.finish()).await;
        let ended = ended.unwrap();
        let text = &ended.stdout;
        let line = |line: &str| {
            let (verdict, rest) = line.split_once(' ').unwrap();
            let (about, text) = rest.trim_start().split_once("  ").unwrap();
            [verdict, about, text.trim_start()]
                .map(str::to_owned)
                .into()
        };
        let said: Said = text.lines().map(line).collect();
        assert!(!said.is_empty(), "{ended}");
        (ended.code, said)
    }

    /// Asserts that this is said of the forge.
    async fn says(&self, verdict: &str, about: &str, text: &str) {
        let (code, said) = self.check().await;
        let is_it = |(v, a, t): &(String, String, String)| {
            v == verdict && a.trim() == about && t.contains(text)
        };
        assert!(
            said.iter().any(is_it),
            "{verdict} {about} {text}: {said:#?}"
        );
        // Whatever is bad fails the whole; nothing else does.
        let is_bad = said.iter().any(|(verdict, ..)| verdict == "bad");
        assert_eq!(code, Some(i32::from(is_bad)), "{said:#?}");
    }

    fn of_demo(&self, change: impl FnOnce(&mut crate::fake::Repository)) {
        change(self.forge.world().find("acme/demo").unwrap());
    }
}

fn good() -> String {
    flake(&[("good", "echo ok > $out")])
}

fn admin() -> Value {
    json!({ "admin": true, "push": true, "pull": true })
}

/// A moment as HTTP writes it.
fn date(ahead: i64) -> String {
    let time = Timestamp::now() + SignedDuration::from_secs(ahead);
    let text = rfc2822::to_string(&time.to_zoned(TimeZone::UTC)).unwrap();
    text.replace("+0000", "GMT")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_gitea_is_said() {
    let mut world = World::new(&good(), "").await;
    world.of_demo(|demo| demo.permissions = admin());
    let hook_url = format!("{}/webhook/work", world.url);
    world.says("ok", "forge work clock", "as here").await;
    world
        .says("ok", "forge work rights", "the token is owner's")
        .await;
    world.says("ok", "forge work", "sees acme/demo").await;
    world.says("ok", "forge work statuses", "allowed").await;
    let none = format!("none of acme/demo goes to {hook_url}: the server makes it");
    world.says("hm", "forge work webhooks", &none).await;
    world.start().await;
    world
        .eventually("the webhook is there", async || {
            !world
                .forge
                .world()
                .find("acme/demo")
                .unwrap()
                .hooks
                .is_empty()
        })
        .await;
    assert_eq!(world.stop().await, Some(0));
    world
        .says("ok", "forge work webhooks", "there, and right: 1 of 1")
        .await;

    world.of_demo(|demo| demo.hooks[0]["active"] = json!(false));
    world
        .says(
            "hm",
            "forge work webhooks",
            "it is switched off; the server repairs it",
        )
        .await;
    world.of_demo(|demo| {
        demo.hooks[0]["active"] = json!(true);
        demo.hooks[0]["events"] = json!(["push", "delete", "pull_request"]);
    });
    let silent = "it does not tell of pull_request_sync, issue_comment";
    world.says("hm", "forge work webhooks", silent).await;
    world.forge.world().broken = vec![("/hooks".to_owned(), 403)];
    let hidden = "the webhooks of acme/demo cannot be listed: HTTP 403";
    world.says("bad", "forge work webhooks", hidden).await;
    world.forge.world().broken.clear();

    world.forge.world().broken = vec![("/issues/comments".to_owned(), 403)];
    let text = "no command below a pull request is carried out: give the token read:issue";
    world.says("hm", "forge work comments", text).await;
    world.forge.world().broken.clear();
    world.of_demo(|demo| demo.permissions["admin"] = json!(false));
    let text = "no administrator of acme/demo";
    world.says("hm", "forge work statuses", text).await;
    world.of_demo(|demo| demo.permissions["push"] = json!(false));
    let text = "may not write to acme/demo: no status can be told there";
    world.says("bad", "forge work statuses", text).await;

    for (ahead, text) in [
        (-3600, "seconds ahead of the forge's: set it"),
        (600, "seconds behind the forge's: set it"),
    ] {
        world.forge.world().date = Some(date(ahead));
        world.says("bad", "forge work clock", text).await;
    }
    world.forge.world().date = Some(date(20));
    world.says("ok", "forge work clock", "as here").await;

    world.forge.world().broken = vec![("/user".to_owned(), 403)];
    world.says("bad", "forge work rights", "(read:user)").await;
    world.forge.world().broken.clear();
    world.of_demo(|demo| demo.name = "acme/elsewhere".to_owned());
    world.says("bad", "forge work", "HTTP 404").await;
    fs::write(world.store.folder().join("token"), "another").unwrap();
    world
        .says("bad", "forge work rights", "the token is not taken")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_topics_count_is_said() {
    let world = World::new(&good(), "").await;
    world.change_settings(|text| {
        text.replace("[\"acme/demo\"]", "[]")
            .replace("topics = []", "topics = [\"nixci\"]")
    });
    world.of_demo(|demo| demo.topics = vec!["nixci".to_owned()]);
    let open = "gives a repository the topic nixci and makes the token's user its administrator, is built like your own";
    world.says("hm", "forge work owners", open).await;
    world.says("ok", "forge work", "sees acme/demo").await;
    world.of_demo(|demo| demo.permissions["admin"] = json!(false));
    let text = "not built in spite of the topic: the token's user is no administrator (on GitLab, a maintainer) of acme/demo";
    world.says("hm", "forge work", text).await;
    world.of_demo(|demo| demo.permissions = admin());
    world.change_settings(|text| text.replace("[\"nixci\"]", "[\"nixci\"]\nowners = [\"us\"]"));
    let text = "no repository that counts has the topic nixci";
    world.says("hm", "forge work", text).await;
    world.change_settings(|text| text.replace("[\"us\"]", "[\"us\", \"acme\"]"));
    world.says("ok", "forge work", "sees acme/demo").await;
    let (_, said) = world.check().await;
    assert!(
        !said.iter().any(|(_, about, _)| about.contains("owners")),
        "{said:#?}"
    );
    // Whom an App is let in by is another's business.
    world.on_github();
    world.change_settings(|text| text.replace("owners = [\"us\", \"acme\"]\n", ""));
    let (_, said) = world.check().await;
    assert!(
        !said.iter().any(|(_, about, _)| about.contains("owners")),
        "{said:#?}"
    );
}

/// What would keep the server from starting, or what it does from having an effect.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_go_wrong_later_is_said_before() {
    let world = World::new(&good(), "OTHERS\n").await;
    let folder = world.store.folder();
    fs::write(folder.join("no-folder"), "").unwrap();
    fs::create_dir(folder.join("outputs")).unwrap();
    let outputs = |name: &str| format!("outputs_dir = {:?}", folder.join(name));
    let mut last = "OTHERS".to_owned();
    for (settings, verdict, about, text) in [
        (outputs("outputs"), "ok", "outputs", "named in"),
        (
            outputs("no-folder"),
            "bad",
            "outputs",
            "is no folder: make it",
        ),
        (
            outputs("nowhere"),
            "bad",
            "outputs",
            "is no folder: make it",
        ),
        (
            "upload.copy_to = [\"foo:bar\"]".into(),
            "bad",
            "upload",
            "foo:bar",
        ),
        (
            "upload.cachix = [\"\"]".into(),
            "bad",
            "upload",
            "[upload]: ",
        ),
    ] {
        world.change_settings(|now| now.replacen(&last, &settings, 1));
        last = settings;
        let (code, said) = world.check_all().await;
        let line = said.iter().find(|(_, of, _)| of == about);
        let (found, _, why) = line.unwrap_or_else(|| panic!("{said:#?}"));
        assert_eq!(found, verdict, "{said:#?}");
        assert!(why.contains(text), "{why}");
        assert_eq!(code, Some(i32::from(verdict == "bad")), "{said:#?}");
    }
    let state = folder.join("state");
    for (mode, is_said) in [(0o755, true), (0o700, false)] {
        let _ = fs::create_dir(&state);
        fs::set_permissions(&state, fs::Permissions::from_mode(mode)).unwrap();
        let (_, said) = world.check_all().await;
        let of_state = said.iter().find(|(_, about, _)| about == "state");
        assert_eq!(of_state.is_some(), is_said, "{said:#?}");
        assert!(
            of_state.is_none_or(|(verdict, _, text)| verdict == "hm" && text.contains("chmod 700"))
        );
    }
    // The others are looked at all the same.
    let token = folder.join("bad-token");
    fs::write(&token, "a\nb").unwrap();
    world.change_settings(|now| {
        let lines = now.lines().map(|line| match line.split_once(" = ") {
            Some(("token_file", _)) => format!("token_file = {token:?}\n"),
            _ => format!("{line}\n"),
        });
        lines.collect()
    });
    let (code, said) = world.check_all().await;
    let of = |what: &str| said.iter().find(|(_, about, _)| about == what).unwrap();
    assert_eq!(of("forge work").0, "bad", "{said:#?}");
    assert_eq!((code, of("nix").0.as_str()), (Some(1), "ok"), "{said:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_repository_that_git_does_not_show_is_said() {
    let world = World::new(&good(), "").await;
    let there = world.store.folder().join("git/acme/demo.git");
    let repository = |name: &str, address: &str, branch: &str| {
        format!(
            "[forge.work.repository.\"{name}\"]\nurl = \"{address}\"\ndefault_branch = \"{branch}\"\n"
        )
    };
    let there = format!("file://{}", there.display());
    let repositories = [
        repository("a/good", &there, "main"),
        repository("b/other", &there, "trunk"),
        repository("c/gone", "http://127.0.0.1:1/x.git", "main"),
    ];
    world.change_settings(|text| {
        let (server, _) = text.split_once("[forge.work]").unwrap();
        format!(
            "{server}[forge.work]\nkind = \"plain\"\n{}",
            repositories.concat()
        )
    });
    let (code, said) = world.check().await;
    let of = |verdict: &str| -> Vec<&str> {
        let of = said.iter().filter(|(found, ..)| found == verdict);
        of.map(|(_, _, text)| text.as_str()).collect()
    };
    assert_eq!(
        (code, of("ok")),
        (Some(1), vec!["git shows a/good"]),
        "{said:#?}"
    );
    let bad = of("bad");
    assert_eq!(bad[0], "b/other has no branch trunk", "{said:#?}");
    assert!(
        bad[1].starts_with("c/gone: ") && bad[1].contains("cannot reach 127.0.0.1"),
        "{said:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_cannot_be_reached_is_said() {
    let world = World::new(&good(), "").await;
    let url = world.forge.url.clone();
    world.change_settings(|text| text.replace(&url, "http://127.0.0.1:1"));
    let text = "cannot reach 127.0.0.1: Connection refused";
    world.says("bad", "forge work", text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_of_github_lacks_is_said() {
    let world = World::new(&good(), "").await;
    world.on_github_with_a_token();
    world.of_demo(|demo| demo.permissions = admin());
    world
        .says("ok", "forge work rights", "does not tell its scopes")
        .await;
    for (scopes, lacks) in [
        ("read:user", "lacks repo:status, admin:repo_hook: make one"),
        ("repo:status, read:org", "lacks admin:repo_hook: make one"),
        ("write:repo_hook", "lacks repo:status: make one"),
    ] {
        world.forge.world().scopes = Some(scopes.to_owned());
        world.says("bad", "forge work rights", lacks).await;
    }
    world.forge.world().scopes = Some("gist, repo".to_owned());
    world
        .says("ok", "forge work rights", "has the scopes it needs")
        .await;
    // A fine-grained token may have less than its user, which GitHub tells nobody.
    world.forge.world().scopes = None;
    world.says("ok", "forge work statuses", "allowed").await;
    world.forge.world().broken = vec![("/statuses/0000".to_owned(), 403)];
    let text = "the token may tell none in acme/demo: give it write access to Commit statuses";
    world.says("bad", "forge work statuses", text).await;
    world.forge.world().broken = vec![("/hooks".to_owned(), 403)];
    let text = "the webhooks of acme/demo cannot be listed: HTTP 403";
    world.says("bad", "forge work webhooks", text).await;
    world.forge.world().broken.clear();
    // What the last delivery was answered with.
    let hook = json!({
        "id": 3, "active": true, "events": ["*"], "last_response": { "code": 200, "status": "active", "message": "OK" },
        "config": { "url": format!("{}/webhook/work", world.url), "content_type": "json", "insecure_ssl": "0" },
    });
    world.of_demo(|demo| demo.hooks = vec![hook]);
    world
        .says("ok", "forge work webhooks", "there, and right: 1 of 1")
        .await;
    world.of_demo(|demo| {
        demo.hooks[0]["last_response"] =
            json!({ "code": 502, "status": "misconfigured", "message": "Invalid HTTP Response: 502" });
    });
    let text = "the last one of acme/demo did not arrive (HTTP 502 Invalid HTTP Response: 502)";
    world.says("bad", "forge work webhooks", text).await;
    world.of_demo(|demo| {
        demo.hooks[0]["last_response"] =
            json!({ "code": null, "status": "unused", "message": null });
    });
    world.says("ok", "forge work webhooks", "1 of 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_app_of_github_lacks_is_said() {
    let world = World::new(&good(), "").await;
    world.on_github();
    let hook_url = format!("{}/webhook/work", world.url);
    let events = [
        "push",
        "pull_request",
        "merge_group",
        "issue_comment",
        "repository",
        "check_run",
        "check_suite",
        "public",
    ];
    {
        let mut forge = world.forge.world();
        forge.app = json!({
            "id": 1, "name": "nixci", "events": events,
            "permissions": {
                "checks": "write", "contents": "read", "issues": "write", "merge_queues": "read", "metadata": "read",
                "pull_requests": "read", "statuses": "write",
            },
        });
        forge.app_hook = json!({ "url": hook_url, "content_type": "json", "insecure_ssl": "0" });
    }
    world
        .says("ok", "forge work rights", "the App nixci has all it needs")
        .await;
    world
        .says("ok", "forge work webhooks", "that of the App is right")
        .await;
    let delivery = |status: u16, text: &str| json!({ "id": 1, "guid": "a", "delivered_at": "2026-11-20T18:00:00Z", "status_code": status, "status": text, "event": "push" });
    world.forge.world().deliveries = vec![delivery(202, "OK")];
    world
        .says(
            "ok",
            "forge work webhooks",
            "the last one arrived (HTTP 202 OK)",
        )
        .await;
    world.forge.world().deliveries = vec![delivery(401, "Unauthorized")];
    let text = "the last one of the App did not arrive (HTTP 401 Unauthorized)";
    world.says("bad", "forge work webhooks", text).await;
    world.forge.world().app_hook["url"] = json!("https://old.example.org/change_hook/github");
    let text = format!(
        "goes to https://old.example.org/change_hook/github, and has to go to {hook_url}: the server repairs it at its start"
    );
    world.says("bad", "forge work webhooks", &text).await;
    {
        let mut forge = world.forge.world();
        forge.app_hook["url"] = json!(hook_url);
        forge.app_hook["insecure_ssl"] = json!("1");
    }
    let text = "that of the App: it does not look at the certificate; the server repairs it";
    world.says("hm", "forge work webhooks", text).await;

    world.forge.world().app["permissions"]["statuses"] = json!("read");
    world.forge.world().app["events"] = json!(&events[1..]);
    let text = "the App nixci lacks statuses: write, the event push: add it in the App's settings";
    world.says("bad", "forge work rights", text).await;
    world.forge.world().broken = vec![("/app".to_owned(), 401)];
    world
        .says("bad", "forge work rights", "the App's key is not taken")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_of_gitlab_lacks_is_said() {
    let world = World::new(&good(), "").await;
    world.on_gitlab(&[crate::world::SECRET]);
    let level =
        |level: u64| json!({ "project_access": { "access_level": level }, "group_access": null });
    world.of_demo(|demo| demo.permissions = level(40));
    world
        .says("ok", "forge work rights", "does not tell its scopes")
        .await;
    world.says("ok", "forge work statuses", "allowed").await;
    world.forge.world().scopes = Some("read_api, read_user".to_owned());
    world
        .says(
            "bad",
            "forge work rights",
            "lacks api: make one that has it",
        )
        .await;
    world.forge.world().scopes = Some("api".to_owned());
    world
        .says("ok", "forge work rights", "has the scopes it needs")
        .await;
    world.of_demo(|demo| demo.permissions = level(30));
    world
        .says("hm", "forge work statuses", "on GitLab, a maintainer")
        .await;
    world.of_demo(|demo| {
        demo.permissions = json!({ "project_access": null, "group_access": { "access_level": 50 } });
        demo.hooks = vec![json!({
            "id": 3, "url": format!("{}/webhook/work", world.url), "push_events": true, "tag_push_events": true,
            "merge_requests_events": true, "note_events": true, "alert_status": "disabled",
        })];
    });
    world.says("ok", "forge work statuses", "allowed").await;
    let text = "GitLab has switched it off, as it failed too often; the server repairs it";
    world.says("hm", "forge work webhooks", text).await;
}
