//! `nixci serve` as a host runs it: the built program, a real Nix, real git over HTTP, and a forge that remembers.
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "what goes wrong here fails the test that asked for it"
)]

#[path = "../support/mod.rs"]
mod support;

mod budget;
mod check_runs;
mod crash;
mod ctl;
mod discovery;
mod disk;
mod doctor;
mod egress;
#[path = "../support/forge/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod fake;
mod faults;
mod gitlab;
mod hooks;
mod installations;
mod own_rules;
mod pages;
mod post_builds;
mod private_inputs;
mod pull_requests;
mod pushes;
mod reload;
mod schedules;
mod security;
mod streams;
mod systemd;
mod trouble;
mod upkeep;
mod versions;
mod walls;
mod warnings;
mod webhooks;
mod world;
