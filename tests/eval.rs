//! The evaluators against real Nix, every installed version of it: what `nix eval` gives, what errors say, and what
//! becomes of workers that die.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that asked for it"
)]

#[path = "eval/attributes.rs"]
mod attributes;
#[path = "eval/harness.rs"]
mod harness;
#[path = "eval/isolation.rs"]
mod isolation;
#[path = "eval/nix_eval_jobs.rs"]
mod nix_eval_jobs;
#[path = "eval/parity.rs"]
mod parity;
#[path = "support/mod.rs"]
mod support;
#[path = "eval/walls.rs"]
mod walls;
#[path = "eval/workers.rs"]
mod workers;
