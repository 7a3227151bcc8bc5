//! `nixci serve`: webhooks in, commit statuses out, and nothing lost in between.
//!
//! ```text
//!  webhook ──► deliveries ──► intake ──► runs: taken ──► prepare ──► queued ──► runner ──► engine
//!                                          │                │                     │
//!                                          └── statuses ◄───┴─────────────────────┘
//!                                                 └──► publish ──► forge
//! ```
//!
//! Everything between two arrows is a row that is on disk. Each part looks for rows that are its own, does what they ask
//! for, and may do so twice without harm; a killed server carries on where it was. What a webhook says is a hint: what the
//! forge has when the work begins decides.

mod access;
mod annotations;
mod app;
mod asked;
mod budget;
mod check_runs;
mod chosen;
mod client;
mod commands;
mod connection;
mod ctl;
mod doctor;
mod egress;
mod engine;
mod execute;
mod failures;
mod gone;
mod guesses;
mod hooks;
mod hub;
mod insist;
mod intake;
mod journal;
mod keep;
mod listener;
mod logs;
mod marks;
mod memory;
mod metrics;
mod missed;
mod outputs;
mod own_rules;
mod pages;
mod post_build;
mod prepare;
mod private_inputs;
mod publish;
mod pull_request;
mod queue;
mod refusals;
mod reload;
mod required;
mod router;
mod runner;
mod schedule;
mod serve;
mod setup;
mod source;
mod streams;
mod sweep;
mod systemd;
mod texts;
mod upkeep;
mod walls;
mod webhook;
mod webhook_body;

pub use doctor::{Finding, Verdict};
pub use memory::start_small;
pub use serve::{ServeError, check, serve};
pub use setup::{AppSetup, OpenSetup};
