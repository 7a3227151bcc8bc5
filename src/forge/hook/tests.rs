use std::{fs, path::Path};

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::{HookError, HookEvent, PullRequestAction, fuzz_hook, parse_hook};
use crate::forge::{HookKind, QueueTarget};

/// Reads a payload as one of this event.
pub(super) fn parse(kind: HookKind, event: &str, payload: &Value) -> Result<HookEvent, HookError> {
    parse_bytes(
        kind,
        event,
        "application/json",
        payload.to_string().as_bytes(),
    )
}

fn parse_bytes(
    kind: HookKind,
    event: &str,
    content_type: &str,
    body: &[u8],
) -> Result<HookEvent, HookError> {
    let headers = |name: &str| match name {
        "content-type" => Some(content_type.as_bytes()),
        "x-github-event" | "x-gitea-event" => Some(event.as_bytes()),
        _ => None,
    };
    parse_hook(kind, &headers, body)
}

fn recorded(event: &str) -> Value {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/webhook/{event}.json"));
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn github(event: &str, payload: &Value) -> HookEvent {
    parse(HookKind::Github, event, payload).unwrap()
}

#[test]
fn recorded_webhooks_of_github_are_understood() {
    for event in [
        "push",
        "pull_request",
        "merge_group",
        "check_run",
        "installation_repositories",
    ] {
        insta::assert_debug_snapshot!(event, github(event, &recorded(event)));
    }
    insta::assert_debug_snapshot!("push_deleted", github("push", &recorded("push_deleted")));
}

#[test]
fn an_annotated_tag_is_its_commit() {
    let mut payload = recorded("push");
    payload["after"] = json!("ad".repeat(20));
    let HookEvent::Push(push) = github("push", &payload) else {
        panic!("it is a push");
    };
    assert_eq!(
        push.commit.as_str(),
        "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
    );
}

#[test]
fn actions_of_pull_requests_have_one_name() {
    let with = |action: &str, changes: Value| {
        let mut payload = recorded("pull_request");
        payload["action"] = json!(action);
        payload["changes"] = changes;
        let HookEvent::PullRequest(pull_request) = github("pull_request", &payload) else {
            panic!("it is a pull request");
        };
        pull_request.action
    };
    let base = json!({ "base": { "ref": { "from": "main" }, "sha": { "from": "0" } } });
    assert_eq!(with("edited", base), PullRequestAction::Retargeted);
    assert_eq!(
        with("edited", json!({ "title": { "from": "x" } })),
        PullRequestAction::Other
    );
    for (action, expected) in [
        ("opened", PullRequestAction::Opened),
        ("reopened", PullRequestAction::Reopened),
        ("ready_for_review", PullRequestAction::Ready),
        ("converted_to_draft", PullRequestAction::Other),
        ("closed", PullRequestAction::Closed { is_merged: false }),
        ("labeled", PullRequestAction::Labeled),
        ("enqueued", PullRequestAction::Other),
    ] {
        assert_eq!(with(action, Value::Null), expected, "{action}");
    }
}

#[test]
fn a_fork_that_is_gone_and_a_user_who_is_gone_are_nobody() {
    let mut payload = recorded("pull_request");
    payload["pull_request"]["head"]["repo"] = Value::Null;
    payload["pull_request"]["user"] = Value::Null;
    let HookEvent::PullRequest(pull_request) = github("pull_request", &payload) else {
        panic!("it is a pull request");
    };
    assert_eq!(
        (pull_request.head_repository, pull_request.author),
        (None, None)
    );
    assert!(!pull_request.is_agit);
}

#[test]
fn a_group_that_is_gone_and_a_suite_asked_for_again_are_told() {
    let mut payload = recorded("merge_group");
    // Both ways to learn where it goes agree.
    assert!(
        matches!(github("merge_group", &payload), HookEvent::MergeGroup(group)
            if QueueTarget::of(&group.head_ref) == Some(QueueTarget::Branch(group.base_ref.clone())))
    );
    payload["action"] = json!("destroyed");
    payload["reason"] = json!("dequeued");
    assert!(
        matches!(github("merge_group", &payload), HookEvent::MergeGroup(group) if !group.is_requested)
    );
    let mut payload = recorded("check_run");
    payload["action"] = json!("rerequested");
    payload["check_suite"] = payload["check_run"]["check_suite"].clone();
    let HookEvent::Rerun(run) = github("check_run", &payload) else {
        panic!("it is asked for again");
    };
    let HookEvent::Rerun(suite) = github("check_suite", &payload) else {
        panic!("it is asked for again");
    };
    assert_eq!(run.check.unwrap().name, "API Review");
    assert_eq!((suite.check, suite.commit), (None, run.commit));
}

#[test]
fn comments_below_issues_are_nothing() {
    let mut payload = recorded("push");
    payload["action"] = json!("created");
    payload["comment"] = json!({ "id": 5, "body": "/nixci rebuild" });
    payload["issue"] =
        json!({ "number": 3, "pull_request": { "url": "https://elsewhere.example" } });
    let HookEvent::Comment(comment) = github("issue_comment", &payload) else {
        panic!("it is a comment");
    };
    assert_eq!(
        (comment.number, comment.id, comment.body.as_str()),
        (3, 5, "/nixci rebuild")
    );
    payload["issue"] = json!({ "number": 3 });
    assert!(matches!(
        github("issue_comment", &payload),
        HookEvent::Ignored { .. }
    ));
}

#[test]
fn a_form_holds_the_same() {
    let payload = recorded("push").to_string();
    let form: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("other", "x")
        .append_pair("payload", &payload)
        .finish();
    let content_type = "application/x-www-form-urlencoded; charset=utf-8";
    let event = parse_bytes(HookKind::Github, "push", content_type, form.as_bytes());
    assert_eq!(
        event,
        parse_bytes(
            HookKind::Github,
            "push",
            "application/json",
            payload.as_bytes()
        )
    );
    let error = parse_bytes(HookKind::Github, "push", content_type, b"a=b").unwrap_err();
    assert_eq!(error, HookError::NoPayload);
}

#[test]
fn a_plain_request_names_what_it_wants() {
    let commit = "ab".repeat(20);
    let plain = |payload: Value| parse(HookKind::Plain, "", &payload);
    let HookEvent::Asked(asked) =
        plain(json!({ "repository": "tools/x", "revision": commit })).unwrap()
    else {
        panic!("it is asked for");
    };
    assert_eq!(
        (asked.commit.as_str(), asked.git_ref),
        (commit.as_str(), None)
    );
    assert_eq!(asked.repository.id, "tools/x");
    for wrong in [
        json!({ "repository": "x" }),
        json!({ "repository": "../x", "revision": commit }),
        json!({ "repository": "x", "revision": "main" }),
        json!({ "repository": "x", "revision": commit, "ref": "main" }),
        json!({ "repository": "x", "revision": commit, "branch": "main" }),
    ] {
        assert!(
            matches!(plain(wrong.clone()), Err(HookError::Malformed { .. })),
            "{wrong}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_told_in_one_harmless_line() {
    let error = parse_bytes(HookKind::Github, "push", "", b"{").unwrap_err();
    insta::assert_snapshot!(error, @"the payload of the event `push` is not as expected: EOF while parsing an object at line 1 column 1");
    let mut payload = recorded("push");
    payload["ref"] = json!("refs/heads/\u{1b}]8;;evil\n");
    insta::assert_snapshot!(parse(HookKind::Github, "push", &payload).unwrap_err(), @"the payload of the event `push` is not as expected: a full name of a ref begins with `refs/` and has no characters that Git forbids at line 1 column 949");
    payload["ref"] = json!(7);
    payload["repository"]["full_name"] = json!({ "x": "y".repeat(5000) });
    let error = parse(HookKind::Github, "push", &payload).unwrap_err();
    assert!(error.to_string().chars().count() < 400, "{error}");
    let none = |_: &str| None;
    let error = parse_hook(HookKind::Forgejo, &none, b"{}").unwrap_err();
    insta::assert_snapshot!(error, @"the header X-Forgejo-Event is missing: is this the webhook of another kind of forge?");
    // Deep nesting is no way to make the reader fall over.
    let deep = "[".repeat(200_000);
    assert!(parse_bytes(HookKind::Gitlab, "", "", deep.as_bytes()).is_err());
}

#[test]
fn long_texts_are_cut() {
    let mut payload = recorded("push");
    payload["head_commit"]["message"] = json!("é".repeat(100_000));
    let HookEvent::Push(push) = github("push", &payload) else {
        panic!("it is a push");
    };
    assert_eq!(push.message.len(), 16 << 10);
}

#[test]
fn events_that_nobody_wants_are_ignored_and_not_read() {
    for event in ["star", "workflow_run", "\u{1b}[31m"] {
        let ignored = parse(HookKind::Github, event, &json!(null)).unwrap();
        let HookEvent::Ignored { why } = ignored else {
            panic!("{event}");
        };
        assert!(!why.contains('\u{1b}'), "{why}");
    }
}

/// Values of payloads, each somewhere between right and nonsense.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("ab".repeat(20))),
        Just(json!("refs/heads/main")),
        Just(json!("owner/repo")),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let key = prop::sample::select(vec![
            "action",
            "after",
            "base",
            "before",
            "changes",
            "checkout_sha",
            "full_name",
            "head",
            "head_commit",
            "id",
            "issue",
            "message",
            "number",
            "object_attributes",
            "object_kind",
            "project",
            "pull_request",
            "ref",
            "ref_type",
            "repo",
            "repository",
            "sender",
            "sha",
            "title",
            "user",
        ]);
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((key, inner), 0..8).prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<Value>()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn nonsense_is_an_error_and_no_panic(
        kind in any::<u8>(),
        event in prop::sample::select(vec!["push", "delete", "pull_request", "issue_comment", "check_run", "repository", "?"]),
        payload in value(),
        rest in vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = vec![kind];
        bytes.extend_from_slice(event.as_bytes());
        bytes.push(b'\n');
        bytes.extend_from_slice(payload.to_string().as_bytes());
        fuzz_hook(&bytes);
        bytes.extend_from_slice(&rest);
        fuzz_hook(&bytes);
    }
}
