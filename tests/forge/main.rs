//! nixci's side of the talk with forges, over real HTTP with a forge that remembers, and webhooks as GitHub publishes them.
#![allow(
    clippy::unwrap_used,
    clippy::items_after_statements,
    reason = "what goes wrong here fails the test that asked for it"
)]

#[path = "../support/forge/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod fake;
mod gitea;
mod github;
mod github_app;
mod gitlab;
mod nonsense;
mod openapi;
mod peers;
mod webhooks;

use std::collections::BTreeMap;

use fake::Repository;
use nixci::forge::{CommitStatus, HookWish, KnownRepository, StatusPlace, StatusState, User};
use secrecy::SecretString;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const BASE: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// Three repositories of one installation, of which one has no topic, and one of another.
fn repositories() -> Vec<Repository> {
    let rights = BTreeMap::from([
        ("writer".to_owned(), (7, "write")),
        ("owner".to_owned(), (8, "admin")),
        ("reader".to_owned(), (9, "read")),
        ("gone".to_owned(), (10, "none")),
    ]);
    let repository = |id, name: &str, installation, topic: Option<&str>| Repository {
        id,
        name: name.to_owned(),
        installation,
        topics: topic.map(str::to_owned).into_iter().collect(),
        is_private: id == 3,
        rights: rights.clone(),
        ..Repository::default()
    };
    vec![
        repository(1, "owner/one", 100, Some("nixci")),
        repository(2, "owner/two", 100, None),
        repository(3, "owner/three", 100, Some("NixCI")),
        repository(4, "other/four", 200, Some("nixci")),
        repository(5, "other/five", 200, Some("nixci-not")),
    ]
}

/// A repository as the server remembers it.
fn known(id: u64, name: &str, installation: Option<u64>) -> nixci::forge::Repository {
    nixci::forge::Repository {
        id: id.to_string(),
        full_name: name.parse().unwrap(),
        default_branch: Some("main".to_owned()),
        is_private: false,
        installation,
    }
}

fn place(repository: nixci::forge::Repository) -> StatusPlace {
    StatusPlace {
        repository,
        commit: COMMIT.parse().unwrap(),
        branch: None,
        pipeline: None,
        target_url: Some("https://ci.example.org/runs/1".to_owned()),
    }
}

fn status(context: &str, state: StatusState, description: &str) -> CommitStatus {
    CommitStatus {
        context: context.to_owned(),
        state,
        description: description.to_owned(),
    }
}

fn user(id: u64, login: &str) -> User {
    User {
        id,
        login: Some(login.parse().unwrap()),
    }
}

fn hook(secret: &str, is_secret_new: bool) -> HookWish {
    HookWish {
        url: "https://ci.example.org/webhook/work".to_owned(),
        secret: SecretString::from(secret),
        is_secret_new,
        id: None,
    }
}

fn secret() -> SecretString {
    SecretString::from("secret")
}

fn names(known: &[KnownRepository]) -> Vec<&str> {
    known
        .iter()
        .map(|known| known.repository.full_name.as_str())
        .collect()
}
