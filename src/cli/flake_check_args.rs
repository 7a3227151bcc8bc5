//! The options that make `check` look at more of a flake than its checks.

use clap::Args;

/// Whether more is looked at than what is built.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct FlakeCheckArgs {
    /// Look at all outputs of the flake as `nix flake check` does, too
    ///
    /// Evaluates packages, devShells, apps, overlays, modules, templates and what else `nix flake check` knows, each on a
    /// row of its own. Only what is asked for is built: by default, the checks. What the version of Nix at hand is content
    /// with passes here, too.
    #[arg(long, conflicts_with = "file", help_heading = "Selection")]
    pub(super) flake_check: bool,
}
