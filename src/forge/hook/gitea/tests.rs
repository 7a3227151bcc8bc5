use serde_json::{Value, json};

use crate::forge::{HookEvent, HookKind, PullRequest, PullRequestAction, User, hook::tests::parse};

const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";
const TAG: &str = "89abcdef0123456789abcdef0123456789abcdef";

fn repository() -> Value {
    json!({ "id": 12, "owner": { "id": 2, "login": "owner" }, "name": "repo", "full_name": "owner/repo", "private": false,
        "fork": false, "clone_url": "https://elsewhere.example/owner/repo.git", "default_branch": "main" })
}

fn gitea(event: &str, mut payload: Value) -> HookEvent {
    payload["repository"] = repository();
    if payload.get("sender").is_none() {
        payload["sender"] = json!({ "id": 7, "login": "pusher", "email": "x@example.org" });
    }
    let event = parse(HookKind::Gitea, event, &payload);
    event.unwrap_or_else(|error| panic!("{error}: {payload}"))
}

fn push(git_ref: &str, after: &str, head_commit: &Value) -> HookEvent {
    let before = "0".repeat(40);
    gitea(
        "push",
        json!({ "ref": git_ref, "before": before, "after": after, "compare_url": "", "commits": [], "total_commits": 0,
            "head_commit": head_commit, "pusher": { "id": 7, "login": "pusher" } }),
    )
}

#[test]
fn pushes_of_branches_and_tags() {
    let head = json!({ "id": HEAD, "message": "one\n" });
    let HookEvent::Push(branch) = push("refs/heads/main", HEAD, &head) else {
        panic!("it is a push");
    };
    assert_eq!((branch.commit.as_str(), branch.before), (HEAD, None));
    assert_eq!(branch.message, "one\n");
    assert_eq!(branch.repository.id, "12");
    let HookEvent::Push(tag) = push("refs/tags/v1", TAG, &head) else {
        panic!("it is a push");
    };
    assert_eq!(tag.commit.as_str(), HEAD, "of an annotated tag the commit");
    let gone = push("refs/tags/v1", &"0".repeat(40), &Value::Null);
    assert!(matches!(gone, HookEvent::RefDeleted { git_ref, .. } if git_ref.tag() == Some("v1")));
    let gone = gitea(
        "delete",
        json!({ "ref": "a/b", "ref_type": "branch", "pusher_type": "user" }),
    );
    assert!(
        matches!(gone, HookEvent::RefDeleted { git_ref, .. } if git_ref.branch() == Some("a/b"))
    );
    // Of a SHA-256 repository.
    let long = "ab".repeat(32);
    assert!(
        matches!(push("refs/heads/main", &long, &Value::Null), HookEvent::Push(push) if push.commit.as_str() == long)
    );
}

fn pull_request(change: impl FnOnce(&mut Value)) -> PullRequest {
    let mut payload = json!({
        "action": "opened", "number": 3, "commit_id": "", "review": null,
        "pull_request": {
            "id": 40, "number": 3, "user": { "id": 9, "login": "stranger" }, "title": "a title", "draft": false,
            "mergeable": true, "merged": false, "merge_base": TAG,
            "base": { "label": "main", "ref": "main", "sha": TAG, "repo_id": 12, "repo": repository() },
            "head": { "label": "topic", "ref": "topic", "sha": HEAD, "repo_id": 13, "repo": { "id": 13 } },
        },
    });
    change(&mut payload);
    let HookEvent::PullRequest(pull_request) = gitea("pull_request", payload) else {
        panic!("it is a pull request");
    };
    *pull_request
}

#[test]
fn a_pull_request_is_found_in_the_repository_it_wants_to_change() {
    let opened = pull_request(|_| {});
    assert_eq!(opened.action, PullRequestAction::Opened);
    assert_eq!(opened.git_ref.as_str(), "refs/pull/3/head");
    assert_eq!(
        (
            opened.head_commit.as_str(),
            opened.base_commit.unwrap().as_str()
        ),
        (HEAD, TAG)
    );
    assert_eq!(opened.base_ref.as_str(), "refs/heads/main");
    assert_eq!(opened.head_repository.as_deref(), Some("13"));
    let stranger = User {
        id: 9,
        login: Some("stranger".parse().unwrap()),
    };
    assert_eq!(opened.author, Some(stranger), "not the sender");
    assert!(!opened.is_agit);
}

#[test]
fn approval_bypass_by_agit_is_seen() {
    let agit = pull_request(|payload| {
        payload["pull_request"]["head"] = json!({ "label": "", "ref": "refs/pull/3/head", "sha": HEAD, "repo_id": 12, "repo": repository() });
    });
    assert!(agit.is_agit, "although the repositories are the same");
    let gone = pull_request(|payload| {
        payload["pull_request"]["head"] = json!({ "label": "", "ref": "refs/pull/3/head", "sha": HEAD, "repo_id": -1, "repo": null });
        payload["pull_request"]["user"] = json!({ "id": -1, "login": "Ghost" });
    });
    assert_eq!(
        (gone.head_repository, gone.author, gone.is_agit),
        (None, None, false)
    );
}

#[test]
fn actions_have_the_names_of_gitea() {
    let action = |action: &str, changes: Value, is_draft: bool| {
        pull_request(|payload| {
            payload["action"] = json!(action);
            payload["changes"] = changes;
            payload["pull_request"]["draft"] = json!(is_draft);
            payload["pull_request"]["merged"] = json!(true);
        })
        .action
    };
    for (name, expected) in [
        ("synchronized", PullRequestAction::Synchronized),
        ("synchronize", PullRequestAction::Other),
        ("reopened", PullRequestAction::Reopened),
        ("closed", PullRequestAction::Closed { is_merged: true }),
        ("label_updated", PullRequestAction::Labeled),
        ("assigned", PullRequestAction::Other),
        ("edited", PullRequestAction::Other),
    ] {
        assert_eq!(action(name, Value::Null, false), expected, "{name}");
    }
    let target = json!({ "ref": { "from": "old" } });
    assert_eq!(
        action("edited", target, false),
        PullRequestAction::Retargeted
    );
    let title = json!({ "title": { "from": "WIP: a title" } });
    assert_eq!(
        action("edited", title.clone(), false),
        PullRequestAction::Ready
    );
    assert_eq!(
        action("edited", title, true),
        PullRequestAction::Other,
        "a draft by another word"
    );
}

#[test]
fn comments_and_repositories() {
    let comment = json!({ "action": "created", "is_pull": true, "comment": { "id": 5, "body": "/nixci cancel" },
        "issue": { "number": 3, "pull_request": { "merged": false } } });
    assert!(
        matches!(gitea("issue_comment", comment), HookEvent::Comment(comment) if comment.number == 3)
    );
    let issue = json!({ "action": "created", "is_pull": false, "comment": { "id": 5, "body": "/nixci cancel" },
        "issue": { "number": 3, "pull_request": null } });
    assert!(matches!(
        gitea("issue_comment", issue),
        HookEvent::Ignored { .. }
    ));
    let gone = gitea("repository", json!({ "action": "deleted" }));
    assert!(matches!(gone, HookEvent::RepositoryChanged { .. }));
    let review = parse(HookKind::Gitea, "pull_request_approved", &json!({}));
    assert!(matches!(review, Ok(HookEvent::Ignored { .. })));
    let bot = json!({ "sender": { "id": -2, "login": "gitea-actions" }, "action": "deleted" });
    assert!(matches!(
        gitea("repository", bot),
        HookEvent::RepositoryChanged { .. }
    ));
}
