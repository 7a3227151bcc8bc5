//! GitLab.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use nixci::forge::{
    ForgeApi, ForgeError, Gitlab, HookOwner, HookState, HookWish, Permission, RepositoryKey,
    Selection, StatusState, User,
};
use serde_json::{Value, json};

use crate::{COMMIT, fake::FakeForge, hook, known, names, place, repositories, secret, status};

async fn start() -> (FakeForge, Gitlab) {
    let mut repositories = repositories();
    "group/sub/one".clone_into(&mut repositories[0].name);
    repositories[0].rights = BTreeMap::from([
        ("a".to_owned(), (7, "40")),
        ("b".to_owned(), (8, "30")),
        ("c".to_owned(), (9, "20")),
        ("d".to_owned(), (10, "5")),
    ]);
    let forge = FakeForge::start(repositories).await;
    let gitlab = Gitlab::new(&format!("{}/api/v4", forge.url), secret()).unwrap();
    (forge, gitlab)
}

#[tokio::test]
async fn projects_are_found_by_number_name_and_topic() {
    let (_forge, gitlab) = start().await;
    for key in [
        RepositoryKey::Id(1),
        RepositoryKey::Name("group/sub/one".parse().unwrap()),
    ] {
        let found = gitlab.repository(&key).await.unwrap();
        assert_eq!(
            (found.repository.id.as_str(), found.repository.is_private),
            ("1", false),
            "{key:?}"
        );
    }
    let selection = Selection {
        topics: vec!["nixci".to_owned()],
        ..Selection::default()
    };
    let found = gitlab.repositories(&selection).await.unwrap().repositories;
    assert_eq!(
        names(&found),
        ["group/sub/one", "owner/three", "other/four"]
    );
}

#[tokio::test]
async fn merge_requests_and_rights_go_by_numbers() {
    let (forge, gitlab) = start().await;
    let pull = json!({ "iid": 3, "sha": COMMIT, "source_project_id": null, "target_branch": "main", "state": "opened",
        "author": { "id": 9, "username": "c" }, "draft": true, "merge_status": "cannot_be_merged", "title": "t" });
    forge.world().repositories[0].pulls.insert(3, pull);
    let repository = known(1, "group/sub/one", None);
    let now = gitlab.pull_request(&repository, 3).await.unwrap();
    assert_eq!(now.git_ref.as_str(), "refs/merge-requests/3/head");
    assert_eq!(
        (
            now.is_open,
            now.is_draft,
            now.is_mergeable,
            now.head_repository
        ),
        (true, true, Some(false), None)
    );
    for (id, expected) in [
        (7, Permission::Admin),
        (8, Permission::Write),
        (9, Permission::Read),
        (10, Permission::None),
        (11, Permission::None),
    ] {
        let user = User { id, login: None };
        assert_eq!(
            gitlab.permission(&repository, &user).await.unwrap(),
            expected,
            "{id}"
        );
    }
}

/// The states that GitLab took.
fn states(forge: &FakeForge) -> Vec<String> {
    let told = &forge.world().repositories[0].told;
    let state = |(_, body): &(String, Value)| body["state"].as_str().unwrap().to_owned();
    told.iter().map(state).collect()
}

#[tokio::test]
async fn statuses_may_be_said_twice() {
    let (forge, gitlab) = start().await;
    let place = place(known(1, "group/sub/one", None));
    for state in [
        StatusState::Pending,
        StatusState::Pending,
        StatusState::Error,
        StatusState::Failure,
        StatusState::Pending,
        StatusState::Success,
    ] {
        gitlab
            .set_status(&place, &status("nixci/eval", state, "d"))
            .await
            .unwrap();
    }
    let shown = gitlab.statuses(&place, "nixci").await.unwrap();
    assert_eq!((shown.len(), shown[0].state), (1, StatusState::Success));
    assert_eq!(
        states(&forge),
        [
            "pending", "running", "failed", "failed", "pending", "success"
        ]
    );
    // The text of what goes on changes once, with the state.
    forge.world().repositories[0].told.clear();
    for text in ["taken", "waits for approval", "is evaluated"] {
        let status = status("nixci/build", StatusState::Pending, text);
        gitlab.set_status(&place, &status).await.unwrap();
    }
    assert_eq!(states(&forge), ["pending", "running"]);
    let shown = gitlab.statuses(&place, "nixci/build").await.unwrap();
    assert_eq!(
        (shown[0].state, shown[0].description.as_str()),
        (StatusState::Pending, "waits for approval")
    );
    // What is refused for another reason is not told.
    for (state, message, is_told) in [
        (
            StatusState::Pending,
            "Cannot transition status via :enqueue from :canceled",
            false,
        ),
        (
            StatusState::Success,
            "Cannot transition status via :success from :success (Reason(s): ...)",
            true,
        ),
        (
            StatusState::Success,
            "Cannot transition status via :success from :canceled",
            false,
        ),
        (
            StatusState::Failure,
            "Cannot transition status via :drop from :skipped",
            false,
        ),
        (StatusState::Success, "Cannot transition status", false),
        (StatusState::Success, "State is required", false),
    ] {
        let answer = (400, Vec::new(), json!({ "message": message }));
        forge.world().answers.push_back(answer);
        let answer = gitlab
            .set_status(&place, &status("nixci/eval", state, "d"))
            .await;
        match answer {
            Ok(()) => assert!(is_told, "{message}"),
            Err(error) => assert!(
                !is_told && matches!(error, ForgeError::Refused(_)),
                "{message}: {error:?}"
            ),
        }
    }
}

/// What GitLab has sent, as it lists it.
fn sent(id: u64, key: &str, status: &str, at: Timestamp) -> Value {
    json!({
        "id": id, "url": "https://ci.example.org/webhook/one", "trigger": "push_hooks", "request_data": {},
        "request_headers": { "Idempotency-Key": key, "X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "[REDACTED]" },
        "response_status": status, "response_body": "", "execution_duration": 1.5, "created_at": at.to_string(),
    })
}

#[tokio::test]
async fn what_did_not_arrive_is_told_and_sent_again() {
    let (forge, gitlab) = start().await;
    let repository = known(1, "group/sub/one", None);
    let made = gitlab.ensure_hook(&repository, &hook("one", true)).await;
    let of = HookOwner::Repository(&repository, made.unwrap().id);
    let now = Timestamp::now();
    let ago = |hours| now - SignedDuration::from_hours(hours);
    let mut without_time = sent(3, "c", "500", now);
    without_time.as_object_mut().unwrap().remove("created_at");
    forge.world().repositories[0].deliveries = vec![
        sent(9, "d", "internal error", now),
        sent(8, "b", "200", ago(1)),
        sent(7, "d", "503", ago(1)),
        sent(6, "a", "401", ago(2)),
        without_time,
        sent(2, "old", "500", ago(100)),
        sent(1, "older", "500", ago(101)),
    ];
    let failed = gitlab.failed_deliveries(of, ago(72)).await.unwrap();
    let failed: Vec<_> = failed
        .iter()
        .map(|failed| (failed.id, failed.guid.as_str(), failed.event.as_str()))
        .collect();
    let event = "Push Hook";
    assert_eq!(failed, [(3, "c", event), (6, "a", event), (9, "d", event)]);
    gitlab.redeliver(of, 9).await.unwrap();
    assert_eq!(forge.world().redelivered, [9]);
    // How the last one went, whatever became of it.
    let seen = gitlab.hook(Some(&repository), &hook("one", true).url).await;
    let last = seen.unwrap().unwrap().last;
    assert_eq!(last, Some((false, "internal error".to_owned())));
    // Five a minute.
    let answer = (
        429,
        Vec::new(),
        json!({ "message": { "error": "This endpoint has been requested too many times." } }),
    );
    forge.world().answers.push_back(answer);
    let enough = gitlab.redeliver(of, 6).await;
    assert!(
        matches!(enough, Err(ForgeError::Later { .. })),
        "{enough:?}"
    );
    // Before 17.3 there is no such list.
    forge.world().broken = vec![("/events".to_owned(), 404)];
    assert_eq!(gitlab.failed_deliveries(of, ago(72)).await.unwrap(), []);
    let seen = gitlab.hook(Some(&repository), &hook("one", true).url).await;
    assert_eq!(seen.unwrap().unwrap().last, None);
}

#[tokio::test]
async fn a_page_whose_address_is_too_long_costs_no_status() {
    let (forge, gitlab) = start().await;
    let mut place = place(known(1, "group/sub/one", None));
    let link = "https://git.example.org/".to_owned();
    for (length, is_told) in [(255, true), (256, false)] {
        place.target_url = Some(format!("{link}{}", "g".repeat(length - link.len())));
        gitlab
            .set_status(
                &place,
                &status(&format!("nixci/{length}"), StatusState::Success, "d"),
            )
            .await
            .unwrap();
        let told = forge.world().repositories[0].told.pop().unwrap().1;
        assert_eq!(told.get("target_url").is_some(), is_told, "{length}");
    }
}

#[tokio::test]
async fn webhooks_are_made_and_repaired() {
    let (forge, gitlab) = start().await;
    let repository = known(1, "group/sub/one", None);
    let ensure = async |is_new| {
        gitlab
            .ensure_hook(&repository, &hook("one", is_new))
            .await
            .unwrap()
            .state
    };
    assert_eq!(ensure(true).await, HookState::Made);
    assert_eq!(ensure(false).await, HookState::Kept);
    assert_eq!(ensure(true).await, HookState::Repaired);
    forge.world().repositories[0].hooks[0]["alert_status"] = json!("disabled");
    assert_eq!(ensure(false).await, HookState::Repaired);
    for (field, wrong) in [
        ("url", json!("https://elsewhere.example/hook")),
        ("push_events", json!(false)),
        ("tag_push_events", json!(false)),
        ("merge_requests_events", json!(false)),
        ("note_events", json!(false)),
        ("enable_ssl_verification", json!(false)),
        ("push_events_branch_filter", json!("main")),
        ("custom_webhook_template", json!("{}")),
    ] {
        forge.world().repositories[0].hooks[0][field] = wrong.clone();
        // By its number, where it goes elsewhere.
        let wish = HookWish {
            id: Some(1),
            ..hook("one", false)
        };
        let repaired = gitlab.ensure_hook(&repository, &wish).await.unwrap();
        assert_eq!(repaired.state, HookState::Repaired, "{field}");
        let hook = forge.world().repositories[0].hooks[0].clone();
        assert_ne!(hook[field], wrong, "{field}");
        assert_eq!(ensure(false).await, HookState::Kept, "{field}");
    }
    assert_eq!(forge.world().repositories[0].hooks.len(), 1);
    // One that GitLab signs: what is there is taken, with what it has to tell; none can be made.
    let signing = hook("whsec_AAAA", true);
    let kept = gitlab.ensure_hook(&repository, &signing).await.unwrap();
    assert_eq!(kept.state, HookState::Kept);
    forge.world().repositories[0].hooks.clear();
    let refused = gitlab.ensure_hook(&repository, &signing).await;
    assert!(
        matches!(&refused, Err(ForgeError::Refused(why)) if why.contains("add a webhook to https://ci.example.org")),
        "{refused:?}"
    );
}
