//! That nonsense is seen that a forge would not take, or say, by what it says of its interface itself.

use std::{collections::BTreeMap, panic};

use serde_json::{Value, json};

use crate::{
    COMMIT,
    fake::{
        FakeForge,
        openapi::{Call, check, check_answer, description},
    },
    openapi::{right, wrong},
    repositories,
};

#[test]
fn github_takes_no_nonsense() {
    if description("api.github.com.json").is_none() {
        return;
    }
    let status = format!("/repos/o/r/statuses/{COMMIT}");
    for case in [
        right("POST", &status, json!({ "state": "error" })),
        // On a server of one's own, and of a repository that was renamed.
        right("GET", "/api/v3/repositories/7/hooks", Value::Null),
        wrong("POST", &status, json!({}), "`state` is missing"),
        wrong("POST", &status, json!({ "state": "failed" }), "none of"),
        wrong("GET", "/repos/o/r/pulls?limit=9", Value::Null, "no param"),
        wrong("GET", "/repos/o/r/pulls?sort=new", Value::Null, "none of"),
        wrong("GET", "/repos/o/r/pulls/x", Value::Null, "pull_number"),
        wrong("GET", "/repos/o/r/webhooks", Value::Null, "no such path"),
    ] {
        case.is_as_expected(check);
    }
}

#[test]
fn gitea_and_forgejo_take_no_nonsense() {
    if description("gitea.json").is_none() || description("forgejo.json").is_none() {
        return;
    }
    let hook =
        |kind: &str| json!({ "type": kind, "config": { "url": "u", "content_type": "json" } });
    let hooks = "/api/v1/repos/o/r/hooks";
    let status = format!("/api/v1/repos/o/r/statuses/{COMMIT}");
    for case in [
        right("POST", hooks, hook("gitea")),
        right("POST", hooks, hook("forgejo")),
        right("GET", "/below/a/path/api/v1/repos/o/r/hooks", Value::Null),
        wrong("POST", hooks, hook("jenkins"), "none of"),
        wrong("POST", hooks, json!({ "type": "gitea" }), "`config` is mis"),
        wrong(
            "POST",
            hooks,
            json!({ "type": "gitea", "config": { "url": 1 } }),
            "url = 1",
        ),
        wrong("POST", &status, json!({ "state": "failed" }), "none of"),
        wrong("POST", &status, json!({ "status": "success" }), "no such f"),
        wrong("POST", &status, json!({ "context": 1 }), "context = 1"),
        wrong(
            "GET",
            "/api/v1/repos/o/r/pulls?per_page=9",
            Value::Null,
            "no param",
        ),
        wrong(
            "GET",
            "/api/v1/repos/o/r/pulls?limit=all",
            Value::Null,
            "?limit = ",
        ),
        wrong(
            "GET",
            "/api/v1/repos/o/r/pulls?sort=updated",
            Value::Null,
            "none of",
        ),
        wrong("GET", "/api/v1/repos/o/r/pulls/x", Value::Null, "{index}"),
        wrong(
            "GET",
            "/api/v1/repositories/7/hooks",
            Value::Null,
            "no such path",
        ),
        wrong(
            "PUT",
            "/api/v1/repos/o/r/hooks/7",
            json!({}),
            "no such method",
        ),
        wrong("GET", "/repos/o/r/topics?limit=50", Value::Null, "GitHub: "),
    ] {
        case.is_as_expected(check);
    }
}

#[test]
fn gitlab_takes_no_nonsense() {
    let status = format!("/api/v4/projects/7/statuses/{COMMIT}");
    let long = "a".repeat(256);
    for case in [
        right(
            "POST",
            &status,
            json!({ "state": "running", "pipeline_id": 1 }),
        ),
        right("GET", "/api/v4/personal_access_tokens/self", Value::Null),
        wrong(
            "POST",
            &status,
            json!({ "name": "n" }),
            "`state` is missing",
        ),
        wrong("POST", &status, json!({ "state": "error" }), "none of"),
        wrong(
            "POST",
            &status,
            json!({ "state": "failed", "pipeline_id": "1" }),
            "pipeline_id = ",
        ),
        wrong(
            "POST",
            &status,
            json!({ "state": "failed", "target_url": long }),
            "maxLength 255",
        ),
        wrong(
            "GET",
            "/api/v4/projects?limit=50",
            Value::Null,
            "no parameter",
        ),
        wrong(
            "GET",
            "/api/v4/projects?per_page=101",
            Value::Null,
            "?per_page",
        ),
        wrong(
            "GET",
            "/api/v4/projects/7/merge_requests?state=open",
            Value::Null,
            "none of",
        ),
        wrong(
            "GET",
            "/api/v4/projects/7/merge_requests?updated_after=1",
            Value::Null,
            "no time",
        ),
        wrong(
            "GET",
            "/api/v4/projects/7/members/all/writer",
            Value::Null,
            "{user_id}",
        ),
        wrong(
            "GET",
            "/api/v4/personal_access_tokens/mine",
            Value::Null,
            "{id}",
        ),
    ] {
        case.is_as_expected(check);
    }
}

#[test]
fn gitlab_takes_no_nonsense_about_webhooks() {
    let hooks = "/api/v4/projects/group%2Fsub%2Fname/hooks";
    let events = format!("{hooks}/1/events");
    for case in [
        right("POST", hooks, json!({ "url": "u", "note_events": true })),
        wrong(
            "POST",
            "/api/v4/projects/a/b/hooks",
            json!({ "url": "u" }),
            "no such path",
        ),
        wrong(
            "PATCH",
            &format!("{hooks}/1"),
            json!({ "url": "u" }),
            "no such method",
        ),
        wrong(
            "PUT",
            &format!("{hooks}/x"),
            json!({ "url": "u" }),
            "{hook_id}",
        ),
        wrong("POST", hooks, json!({}), "`url` is missing"),
        wrong(
            "POST",
            hooks,
            json!({ "url": "u", "events": [] }),
            "no such field",
        ),
        wrong(
            "POST",
            hooks,
            json!({ "url": "u", "push_events": "yes" }),
            "push_events = ",
        ),
        right(
            "GET",
            &format!("{events}?status=500,client_failure"),
            Value::Null,
        ),
        wrong(
            "GET",
            &format!("{events}?status=failed"),
            Value::Null,
            "?status",
        ),
        wrong(
            "GET",
            &format!("{events}?per_page=21"),
            Value::Null,
            "?per_page",
        ),
    ] {
        case.is_as_expected(check);
    }
}

#[test]
fn what_gitlab_does_not_say_is_seen() {
    let query = BTreeMap::new();
    let call = Call {
        method: "GET",
        path: "/api/v4/projects/7",
        query: &query,
        body: &Value::Null,
    };
    let lie = json!({ "id": 7, "visibility": "open" });
    let found = check_answer(&call, 200, &lie).unwrap_err();
    assert!(
        found.contains("GitLab: GET /projects/7: answer.visi"),
        "{found}"
    );
}

#[tokio::test]
async fn a_test_in_which_a_forge_is_asked_nonsense_fails() {
    let ask = async |path: &str| {
        let forge = FakeForge::start(repositories()).await;
        let answer = reqwest::Client::new()
            .get(format!("{}{path}", forge.url))
            .header("private-token", "secret")
            .send()
            .await;
        assert!(answer.is_ok());
        let ended = panic::AssertUnwindSafe(move || drop(forge));
        panic::catch_unwind(ended).is_ok()
    };
    assert!(ask("/api/v4/user").await);
    assert!(!ask("/api/v4/users/me").await);
}
