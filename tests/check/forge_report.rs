//! `--report`: what a forge is told of a run, over HTTP.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::{
    openapi::{self, Call},
    support::{
        Project, nix,
        project::SYSTEM,
        running::{Finished, Running},
    },
};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const TOKEN: &str = "a-secret-token";

/// A forge that takes everything, and says of one check that it failed before.
async fn forge(status: u16, takes_check_runs: bool) -> MockServer {
    let server = MockServer::start().await;
    let answer = move |request: &Request| {
        let old = json!({ "context": "nixci/build checks.SYSTEM.good".replace("SYSTEM", SYSTEM),
            "name": "nixci/build checks.SYSTEM.good".replace("SYSTEM", SYSTEM),
            "state": "failure", "status": "failed" });
        match request.method.as_str() {
            "GET" if request.url.path().ends_with("/statuses") => {
                ResponseTemplate::new(200).set_body_json(json!([old]))
            }
            "GET" if request.url.path().ends_with("/check-runs") => {
                ResponseTemplate::new(200).set_body_json(json!({ "check_runs": [] }))
            }
            "GET" => ResponseTemplate::new(200).set_body_json(json!({ "statuses": [old] })),
            // A token that may not make check runs.
            _ if request.url.path().contains("/check-runs") && !takes_check_runs => {
                ResponseTemplate::new(403).set_body_json(json!({ "message": "not accessible" }))
            }
            _ if request.url.path().contains("/check-runs") => {
                ResponseTemplate::new(201).set_body_json(json!({ "id": 77 }))
            }
            _ => ResponseTemplate::new(status).set_body_json(json!({ "message": "as it is" })),
        }
    };
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

/// Runs a check that passes and one that fails, in a job with these variables; returns how it went and what was posted.
fn run(
    kind: &str,
    status: u16,
    takes_check_runs: bool,
    variables: impl Fn(&str) -> Vec<(&'static str, String)>,
) -> (Finished, Vec<Request>) {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("good", "echo > $out")
        .failing("bad")
        .committed();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(forge(status, takes_check_runs));
    let mut command = project.nixci_command(&["check", "--report", kind]);
    command.envs(variables(&server.uri()));
    let run = Running::start(&mut command).finish();
    assert!(!format!("{run}").contains(TOKEN), "{run}");
    let requests = runtime.block_on(server.received_requests()).unwrap();
    for request in &requests {
        assert_eq!(fits(request), Ok(()));
    }
    let posted = requests
        .into_iter()
        .filter(|request| request.method.as_str() != "GET");
    (run, posted.collect())
}

/// Whether a request fits what the forge says of its interface.
fn fits(request: &Request) -> Result<(), String> {
    openapi::check(&Call {
        method: request.method.as_str(),
        path: request.url.path(),
        query: &request.url.query_pairs().into_owned().collect(),
        body: &request.body_json().unwrap_or_default(),
    })
}

/// What each context says at the end.
fn shown(posted: &[Request], name: &str) -> String {
    let mut shown = BTreeMap::new();
    for request in posted {
        let body: Value = request.body_json().unwrap();
        let description = body["description"].as_str().unwrap();
        assert!(description.chars().count() <= 140, "{description}");
        let context = body[name].as_str().unwrap().replace(SYSTEM, "SYSTEM");
        let text = format!("{}: {description}", body["state"].as_str().unwrap());
        shown.insert(context, text);
    }
    let lines = shown
        .iter()
        .map(|(context, text)| format!("{context} = {text}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn github(uri: &str) -> Vec<(&'static str, String)> {
    vec![
        ("GITHUB_API_URL", uri.to_owned()),
        ("GITHUB_REPOSITORY", "owner/repo".to_owned()),
        ("GITHUB_SHA", COMMIT.to_owned()),
        ("GITHUB_SERVER_URL", "https://git.example.org".to_owned()),
        ("GITHUB_RUN_ID", "7".to_owned()),
        ("GITHUB_RUN_NUMBER", "3".to_owned()),
        ("GITHUB_TOKEN", TOKEN.to_owned()),
    ]
}

#[test]
fn github_is_told_of_the_whole_and_of_each_failure() {
    let (run, mut posted) = run("github", 201, false, github);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(posted.remove(0).url.path().ends_with("/check-runs"));
    for request in &posted {
        assert_eq!(
            request.url.path(),
            format!("/repos/owner/repo/statuses/{COMMIT}")
        );
        assert_eq!(
            request.headers["authorization"],
            format!("Bearer {TOKEN}").as_str()
        );
        let body: Value = request.body_json().unwrap();
        assert_eq!(
            body["target_url"],
            "https://git.example.org/owner/repo/actions/runs/7"
        );
    }
    insta::assert_snapshot!(shown(&posted, "context"), @"
    nixci/build = failure: 1 passed, 1 failed
    nixci/build checks.SYSTEM.bad = failure: failed: builder failed with exit code 1
    nixci/build checks.SYSTEM.good = success: passed
    nixci/eval = success: 2 checks
    ");
}

#[test]
fn github_is_told_by_check_runs_where_the_token_may_make_them() {
    let (run, posted) = run("github", 201, true, github);
    assert_eq!(run.code, Some(1), "{run}");
    let mut shown = BTreeMap::new();
    let mut statuses = Vec::new();
    for request in &posted {
        let body: Value = request.body_json().unwrap();
        if request.url.path().contains("/statuses/") {
            statuses.push(body["context"].as_str().unwrap().replace(SYSTEM, "SYSTEM"));
            continue;
        }
        let name = body["name"].as_str().unwrap().replace(SYSTEM, "SYSTEM");
        if request.method.as_str() == "POST" {
            assert_eq!(request.url.path(), "/repos/owner/repo/check-runs");
            assert_eq!(body["head_sha"], COMMIT);
        } else {
            assert_eq!(request.url.path(), "/repos/owner/repo/check-runs/77");
        }
        let output = &body["output"];
        let text = format!(
            "{} {}: {} | {}",
            body["status"], body["conclusion"], output["title"], output["summary"]
        );
        shown.insert(name, text);
    }
    // What a status said of an earlier run only a status can take back.
    assert_eq!(statuses, ["nixci/build checks.SYSTEM.good"]);
    let lines: Vec<_> = shown
        .iter()
        .map(|(name, text)| format!("{name} = {text}"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    nixci/build = "completed" "failure": "1 passed, 1 failed" | "` 1 passed, 1 failed `"
    nixci/build checks.SYSTEM.bad = "completed" "failure": "failed: builder failed with exit code 1" | "` failed: builder failed with exit code 1 `"
    nixci/build checks.SYSTEM.good = "completed" "success": "passed" | "` passed `"
    nixci/eval = "completed" "success": "2 checks" | "` 2 checks `"
    "#);
}

#[test]
fn gitea_is_told_below_its_own_interface() {
    let (run, posted) = run("gitea", 201, false, |uri| {
        let mut variables = github(uri);
        variables[0].1 = format!("{uri}/api/v1");
        variables
    });
    assert_eq!(run.code, Some(1), "{run}");
    for request in &posted {
        assert_eq!(
            request.url.path(),
            format!("/api/v1/repos/owner/repo/statuses/{COMMIT}")
        );
        assert_eq!(
            request.headers["authorization"],
            format!("token {TOKEN}").as_str()
        );
    }
    let shown = shown(&posted, "context");
    assert!(shown.contains("checks.SYSTEM.good = success"), "{shown}");
    assert_eq!(shown.lines().count(), 4, "{shown}");
}

#[test]
fn gitlab_is_told_with_the_pipeline() {
    let (run, posted) = run("gitlab", 201, false, |uri| {
        vec![
            ("CI_API_V4_URL", format!("{uri}/api/v4")),
            ("CI_PROJECT_ID", "42".to_owned()),
            ("CI_COMMIT_SHA", COMMIT.to_owned()),
            ("CI_COMMIT_REF_NAME", "main".to_owned()),
            ("CI_PIPELINE_ID", "9".to_owned()),
            ("GITLAB_TOKEN", TOKEN.to_owned()),
        ]
    });
    assert_eq!(run.code, Some(1), "{run}");
    for request in &posted {
        assert_eq!(
            request.url.path(),
            format!("/api/v4/projects/42/statuses/{COMMIT}")
        );
        assert_eq!(request.headers["private-token"], TOKEN);
        let body: Value = request.body_json().unwrap();
        assert_eq!(
            (&body["pipeline_id"], &body["ref"]),
            (&json!(9), &json!("main"))
        );
    }
    insta::assert_snapshot!(shown(&posted, "name"), @"
    nixci/build = failed: 1 passed, 1 failed
    nixci/build checks.SYSTEM.bad = failed: failed: builder failed with exit code 1
    nixci/build checks.SYSTEM.good = success: passed
    nixci/eval = success: 2 checks
    ");
}

#[test]
fn a_forge_that_refuses_costs_a_warning_and_not_the_run() {
    let (run, posted) = run("github", 403, false, github);
    assert_eq!(run.code, Some(1), "{run}");
    let paths: Vec<_> = posted.iter().map(|request| request.url.path()).collect();
    let commit = format!("/repos/owner/repo/statuses/{COMMIT}");
    assert_eq!(
        paths,
        ["/repos/owner/repo/check-runs", commit.as_str()],
        "no request without rights is repeated"
    );
    assert!(
        run.stderr
            .contains("HTTP 403 (as it is); does the token have the right"),
        "{run}"
    );
}

#[test]
fn outside_of_a_job_it_is_wrong_usage() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    let mut command = project.nixci_command(&["check", "--report", "gitlab"]);
    let run = Running::start(command.env_remove("CI_PROJECT_ID")).finish();
    assert_eq!(run.code, Some(2), "{run}");
    assert_eq!(
        run.stderr,
        "error: `--report gitlab` works in a job of its CI: the variable CI_PROJECT_ID is not set\n"
    );
}
