//! Where outputs go: options of `check`, and what they mean.

use anyhow::anyhow;
use clap::{ArgGroup, Args};

use super::Failure;
use crate::{config::program_on_path, nix::StoreUrl, upload::Destination};

/// Where outputs go.
#[derive(Debug, Default, Args)]
#[command(
    next_help_heading = "Uploads",
    group = ArgGroup::new("destinations").multiple(true)
)]
pub(super) struct UploadArgs {
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

impl UploadArgs {
    /// The destinations, each once. Fails where one is none, or its program is not installed.
    pub(super) fn destinations(&self) -> Result<Vec<Destination>, Failure> {
        let url = |url: &String| StoreUrl::parse(url).map_err(Failure::usage);
        let mut destinations = Vec::new();
        for text in &self.copy_to {
            destinations.push(Destination::Nix(url(text)?));
        }
        for name in &self.cachix {
            destinations.push(Destination::cachix(name).map_err(Failure::usage)?);
        }
        for name in &self.attic {
            destinations.push(Destination::attic(name).map_err(Failure::usage)?);
        }
        for text in &self.niks3 {
            destinations.push(Destination::niks3(url(text)?).map_err(Failure::usage)?);
        }
        let mut unique: Vec<Destination> = Vec::new();
        for destination in destinations {
            if !unique.contains(&destination) {
                unique.push(destination);
            }
        }
        let missing = unique
            .iter()
            .filter_map(Destination::tool)
            .find(|(tool, _)| program_on_path(tool).is_none());
        match missing {
            None => Ok(unique),
            Some((tool, how)) => Err(Failure::infrastructure(anyhow!(
                "cannot find `{tool}` on PATH, which --{tool} needs: install it, for instance with `{how}`"
            ))),
        }
    }
}
