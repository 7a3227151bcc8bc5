//! `--report`: tells a forge how the run goes, from inside a job of its CI.

use std::{fs::File, io::Read as _, sync::Arc};

use clap::{Args, ValueEnum};

use super::{Failure, print_labelled};
use crate::{
    event::Event,
    forge::{CiJob, ForgeKind, JobForge, Publisher, RunStatuses, StatusContexts},
};

/// How much of the file is read in which a CI describes what happened.
const EVENT_BYTES: u64 = 16 << 20;

/// Options of `nixci check` about forges.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct ForgeArgs {
    /// Post commit statuses to the forge whose CI this runs in, with the job's token
    #[arg(long, value_enum, value_name = "FORGE")]
    report: Option<ForgeArg>,

    /// What the names of the commit statuses begin with
    #[arg(
        long,
        value_name = "NAME",
        default_value = "nixci",
        requires = "report"
    )]
    report_as: String,
}

/// `--report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ForgeArg {
    /// GitHub, with `GITHUB_TOKEN`
    Github,
    /// Gitea or Forgejo, with `GITEA_TOKEN`, `FORGEJO_TOKEN` or `GITHUB_TOKEN`
    Gitea,
    /// GitLab, with `GITLAB_TOKEN`
    Gitlab,
}

/// Tells a forge.
pub(super) struct ForgeReport {
    statuses: RunStatuses,
    publisher: Publisher,
}

impl ForgeReport {
    /// Starts to tell, if that is asked for. Has to be called in a runtime.
    pub(super) fn start(args: &ForgeArgs) -> Result<Option<Self>, Failure> {
        let Some(forge) = args.report else {
            return Ok(None);
        };
        let kind = match forge {
            ForgeArg::Github => ForgeKind::Github,
            ForgeArg::Gitea => ForgeKind::Gitea,
            ForgeArg::Gitlab => ForgeKind::Gitlab,
        };
        let job = CiJob::from_env(kind, &|name| std::env::var(name).ok(), &read)
            .map_err(Failure::usage)?;
        let statuses = RunStatuses::new(StatusContexts::new(&args.report_as));
        let forge = JobForge::new(kind, &job).map_err(Failure::usage)?;
        let publisher = Publisher::start(Arc::new(forge), statuses.check_prefix());
        Ok(Some(Self {
            statuses,
            publisher,
        }))
    }

    /// Takes an event.
    pub(super) fn observe(&mut self, event: &Event) {
        for news in self.statuses.observe(event) {
            self.publisher.tell(news);
        }
    }

    /// Waits, for a bounded time, until all is told. What could not be told is a warning.
    pub(super) async fn finish(self) {
        if let Some(problem) = self.publisher.finish().await {
            print_labelled(
                "warning",
                &format_args!("{problem} (the run itself is not affected)"),
            );
        }
    }
}

fn read(path: &str) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let file = File::open(path).ok()?;
    file.take(EVENT_BYTES).read_to_end(&mut content).ok()?;
    Some(content)
}
