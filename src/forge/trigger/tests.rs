use super::{
    About, Build, BuildKind, Command, Decision, MERGE_QUEUES, QueueTarget, TriggerSettings, decide,
    is_skipped,
};
use crate::forge::{
    Asked, CheckAction, CheckName, Comment, CommitId, GitRef, HookEvent, MergeGroup, PullRequest,
    PullRequestAction, Push, Repository, RepositoryChange, Rerun, User,
};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn settings() -> TriggerSettings {
    let globs = |globs: &[&str]| {
        globs
            .iter()
            .map(|glob| (*glob).to_owned())
            .collect::<Vec<_>>()
    };
    let queues = globs(&MERGE_QUEUES);
    TriggerSettings::new(
        Some("main"),
        &globs(&["release-*"]),
        &globs(&["v[0-9]*"]),
        &queues,
    )
    .unwrap()
}

fn repository() -> Repository {
    Repository {
        id: "1".to_owned(),
        full_name: "owner/repo".parse().unwrap(),
        default_branch: Some("trunk".to_owned()),
        is_private: false,
        installation: None,
    }
}

fn commit() -> CommitId {
    COMMIT.parse().unwrap()
}

fn git_ref(name: &str) -> GitRef {
    name.parse().unwrap()
}

fn user(id: u64) -> User {
    User { id, login: None }
}

fn push(name: &str, message: &str) -> HookEvent {
    HookEvent::Push(Push {
        repository: repository(),
        git_ref: git_ref(name),
        commit: commit(),
        before: None,
        is_forced: false,
        message: message.to_owned(),
        actor: Some(user(7)),
    })
}

fn pull_request(action: PullRequestAction) -> PullRequest {
    PullRequest {
        repository: repository(),
        number: 3,
        action,
        git_ref: git_ref("refs/pull/3/head"),
        head_commit: commit(),
        head_ref: "main".to_owned(),
        head_repository: Some("2".to_owned()),
        is_agit: false,
        base_ref: git_ref("refs/heads/main"),
        base_commit: None,
        author: Some(user(9)),
        actor: Some(user(7)),
        is_draft: false,
        title: "[skip ci] in a title is no commit's message".to_owned(),
        message: None,
    }
}

/// What a decision is, in a few words.
fn shown(event: &HookEvent) -> String {
    match decide(event, &settings()) {
        Decision::Build(build) => {
            assert_eq!(build.commit, commit());
            let kind = match build.kind {
                BuildKind::Push { is_default } => format!("push, default: {is_default}"),
                BuildKind::Tag => "tag".to_owned(),
                BuildKind::PullRequest {
                    number,
                    base_ref,
                    author,
                } => {
                    format!(
                        "pull request {number} of {} into {base_ref}",
                        author.unwrap().id
                    )
                }
                BuildKind::MergeQueue => "merge queue".to_owned(),
            };
            format!("build {} ({kind})", build.git_ref)
        }
        Decision::Skip(build) => format!("skip {}", build.git_ref),
        Decision::Cancel { git_ref } => format!("cancel {git_ref}"),
        Decision::Refresh => "refresh".to_owned(),
        Decision::Rerun { check, .. } => format!("rerun {:?}", check.map(|check| check.name)),
        Decision::Ask { command, about, .. } => match about {
            About::PullRequest { number, .. } => format!("ask {command:?} of {number}"),
            About::CheckRun { check, .. } => format!("ask {command:?} of {}", check.name),
        },
        Decision::Nothing { why } => format!("nothing: {why}"),
    }
}

#[test]
fn refs_are_built_as_the_settings_say() {
    let lines = [
        "refs/heads/main",
        "refs/heads/trunk",
        "refs/heads/release-24.05",
        "refs/heads/feature",
        "refs/tags/v1.0",
        "refs/tags/nightly",
        "refs/heads/gh-readonly-queue/main/pr-104-929f8209d40f",
        "refs/heads/gitea-mq/12",
        "refs/heads/staging",
        "refs/heads/trying",
        "refs/heads/staging-next",
        "refs/for/main",
    ]
    .map(|name| shown(&push(name, "")));
    insta::assert_snapshot!(lines.join("\n"), @"
    build refs/heads/main (push, default: true)
    nothing: the branch is none of those that are built
    build refs/heads/release-24.05 (push, default: false)
    nothing: the branch is none of those that are built
    build refs/tags/v1.0 (tag)
    nothing: the tag is none of those that are built
    build refs/heads/gh-readonly-queue/main/pr-104-929f8209d40f (merge queue)
    build refs/heads/gitea-mq/12 (merge queue)
    build refs/heads/staging (merge queue)
    build refs/heads/trying (merge queue)
    nothing: the branch is none of those that are built
    nothing: the ref is neither a branch nor a tag
    ");
}

#[test]
fn the_default_branch_is_taken_from_the_webhook_only_where_nobody_knows_it() {
    let settings = TriggerSettings::new(None, &[], &[], &[]).unwrap();
    let is_built = |name| matches!(decide(&push(name, ""), &settings), Decision::Build(_));
    assert!(is_built("refs/heads/trunk"));
    assert!(!is_built("refs/heads/main"));
}

#[test]
fn each_message_of_a_pull_request_has_its_answer() {
    use PullRequestAction::{
        Closed, Labeled, Opened, Other, Ready, Reopened, Retargeted, Synchronized,
    };
    let built = [Opened, Synchronized, Reopened, Retargeted, Ready];
    for action in built {
        let event = HookEvent::PullRequest(Box::new(pull_request(action)));
        assert_eq!(
            shown(&event),
            "build refs/pull/3/head (pull request 3 of 9 into refs/heads/main)",
            "{action:?}"
        );
    }
    for is_merged in [true, false] {
        let closed = pull_request(Closed { is_merged });
        assert_eq!(
            shown(&HookEvent::PullRequest(Box::new(closed))),
            "cancel refs/pull/3/head"
        );
    }
    for action in [Labeled, Other] {
        let event = HookEvent::PullRequest(Box::new(pull_request(action)));
        assert!(shown(&event).starts_with("nothing"), "{action:?}");
    }
}

#[test]
fn one_build_although_two_events_tell_of_a_merge_group() {
    let name = "refs/heads/gh-readonly-queue/main/pr-1-abc";
    let group = |is_requested| {
        HookEvent::MergeGroup(MergeGroup {
            repository: repository(),
            is_requested,
            head_commit: commit(),
            head_ref: git_ref(name),
            base_ref: git_ref("refs/heads/main"),
        })
    };
    let build = decide(&group(true), &settings());
    assert_eq!(build, decide(&push(name, ""), &settings()));
    assert!(matches!(
        build,
        Decision::Build(Build {
            kind: BuildKind::MergeQueue,
            ..
        })
    ));
    assert_eq!(shown(&group(false)), format!("cancel {name}"));
}

#[test]
fn what_is_skipped_says_so_in_any_spelling() {
    for message in [
        "[skip ci]",
        "fix: x [ci skip]",
        "a\n\n[ Skip  CI ]",
        "[skipci]",
    ] {
        assert!(is_skipped(message), "{message}");
        assert!(
            shown(&push("refs/heads/main", message)).starts_with("skip"),
            "{message}"
        );
    }
    for message in ["skip ci", "[skip] ci", "", "[skip cis]"] {
        assert!(!is_skipped(message), "{message}");
    }
    let mut skipped = pull_request(PullRequestAction::Opened);
    skipped.message = Some("[ci skip]".to_owned());
    assert!(shown(&HookEvent::PullRequest(Box::new(skipped))).starts_with("skip"));
    // What is not built is not skipped, and a queue would wait for ever.
    assert!(shown(&push("refs/heads/feature", "[skip ci]")).starts_with("nothing"));
    assert!(shown(&push("refs/heads/staging", "[skip ci]")).starts_with("build"));
}

#[test]
fn a_pull_request_never_ends_the_build_of_a_branch() {
    // Its head branch is called like the default branch, and the fork could be anybody's.
    let event = HookEvent::PullRequest(Box::new(pull_request(PullRequestAction::Closed {
        is_merged: false,
    })));
    let cancelled = git_ref("refs/pull/3/head");
    assert_eq!(
        decide(&event, &settings()),
        Decision::Cancel { git_ref: cancelled }
    );
}

#[test]
fn benign_actor_evil_code() {
    // A maintainer reopens the pull request of a stranger: who counts is the stranger.
    let event = HookEvent::PullRequest(Box::new(pull_request(PullRequestAction::Reopened)));
    let Decision::Build(Build {
        kind: BuildKind::PullRequest { author, .. },
        ..
    }) = decide(&event, &settings())
    else {
        panic!("it is built");
    };
    assert_eq!(author, Some(user(9)));
}

#[test]
fn the_rest_is_passed_on() {
    let check = CheckName {
        external_id: String::new(),
        name: "nixci/build".to_owned(),
    };
    let rerun = |check| {
        HookEvent::Rerun(Rerun {
            repository: repository(),
            commit: commit(),
            check,
            actor: Some(user(7)),
        })
    };
    assert_eq!(shown(&rerun(None)), "rerun None");
    assert_eq!(
        shown(&rerun(Some(check.clone()))),
        "rerun Some(\"nixci/build\")"
    );
    let press = |identifier: &str| {
        shown(&HookEvent::CheckAction(CheckAction {
            repository: repository(),
            commit: commit(),
            check: check.clone(),
            identifier: identifier.to_owned(),
            actor: Some(user(7)),
        }))
    };
    assert_eq!(
        press("approve"),
        format!("ask Approve {{ commit: CommitId(\"{COMMIT}\") }} of nixci/build")
    );
    assert_eq!(press("rebuild"), "ask Rebuild of nixci/build");
    assert!(press("lgtm").starts_with("nothing"));
    let change = RepositoryChange::Renamed;
    assert_eq!(
        shown(&HookEvent::RepositoryChanged {
            repository: repository(),
            change
        }),
        "refresh"
    );
    assert!(shown(&HookEvent::Ping).starts_with("nothing"));
    let gone = HookEvent::RefDeleted {
        repository: repository(),
        git_ref: git_ref("refs/heads/main"),
    };
    assert_eq!(shown(&gone), "cancel refs/heads/main");
    let ask = |name: Option<&str>| {
        let git_ref = name.map(git_ref);
        shown(&HookEvent::Asked(Asked {
            repository: repository(),
            commit: commit(),
            git_ref,
        }))
    };
    assert_eq!(ask(None), "build refs/heads/main (push, default: true)");
    assert_eq!(
        ask(Some("refs/heads/x")),
        "build refs/heads/x (push, default: false)"
    );
    assert_eq!(ask(Some("refs/tags/x")), "build refs/tags/x (tag)");
}

#[test]
fn comments_are_commands_only_on_a_line_of_their_own() {
    let ask = |body: &str| {
        let comment = Comment {
            repository: repository(),
            number: 3,
            id: 1,
            body: body.to_owned(),
            actor: Some(user(7)),
        };
        let decision = decide(&HookEvent::Comment(comment), &settings());
        let is_nothing = matches!(decision, Decision::Nothing { .. });
        let Decision::Ask {
            command,
            about:
                About::PullRequest {
                    number: 3,
                    comment: 1,
                },
            ..
        } = decision
        else {
            assert!(is_nothing, "{body}");
            return None;
        };
        Some(command)
    };
    let approve = Command::Approve {
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
    };
    let whole = "0123456789abcdef0123456789ABCDEF01234567";
    let said = format!("Fine.\r\n/nixci approve {whole}\r\n");
    assert_eq!(ask(&said), Some(approve));
    for body in [
        "/nixci approve",
        "/nixci approve 0123456",
        "/nixci approve 0123456789abcdef0123456789abcdef0123456",
        "/nixci approve main",
        "/nixci approve 0123456:x",
    ] {
        assert_eq!(ask(body), Some(Command::ApproveUnnamed), "{body}");
    }
    assert_eq!(ask("/nixci rebuild"), Some(Command::Rebuild));
    assert_eq!(ask("/nixci cancel "), Some(Command::Cancel));
    for body in [
        "",
        "nixci approve 0123456",
        "> /nixci approve 0123456",
        " /nixci rebuild",
        "/nixcix rebuild",
        "/nixci",
        "/nixci dance",
        "/nixci rebuild all",
        "/nixci approve 0123456 89abcde",
    ] {
        assert_eq!(ask(body), None, "{body}");
    }
}

#[test]
fn the_name_of_a_candidate_says_where_it_goes() {
    let of = |branch: &str| QueueTarget::of(&git_ref(&format!("refs/heads/{branch}")));
    let branch = |name: &str| Some(QueueTarget::Branch(git_ref(&format!("refs/heads/{name}"))));
    assert_eq!(of("gh-readonly-queue/main/pr-7-0123"), branch("main"));
    assert_eq!(
        of("gh-readonly-queue/release/pr-1/pr-7-0123"),
        branch("release/pr-1")
    );
    assert_eq!(of("gitea-mq/12"), Some(QueueTarget::PullRequest(12)));
    for name in [
        "staging",
        "gh-readonly-queue/main/other",
        "gh-readonly-queue/pr-7-0123",
        "gitea-mq/next",
        "gitea-mq/-1",
    ] {
        assert_eq!(of(name), None, "{name}");
    }
    let tag = git_ref("refs/tags/gitea-mq/12");
    assert_eq!(QueueTarget::of(&tag), None);
}
