//! nixci evaluates the checks of a Nix flake in parallel and builds them.
//!
//! A folder is a domain, and imports only go downwards through these layers (`tests/layering.rs` holds the code
//! against them):
//!
//! | layer | modules | what they are |
//! |---|---|---|
//! | 0 | [`nix`], [`redact`] | vocabulary: store paths, attribute paths, derivations; what hides secrets; pure |
//! | 1 | [`event`], [`git`] | what a run tells the outside; facts about a checkout |
//! | 2 | [`eval`], [`store`], [`graph`], [`forge`], [`config`] | flake to checks; the daemon; which step waits for which; forges: webhooks, statuses, check runs; settings |
//! | 3 | [`run`], [`report`], [`db`], [`upload`] | the one owner of a run's state; the terminal and the JSON stream; what is remembered of runs; binary caches |
//! | 4 | [`web`] | pages: view models, templates, colours of logs |
//! | 5 | [`server`] | webhooks to runs, runs to commit statuses |
//! | 6 | [`cli`] | arguments, wiring, exit codes |
//!
//! ```text
//!  flake ──► eval ──checks──►┐                       ┌──► report
//!                            run ──────Event────────►┤   (called inline)
//!  nix-daemon ◄──► store ────┘    (the only writer)  └──► …
//!                  ▲
//!                graph: which step waits for which
//! ```

pub mod cli;
pub mod config;
pub mod db;
pub mod eval;
pub mod event;
pub mod forge;
pub mod git;
pub mod graph;
pub mod nix;
pub mod redact;
pub mod report;
pub mod run;
pub mod server;
pub mod store;
pub mod upload;
pub mod web;
