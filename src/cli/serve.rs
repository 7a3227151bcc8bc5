//! `nixci serve`.

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode};

use clap::Args;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use super::{Failure, setup::runtime};
use crate::{config::ServerConfig, server};

/// Options of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The server's settings
    #[arg(
        long,
        short,
        value_name = "FILE",
        default_value = "/etc/nixci/nixci-server.toml",
        env = "NIXCI_SERVER_CONFIG"
    )]
    pub(super) config: PathBuf,

    /// What to say, as `tracing` filters: `info`, `debug`, `nixci::server::publish=debug`
    #[arg(long, value_name = "FILTER", default_value = "info", env = "NIXCI_LOG")]
    pub(super) log: String,
}

/// Serves until it is told to stop.
pub(super) fn serve(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let config = ServerConfig::read(&args.config).map_err(Failure::usage)?;
    let filter = EnvFilter::try_new(&args.log)
        .map_err(|error| Failure::usage(anyhow::anyhow!("--log: {error}")))?;
    // The journal has the time itself.
    let is_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let lines = if is_journal {
        lines.without_time().boxed()
    } else {
        lines.boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .init();
    let runtime = runtime()?;
    runtime
        .block_on(server::serve(config))
        .map_err(Failure::infrastructure)?;
    Ok(ExitCode::SUCCESS)
}
