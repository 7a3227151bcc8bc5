//! `--remote`: the whole run on another machine, shown here.
//!
//! The flake's tree goes there as a store path, with its inputs. `nixci` there writes its events to us and takes orders;
//! what it says is judged by [`super::remote_run`].

mod session;
mod source;

use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
    time::Duration,
};

use anyhow::anyhow;
use clap::CommandFactory as _;
use tokio::{sync::mpsc, time::sleep};

use self::{
    session::{End, FromHere, Session, Shown},
    source::Source,
};
use super::{
    Failure,
    args::{CheckArgs, Cli, SourceArgs},
    choices::EvaluatorArg,
    orders::Order,
    print_note,
    remote_args::forwarded,
    remote_run::{Cut, Here},
    setup::Setup,
    targets::Targets,
};
use crate::{
    event::Outcome,
    run::{Input, KeepLog, Past, Report, Stop},
    store::SshHost,
};

/// After how long it is said that the flake is being copied.
const COPY_QUIET: Duration = Duration::from_secs(1);

/// What is to run where.
pub(super) struct Remote {
    ssh: SshHost,
    /// The machine, as the user named it.
    host: String,
    /// What `nixci` is called there.
    nixci: String,
    /// The options there.
    options: Vec<String>,
    targets: Targets,
    /// `--override-input`s, which may name flakes of this machine.
    overrides: Vec<(String, String)>,
    /// The flake as Nix takes it.
    flake: String,
    /// The folder with it below that of its nixci.toml; empty: they are the same.
    flake_dir: String,
    source: Source,
    only: Option<HashSet<String>>,
    here: Here,
    keep_log: Option<KeepLog>,
    warnings: Option<mpsc::UnboundedReceiver<String>>,
}

/// What is known of the run besides the command line.
pub(super) struct Known<'a> {
    pub(super) setup: &'a Setup,
    pub(super) run_id: String,
    pub(super) only: Option<HashSet<String>>,
    pub(super) previous: HashMap<String, Outcome>,
    pub(super) past: Option<Past>,
}

/// What is found out here about a run on another machine: who evaluates is decided there, and so is which of the flake's
/// wishes are taken over.
pub(super) fn setup(args: &CheckArgs) -> Result<Setup, Failure> {
    let source = SourceArgs {
        evaluator: EvaluatorArg::Auto,
        accept_flake_config: false,
        ..args.source.clone()
    };
    Setup::looking_at(&source, args.flake_check.flake_check)
}

impl Remote {
    /// Finds out what is to run on this host.
    pub(super) fn new(host: &str, args: &CheckArgs, known: Known<'_>) -> Result<Self, Failure> {
        let env = |name: &str| std::env::var(name).ok();
        let ssh = SshHost::new(host, env).ok_or_else(|| {
            let host = host.escape_debug();
            Failure::usage(anyhow!(
                "--remote: `{host}` is no host that ssh can be given"
            ))
        })?;
        let mut command = Cli::command();
        command.build();
        let matches = command.clone().get_matches();
        let options = match (command.find_subcommand("check"), matches.subcommand()) {
            (Some(check), Some((_, matches))) => forwarded(check, matches),
            (_, None) | (None, _) => Vec::new(),
        };
        let setup = known.setup;
        let flake_dir = setup.configuration.file.flake_dir.as_ref();
        let (keep_log, warnings) = known.past.map_or((None, None), |past| {
            (Some(past.keep_log), Some(past.warnings))
        });
        Ok(Self {
            ssh,
            host: host.to_owned(),
            nixci: args.remote.remote_nixci.clone(),
            options,
            targets: Targets::new(&args.source.scope).map_err(Failure::usage)?,
            overrides: args.source.override_inputs(),
            flake: setup.installable.flake.clone(),
            flake_dir: flake_dir.map_or_else(String::new, |dir| dir.value.display().to_string()),
            source: Source {
                nix: setup.host.program.clone(),
                nix_options: args.source.nix_options(),
                host: host.to_owned(),
            },
            only: known.only,
            here: Here {
                run: known.run_id,
                flake: setup.installable.flake.clone(),
                title: setup.title(),
                revision: setup.revision(),
                previous: known.previous,
            },
            keep_log,
            warnings,
        })
    }

    /// Runs it, and tells `report` what happens. Returns the exit code.
    pub(super) async fn run(
        mut self,
        mut stops: mpsc::UnboundedReceiver<Stop>,
        wishes: mpsc::UnboundedReceiver<Input>,
        report: Report<'_>,
    ) -> Result<u8, Failure> {
        let words = tokio::select! {
            words = self.words() => words?,
            Some(stop) = stops.recv() => return Ok(stop.exit_code()),
        };
        let mut session =
            Session::start(&self.ssh, &words).map_err(|error| self.unreachable(&error))?;
        session.order(Order::Begin {
            only: self.only.take(),
        });
        let here = std::mem::take(&mut self.here);
        let mut shown = Shown::new(here, self.keep_log.take(), report);
        let mut from_here = FromHere {
            stops,
            wishes,
            warnings: self.warnings.take(),
        };
        match session.follow(&mut shown, &mut from_here).await {
            End::Over => {}
            End::Stopped(stop) if !shown.run.has_begun() => return Ok(stop.exit_code()),
            End::Stopped(stop) => shown.cut(Cut::Stopped(stop)),
            End::Lost(why) => {
                let why = match why {
                    Some(why) => why,
                    None => self.why(&mut session, shown.run.has_begun()).await?,
                };
                if !shown.run.has_begun() {
                    return Err(self.unreachable(&why));
                }
                let why = format!("lost the run on {}: {why}", self.host);
                shown.cut(Cut::Lost(&why));
            }
        }
        session.close().await;
        Ok(shown.exit_code())
    }

    /// The command there; brings the flakes there first that it is about.
    async fn words(&self) -> Result<Vec<String>, Failure> {
        let copied = async {
            let flake = self.source.copied(&self.flake, &self.flake_dir).await?;
            let mut overrides = Vec::new();
            for (input, flake) in &self.overrides {
                overrides.push((input, self.source.copied(flake, "").await?));
            }
            Ok((flake, overrides))
        };
        tokio::pin!(copied);
        let (flake, overrides) = tokio::select! {
            copied = &mut copied => copied,
            () = sleep(COPY_QUIET) => {
                print_note(&format_args!("copying the flake and its inputs to {}", self.host));
                copied.await
            }
        }
        .map_err(|why: String| self.unreachable(&why))?;
        let mut words: Vec<String> = [&self.nixci, "check", "--take-orders", "--format=json"]
            .map(str::to_owned)
            .into();
        words.extend(self.options.iter().cloned());
        for (input, flake) in overrides {
            words.extend(["--override-input".to_owned(), input.clone(), flake]);
        }
        words.push("--".to_owned());
        if self.targets.attributes.is_empty() {
            words.push(flake);
        } else {
            let attributes = self.targets.attributes.iter();
            words.extend(attributes.map(|attribute| format!("{flake}#{attribute}")));
        }
        words.extend(self.targets.patterns.iter().map(ToString::to_string));
        Ok(words)
    }

    fn unreachable(&self, why: &dyn Display) -> Failure {
        Failure::infrastructure(anyhow!("--remote {}: {why}", self.host))
    }

    /// Why the run there ended without a word. Fails with it, if it did so before it began.
    async fn why(&self, session: &mut Session, has_begun: bool) -> Result<String, Failure> {
        let (code, said) = session.last_words().await;
        let host = &self.host;
        if !has_begun {
            let there = anyhow!("nixci on {host}: {said}");
            match code {
                Some(127) => {
                    return Err(self.unreachable(&format_args!(
                        "it has no `{}` on its PATH: install nixci there or say where it is with --remote-nixci, or \
                         build there with --store ssh-ng://{host}, which needs only Nix",
                        self.nixci.escape_debug()
                    )));
                }
                Some(2) => return Err(Failure::usage(there)),
                Some(3) => return Err(Failure::evaluation(there)),
                Some(4) => return Err(Failure::infrastructure(there)),
                Some(_) | None => {}
            }
        }
        Ok(if said.is_empty() {
            "the connection ended".to_owned()
        } else {
            said
        })
    }
}
