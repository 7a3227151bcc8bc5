//! GitHub with an App.

use std::{fs, path::Path};

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use nixci::forge::{
    AppKey, ForgeApi, ForgeError, Github, HookOwner, Permission, RepositoryKey, Selection,
    StatusState,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::{fake::FakeForge, known, names, place, repositories, status, user};

fn data(name: &str) -> Vec<u8> {
    fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/github-app")
            .join(name),
    )
    .unwrap()
}

async fn start() -> (FakeForge, Github) {
    let forge = FakeForge::start(repositories()).await;
    let pem = SecretString::from(String::from_utf8(data("key.pem")).unwrap());
    let key = AppKey::new("Iv1.client", &pem).unwrap();
    let github = Github::with_app(&forge.url, key).unwrap();
    (forge, github)
}

#[tokio::test]
async fn an_app_proves_who_it_is_for_a_few_minutes() {
    #[derive(Deserialize)]
    struct Claims {
        iss: String,
        iat: i64,
        exp: i64,
    }
    let (forge, github) = start().await;
    github.repositories(&Selection::default()).await.unwrap();
    let proof = forge.world().credentials[0].clone();
    let key = DecodingKey::from_rsa_pem(&data("public.pem")).unwrap();
    let proof = proof.strip_prefix("Bearer ").unwrap();
    let claims = jsonwebtoken::decode::<Claims>(proof, &key, &Validation::new(Algorithm::RS256))
        .unwrap()
        .claims;
    let now = Timestamp::now().as_second();
    assert_eq!(claims.iss, "Iv1.client");
    assert!(
        (now - 70..now - 50).contains(&claims.iat),
        "for a clock that is behind"
    );
    assert!(
        claims.exp > now + 400 && claims.exp - claims.iat <= 600,
        "at most ten minutes"
    );
    assert!(!format!("{github:?}").contains("PRIVATE"));
    let wrong = AppKey::new("1", &SecretString::from("-----BEGIN RSA PRIVATE KEY-----"));
    assert!(matches!(wrong, Err(ForgeError::Unauthorized(_))));
}

#[tokio::test]
async fn all_installations_are_listed_and_one_that_is_shut_stops_no_other() {
    let (forge, github) = start().await;
    let all = github
        .repositories(&Selection::default())
        .await
        .unwrap()
        .repositories;
    assert_eq!(
        names(&all),
        [
            "owner/one",
            "owner/two",
            "owner/three",
            "other/four",
            "other/five"
        ]
    );
    assert_eq!(all[3].repository.installation, Some(200));
    // The first installation goes away between the list and the question.
    forge.world().tokens.clear();
    let installations = json!([{ "id": 100, "suspended_at": null }, { "id": 200, "suspended_at": null }, { "id": 300, "suspended_at": "2026-01-01T00:00:00Z" }]);
    forge
        .world()
        .answers
        .push_back((200, vec![], installations));
    forge
        .world()
        .answers
        .push_back((401, vec![], json!({ "message": "Bad credentials" })));
    forge
        .world()
        .answers
        .push_back((404, vec![], json!({ "message": "Not Found" })));
    let rest = github
        .repositories(&Selection::default())
        .await
        .unwrap()
        .repositories;
    assert_eq!(names(&rest), ["other/four", "other/five"]);
    // What is only for now is no reason to forget repositories.
    forge.world().answers.push_back((502, vec![], json!(null)));
    assert!(matches!(
        github.repositories(&Selection::default()).await,
        Err(ForgeError::Later { .. })
    ));
}

#[tokio::test]
async fn a_token_opens_one_repository_and_is_used_until_it_ends() {
    let (forge, github) = start().await;
    let place = place(known(1, "owner/one", Some(100)));
    for _ in 0..3 {
        github
            .set_status(&place, &status("nixci/eval", StatusState::Success, ""))
            .await
            .unwrap();
    }
    assert_eq!(
        github
            .permission(&place.repository, &user(7, "writer"))
            .await
            .unwrap(),
        Permission::Write
    );
    {
        let world = forge.world();
        assert_eq!(world.tokens.len(), 1, "one token for all of it");
        let grant = world.tokens.values().next().unwrap();
        assert_eq!(grant.repositories, Some(vec![1]));
    }
    // Taken away early: asked for anew, once.
    forge.world().tokens.clear();
    forge.asked();
    github
        .set_status(&place, &status("nixci/eval", StatusState::Failure, ""))
        .await
        .unwrap();
    assert_eq!(forge.asked().len(), 3, "the attempt, a token, the attempt");
    forge.world().tokens.clear();
    for _ in 0..3 {
        forge.world().answers.push_back((401, vec![], json!({})));
    }
    let error = github
        .set_status(&place, &status("nixci/eval", StatusState::Failure, ""))
        .await
        .unwrap_err();
    assert!(matches!(error, ForgeError::Unauthorized(_)), "{error}");
    forge.world().answers.clear();
}

#[tokio::test]
async fn a_token_that_soon_ends_is_not_used() {
    let (forge, github) = start().await;
    let place = place(known(1, "owner/one", Some(100)));
    let soon = Timestamp::now() + SignedDuration::from_mins(4);
    forge.world().answers.push_back((
        201,
        vec![],
        json!({ "token": "secret", "expires_at": soon.to_string() }),
    ));
    for _ in 0..2 {
        github
            .set_status(&place, &status("nixci/eval", StatusState::Success, ""))
            .await
            .unwrap();
    }
    let minted = forge
        .asked()
        .iter()
        .filter(|asked| asked.contains("access_tokens"))
        .count();
    assert_eq!(minted, 2);
}

#[tokio::test]
async fn confused_deputy_by_payload() {
    // A webhook names an installation that the repository does not belong to.
    let (forge, github) = start().await;
    let stolen = place(known(1, "owner/one", Some(200)));
    let error = github
        .set_status(&stolen, &status("nixci/eval", StatusState::Success, ""))
        .await
        .unwrap_err();
    assert!(matches!(error, ForgeError::Refused(_)), "{error}");
    assert!(forge.world().repositories[0].statuses.is_empty());
}

#[tokio::test]
async fn a_repository_whose_installation_is_not_known_is_asked_for_once() {
    let (forge, github) = start().await;
    for key in [
        RepositoryKey::Name("other/four".parse().unwrap()),
        RepositoryKey::Id(4),
    ] {
        let found = github.repository(&key).await.unwrap();
        assert_eq!(
            (found.repository.id.as_str(), found.repository.installation),
            ("4", Some(200))
        );
    }
    let place = place(known(4, "other/four", None));
    forge.asked();
    github
        .set_status(&place, &status("nixci/eval", StatusState::Success, ""))
        .await
        .unwrap();
    assert!(
        !forge
            .asked()
            .iter()
            .any(|asked| asked.ends_with("/installation"))
    );
    assert!(github.has_check_runs());
}

#[tokio::test]
async fn git_gets_a_token_that_reads_the_files_of_one_repository() {
    let (forge, github) = start().await;
    let credentials = github
        .clone_credentials(&known(1, "owner/one", Some(100)))
        .await
        .unwrap();
    let world = forge.world();
    let grant = &world.tokens[credentials.token.expose_secret()];
    assert_eq!(grant.repositories, Some(vec![1]));
    assert_eq!(grant.permissions, json!({ "contents": "read" }));
}

#[tokio::test]
async fn deliveries_that_never_arrived_are_found_and_asked_for_again() {
    let (forge, github) = start().await;
    let delivery = |id: u64, guid: &str, minute: u32, status: u16| {
        json!({ "id": id, "guid": guid, "delivered_at": format!("2026-11-20T18:{minute:02}:00Z"), "status_code": status,
            "status": "x", "redelivery": false, "event": "push", "action": null, "duration": 0.1, "installation_id": 100, "repository_id": 1 })
    };
    forge.world().deliveries = vec![
        delivery(9, "a", 50, 200),
        delivery(8, "b", 45, 0),
        delivery(7, "a", 40, 502),
        delivery(6, "c", 30, 200),
        delivery(5, "b", 20, 500),
        delivery(4, "d", 15, 404),
        delivery(3, "e", 5, 500),
        delivery(2, "f", 1, 500),
    ];
    forge.asked();
    let since: Timestamp = "2026-11-20T18:10:00Z".parse().unwrap();
    let failed = github
        .failed_deliveries(HookOwner::App, since)
        .await
        .unwrap();
    let guids: Vec<_> = failed
        .iter()
        .map(|failed| (failed.guid.as_str(), failed.id))
        .collect();
    assert_eq!(
        guids,
        [("d", 4), ("b", 8)],
        "oldest first, each once, none that arrived later"
    );
    assert_eq!(
        forge.asked().len(),
        4,
        "no page before that time is asked for"
    );
    for failed in failed {
        github.redeliver(HookOwner::App, failed.id).await.unwrap();
    }
    assert_eq!(forge.world().redelivered, [4, 8]);
}
