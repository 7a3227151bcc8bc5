//! Runs the whole on another machine: the options of `check`, and which other ones go along.
//!
//! Pure. What is typed here is given to the `nixci` there again, but for what names files of this machine or says how the
//! run is shown.

use clap::{Arg, ArgMatches, Args, Command, parser::ValueSource};

use super::again::DEFAULT_NIXCI;

/// Where the whole runs.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Building")]
pub(super) struct RemoteArgs {
    /// Evaluate and build on another machine that has nixci, and show it here: HOST as ssh takes it
    #[arg(
        long,
        value_name = "HOST",
        conflicts_with_all = ["store", "out_link", "gc_root", "file", "reference_lock_file"]
    )]
    pub(super) remote: Option<String>,

    /// With --remote: the program there
    #[arg(
        long,
        value_name = "PATH",
        default_value = DEFAULT_NIXCI,
        requires = "remote"
    )]
    pub(super) remote_nixci: String,

    /// Take orders from standard input and tell everything: how `--remote` runs nixci on the other machine
    #[arg(long, hide = true, conflicts_with = "remote")]
    pub(super) take_orders: bool,
}

/// Options about this machine alone, and those that are written anew.
const HERE: [&str; 23] = [
    // Where it runs.
    "remote",
    "remote_nixci",
    "take_orders",
    "watch",
    // Written anew, since they may name what is here.
    "targets",
    "attribute",
    "override_input",
    "failed",
    // What it leaves behind here.
    "out_paths",
    "junit",
    "json",
    "markdown",
    "no_step_summary",
    "report",
    "report_as",
    // How it is shown.
    "format",
    "color",
    "verbose",
    "quiet",
    "log",
    "no_keys",
    "no_fold",
    "stall_timeout",
];

/// The options of this command line that go along, as they have to be written again.
pub(super) fn forwarded(command: &Command, matches: &ArgMatches) -> Vec<String> {
    let mut words = Vec::new();
    for arg in command.get_arguments().filter(|arg| goes_along(arg)) {
        let id = arg.get_id().as_str();
        let (Some(long), Some(ValueSource::CommandLine)) =
            (arg.get_long(), matches.value_source(id))
        else {
            continue;
        };
        if !arg.get_action().takes_values() {
            words.push(format!("--{long}"));
            continue;
        }
        for values in matches.get_raw_occurrences(id).into_iter().flatten() {
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            match (arg.get_value_delimiter(), values.as_slice()) {
                // A value may begin with a `-`.
                (None, [value]) => words.push(format!("--{long}={value}")),
                (None, values) => {
                    words.push(format!("--{long}"));
                    words.extend(values.iter().map(ToString::to_string));
                }
                (Some(delimiter), values) => {
                    let values = values.join(&delimiter.to_string());
                    words.push(format!("--{long}={values}"));
                }
            }
        }
    }
    words
}

fn goes_along(arg: &Arg) -> bool {
    !HERE.contains(&arg.get_id().as_str())
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::{HERE, forwarded, goes_along};
    use crate::cli::args::Cli;

    fn check() -> Command {
        let mut cli = Cli::command();
        cli.build();
        cli.find_subcommand("check").unwrap().clone()
    }

    fn words(line: &[&str]) -> Vec<String> {
        let command = check();
        let arguments = ["check"].iter().chain(line);
        let matches = command.clone().try_get_matches_from(arguments).unwrap();
        forwarded(&command, &matches)
    }

    #[test]
    fn what_is_typed_here_is_said_again_there() {
        let line = [
            ".#x",
            "pattern",
            "--remote=h",
            "-j3",
            "--impure",
            "--option",
            "a",
            "b",
            "--option",
            "c",
            "d e",
            "--systems=x86_64-linux,aarch64-linux",
            "--exclude=-x",
            "--fail-fast",
            "--junit=f",
            "-v",
            "--format=json",
        ];
        let words = words(&line);
        insta::assert_snapshot!(words.join("\n"), @r"
        --exclude=-x
        --systems=x86_64-linux,aarch64-linux
        --impure
        --option
        a
        b
        --option
        c
        d e
        --jobs=3
        --fail-fast
        ");
    }

    #[test]
    fn nothing_is_said_that_was_not() {
        assert!(words(&["--remote=h"]).is_empty());
    }

    /// Whoever adds an option decides here whether it goes along.
    #[test]
    fn every_option_is_of_here_or_goes_along() {
        let command = check();
        for id in HERE {
            assert!(
                command.get_arguments().any(|arg| arg.get_id() == id),
                "{id}"
            );
        }
        let along: Vec<_> = command
            .get_arguments()
            .filter(|arg| goes_along(arg))
            .map(|arg| arg.get_id().as_str())
            .collect();
        insta::assert_snapshot!(along.join(" "), @"exclude select apply file arg argstr include no_config systems all_systems evaluator eval_workers eval_memory no_eval_cache impure option reference_lock_file accept_flake_config show_trace flake_check no_history jobs fail_fast no_build download timeout max_silent_time store upload copy_to cachix attic niks3 push_closure out_link gc_root log_lines help");
    }
}
