//! `nixci generate`: shell completions and man pages, made from the command line's definition.

use std::{fs, io, path::Path};

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;

/// Writes `completions/` and `man/` below a folder.
pub(super) fn generate(dir: &Path) -> io::Result<()> {
    let completions = dir.join("completions");
    fs::create_dir_all(&completions)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "nixci", &completions)?;
    }
    let man = dir.join("man");
    fs::create_dir_all(&man)?;
    // Without the page of `help`, which says no more than `--help`.
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), man)
}
