//! GitLab.

use std::collections::BTreeMap;

use nixci::forge::{
    ForgeApi, ForgeError, Gitlab, HookState, Permission, RepositoryKey, Selection, StatusState,
    User,
};
use serde_json::json;

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
    let found = gitlab.repositories(&selection).await.unwrap();
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

#[tokio::test]
async fn statuses_may_be_said_twice() {
    let (_forge, gitlab) = start().await;
    let place = place(known(1, "group/sub/one", None));
    for state in [
        StatusState::Pending,
        StatusState::Pending,
        StatusState::Error,
        StatusState::Failure,
    ] {
        gitlab
            .set_status(&place, &status("nixci/eval", state, "d"))
            .await
            .unwrap();
    }
    let shown = gitlab.statuses(&place, "nixci").await.unwrap();
    assert_eq!((shown.len(), shown[0].state), (1, StatusState::Failure));
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
    forge.world().repositories[0].hooks[0]["push_events"] = json!(false);
    assert_eq!(ensure(false).await, HookState::Repaired);
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
