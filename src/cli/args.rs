//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, builder::TypedValueParser as _};

use super::{
    choices::{ByArg, ColorArg, EvalFormatArg, EvaluatorArg, FormatArg},
    ctl::CtlArgs,
    diff::DiffArgs,
    flake_check_args::FlakeCheckArgs,
    forge_report::ForgeArgs,
    history::HistoryArgs,
    init::InitArgs,
    keys::KeysArgs,
    log::LogArgs,
    memory::MemoryArgs,
    output::OutputArgs,
    remote_args::RemoteArgs,
    result_args::ResultArgs,
    scope_args::ScopeArgs,
    serve::ServeArgs,
    size::parse_size,
    store_args::StoreArgs,
    upload_args::UploadArgs,
    walls::WallsArgs,
    why::WhyArgs,
};
use crate::{config::parse_duration, nix::System};

/// Evaluates and builds the checks of a Nix flake, in parallel, with a live matrix.
#[derive(Debug, Parser)]
#[command(
    name = "nixci",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(
    after_help = "`nixci help check` tells more. Exit codes: 0 every check passed, 1 a check failed, 2 wrong usage, \
    3 the flake cannot be evaluated, 4 Nix or this machine failed, 129, 130 and 143 stopped by a signal."
)]
pub(super) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Evaluate the checks of a flake and build them
    ///
    /// Evaluates every attribute below FLAKE#ATTRIBUTE in parallel and builds what is not there yet while the
    /// evaluation still runs. Each derivation is built once, however many checks need it; a check that a trusted
    /// substituter offers counts as passed and is not downloaded.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(Box<CheckArgs>),
    /// Print what `check` would build, without building
    ///
    /// Evaluates every attribute below FLAKE#ATTRIBUTE in parallel and prints each with its derivation.
    Eval(Box<EvalArgs>),
    /// Show what `check` would work with, and where each value comes from
    ///
    /// Takes the options of `check` and shows what they, the flake's nixci.toml or buildbot-nix.toml and Nix's own
    /// settings come to: a table, or with `--format json` an object.
    Config(Box<CheckArgs>),
    /// Show the log of a check of the last run
    ///
    /// Shows what the check's own build wrote, or that of the dependency by which it failed; an evaluation error where
    /// there was one. Needs no Nix, unless only the store still has the log.
    Log(LogArgs),
    /// Show earlier runs, or how a check did in them
    ///
    /// Without CHECK, the newest runs of a flake. With it, the outcomes and durations of that check, newest first. Needs
    /// no Nix.
    History(HistoryArgs),
    /// Compare the checks with those of another commit, without building
    ///
    /// Evaluates both and tells which checks are added, gone, or other derivations than at REVISION. A flake that looks
    /// at its own revision has other derivations in every commit.
    Diff(Box<DiffArgs>),
    /// Tell what would be built for a check, and why
    ///
    /// Prints the derivations that have to be built or downloaded before CHECK is done, each below what needs it, with
    /// the reason. Builds nothing.
    Why(Box<WhyArgs>),
    /// Serve the webhooks of forges: build what is pushed, and post commit statuses
    #[command(after_long_help = super::serve::AFTER_HELP)]
    Serve(ServeArgs),
    /// Look at a server of this program, and give it orders
    #[command(after_long_help = super::ctl::AFTER_HELP)]
    Ctl(CtlArgs),
    /// Write a commented nixci.toml, and with --ci what makes a CI run `nixci check`
    ///
    /// Keeps what is there, unless --force is given. Needs no Nix.
    Init(InitArgs),
    /// Write shell completions and man pages below a folder
    #[command(hide = true)]
    Generate {
        /// The folder that has `completions` and `man`
        dir: PathBuf,
    },
    /// Run a program behind walls of Landlock: it may do what is named, and nothing else
    #[command(hide = true)]
    Walls(WallsArgs),
}

const CHECK_EXAMPLES: &str = "\
Examples:
  nixci check                              the checks of the flake in this folder, for this machine
  nixci check .#packages                   its packages
  nixci check github:NixOS/patchelf        the checks of a flake elsewhere
  nixci check .#checks.x86_64-linux.fmt    a single one
  nixci check . fmt 'nixos-*'              those that patterns choose
  nixci check .#checks .#devShells         several attributes
  nixci check --file release.nix -A tests  without a flake
  nixci check --flake-check                what `nix flake check` looks at, too
  nixci check --systems aarch64-linux      those of another system that a remote builder has
  nixci check --failed                     only those that failed the last time
  nixci check --fail-fast --format json    for scripts: events as JSON lines, stop at the first failure

Exit codes:
  0  every check passed, or there was none
  1  a check failed, its evaluation included, or was cancelled by hand
  2  wrong usage
  3  the flake cannot be evaluated at all
  4  Nix, its daemon or this machine failed, or an upload
  129, 130, 143  stopped by SIGHUP, SIGINT or SIGTERM";

/// Options of `nixci check`.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(super) struct CheckArgs {
    /// What to evaluate and how.
    #[command(flatten)]
    pub(super) source: SourceArgs,

    /// What else is looked at.
    #[command(flatten)]
    pub(super) flake_check: FlakeCheckArgs,

    /// Earlier runs.
    #[command(flatten)]
    pub(super) memory: MemoryArgs,

    /// How many builds run on this machine at once [default: Nix's max-jobs if it is set, else the number of cores]
    #[arg(short, long, value_name = "N", help_heading = "Building", value_parser = at_most_ten_thousand(1))]
    pub(super) jobs: Option<usize>,

    /// Run again whenever the flake's tree changes
    #[arg(long, help_heading = "Building")]
    pub(super) watch: bool,

    /// Stop at the first failure, and stop what runs
    #[arg(long, help_heading = "Building")]
    pub(super) fail_fast: bool,

    /// Evaluate and plan only; what would be built is `skipped`
    #[arg(long, help_heading = "Building")]
    pub(super) no_build: bool,

    /// Download what a substituter offers, even if nothing here needs it
    #[arg(long, help_heading = "Building")]
    pub(super) download: bool,

    /// Stop a build that takes longer than this: a number of seconds, or a duration such as 10m
    #[arg(long, value_name = "TIME", help_heading = "Building", value_parser = parse_duration)]
    pub(super) timeout: Option<Duration>,

    /// Stop a build that writes nothing to its log for this long
    #[arg(long, value_name = "TIME", help_heading = "Building", value_parser = parse_duration)]
    pub(super) max_silent_time: Option<Duration>,

    /// Where builds happen.
    #[command(flatten)]
    pub(super) building: StoreArgs,

    /// Where the whole runs.
    #[command(flatten)]
    pub(super) remote: RemoteArgs,

    /// Where outputs go.
    #[command(flatten)]
    pub(super) uploads: UploadArgs,

    /// What it leaves behind.
    #[command(flatten)]
    pub(super) results: ResultArgs,

    /// How the run is shown [default: `matrix` on a terminal, elsewhere what the CI understands, or `plain`]
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    pub(super) format: FormatArg,

    /// When to use colours
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Output"
    )]
    pub(super) color: ColorArg,

    /// How many of the last lines of a failed build's log are shown
    #[arg(long, value_name = "N", default_value_t = 25, help_heading = "Output", value_parser = at_most_ten_thousand(0))]
    pub(super) log_lines: usize,

    /// Keys.
    #[command(flatten)]
    pub(super) keys: KeysArgs,

    /// With `--format json`: events with the lines of every build's log, too
    #[arg(long, help_heading = "Output")]
    pub(super) log: bool,

    /// Where and how else the run is shown.
    #[command(flatten)]
    pub(super) output: OutputArgs,

    /// What forges are told.
    #[command(flatten)]
    pub(super) forge: ForgeArgs,

    /// Show more: passed builds, phases and the lines of logs
    #[arg(short, long, action = ArgAction::Count, help_heading = "Output")]
    pub(super) verbose: u8,

    /// Show less: failures and the end
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "verbose", help_heading = "Output")]
    pub(super) quiet: u8,
}

/// Options of `nixci eval`.
#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    /// What to evaluate and how.
    #[command(flatten)]
    pub(super) source: SourceArgs,

    /// How the checks are printed
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Output"
    )]
    pub(super) format: EvalFormatArg,

    /// Leave out checks that need no build
    #[arg(long, help_heading = "Output")]
    pub(super) uncached: bool,

    /// For a CI: what a job is made of
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WHAT",
        help_heading = "Output"
    )]
    pub(super) by: ByArg,

    /// When to use colours
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        help_heading = "Output"
    )]
    pub(super) color: ColorArg,
}

/// What to evaluate and how.
#[derive(Clone, Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(super) struct SourceArgs {
    /// What is looked at.
    #[command(flatten)]
    pub(super) scope: ScopeArgs,

    /// The systems to look at, separated by commas [default: those this machine has a builder for]
    #[arg(
        long,
        value_name = "SYSTEMS",
        value_delimiter = ',',
        num_args = 1,
        help_heading = "Selection"
    )]
    #[arg(value_parser = clap::builder::StringValueParser::new().try_map(|text| System::parse(&text)))]
    pub(super) systems: Vec<System>,

    /// Look at every system
    #[arg(long, conflicts_with = "systems", help_heading = "Selection")]
    pub(super) all_systems: bool,

    /// Who evaluates: `auto` is nix-eval-jobs if it is there and fits, else the built-in one, which needs only `nix`
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "NAME",
        help_heading = "Evaluation"
    )]
    pub(super) evaluator: EvaluatorArg,

    /// How many workers evaluate at once [default: the number of cores, fewer where memory is short]
    #[arg(long, value_name = "N", help_heading = "Evaluation", value_parser = at_most_ten_thousand(1))]
    pub(super) eval_workers: Option<usize>,

    /// The memory for all workers together, such as 4G or 800M [default: three quarters of what is free]
    #[arg(long, value_name = "SIZE", help_heading = "Evaluation", value_parser = parse_size)]
    pub(super) eval_memory: Option<u64>,

    /// Evaluate anew, and keep nothing
    #[arg(long, help_heading = "Evaluation")]
    pub(super) no_eval_cache: bool,

    /// Let the evaluation see what is not in the flake: variables, files, the time
    #[arg(long, help_heading = "Evaluation")]
    pub(super) impure: bool,

    /// Set a setting of Nix, for the evaluation and the builds
    #[arg(long, num_args = 2, value_names = ["NAME", "VALUE"], help_heading = "Evaluation")]
    pub(super) option: Vec<String>,

    /// Take another flake for an input
    #[arg(long, num_args = 2, value_names = ["INPUT", "FLAKE"], help_heading = "Evaluation")]
    pub(super) override_input: Vec<String>,

    /// Take another file for flake.lock
    #[arg(long, value_name = "FILE", help_heading = "Evaluation")]
    pub(super) reference_lock_file: Option<PathBuf>,

    /// Take over the settings of Nix that the flake wishes for
    #[arg(long, help_heading = "Evaluation")]
    pub(super) accept_flake_config: bool,

    /// Show the whole trace of an evaluation error
    #[arg(long, help_heading = "Evaluation")]
    pub(super) show_trace: bool,
}

impl SourceArgs {
    /// `--option`s as pairs.
    pub(super) fn nix_options(&self) -> Vec<(String, String)> {
        pairs(&self.option)
    }

    /// `--override-input`s as pairs.
    pub(super) fn override_inputs(&self) -> Vec<(String, String)> {
        pairs(&self.override_input)
    }
}

fn pairs(values: &[String]) -> Vec<(String, String)> {
    values
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

fn at_most_ten_thousand(least: u64) -> impl clap::builder::TypedValueParser<Value = usize> {
    clap::value_parser!(u64)
        .range(least..=10_000)
        .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
}
