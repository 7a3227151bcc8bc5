use std::collections::HashMap;

use secrecy::ExposeSecret as _;

use super::{CiJob, CiJobError, ForgeKind};

const COMMIT: &str = "0123456789012345678901234567890123456789";

fn job(kind: ForgeKind, variables: &[(&str, &str)]) -> Result<CiJob, CiJobError> {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let read = |path: &str| {
        (path == "/event.json").then(|| {
            br#"{"pull_request": {"head": {"sha": "abcdefabcdefabcdefabcdefabcdefabcdefabcd"}}}"#
                .to_vec()
        })
    };
    CiJob::from_env(
        kind,
        &|name| variables.get(name).map(|value| (*value).to_owned()),
        &read,
    )
}

#[test]
fn a_job_of_github_reports_on_the_head_of_a_pull_request() {
    let mut variables = vec![
        ("GITHUB_REPOSITORY", "nix-things/my.repo"),
        ("GITHUB_SHA", COMMIT),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_RUN_ID", "77"),
        ("GITHUB_TOKEN", "ghs_x\n"),
    ];
    let push = job(ForgeKind::Github, &variables).unwrap();
    assert_eq!(push.revision, COMMIT);
    assert_eq!(push.api_url, "https://api.github.com");
    assert_eq!(push.token.expose_secret(), "ghs_x");
    assert_eq!(
        push.target_url.as_deref(),
        Some("https://github.com/nix-things/my.repo/actions/runs/77")
    );
    assert!(!format!("{push:?}").contains("ghs_x"));
    variables.push(("GITHUB_EVENT_PATH", "/event.json"));
    let pull_request = job(ForgeKind::Github, &variables).unwrap();
    assert!(pull_request.revision.starts_with("abcdef"));
}

#[test]
fn a_job_of_gitea_has_its_own_pages_and_tokens() {
    let job = job(
        ForgeKind::Gitea,
        &[
            ("GITHUB_REPOSITORY", "a/b"),
            ("GITHUB_SHA", COMMIT),
            ("GITHUB_SERVER_URL", "https://git.example.org"),
            ("GITHUB_RUN_ID", "1234"),
            ("GITHUB_RUN_NUMBER", "5"),
            ("FORGEJO_TOKEN", "t"),
        ],
    )
    .unwrap();
    assert_eq!(job.api_url, "https://git.example.org/api/v1");
    assert_eq!(
        job.target_url.as_deref(),
        Some("https://git.example.org/a/b/actions/runs/5")
    );
}

#[test]
fn a_job_of_gitlab_names_its_branch_and_pipeline() {
    let job = job(
        ForgeKind::Gitlab,
        &[
            ("CI_API_V4_URL", "https://gitlab.com/api/v4"),
            ("CI_PROJECT_ID", "42"),
            ("CI_COMMIT_SHA", COMMIT),
            ("CI_COMMIT_REF_NAME", "main"),
            ("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA", ""),
            ("CI_PIPELINE_ID", "9"),
            ("GITLAB_TOKEN", "glpat"),
        ],
    )
    .unwrap();
    assert_eq!(
        (job.branch.as_deref(), job.pipeline),
        (Some("main"), Some(9))
    );
    assert_eq!(
        (job.repository.as_str(), job.revision.as_str()),
        ("42", COMMIT)
    );
}

#[test]
fn what_is_missing_is_named() {
    let error = |kind, variables: &[(&str, &str)]| job(kind, variables).unwrap_err().to_string();
    insta::assert_snapshot!(
        [
            error(ForgeKind::Github, &[]),
            error(ForgeKind::Github, &[("GITHUB_TOKEN", "x")]),
            error(
                ForgeKind::Github,
                &[
                    ("GITHUB_TOKEN", "x"),
                    ("GITHUB_REPOSITORY", "a/../b?"),
                    ("GITHUB_SHA", COMMIT)
                ]
            ),
            error(
                ForgeKind::Github,
                &[
                    ("GITHUB_TOKEN", "x"),
                    ("GITHUB_REPOSITORY", "a/b"),
                    ("GITHUB_SHA", "../x")
                ]
            ),
            error(ForgeKind::Gitea, &[]),
            error(
                ForgeKind::Gitlab,
                &[
                    ("CI_API_V4_URL", "https://x"),
                    ("CI_PROJECT_ID", "1"),
                    ("CI_COMMIT_SHA", COMMIT)
                ]
            ),
            error(ForgeKind::Gitlab, &[("CI_PROJECT_ID", "1/../2")]),
        ]
        .join("\n")
    );
}
