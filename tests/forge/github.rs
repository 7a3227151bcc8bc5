//! GitHub with a token.

use nixci::forge::{
    Annotation, AnnotationLevel, CheckButton, CheckOutput, CheckRun, CheckState, Conclusion,
    ForgeApi, ForgeError, Github, HookState, Permission, RepositoryKey, Selection, StatusState,
    fenced,
};
use serde_json::{Value, json};

use crate::{
    BASE, COMMIT, fake::FakeForge, hook, known, names, place, repositories, secret, status, user,
};

async fn start() -> (FakeForge, Github) {
    let forge = FakeForge::start(repositories()).await;
    let github = Github::with_token(&forge.url, secret()).unwrap();
    (forge, github)
}

#[tokio::test]
async fn a_repository_is_found_by_number_by_name_and_by_the_name_it_had() {
    let (forge, github) = start().await;
    forge.world().renamed.insert("owner/old".to_owned(), 3);
    for key in [
        RepositoryKey::Id(3),
        RepositoryKey::Name("owner/three".parse().unwrap()),
        RepositoryKey::Name("owner/old".parse().unwrap()),
    ] {
        let found = github.repository(&key).await.unwrap();
        assert_eq!(found.repository.id, "3", "{key:?}");
        assert_eq!(found.repository.full_name.as_str(), "owner/three");
        assert!(found.repository.is_private);
    }
    let missing = github.repository(&RepositoryKey::Id(77)).await;
    assert!(
        matches!(missing, Err(ForgeError::Missing(_))),
        "{missing:?}"
    );
    let nonsense = github
        .repository(&RepositoryKey::Name("a/b/c".parse().unwrap()))
        .await;
    assert!(
        matches!(nonsense, Err(ForgeError::Refused(_))),
        "{nonsense:?}"
    );
}

#[tokio::test]
async fn repositories_are_chosen_by_topic_owner_and_name() {
    let (_forge, github) = start().await;
    let select = async |topics: &[&str], owners: &[&str], allowed: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let selection = Selection {
            topics: owned(topics),
            owners: owned(owners),
            names: allowed.iter().map(|name| name.parse().unwrap()).collect(),
        };
        let found = github.repositories(&selection).await.unwrap().repositories;
        names(&found).join(" ")
    };
    assert_eq!(
        select(&["nixci"], &[], &[]).await,
        "owner/one owner/three other/four"
    );
    assert_eq!(
        select(&["nixci", "nixci-not"], &["OTHER"], &[]).await,
        "other/four other/five"
    );
    assert_eq!(select(&[], &[], &["Owner/Two"]).await, "owner/two");
    assert_eq!(
        select(&[], &["other"], &["owner/two"]).await,
        "owner/two other/four other/five"
    );
    assert_eq!(select(&["x"], &[], &[]).await, "");
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let (forge, github) = start().await;
    let selection = Selection::default();
    let first = github.repositories(&selection).await.unwrap().repositories;
    let pages = forge.asked();
    assert_eq!(pages.len(), 3, "{pages:?}");
    // What would be sent now is not looked at by one who asks only for what changed.
    let second = github.repositories(&selection).await.unwrap().repositories;
    assert_eq!((first.len(), &first), (5, &second));
    forge.world().repositories[0].topics = vec!["another-topic".to_owned()];
    let third = github.repositories(&selection).await.unwrap().repositories;
    assert_eq!(third[0].topics, ["another-topic"]);
    assert_eq!(third[1..], second[1..]);
}

#[tokio::test]
async fn one_broken_repository_never_stops_the_others() {
    let (forge, github) = start().await;
    forge.world().repositories[1].name = "owner/br oken".to_owned();
    let found = github
        .repositories(&Selection::default())
        .await
        .unwrap()
        .repositories;
    assert_eq!(
        names(&found),
        ["owner/one", "owner/three", "other/four", "other/five"]
    );
}

fn pull(head_repository: &Value) -> Value {
    json!({
        "number": 3, "state": "open", "title": "a\ntitle", "draft": true, "mergeable": null, "merged": false,
        "user": { "id": 9, "login": "reader" },
        "head": { "ref": "main", "sha": COMMIT, "repo": head_repository },
        "base": { "ref": "main", "sha": BASE, "repo": { "id": 1 } },
    })
}

#[tokio::test]
async fn a_pull_request_is_as_the_forge_shows_it_now() {
    let (forge, github) = start().await;
    let repository = known(1, "owner/one", None);
    forge.world().repositories[0]
        .pulls
        .insert(3, pull(&json!({ "id": 44 })));
    let now = github.pull_request(&repository, 3).await.unwrap();
    assert_eq!(now.git_ref.as_str(), "refs/pull/3/head");
    assert_eq!(
        (now.head_commit.as_str(), now.base_commit.unwrap().as_str()),
        (COMMIT, BASE)
    );
    assert_eq!(now.head_repository.as_deref(), Some("44"));
    assert_eq!(now.author, Some(user(9, "reader")));
    assert_eq!(
        (now.is_open, now.is_draft, now.is_mergeable),
        (true, true, None)
    );
    assert_eq!(now.title, "a title");
    let mut gone = pull(&Value::Null);
    gone["state"] = json!("closed");
    gone["mergeable"] = json!(false);
    forge.world().repositories[0].pulls.insert(3, gone);
    let now = github.pull_request(&repository, 3).await.unwrap();
    assert_eq!(
        (now.head_repository, now.is_open, now.is_mergeable),
        (None, false, Some(false))
    );
    assert!(matches!(
        github.pull_request(&repository, 4).await,
        Err(ForgeError::Missing(_))
    ));
}

#[tokio::test]
async fn rights_belong_to_a_number_and_not_to_a_name() {
    let (_forge, github) = start().await;
    let repository = known(1, "owner/one", None);
    let permission = async |id, login| {
        github
            .permission(&repository, &user(id, login))
            .await
            .unwrap()
    };
    assert_eq!(permission(7, "writer").await, Permission::Write);
    assert_eq!(permission(8, "owner").await, Permission::Admin);
    assert_eq!(permission(9, "reader").await, Permission::Read);
    assert_eq!(permission(10, "gone").await, Permission::None);
    assert_eq!(permission(11, "nobody").await, Permission::None);
    // Somebody took the name of one who may write.
    assert_eq!(permission(66, "writer").await, Permission::None);
    assert_eq!(permission(67, "../../writer").await, Permission::None);
    assert!(Permission::Write > Permission::Read);
}

#[tokio::test]
async fn statuses_are_set_within_githubs_limits_and_read_back() {
    let (_forge, github) = start().await;
    let place = place(known(1, "owner/one", None));
    let long = format!("{}\n\u{1b}[31m{}", "é".repeat(100), "x".repeat(100));
    for (context, state) in [
        ("nixci/eval", StatusState::Success),
        ("nixci/build a", StatusState::Failure),
        ("nixci/build b", StatusState::Error),
        ("other/build", StatusState::Failure),
        ("nixci/build a", StatusState::Pending),
    ] {
        github
            .set_status(&place, &status(context, state, &long))
            .await
            .unwrap();
    }
    let shown = github.statuses(&place, "nixci/").await.unwrap();
    let shown: Vec<_> = shown
        .iter()
        .map(|status| (status.context.as_str(), status.state))
        .collect();
    let expected = [
        ("nixci/build a", StatusState::Pending),
        ("nixci/build b", StatusState::Error),
        ("nixci/eval", StatusState::Success),
    ];
    assert_eq!(shown, expected, "all pages");
    let all = github.statuses(&place, "").await.unwrap();
    assert!(
        all.iter()
            .all(|status| status.description.chars().count() <= 140)
    );
}

#[tokio::test]
async fn a_webhook_is_made_once_and_repaired() {
    let (forge, github) = start().await;
    let repository = known(1, "owner/one", None);
    let other = json!({ "id": 1, "active": true, "events": ["*"], "config": { "url": "https://elsewhere.example/" } });
    forge.world().repositories[0].hooks.push(other.clone());
    let ensure = async |secret, is_new| {
        github
            .ensure_hook(&repository, &hook(secret, is_new))
            .await
            .unwrap()
            .state
    };
    assert_eq!(ensure("one", true).await, HookState::Made);
    assert_eq!(ensure("one", false).await, HookState::Kept);
    assert_eq!(ensure("two", true).await, HookState::Repaired);
    let hooks = forge.world().repositories[0].hooks.clone();
    assert_eq!(
        (hooks.len(), &hooks[0]),
        (2, &other),
        "another one is left alone"
    );
    assert_eq!(hooks[1]["config"]["secret"], "two");
    for (pointer, wrong) in [
        ("/active", json!(false)),
        ("/config/content_type", json!("form")),
        ("/config/insecure_ssl", json!("1")),
        ("/events", json!(["push"])),
    ] {
        *forge.world().repositories[0].hooks[1]
            .pointer_mut(pointer)
            .unwrap() = wrong;
        assert_eq!(ensure("two", false).await, HookState::Repaired, "{pointer}");
        assert_eq!(ensure("two", false).await, HookState::Kept, "{pointer}");
    }
}

fn check_run(state: CheckState) -> CheckRun {
    let annotation = |n: u32| Annotation {
        path: "flake.nix".to_owned(),
        line: n,
        level: AnnotationLevel::Failure,
        title: "t".repeat(300),
        message: "m".repeat(70_000),
    };
    CheckRun {
        name: "nixci/build".to_owned(),
        commit: COMMIT.parse().unwrap(),
        details_url: Some("https://ci.example.org/runs/1".to_owned()),
        external_id: "run-1".to_owned(),
        state,
        started_at: Some("2026-11-20T18:00:00.123Z".parse().unwrap()),
        output: Some(CheckOutput {
            title: "1 failed".to_owned(),
            summary: fenced(&"ü".repeat(90_000), 80_000),
            text: "*".repeat(70_000),
            annotations: (0..120).map(annotation).collect(),
        }),
        buttons: (0..5)
            .map(|n| CheckButton {
                label: format!("a label that is much too long {n}"),
                description: "d".repeat(60),
                identifier: "rebuild".to_owned(),
            })
            .collect(),
    }
}

#[tokio::test]
async fn check_runs_stay_within_githubs_limits() {
    let (forge, github) = start().await;
    let place = place(known(1, "owner/one", None));
    let queued = CheckRun {
        output: None,
        ..check_run(CheckState::Queued)
    };
    let id = github
        .create_check_run(&place.repository, &queued)
        .await
        .unwrap();
    let ended = CheckState::Completed {
        conclusion: Conclusion::Failure,
        at: Some("2026-11-20T18:01:00Z".parse().unwrap()),
    };
    forge.asked();
    github
        .update_check_run(&place.repository, id, &check_run(ended))
        .await
        .unwrap();
    assert_eq!(forge.asked().len(), 3, "120 annotations are three requests");
    {
        let world = forge.world();
        let run = &world.repositories[0].check_runs[0];
        assert_eq!(run["output"]["annotations"].as_array().unwrap().len(), 120);
        assert_eq!(run["conclusion"], "failure");
        assert_eq!(run["started_at"], "2026-11-20T18:00:00Z");
        assert_eq!(run["actions"].as_array().unwrap().len(), 3);
        assert!(
            run["output"]["summary"]
                .as_str()
                .unwrap()
                .ends_with("```\n…")
        );
    }
    let shown = github.check_runs(&place).await.unwrap();
    assert_eq!(
        (shown.len(), shown[0].id, shown[0].is_failed),
        (1, id, true)
    );
    assert_eq!(shown[0].external_id, "run-1");
    for conclusion in [
        Conclusion::ActionRequired,
        Conclusion::Cancelled,
        Conclusion::Neutral,
        Conclusion::Success,
        Conclusion::Skipped,
        Conclusion::TimedOut,
    ] {
        let state = CheckState::Completed {
            conclusion,
            at: None,
        };
        github
            .update_check_run(&place.repository, id, &check_run(state))
            .await
            .unwrap();
    }
    let progress = check_run(CheckState::InProgress);
    assert_eq!(
        github
            .create_check_run(&place.repository, &progress)
            .await
            .unwrap(),
        id + 1
    );
}

#[tokio::test]
async fn what_a_forge_answers_when_it_is_not_well_is_understood() {
    let (forge, github) = start().await;
    let place = place(known(1, "owner/one", None));
    let set = async || {
        github
            .set_status(&place, &status("nixci/eval", StatusState::Success, ""))
            .await
    };
    let answer = |status, headers, body| forge.world().answers.push_back((status, headers, body));
    answer(
        403,
        vec![("retry-after", "7".to_owned())],
        json!({ "message": "slow down" }),
    );
    let Err(ForgeError::Later { wait, .. }) = set().await else {
        panic!("it is to wait")
    };
    assert_eq!(wait.unwrap().as_secs(), 7);
    answer(500, vec![], json!({}));
    assert!(matches!(
        set().await,
        Err(ForgeError::Later { wait: None, .. })
    ));
    // A redirect to another server gets no token, and one of a write that would become a read is no success.
    for (status, location) in [
        (302, "http://127.0.0.1:1/"),
        (301, "/repos/owner/one/statuses/x"),
        (307, "http://localhost:9/"),
    ] {
        answer(status, vec![("location", location.to_owned())], Value::Null);
        let error = set().await.unwrap_err();
        assert!(matches!(error, ForgeError::Refused(_)), "{status}: {error}");
    }
    forge.world().renamed.insert("owner/one".to_owned(), 1);
    let circles = github
        .repository(&RepositoryKey::Name("owner/one".parse().unwrap()))
        .await;
    assert!(
        circles
            .unwrap_err()
            .to_string()
            .contains("redirects the request too often")
    );
    forge.world().renamed.clear();
    // What is written follows to the same server where it stays the same.
    forge.world().renamed.insert("owner/old".to_owned(), 1);
    let renamed = crate::place(known(1, "owner/old", None));
    github
        .set_status(&renamed, &status("nixci/eval", StatusState::Failure, ""))
        .await
        .unwrap();
    assert!(
        github.statuses(&place, "").await.unwrap()[0]
            .state
            .is_failed()
    );
    // An answer that is not JSON, or not what it should be.
    answer(200, vec![], json!("<html>"));
    let error = github.pull_request(&place.repository, 3).await.unwrap_err();
    assert!(matches!(error, ForgeError::Refused(_)), "{error}");
    answer(200, vec![], json!("x".repeat(5 << 20)));
    let error = github
        .repositories(&Selection::default())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "the forge's answer is longer than 4 MiB");
    answer(200, vec![], json!({}));
    let error = github
        .repositories(&Selection::default())
        .await
        .unwrap_err();
    assert!(matches!(error, ForgeError::Refused(_)), "{error}");
    let nobody = Github::with_token("http://127.0.0.1:1", secret()).unwrap();
    let error = nobody
        .repositories(&Selection::default())
        .await
        .unwrap_err();
    assert!(matches!(error, ForgeError::Later { .. }), "{error}");
    let wrong = Github::with_token(&forge.url, "guess".into()).unwrap();
    let error = wrong.repositories(&Selection::default()).await.unwrap_err();
    assert!(matches!(error, ForgeError::Unauthorized(_)), "{error}");
}

#[tokio::test]
async fn a_token_opens_what_git_reads() {
    let (_forge, github) = start().await;
    let credentials = github
        .clone_credentials(&known(1, "owner/one", None))
        .await
        .unwrap();
    assert_eq!(credentials.user, "x-access-token");
    assert!(!format!("{credentials:?} {github:?}").contains("\"secret\""));
    assert!(!github.has_check_runs());
}
