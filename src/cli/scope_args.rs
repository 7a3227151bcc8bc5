//! The arguments that say what is looked at.

use std::path::PathBuf;

use clap::{Args, builder::TypedValueParser as _};

use crate::nix::{AttrPath, CheckPattern};

/// What is looked at.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ScopeArgs {
    /// Flakes with their attributes, and patterns for checks
    ///
    /// A flake is any reference that Nix takes, with `#` and an attribute behind it or without one, in which case its
    /// `.#checks` are looked at, or the `attributes` of its nixci.toml. Several attributes of one flake may be named. A
    /// pattern is the name of a check, with or without its system: `fmt`, `x86_64-linux.nixos-*`, `{lint,fmt}`,
    /// `group.**`; only what patterns choose is evaluated. What has `#`, `:` or `/` in it or begins with `.` is a flake,
    /// and in a folder without a flake, so is a first argument that could be a name in the registry; all else is a
    /// pattern.
    #[arg(value_name = "FLAKE[#ATTRIBUTE] | PATTERN")]
    pub(super) targets: Vec<String>,

    /// Look at this attribute of the flake or the file, too
    #[arg(
        short = 'A',
        long,
        value_name = "ATTRIBUTE",
        help_heading = "Selection"
    )]
    #[arg(value_parser = clap::builder::StringValueParser::new().try_map(|text| AttrPath::parse(&text)))]
    pub(super) attribute: Vec<AttrPath>,

    /// Leave out the checks that this pattern chooses
    #[arg(long, value_name = "PATTERN", help_heading = "Selection")]
    pub(super) exclude: Vec<CheckPattern>,

    /// Look at what this Nix function makes of the attribute
    #[arg(long, value_name = "FUNCTION", help_heading = "Selection")]
    pub(super) select: Option<String>,

    /// Tell with each check the set that this Nix function makes of its derivation
    #[arg(long, value_name = "FUNCTION", help_heading = "Selection")]
    pub(super) apply: Option<String>,

    /// Evaluate a file and not a flake, impurely
    #[arg(short, long, value_name = "FILE", help_heading = "Evaluation")]
    pub(super) file: Option<PathBuf>,

    /// With --file: the value of an argument of functions, as an expression
    #[arg(long, num_args = 2, value_names = ["NAME", "EXPRESSION"], requires = "file", help_heading = "Evaluation")]
    pub(super) arg: Vec<String>,

    /// With --file: the value of an argument of functions, as a string
    #[arg(long, num_args = 2, value_names = ["NAME", "STRING"], requires = "file", help_heading = "Evaluation")]
    pub(super) argstr: Vec<String>,

    /// With --file: add an entry to the search path of `<…>`
    #[arg(
        short = 'I',
        long,
        value_name = "PATH",
        requires = "file",
        help_heading = "Evaluation"
    )]
    pub(super) include: Vec<String>,

    /// Read neither nixci.toml nor buildbot-nix.toml
    #[arg(long, help_heading = "Selection")]
    pub(super) no_config: bool,
}
