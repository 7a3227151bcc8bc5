//! `nixci serve` as a host runs it: the built program, a real Nix, real git over HTTP, and a forge that remembers.
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "what goes wrong here fails the test that asked for it"
)]

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod ctl;
mod disk;
#[path = "../support/forge/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod fake;
mod faults;
mod own_rules;
mod pages;
mod post_builds;
mod pull_requests;
mod pushes;
mod reload;
mod security;
mod systemd;
mod trouble;
mod walls;
mod world;
