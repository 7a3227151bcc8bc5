//! Where builds happen: options of `check`, and what they mean.

use anyhow::anyhow;
use clap::Args;

use super::{Failure, result_args::ResultArgs};
use crate::{
    config::{NixHost, NixSettings, nix_beside, remote_settings},
    nix::StoreUrl,
    store::SshHost,
    upload::Destination,
};

/// Where builds happen.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Building")]
pub(super) struct StoreArgs {
    /// Evaluate here and build in this store: `ssh-ng://HOST` for another machine, which needs nothing but Nix,
    /// `local?root=DIR`, or the socket of a daemon, `unix://SOCKET`
    #[arg(long, value_name = "URL")]
    pub(super) store: Option<String>,
}

/// The store that builds, where it is not the one Nix uses by itself.
#[derive(Debug)]
pub(super) struct BuildStore {
    pub(super) url: StoreUrl,
    /// The machine it is on, if that is another one.
    pub(super) ssh: Option<SshHost>,
}

impl StoreArgs {
    /// The store that builds, if one is named. Fails where nothing can be built in it, or it cannot do what the other
    /// options want.
    pub(super) fn build_store(&self, results: &ResultArgs) -> Result<Option<BuildStore>, Failure> {
        let Some(text) = &self.store else {
            return Ok(None);
        };
        let url = StoreUrl::parse(text).map_err(Failure::usage)?;
        match url.scheme() {
            "ssh-ng" | "unix" | "daemon" | "local" | "local-overlay" | "auto" | "" => {}
            "ssh" | "mounted-ssh-ng" => {
                let host = url.ssh_host().unwrap_or_default();
                return Err(Failure::usage(anyhow!(
                    "nothing can be built in `{url}` step by step: write `ssh-ng://{host}`"
                )));
            }
            _ => {
                return Err(Failure::usage(anyhow!(
                    "nothing can be built in `{url}`: --store takes ssh-ng://HOST, unix://SOCKET, daemon or local?root=DIR"
                )));
            }
        }
        let ssh = SshHost::of_store(&url, |name| std::env::var(name).ok());
        if url.scheme() == "ssh-ng" && ssh.is_none() {
            return Err(Failure::usage(anyhow!(
                "`{url}` names no host that ssh can be given"
            )));
        }
        let store = BuildStore { url, ssh };
        if results.links() {
            store.needs_outputs_here("--out-link and --gc-root")?;
        }
        Ok(Some(store))
    }
}

impl BuildStore {
    /// Fails where what is built in it cannot be sent there.
    pub(super) fn can_send(&self, destinations: &[Destination]) -> Result<(), Failure> {
        if destinations.iter().any(|one| one.tool().is_some()) {
            self.needs_outputs_here("cachix, attic and niks3")?;
        }
        Ok(())
    }

    fn needs_outputs_here(&self, what: &str) -> Result<(), Failure> {
        if self.ssh.is_none() {
            return Ok(());
        }
        Err(Failure::usage(anyhow!(
            "{what} need the outputs on this machine, and with --store {} they are on another one",
            self.url
        )))
    }

    /// Asks the machine, if it is another one, how its Nix is set up; takes over the options of the command line.
    pub(super) fn settings(&self, host: &NixHost) -> Result<NixSettings, Failure> {
        let Some(ssh) = &self.ssh else {
            return Ok(host.settings.clone());
        };
        let daemon = self.url.parameter("remote-program").unwrap_or_default();
        let nix = nix_beside(daemon.split_whitespace().next().unwrap_or_default());
        remote_settings(|script| ssh.arguments(script), &nix, ssh.name())
            .map_err(Failure::infrastructure)
    }

    /// What the machine is called in events; empty for this one.
    pub(super) fn machine(&self) -> String {
        self.ssh
            .as_ref()
            .map_or_else(String::new, |ssh| ssh.name().to_owned())
    }
}
