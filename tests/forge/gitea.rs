//! Gitea and Forgejo.

use nixci::forge::{
    ForgeApi, ForgeError, Gitea, HookOwner, HookState, Permission, RepositoryKey, Selection,
    StatusState,
};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::{
    BASE, COMMIT, fake::FakeForge, hook, known, names, place, repositories, secret, status, user,
};

async fn start() -> (FakeForge, Gitea) {
    let forge = FakeForge::start(repositories()).await;
    let gitea = Gitea::new(&format!("{}/api/v1/", forge.url), secret()).unwrap();
    (forge, gitea)
}

#[tokio::test]
async fn repositories_with_a_topic_are_searched_for_and_looked_at() {
    let (forge, gitea) = start().await;
    let topics = |topics: &[&str]| Selection {
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        ..Selection::default()
    };
    // The search finds parts of topics, and each of them once.
    let found = gitea
        .repositories(&topics(&["nixci"]))
        .await
        .unwrap()
        .repositories;
    assert_eq!(names(&found), ["owner/one", "other/four"]);
    assert!(
        forge
            .asked()
            .iter()
            .any(|asked| asked.contains("/repos/search?topic=true&q=nixci&"))
    );
    let found = gitea
        .repositories(&topics(&["nixci", "nixci-not"]))
        .await
        .unwrap()
        .repositories;
    assert_eq!(names(&found), ["owner/one", "other/four", "other/five"]);
    let all = gitea
        .repositories(&Selection::default())
        .await
        .unwrap()
        .repositories;
    assert_eq!(all.len(), 5);
    let by_id = gitea.repository(&RepositoryKey::Id(4)).await.unwrap();
    assert_eq!(by_id.repository.full_name.as_str(), "other/four");
}

#[tokio::test]
async fn approval_bypass_by_agit_is_seen_in_the_forges_answer() {
    let (forge, gitea) = start().await;
    let pull = json!({
        "number": 3, "state": "open", "title": "t", "draft": false, "mergeable": true, "user": { "id": -1, "login": "Ghost" },
        "head": { "label": "", "ref": "refs/pull/3/head", "sha": COMMIT, "repo_id": 1, "repo": { "id": 1 } },
        "base": { "label": "main", "ref": "main", "sha": BASE, "repo_id": 1, "repo": { "id": 1 } },
    });
    forge.world().repositories[0].pulls.insert(3, pull);
    let now = gitea
        .pull_request(&known(1, "owner/one", None), 3)
        .await
        .unwrap();
    assert!(now.is_agit);
    assert_eq!((now.author, now.is_mergeable), (None, Some(true)));
}

#[tokio::test]
async fn statuses_rights_and_webhooks_are_in_giteas_form() {
    let (forge, gitea) = start().await;
    let place = place(known(1, "owner/one", None));
    for n in 0..5 {
        let state = if n == 3 {
            StatusState::Failure
        } else {
            StatusState::Success
        };
        gitea
            .set_status(&place, &status(&format!("nixci/{n}"), state, "d"))
            .await
            .unwrap();
    }
    let shown = gitea.statuses(&place, "nixci/").await.unwrap();
    let failed: Vec<_> = shown
        .iter()
        .filter(|status| status.state.is_failed())
        .collect();
    assert_eq!(
        (shown.len(), failed.len(), failed[0].context.as_str()),
        (5, 1, "nixci/3")
    );
    let permission = gitea
        .permission(&place.repository, &user(7, "writer"))
        .await
        .unwrap();
    assert_eq!(permission, Permission::Write);
    assert_eq!(
        gitea
            .ensure_hook(&place.repository, &hook("one", true))
            .await
            .unwrap()
            .state,
        HookState::Made
    );
    assert_eq!(
        gitea
            .ensure_hook(&place.repository, &hook("one", false))
            .await
            .unwrap()
            .state,
        HookState::Kept
    );
    let forgejo = Gitea::forgejo(&format!("{}/api/v1", forge.url), secret()).unwrap();
    let two = known(2, "owner/two", None);
    assert_eq!(
        forgejo
            .ensure_hook(&two, &hook("one", true))
            .await
            .unwrap()
            .state,
        HookState::Made
    );
    let types: Vec<_> = forge.world().repositories[..2]
        .iter()
        .map(|known| known.hooks[0]["type"].clone())
        .collect();
    assert_eq!(types, ["gitea", "forgejo"]);
    let credentials = gitea.clone_credentials(&two).await.unwrap();
    assert_eq!(credentials.token.expose_secret(), "secret");
    assert!(matches!(
        gitea.redeliver(HookOwner::App, 1).await,
        Err(ForgeError::Refused(_))
    ));
    let since = "2026-11-20T18:10:00Z".parse().unwrap();
    assert_eq!(
        gitea.failed_deliveries(HookOwner::App, since).await,
        Ok(Vec::new())
    );
}
