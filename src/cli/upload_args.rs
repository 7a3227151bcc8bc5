//! Where outputs go: options of `check`, and what they and the repository's file come to.
//!
//! The file comes with the tree, so from anyone: it sends nothing anywhere unless `--upload` is given.

use std::fmt::Display;

use anyhow::anyhow;
use clap::{ArgGroup, Args};

use super::Failure;
use crate::{
    config::{Origin, Sourced, Upload, program_on_path},
    nix::StoreUrl,
    upload::Destination,
};

/// Where outputs go.
#[derive(Debug, Default, Args)]
#[command(
    next_help_heading = "Uploads",
    group = ArgGroup::new("destinations").multiple(true)
)]
pub(super) struct UploadArgs {
    /// Send the outputs of passed checks where `[upload]` in nixci.toml says, too: only for a tree you trust, since your
    /// passwords and keys go along
    #[arg(long, group = "destinations", conflicts_with = "no_build")]
    pub(super) upload: bool,

    /// Copy the outputs of passed checks to this store while the builds go on: any URL Nix takes, such as
    /// `s3://BUCKET`, `file:///DIR` or `ssh-ng://HOST`; may be repeated
    #[arg(
        long,
        value_name = "URL",
        group = "destinations",
        conflicts_with = "no_build"
    )]
    pub(super) copy_to: Vec<String>,

    /// Push them to a cache of Cachix, with the program cachix; may be repeated
    #[arg(
        long,
        value_name = "NAME",
        group = "destinations",
        conflicts_with = "no_build"
    )]
    pub(super) cachix: Vec<String>,

    /// Push them to a cache of an Attic server, with the program attic; may be repeated
    #[arg(
        long,
        value_name = "CACHE",
        group = "destinations",
        conflicts_with = "no_build"
    )]
    pub(super) attic: Vec<String>,

    /// Push them to a niks3 server, with the program niks3; may be repeated
    #[arg(
        long,
        value_name = "URL",
        group = "destinations",
        conflicts_with = "no_build"
    )]
    pub(super) niks3: Vec<String>,

    /// Push what was built on the way to a check, too
    #[arg(long, requires = "destinations")]
    pub(super) push_closure: bool,
}

/// Where outputs go.
#[derive(Debug)]
pub(super) struct UploadPlan {
    /// Those that are sent something, each once.
    pub(super) destinations: Vec<Sourced<Destination>>,
    /// Those that are not, for want of `--upload`.
    pub(super) unused: Vec<Sourced<Destination>>,
    /// Whether what was built on the way goes along.
    pub(super) push_closure: Sourced<bool>,
}

impl UploadArgs {
    /// Puts the options together with what the repository's file says. Fails where something named is no destination.
    pub(super) fn plan(&self, file: &Upload<Sourced<String>>) -> Result<UploadPlan, Failure> {
        let given = |values: &[String], option| {
            let given = |value: &String| Sourced::new(value.clone(), Origin::Flag(option));
            values.iter().map(given).collect()
        };
        let mut named = destinations(&Upload {
            copy_to: given(&self.copy_to, "--copy-to"),
            cachix: given(&self.cachix, "--cachix"),
            attic: given(&self.attic, "--attic"),
            niks3: given(&self.niks3, "--niks3"),
            push_closure: false,
        })?;
        let mut unused = destinations(file)?;
        if self.upload {
            if unused.is_empty() {
                return Err(Failure::usage(anyhow!(
                    "--upload sends outputs where `[upload]` in nixci.toml says, and nothing is said there"
                )));
            }
            named.append(&mut unused);
        }
        let push_closure = if self.push_closure {
            Sourced::new(true, Origin::Flag("--push-closure"))
        } else if self.upload && file.push_closure {
            Sourced::new(true, Origin::Flag("--upload"))
        } else {
            Sourced::new(false, Origin::Default)
        };
        Ok(UploadPlan {
            destinations: unique(named),
            unused: unique(unused),
            push_closure,
        })
    }
}

impl UploadPlan {
    /// The destinations. Fails where the program for one of them is not installed.
    pub(super) fn ready(self) -> Result<Vec<Destination>, Failure> {
        let destinations: Vec<Destination> = self
            .destinations
            .into_iter()
            .map(|destination| destination.value)
            .collect();
        let missing = destinations
            .iter()
            .filter_map(Destination::tool)
            .find(|(tool, _)| program_on_path(tool).is_none());
        match missing {
            None => Ok(destinations),
            Some((tool, how)) => Err(Failure::infrastructure(anyhow!(
                "cannot find `{tool}` on PATH, which is needed to push to a cache of {tool}: install it, for instance \
                 with `{how}`"
            ))),
        }
    }
}

/// Reads what is written.
fn destinations(written: &Upload<Sourced<String>>) -> Result<Vec<Sourced<Destination>>, Failure> {
    let Upload {
        copy_to,
        cachix,
        attic,
        niks3,
        push_closure: _,
    } = written;
    let mut all = Vec::new();
    for text in copy_to {
        all.push(meaning(text, |url| {
            StoreUrl::parse(url).map(Destination::Nix)
        })?);
    }
    for name in cachix {
        all.push(meaning(name, Destination::cachix)?);
    }
    for name in attic {
        all.push(meaning(name, Destination::attic)?);
    }
    for text in niks3 {
        all.push(meaning(text, |url| {
            anyhow::Ok(Destination::niks3(StoreUrl::parse(url)?)?)
        })?);
    }
    Ok(all)
}

/// Reads a value; what is wrong in a file is named with its place.
fn meaning<T, E: Display>(
    written: &Sourced<String>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Sourced<T>, Failure> {
    let origin = written.origin.clone();
    match (read(&written.value), &origin) {
        (Ok(value), _) => Ok(Sourced::new(value, origin)),
        (Err(error), Origin::File { .. }) => Err(Failure::usage(anyhow!("{origin}: {error}"))),
        (Err(error), Origin::Flag(_) | Origin::NixConf | Origin::Default) => {
            Err(Failure::usage(anyhow!("{error}")))
        }
    }
}

fn unique(destinations: Vec<Sourced<Destination>>) -> Vec<Sourced<Destination>> {
    let mut unique: Vec<Sourced<Destination>> = Vec::new();
    for destination in destinations {
        if unique.iter().all(|other| other.value != destination.value) {
            unique.push(destination);
        }
    }
    unique
}
