//! The worker protocol against every installed Nix, over the daemon's socket and over `nix-daemon --stdio`; and against a
//! stand-in for the daemon that does what no real one can be made to do.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "whatever a test does not name fails it"
)]

#[path = "store/build.rs"]
mod build;
#[path = "store/fault.rs"]
mod fault;
#[path = "store/fixture.rs"]
mod fixture;
#[path = "store/log.rs"]
mod log;
#[path = "store/memory.rs"]
mod memory;
#[path = "store/pool.rs"]
mod pool;
#[path = "store/proxy.rs"]
mod proxy;
#[path = "store/query.rs"]
mod query;
#[path = "store/root.rs"]
mod root;
#[path = "store/round_trip.rs"]
mod round_trip;
#[path = "store/stop.rs"]
mod stop;
mod support;
