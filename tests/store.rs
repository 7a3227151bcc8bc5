//! The worker protocol against every installed Nix, over the daemon's socket and over `nix-daemon --stdio`; and against a
//! stand-in for the daemon that does what no real one can be made to do.

#[path = "store/explore.rs"]
mod explore;
#[path = "store/fixture.rs"]
mod fixture;
mod support;
