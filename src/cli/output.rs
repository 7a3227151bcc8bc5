//! Options of `nixci check` that say where and how else a run is shown.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::anyhow;
use clap::Args;

use super::Failure;
use crate::report::{FileError, Format, ReportFile, ReportFiles, StreamFile, step_summary};

/// Where and how else a run is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Write the checks and their failures as JUnit XML to a file, `-` being standard output
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,

    /// Write the events of the run to a file as they come, a JSON object a line, as `--format json` prints them
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Write the outcome, the failures and the slowest checks as Markdown to a file
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,

    /// In a CI that shows summaries of steps: write none
    #[arg(long)]
    pub(super) no_step_summary: bool,

    /// In the log of a CI: write the logs of builds open, not folded
    #[arg(long)]
    pub(super) no_fold: bool,

    /// Show the last lines of a build that has been silent for this many seconds; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(super) stall_timeout: u32,
}

impl OutputArgs {
    /// Opens the files; wrong usage if one of them cannot be written.
    pub(super) fn open(&self, format: Format) -> Result<ReportFiles, Failure> {
        let all = [&self.junit, &self.json, &self.markdown];
        let named: Vec<&PathBuf> = all.into_iter().flatten().collect();
        for (i, path) in named.iter().enumerate() {
            if named[..i].contains(path) {
                let path = path.display();
                return Err(Failure::usage(anyhow!(
                    "`{path}` is named twice: give each report a file of its own"
                )));
            }
        }
        if format == Format::Json && named.iter().any(|path| *path == Path::new("-")) {
            return Err(Failure::usage(anyhow!(
                "`-` and `--format json` would both write to standard output: give the report a file of its own"
            )));
        }
        // Its text has the cause in it already.
        let usage = |error: FileError| Failure::usage(anyhow!("{error}"));
        let report = |path: &Option<PathBuf>| {
            let file = path.as_deref().map(ReportFile::new);
            file.transpose().map_err(usage)
        };
        let json = self.json.as_deref().map(StreamFile::new);
        Ok(ReportFiles {
            junit: report(&self.junit)?,
            markdown: report(&self.markdown)?,
            json: json.transpose().map_err(usage)?,
            step_summary: step_summary(|name| std::env::var(name).ok())
                .filter(|_| !self.no_step_summary),
        })
    }

    /// `--stall-timeout`, if there is to be one.
    pub(super) fn stall_timeout(&self) -> Option<Duration> {
        (self.stall_timeout > 0).then(|| Duration::from_secs(self.stall_timeout.into()))
    }
}
