//! Which steps are run, and how their failures count.

use std::{cell::Cell, collections::BTreeMap, io, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{
    command::{self, End, Job, StepLog},
    once_there_is_room,
    scope::steps_for,
};
use crate::{
    config::ServerConfig,
    db::server::{
        NewRun, OwnRules, Repository, RepositoryId, Run, RunId, RunKind, RunState, SeenRepository,
        Trust,
    },
    redact::Redaction,
};

fn config(steps: &str) -> ServerConfig {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.toml");
    let text = format!("listen = \"127.0.0.1:0\"\nurl = \"http://localhost\"\n{steps}");
    std::fs::write(&file, text).unwrap();
    ServerConfig::read(&file).unwrap()
}

fn repository() -> Repository {
    Repository {
        id: RepositoryId(1),
        seen: SeenRepository {
            forge: "work".into(),
            forge_id: "12".into(),
            full_name: "acme/demo".into(),
            default_branch: "main".into(),
            private: false,
            installation: None,
        },
        enabled: true,
        paused: false,
        problem: None,
        rules: OwnRules::default(),
    }
}

fn run(kind: RunKind, git_ref: &str, trust: Trust) -> Run {
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
        trust: Some(trust),
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

/// Security: "pwn request": what a pull request builds gets nothing of what branches do.
#[test]
fn a_pull_request_runs_no_step_that_does_not_say_so() {
    let config = config(
        "[[post_build]]\nname = \"all\"\ncommand = [\"x\"]\n\
         [[post_build]]\nname = \"pulls\"\ncommand = [\"x\"]\npull_requests = true\n\
         [[post_build]]\nname = \"release\"\ncommand = [\"x\"]\npull_requests = true\nbranches = [\"release\"]\n",
    );
    let names = |kind, git_ref: &str, trust| -> Vec<String> {
        let run = run(kind, git_ref, trust);
        let steps = steps_for(&config.post_builds, &run, &repository());
        steps.into_iter().map(|step| step.name).collect()
    };
    let (main, pull) = ("refs/heads/main", "refs/pull/7/head");
    assert_eq!(names(RunKind::Push, main, Trust::Trusted), ["all", "pulls"]);
    for trust in [Trust::Trusted, Trust::Approved] {
        assert_eq!(names(RunKind::PullRequest, pull, trust), ["pulls"]);
    }
    let none: [&str; 0] = [];
    assert_eq!(names(RunKind::PullRequest, pull, Trust::Stranger), none);
    // By whatever way it comes.
    assert_eq!(names(RunKind::Manual, pull, Trust::Trusted), none);
    assert_eq!(names(RunKind::Push, pull, Trust::Trusted), none);
    let queue = "refs/heads/gh-readonly-queue/main/pr-7";
    assert_eq!(names(RunKind::MergeQueue, queue, Trust::Trusted), none);
    // Nor what is built although its branch is elsewhere.
    let left = Run {
        for_itself: true,
        ..run(RunKind::Manual, main, Trust::Trusted)
    };
    let steps = steps_for(&config.post_builds, &left, &repository());
    assert!(steps.is_empty(), "{steps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_costs_time_only() {
    let tries = Cell::new(0);
    let make = || {
        tries.set(tries.get() + 1);
        match tries.get() {
            1 => Err(io::ErrorKind::StorageFull.into()),
            2 => Err(io::ErrorKind::QuotaExceeded.into()),
            _ => Ok("made"),
        }
    };
    assert_eq!(once_there_is_room(make).await.unwrap(), "made");
    let denied = || Err::<(), _>(io::ErrorKind::PermissionDenied.into());
    let error = once_there_is_room(denied).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn what_is_to_end_is_not_begun() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("work")).unwrap();
    let file = dir.path().join("log");
    std::fs::write(&file, "").unwrap();
    let mut log = StepLog::open(&file, Redaction::default().redactor()).unwrap();
    let begun = dir.path().join("begun");
    let cancel = CancellationToken::new();
    cancel.cancel();
    let job = Job {
        program: "/nonexistent/program".into(),
        arguments: vec![begun.display().to_string()],
        environment: BTreeMap::new(),
        folder: dir.path(),
        timeout: Duration::from_secs(60),
    };
    let end = command::run(job, &mut log, &cancel).await;
    assert!(matches!(end, End::Stopped), "it was begun");
}
