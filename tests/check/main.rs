//! `nixci check` and `nixci eval` as a user runs them: the built program, a real Nix, real builds in its sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cloned_ref_to_slice_refs,
    clippy::format_collect,
    clippy::items_after_statements,
    reason = "what goes wrong here fails the test that asked for it"
)]

#[path = "../support/forge/openapi/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod openapi;
#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod cache;
mod ci;
mod config;
mod daemon;
mod events;
mod flake_check;
mod forge_report;
mod history;
mod nix_host;
mod outcomes;
mod questions;
mod reports;
mod scope;
mod selection;
mod stopping;
mod store_view;
mod substitution;
mod watch;

use std::collections::BTreeMap;

use serde_json::Value;
use support::running::Finished;

/// The events of a run with `--format json`.
struct Events(Vec<Value>);

impl Events {
    fn of(run: &Finished) -> Self {
        Self(
            run.stdout
                .lines()
                .map(|line| {
                    serde_json::from_str(line)
                        .unwrap_or_else(|error| panic!("{error} in {line:?}\n{run}"))
                })
                .collect(),
        )
    }

    fn all<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |value| value["event"] == event)
    }

    fn one<'a>(&'a self, event: &'a str) -> &'a Value {
        let found: Vec<&Value> = self.all(event).collect();
        assert_eq!(found.len(), 1, "events `{event}` in {:#?}", self.0);
        found[0]
    }

    /// The outcome of every check by its name, without its system.
    fn outcomes(&self) -> BTreeMap<&str, &str> {
        let mut outcomes = BTreeMap::new();
        for event in self.all("check_finished") {
            let (name, outcome) = (
                event["name"].as_str().unwrap(),
                event["outcome"].as_str().unwrap(),
            );
            assert_eq!(outcomes.insert(name, outcome), None, "{name} ended twice");
        }
        outcomes
    }

    fn check(&self, name: &str) -> &Value {
        self.all("check_finished")
            .find(|event| event["name"] == name)
            .unwrap_or_else(|| panic!("no check {name}"))
    }
}
