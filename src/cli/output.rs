//! Options of `nixci check` that say where and how else a run is shown.

use std::time::Duration;

use clap::Args;

/// Where and how else a run is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// In the log of a CI: write the logs of builds open, not folded
    #[arg(long)]
    pub(super) no_fold: bool,

    /// Show the last lines of a build that has been silent for this many seconds; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(super) stall_timeout: u32,
}

impl OutputArgs {
    /// `--stall-timeout`, if there is to be one.
    pub(super) fn stall_timeout(&self) -> Option<Duration> {
        (self.stall_timeout > 0).then(|| Duration::from_secs(self.stall_timeout.into()))
    }
}
