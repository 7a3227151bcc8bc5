//! Binary caches, other stores and other machines, all of them real: folders, an S3 server, ssh servers on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::format_push_string,
    reason = "what goes wrong here fails the test that asked for it"
)]

#[path = "../support/mod.rs"]
mod support;

mod links;
mod machines;
mod remote;
mod uploads;

use serde_json::Value;
use support::running::Finished;

/// The events of a run with `--format json`, of one kind.
fn events(run: &Finished, event: &str) -> Vec<Value> {
    run.stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line)
                .unwrap_or_else(|error| panic!("{error} in {line:?}\n{run}"))
        })
        .filter(|value| value["event"] == event)
        .collect()
}

/// The only event of a kind.
fn event(run: &Finished, event: &str) -> Value {
    let mut found = events(run, event);
    assert_eq!(found.len(), 1, "{event}: {run}");
    found.remove(0)
}

/// The store paths that events of uploads with this outcome name, sorted.
fn uploaded(run: &Finished, outcome: &str) -> Vec<String> {
    let mut paths: Vec<String> = events(run, "upload_finished")
        .iter()
        .filter(|event| event["outcome"] == outcome)
        .flat_map(|event| event["paths"].as_array().unwrap().clone())
        .map(|path| path.as_str().unwrap().to_owned())
        .collect();
    paths.sort();
    paths
}
