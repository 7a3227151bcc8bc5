//! `nixci serve`.

mod init;

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use secrecy::SecretString;
use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use self::init::init;
use super::{Failure, gather::print, setup::runtime};
use crate::{
    config::ServerConfig,
    db::server::backup,
    redact::Redaction,
    report::harmless,
    server::{self, Verdict},
};

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

    /// Ask a few questions, write the file of settings with the secrets that it needs, and end
    #[arg(long, conflicts_with_all = ["check", "backup"])]
    pub(super) init: bool,

    /// Look whether all that a server needs is there, say what is right and wrong, and end
    #[arg(long)]
    pub(super) check: bool,

    /// Copy the database, which a server may use meanwhile, to a new file, and end
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub(super) backup: Option<PathBuf>,
}

/// What `nixci help serve` says at its end.
pub(super) const AFTER_HELP: &str = "\
Exit codes:
  0    it was told to end; with --check nothing is wrong
  1    with --check: something does not work
  2    wrong usage, or the settings are wrong
  4    it cannot start: the address, the state folder, Nix, an upload
  130  --init was left

Environment: NIXCI_SERVER_CONFIG and NIXCI_LOG, where --config and --log are not given.";

/// Serves until it is told to stop.
pub(super) fn serve(args: &ServeArgs) -> Result<ExitCode, Failure> {
    if args.init {
        return init(&args.config);
    }
    if args.backup.is_none() && !args.check {
        server::start_small();
    }
    let config = ServerConfig::read(&args.config).map_err(Failure::usage)?;
    let redaction = Redaction::default();
    redaction.add(&of_environment(std::env::vars_os()));
    redaction.add(&config.secrets);
    if let Some(to) = &args.backup {
        backup(&config.state_dir, to).map_err(Failure::infrastructure)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.check {
        return check(&config, &redaction);
    }
    let filter = EnvFilter::try_new(&args.log)
        .map_err(|error| Failure::usage(anyhow::anyhow!("--log: {error}")))?;
    // The journal has the time itself.
    let is_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = fmt::layer()
        .with_writer(Lines {
            redaction: redaction.clone(),
            is_journal,
        })
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
        .block_on(server::serve(config, args.config.clone(), redaction))
        .map_err(Failure::infrastructure)?;
    Ok(ExitCode::SUCCESS)
}

/// Where lines go: to the journal with how grave they are, as `sd-daemon(3)` has it.
struct Lines {
    redaction: Redaction,
    is_journal: bool,
}

impl<'a> fmt::MakeWriter<'a> for Lines {
    type Writer = Hiding;

    fn make_writer(&'a self) -> Hiding {
        Hiding {
            redaction: self.redaction.clone(),
            prefix: "",
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Hiding {
        let prefix = match *about.level() {
            _ if !self.is_journal => "",
            Level::ERROR => "<3>",
            Level::WARN => "<4>",
            Level::INFO => "<6>",
            Level::DEBUG | Level::TRACE => "<7>",
        };
        Hiding {
            prefix,
            ..self.make_writer()
        }
    }
}

/// Writes lines without secrets. A line comes as a whole.
struct Hiding {
    redaction: Redaction,
    prefix: &'static str,
}

impl io::Write for Hiding {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut out = self.prefix.as_bytes().to_vec();
        out.extend_from_slice(&self.redaction.now().hide_bytes(line));
        io::stderr().write_all(&out)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// The secrets in an environment, for the programs that copy outputs: what its name says to be one.
fn of_environment(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<SecretString> {
    const NAMES: [&str; 4] = ["TOKEN", "SECRET", "PASSWORD", "_KEY"];
    const LENGTH_MIN: usize = 8;
    let secret = |(name, value): (OsString, OsString)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let is_secret = value.len() >= LENGTH_MIN
            && NAMES.iter().any(|part| name.contains(part))
            // It may name a file with one.
            && !Path::new(&value).exists();
        is_secret.then(|| SecretString::from(value))
    };
    variables.filter_map(secret).collect()
}

/// Says what is right and wrong; fails if something does not work.
fn check(config: &ServerConfig, redaction: &Redaction) -> Result<ExitCode, Failure> {
    let findings = runtime()?
        .block_on(server::check(config))
        .map_err(Failure::infrastructure)?;
    let width = findings
        .iter()
        .map(|found| found.about.len())
        .max()
        .unwrap_or(0);
    let is_bad = findings.iter().any(|found| found.verdict == Verdict::Bad);
    print(|out| {
        for found in &findings {
            let sign = match found.verdict {
                Verdict::Good => "ok ",
                Verdict::Doubtful => "hm ",
                Verdict::Bad => "bad",
            };
            writeln!(
                out,
                "{sign}  {:width$}  {}",
                found.about,
                harmless(&redaction.hide(&found.text))
            )?;
        }
        Ok(())
    })?;
    Ok(ExitCode::from(u8::from(is_bad)))
}
