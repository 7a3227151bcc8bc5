//! Webhooks as GitHub publishes them: all are read, and what they are is counted.

use std::collections::BTreeMap;

use nixci::forge::{HookEvent, HookKind, parse_hook};

use crate::fake::openapi::description;

#[test]
fn every_published_webhook_is_read() {
    let Some(published) = description("webhooks.json") else {
        return;
    };
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for event in published.as_array().unwrap() {
        let name = event["name"].as_str().unwrap();
        for payload in event["examples"].as_array().unwrap() {
            let headers = |header: &str| (header == "x-github-event").then_some(name.as_bytes());
            let read = parse_hook(HookKind::Github, &headers, payload.to_string().as_bytes());
            let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
            let kind = match read {
                HookEvent::Push(_) => "push",
                HookEvent::RefDeleted { .. } => "ref deleted",
                HookEvent::PullRequest(_) => "pull request",
                HookEvent::MergeGroup(_) => "merge group",
                HookEvent::Rerun(_) => "rerun",
                HookEvent::CheckAction(_) => "check action",
                HookEvent::Comment(_) => "comment",
                HookEvent::Asked(_) => "asked",
                HookEvent::RepositoryChanged { .. } => "repository changed",
                HookEvent::InstallationChanged { .. } => "installation changed",
                HookEvent::Ping => "ping",
                HookEvent::Ignored { .. } => continue,
            };
            *counts.entry((name.to_owned(), kind)).or_default() += 1;
        }
    }
    let lines: Vec<_> = counts
        .iter()
        .map(|((name, kind), count)| format!("{count} {name}: {kind}"))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    1 check_run: check action
    2 check_run: rerun
    2 check_suite: rerun
    4 delete: ref deleted
    7 installation: installation changed
    3 installation_repositories: installation changed
    2 merge_group: merge group
    4 ping: ping
    3 public: repository changed
    29 pull_request: pull request
    3 push: push
    4 push: ref deleted
    13 repository: repository changed
    ");
}
