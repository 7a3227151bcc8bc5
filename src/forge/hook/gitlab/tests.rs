use serde_json::{Value, json};

use crate::forge::{
    HookEvent, HookKind, PullRequest, PullRequestAction, RepositoryChange, User, hook::tests::parse,
};

const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";
const TAG: &str = "89abcdef0123456789abcdef0123456789abcdef";

fn gitlab(mut payload: Value) -> HookEvent {
    payload["project"] = json!({ "id": 15, "name": "Repo", "path_with_namespace": "group/sub/repo", "visibility_level": 20,
        "default_branch": "main", "git_http_url": "https://elsewhere.example/x.git" });
    let event = parse(HookKind::Gitlab, "", &payload);
    event.unwrap_or_else(|error| panic!("{error}: {payload}"))
}

fn push(kind: &str, git_ref: &str, after: &str, checkout_sha: &Value) -> HookEvent {
    gitlab(json!({
        "object_kind": kind, "event_name": kind, "before": TAG, "after": after, "ref": git_ref, "checkout_sha": checkout_sha,
        "message": null, "user_id": 4, "user_username": "pusher", "user_email": null, "project_id": 15,
        "commits": [{ "id": TAG, "message": "old" }, { "id": HEAD, "message": "new [skip ci]" }], "total_commits_count": 2,
    }))
}

#[test]
fn pushes_of_branches_and_tags() {
    let HookEvent::Push(branch) = push("push", "refs/heads/main", HEAD, &json!(HEAD)) else {
        panic!("it is a push");
    };
    assert_eq!(branch.message, "new [skip ci]", "of the newest commit");
    assert_eq!(branch.repository.full_name.as_str(), "group/sub/repo");
    assert!(!branch.repository.is_private);
    assert_eq!(
        branch.actor,
        Some(User {
            id: 4,
            login: Some("pusher".parse().unwrap())
        })
    );
    let HookEvent::Push(tag) = push("tag_push", "refs/tags/v1", TAG, &json!(HEAD)) else {
        panic!("it is a push");
    };
    assert_eq!(tag.commit.as_str(), HEAD, "of an annotated tag the commit");
    let gone = push("push", "refs/heads/x", &"0".repeat(40), &Value::Null);
    assert!(matches!(gone, HookEvent::RefDeleted { git_ref, .. } if git_ref.branch() == Some("x")));
}

fn merge_request(change: impl FnOnce(&mut Value)) -> PullRequest {
    let mut payload = json!({
        "object_kind": "merge_request", "event_type": "merge_request",
        "user": { "id": 4, "name": "A Person", "username": "person", "email": "[REDACTED]" },
        "object_attributes": {
            "iid": 7, "action": "open", "state": "opened", "title": "a title", "author_id": 9, "draft": false,
            "source_branch": "topic", "target_branch": "main", "source_project_id": 16, "target_project_id": 15,
            "last_commit": { "id": HEAD, "message": "a message", "author": { "name": "person", "email": "x@example.org" } },
        },
        "changes": {},
    });
    change(&mut payload);
    let HookEvent::PullRequest(pull_request) = gitlab(payload) else {
        panic!("it is a pull request");
    };
    *pull_request
}

#[test]
fn approval_bypass_by_identity_is_impossible() {
    // The commit's author calls itself `person`, who may merge; the one who opened it is somebody else.
    let opened = merge_request(|_| {});
    assert_eq!(opened.author, Some(User { id: 9, login: None }));
    assert_eq!(
        opened.actor,
        Some(User {
            id: 4,
            login: Some("person".parse().unwrap())
        })
    );
    assert_eq!(opened.git_ref.as_str(), "refs/merge-requests/7/head");
    assert_eq!(opened.head_repository.as_deref(), Some("16"));
    assert_eq!(opened.message.as_deref(), Some("a message"));
    let own = merge_request(|payload| payload["object_attributes"]["author_id"] = json!(4));
    assert_eq!(own.author, own.actor);
    let gone =
        merge_request(|payload| payload["object_attributes"]["source_project_id"] = Value::Null);
    assert_eq!(gone.head_repository, None);
}

#[test]
fn an_update_is_what_changed() {
    let action = |action: &str, oldrev: Value, changes: Value| {
        merge_request(|payload| {
            payload["object_attributes"]["action"] = json!(action);
            payload["object_attributes"]["oldrev"] = oldrev;
            payload["changes"] = changes;
        })
        .action
    };
    let draft = |previous: Value, current: bool| json!({ "draft": { "previous": previous, "current": current } });
    for (name, oldrev, changes, expected) in [
        (
            "open",
            Value::Null,
            draft(Value::Null, false),
            PullRequestAction::Opened,
        ),
        (
            "reopen",
            Value::Null,
            json!({}),
            PullRequestAction::Reopened,
        ),
        (
            "update",
            json!(TAG),
            json!({ "labels": {} }),
            PullRequestAction::Synchronized,
        ),
        (
            "update",
            Value::Null,
            json!({ "target_branch": { "previous": "x", "current": "y" } }),
            PullRequestAction::Retargeted,
        ),
        (
            "update",
            Value::Null,
            draft(json!(true), false),
            PullRequestAction::Ready,
        ),
        (
            "update",
            Value::Null,
            draft(json!(false), true),
            PullRequestAction::Other,
        ),
        (
            "update",
            Value::Null,
            json!({ "labels": { "previous": [] } }),
            PullRequestAction::Labeled,
        ),
        ("update", Value::Null, Value::Null, PullRequestAction::Other),
        (
            "close",
            Value::Null,
            json!({}),
            PullRequestAction::Closed { is_merged: false },
        ),
        (
            "merge",
            Value::Null,
            json!({}),
            PullRequestAction::Closed { is_merged: true },
        ),
        ("approved", Value::Null, json!({}), PullRequestAction::Other),
    ] {
        assert_eq!(
            action(name, oldrev, changes.clone()),
            expected,
            "{name} {changes}"
        );
    }
}

#[test]
fn notes_below_merge_requests_are_comments() {
    let note = |action: Value, below: Value| {
        gitlab(
            json!({ "object_kind": "note", "user": { "id": 4, "username": "person" },
            "object_attributes": { "id": 1244, "note": "/nixci rebuild", "noteable_type": "x", "action": action },
            "merge_request": below }),
        )
    };
    let below = json!({ "id": 7000, "iid": 7 });
    assert!(
        matches!(note(json!("create"), below.clone()), HookEvent::Comment(comment) if comment.number == 7)
    );
    assert!(matches!(
        note(Value::Null, below.clone()),
        HookEvent::Comment(_)
    ));
    assert!(matches!(
        note(json!("update"), below),
        HookEvent::Ignored { .. }
    ));
    assert!(matches!(
        note(json!("create"), Value::Null),
        HookEvent::Ignored { .. }
    ));
}

#[test]
fn system_hooks_tell_of_projects() {
    for (name, expected) in [
        ("project_create", RepositoryChange::Created),
        ("project_rename", RepositoryChange::Renamed),
        ("project_transfer", RepositoryChange::Renamed),
        ("project_destroy", RepositoryChange::Deleted),
        ("project_update", RepositoryChange::Edited),
    ] {
        let payload = json!({ "event_name": name, "project_id": 74, "path_with_namespace": "jsmith/new",
            "old_path_with_namespace": "jsmith/old", "project_visibility": "internal" });
        let Ok(HookEvent::RepositoryChanged { repository, change }) =
            parse(HookKind::Gitlab, "", &payload)
        else {
            panic!("{name}");
        };
        assert_eq!(
            (change, repository.id.as_str(), repository.is_private),
            (expected, "74", true)
        );
    }
    let other = parse(HookKind::Gitlab, "", &json!({ "object_kind": "pipeline" }));
    assert!(matches!(other, Ok(HookEvent::Ignored { .. })));
}
