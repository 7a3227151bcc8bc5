//! Arguments, wiring and exit codes.
//!
//! The only place that knows all parts. Prints nothing but errors that end the program before a run begins, and what
//! `eval` and `generate` are for; runs are shown by `report`.

mod again;
mod args;
mod check;
mod choices;
mod ci_jobs;
mod config;
mod configuration;
mod ctl;
mod diff;
mod eval;
mod failure;
mod flake_check_args;
mod forge_report;
mod gather;
mod generate;
mod history;
mod init;
mod keys;
mod local_flake;
mod log;
mod memory;
mod named_check;
mod orders;
mod output;
mod prompt;
mod remote;
mod remote_args;
mod remote_run;
mod result_args;
mod scope_args;
mod serve;
mod setup;
mod size;
mod source_tree;
mod store_args;
mod stores;
mod targets;
mod upload_args;
mod walls;
mod watch;
mod why;
mod work;

use std::{fmt::Display, io::Write, process::ExitCode};

use clap::Parser;

use self::{
    args::{Cli, Command},
    failure::Failure,
};
use crate::report::harmless;

/// Runs the program on the arguments of this process and returns its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Check(args) => check::check(&args),
        Command::Eval(args) => eval::eval(&args),
        Command::Config(args) => config::config(&args),
        Command::Log(args) => log::log(&args),
        Command::History(args) => history::history(&args),
        Command::Diff(args) => diff::diff(&args),
        Command::Why(args) => why::why(&args),
        Command::Ctl(args) => ctl::ctl(&args),
        Command::Serve(args) => serve::serve(&args),
        Command::Init(args) => init::init(&args),
        Command::Walls(args) => walls::walls(args),
        Command::Generate { dir } => generate::generate(&dir)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Failure::infrastructure),
    };
    result.unwrap_or_else(|failure| failure.report())
}

/// Prints a sentence on stderr, made harmless.
fn print_note(message: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "{}", harmless(&message.to_string()));
}

/// Prints an error on stderr, made harmless; without a reader there is nobody to tell.
fn print_error(message: &dyn Display) {
    print_labelled("error", message);
}

/// Prints what went wrong beside the run, as [`print_error`] does.
fn print_warning(message: &dyn Display) {
    print_labelled("warning", message);
}

fn print_labelled(label: &str, message: &dyn Display) {
    let message = message.to_string();
    let lines: Vec<String> = message.lines().map(harmless).collect();
    let _ = writeln!(std::io::stderr(), "{label}: {}", lines.join("\n"));
}
