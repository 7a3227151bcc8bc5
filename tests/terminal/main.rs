//! `nixci check` in a real terminal: the built program on a pseudo-terminal, with a real Nix, looked at as a person
//! would.
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that asked for it"
)]

#[path = "../support/mod.rs"]
mod support;

mod choices;
mod emulator;
#[path = "../support/forge/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod fake;
mod hostile;
mod keys;
mod matrix;
mod panic;
mod resize;
mod serve_init;
mod stopping;
mod terminal;

use std::process::Command;

use support::{Project, gate};
use terminal::Terminal;

/// Prepares a check that evaluates in order, so that two runs look the same.
fn check(project: &Project<'_>, arguments: &[&str]) -> Command {
    let order = ["check", "--evaluator", "builtin", "--eval-workers", "1"];
    project.nixci_command(&[&order, arguments].concat())
}

/// Runs it to its end in a terminal that is high enough for everything.
fn run(command: Command, columns: u16) -> Terminal {
    let mut terminal = Terminal::start(command, 50, columns);
    terminal.finish();
    terminal
}
