//! `nixci init`: a commented `nixci.toml`, and what makes a CI run `nixci check`.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::anyhow;
use clap::{Args, ValueEnum};

use super::{Failure, print_note};
use crate::config::{FILE, write_file};

/// What stands for the place nixci comes from where none is named.
const UNKNOWN_FLAKE: &str = "github:OWNER/nixci";

/// Options of `nixci init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The folder of the flake
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,

    /// Write what makes this CI run `nixci check`, too
    #[arg(long, value_enum, value_name = "CI")]
    ci: Option<CiArg>,

    /// The flake that the CI takes nixci from
    #[arg(long, value_name = "FLAKE", default_value = UNKNOWN_FLAKE, value_parser = flake_reference, requires = "ci")]
    nixci: String,

    /// Overwrite what is there
    #[arg(long)]
    force: bool,
}

/// `--ci`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CiArg {
    /// GitHub Actions
    Github,
    /// GitLab CI/CD
    Gitlab,
    /// Gitea Actions
    Gitea,
    /// Forgejo Actions
    Forgejo,
}

impl CiArg {
    /// The file that the CI reads, and its text.
    fn workflow(self) -> (&'static str, &'static str) {
        let actions = include_str!("init/gitea.yml");
        match self {
            Self::Github => (
                ".github/workflows/nixci.yml",
                include_str!("init/github.yml"),
            ),
            Self::Gitlab => (".gitlab-ci.yml", include_str!("init/gitlab.yml")),
            Self::Gitea => (".gitea/workflows/nixci.yml", actions),
            Self::Forgejo => (".forgejo/workflows/nixci.yml", actions),
        }
    }
}

/// Takes a flake reference that needs no quoting, neither in YAML nor in a shell.
fn flake_reference(text: &str) -> Result<String, String> {
    let is_tame = |c: char| c.is_ascii_alphanumeric() || "-._~:/?=&+%@#".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(is_tame) {
        Ok(text.to_owned())
    } else {
        Err("this cannot be a flake reference".to_owned())
    }
}

/// Writes the files. Those that are there are kept, unless they are to be overwritten.
pub(super) fn init(args: &InitArgs) -> Result<ExitCode, Failure> {
    if !args.folder.is_dir() {
        return Err(Failure::usage(anyhow!(
            "`{}` is no folder",
            args.folder.display()
        )));
    }
    let mut written = 0;
    for (name, text) in files(args.ci, &args.nixci) {
        let file = args.folder.join(name);
        if write(&file, &text, args.force).map_err(|error| {
            Failure::infrastructure(anyhow!("cannot write {}: {error}", file.display()))
        })? {
            written += 1;
            print_note(&format_args!("{} is written", file.display()));
        } else {
            print_note(&format_args!("{} is there and kept", file.display()));
        }
    }
    if written == 0 {
        return Err(Failure::usage(anyhow!(
            "nothing is left to be written; `--force` overwrites what is there"
        )));
    }
    if args.ci.is_some() && args.nixci == UNKNOWN_FLAKE {
        print_note(&format_args!(
            "set NIXCI_FLAKE there to the flake that nixci comes from, or use `--nixci FLAKE`"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is to be written, by its name below the flake's folder.
fn files(ci: Option<CiArg>, nixci: &str) -> Vec<(&'static str, String)> {
    let mut files = vec![(FILE, include_str!("init/nixci.toml").to_owned())];
    files.extend(ci.map(|ci| {
        let (name, text) = ci.workflow();
        (name, text.replace("@NIXCI@", nixci))
    }));
    files
}

/// Writes a file; returns whether it did, and did not find it there.
fn write(file: &Path, text: &str, force: bool) -> io::Result<bool> {
    if force {
        // In its place, also where it is a link to something else.
        write_file(file, text.as_bytes())?;
        return Ok(true);
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match File::create_new(file) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
