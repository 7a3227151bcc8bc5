//! Which runs get what opens private inputs.

use std::fmt::Write as _;

use secrecy::ExposeSecret as _;

use super::opened;
use crate::{
    config::ServerConfig,
    db::server::{
        NewRun, OwnRules, Repository, RepositoryId, Run, RunId, RunKind, RunState, SeenRepository,
        Trust,
    },
};

/// A server whose runs get private inputs: of pull requests, too, from the forge `open`.
fn config() -> ServerConfig {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.toml");
    for token in ["own", "reads"] {
        std::fs::write(dir.path().join(token), token).unwrap();
    }
    let mut text = "listen = \"127.0.0.1:0\"\nurl = \"http://localhost\"\n".to_owned();
    for (name, kind, url, more) in [
        ("work", "gitea", "https://git.example.org", ""),
        ("lab", "gitlab", "https://lab.example.org:8443", ""),
        (
            "open",
            "github",
            "https://github.com",
            "pull_requests = true\n",
        ),
    ] {
        let _ = write!(
            text,
            "[forge.{name}]\nkind = \"{kind}\"\nurl = \"{url}\"\ntoken_file = \"DIR/own\"\n\
            [[forge.{name}.private_inputs]]\ntoken_file = \"DIR/reads\"\nrepositories = [\"acme/*\", \"work/acme/*\"]\n{more}"
        );
    }
    let text = text.replace("DIR", &dir.path().display().to_string());
    std::fs::write(&file, text).unwrap();
    ServerConfig::read(&file).unwrap()
}

fn repository(full_name: &str, private: bool) -> Repository {
    Repository {
        id: RepositoryId(1),
        seen: SeenRepository {
            forge: "work".into(),
            forge_id: "12".into(),
            full_name: full_name.into(),
            default_branch: "main".into(),
            private,
            installation: None,
        },
        enabled: true,
        paused: false,
        problem: None,
        rules: OwnRules::default(),
    }
}

fn run(kind: RunKind, git_ref: &str) -> Run {
    Run {
        id: RunId(1),
        new: NewRun {
            base_ref: (kind == RunKind::PullRequest).then(|| "refs/heads/main".into()),
            pull_request: (kind == RunKind::PullRequest).then_some(7),
            ..NewRun::of_ref(RepositoryId(1), kind, git_ref.into(), "c".into())
        },
        tested_commit: None,
        tree: None,
        base_commit: None,
        for_itself: false,
        state: RunState::Running,
        trust: None,
        attempt: 1,
        retries: 0,
        outcome: None,
        error: None,
        counts: None,
        checks: None,
        reused_from: None,
        created_at: 0,
        started_at: None,
        evaluated_at: None,
        finished_at: None,
    }
}

/// Security: "token leak through fetchers": none that somebody without the right to push may have written.
#[test]
fn only_what_writers_have_pushed_has_private_inputs() {
    let config = config();
    let demo = repository("acme/demo", true);
    let names =
        |kind, git_ref: &str, trust| opened(&config, &run(kind, git_ref), trust, &demo).names();
    let (main, pull, all) = ("refs/heads/main", "refs/pull/7/head", "lab open work");
    let trusted = Some(Trust::Trusted);
    for kind in [
        RunKind::Push,
        RunKind::MergeQueue,
        RunKind::Schedule,
        RunKind::Manual,
    ] {
        assert_eq!(names(kind, main, trusted), all, "{kind:?}");
        for none in [None, Some(Trust::Approved), Some(Trust::Stranger)] {
            assert_eq!(names(kind, main, none), "", "{kind:?} {none:?}");
        }
    }
    assert_eq!(names(RunKind::Tag, "refs/tags/v1", trusted), all);
    assert_eq!(names(RunKind::Manual, "refs/tags/v1", trusted), all);
    // A commit that somebody names by hand may be a stranger's.
    assert_eq!(names(RunKind::Manual, pull, trusted), "");
    assert_eq!(names(RunKind::Manual, &"1".repeat(40), trusted), "");
    // Of a pull request only where that is said, and never by approval.
    assert_eq!(names(RunKind::PullRequest, pull, trusted), "open");
    for none in [None, Some(Trust::Approved), Some(Trust::Stranger)] {
        assert_eq!(names(RunKind::PullRequest, pull, none), "", "{none:?}");
    }
}

#[test]
fn only_repositories_that_are_named_have_private_inputs() {
    let config = config();
    let is_any = |name: &str, private| {
        let run = run(RunKind::Push, "refs/heads/main");
        !opened(
            &config,
            &run,
            Some(Trust::Trusted),
            &repository(name, private),
        )
        .is_empty()
    };
    assert!(is_any("acme/demo", true));
    assert!(!is_any("acme2/demo", true));
    // What everybody may see has to be named in full.
    assert!(!is_any("acme/demo", false));
}

#[test]
fn a_token_is_in_the_form_that_its_forge_takes() {
    let config = config();
    let run = run(RunKind::Push, "refs/heads/main");
    let demo = repository("acme/demo", true);
    let opened = opened(&config, &run, Some(Trust::Trusted), &demo);
    let of = |has_proxy| {
        let tokens = opened.tokens(&config, has_proxy);
        let shown = tokens.iter().map(|host| {
            assert_eq!(host.token.expose_secret(), "reads");
            format!(
                "{} {} {:?} {}",
                host.url, host.user, host.access_token, host.in_netrc
            )
        });
        shown.collect::<Vec<_>>()
    };
    let expected = [
        "https://lab.example.org:8443/ oauth2 Some(\"OAuth2:\") true",
        "https://github.com/ x-access-token Some(\"\") true",
        "https://git.example.org/ nixci None true",
    ];
    assert_eq!(of(true), expected);
    // Nothing would keep a netrc from other ports.
    assert_eq!(
        of(false),
        expected.map(|line| line.replace(" true", " false"))
    );
}
