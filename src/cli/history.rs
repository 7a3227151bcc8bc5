//! `nixci history`.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Failure,
    choices::ColorArg,
    memory::{flake_key, print_warning},
    named_check::{find_check, system_here},
};
use crate::{
    config::state_dir,
    db::{CheckRecord, History, RunRecord},
    event::{Outcome, RunOutcome},
    nix::StorePath,
    report::{Format, HistoryRow, HistorySign, history_heading, history_table, resolve},
};

/// How wide the table may be where there is no terminal.
const COLUMNS: usize = 120;

/// Options of `nixci history`.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// The check: `fmt`, `x86_64-linux.fmt` or `checks.x86_64-linux.fmt`
    pub(super) check: Option<String>,

    /// The flake whose runs they are
    #[arg(long, value_name = "FLAKE", default_value = ".")]
    pub(super) flake: String,

    /// How many runs are shown at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub(super) limit: u32,

    /// How the runs are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) format: HistoryFormatArg,

    /// When to use colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: ColorArg,
}

/// `--format` of `history`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum HistoryFormatArg {
    /// A table
    #[default]
    Table,
    /// A JSON object per run
    Json,
}

/// Opens the history; an error says so where there is none. Returns its folder, too.
pub(super) fn open_history() -> Result<(History, PathBuf), Failure> {
    let dir = state_dir().ok_or_else(|| {
        Failure::usage(anyhow!(
            "there is no folder for the history: set HOME or XDG_STATE_HOME"
        ))
    })?;
    let opened = History::open(&dir).map_err(Failure::infrastructure)?;
    let (history, aside) = opened.ok_or_else(|| {
        Failure::usage(anyhow!(
            "there is no history of runs yet; `nixci check` begins one"
        ))
    })?;
    if let Some(aside) = aside {
        print_warning(&format!(
            "the history of earlier runs was damaged: it is now {}",
            aside.display()
        ));
    }
    Ok((history, dir))
}

/// Prints earlier runs.
pub(super) fn history(args: &HistoryArgs) -> Result<ExitCode, Failure> {
    let (history, _) = open_history()?;
    let key = flake_key(&args.flake);
    let failed = Failure::infrastructure;
    let lines = if let Some(check) = &args.check {
        let paths = history.check_paths(&key).map_err(failed)?;
        let path = find_check(&paths, check, &system_here())?;
        let records = history
            .runs_of_check(&key, &path, args.limit)
            .map_err(failed)?;
        match args.format {
            HistoryFormatArg::Json => json_lines(records.iter().map(CheckLine::of))?,
            HistoryFormatArg::Table => table(args, Some(&path), &records, check_row),
        }
    } else {
        let records = history.runs(&key, args.limit).map_err(failed)?;
        match args.format {
            HistoryFormatArg::Json => json_lines(records.iter().map(RunLine::of))?,
            HistoryFormatArg::Table => table(args, None, &records, run_row),
        }
    };
    if lines.is_empty() && args.check.is_none() {
        return Err(Failure::usage(anyhow!(
            "no run of {} is known; `nixci check` makes one",
            args.flake.escape_debug()
        )));
    }
    let mut out = io::stdout().lock();
    let written = lines
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
        .and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::from(141)),
        Err(error) => Err(Failure::infrastructure(anyhow!(
            "cannot write the output: {error}"
        ))),
    }
}

fn table<T>(
    args: &HistoryArgs,
    check: Option<&str>,
    records: &[T],
    row: fn(&T, Timestamp) -> HistoryRow,
) -> Vec<String> {
    let now = Timestamp::now();
    let rows: Vec<HistoryRow> = records.iter().map(|record| row(record, now)).collect();
    let is_terminal = io::stdout().is_terminal();
    let look = resolve(
        Some(Format::Plain),
        args.color.wish(),
        0,
        is_terminal,
        io::stderr().is_terminal(),
        |name| std::env::var(name).ok(),
    );
    let width = console::Term::stdout()
        .size_checked()
        .filter(|_| is_terminal)
        .map_or(COLUMNS, |(_, columns)| columns.into());
    let heading = check.map(|check| history_heading(check, &rows));
    let lines = history_table(&rows, look.color, look.unicode, width);
    heading.into_iter().chain(lines).collect()
}

fn run_row(run: &RunRecord, now: Timestamp) -> HistoryRow {
    let sign = match run.outcome {
        Some(RunOutcome::Passed) => HistorySign::Passed,
        Some(RunOutcome::Failed | RunOutcome::Errored) => HistorySign::Failed,
        Some(RunOutcome::Cancelled) | None => HistorySign::Neutral,
    };
    let counts = run
        .counts
        .map_or(String::new(), |(passed, failed, others)| {
            let mut text = format!("{passed} passed");
            for (n, what) in [(failed, "failed"), (others, "others")] {
                if n > 0 {
                    text = format!("{text}, {n} {what}");
                }
            }
            text
        });
    HistoryRow {
        age: age(run, now),
        sign,
        outcome: match run.outcome {
            Some(outcome) => outcome.as_str().to_owned(),
            None => unfinished(run).to_owned(),
        },
        duration: run.duration_ms.map(Duration::from_millis),
        details: vec![
            run.revision.clone().unwrap_or_default(),
            run.attribute.clone(),
            counts,
        ],
    }
}

fn check_row(check: &CheckRecord, now: Timestamp) -> HistoryRow {
    let sign = match check.outcome {
        Some(outcome) if outcome.is_passed() => HistorySign::Passed,
        Some(outcome) if outcome.is_failed() => HistorySign::Failed,
        Some(_) | None => HistorySign::Neutral,
    };
    let cause = match (&check.cause, &check.phase) {
        (Some(cause), _) => cause.step_name().to_owned(),
        (None, Some(phase)) if sign == HistorySign::Failed => phase.clone(),
        (None, _) => String::new(),
    };
    HistoryRow {
        age: age(&check.run, now),
        sign,
        outcome: match check.outcome {
            Some(outcome) => outcome.as_str().replace('_', " "),
            None => unfinished(&check.run).to_owned(),
        },
        // What was not built took no time that could be compared.
        duration: own_duration(check).map(Duration::from_millis),
        details: vec![check.run.revision.clone().unwrap_or_default(), cause],
    }
}

/// How long the check's own build took, if there was one.
fn own_duration(check: &CheckRecord) -> Option<u64> {
    let was_built = matches!(
        check.outcome?,
        Outcome::Built | Outcome::Substituted | Outcome::Failed | Outcome::TimedOut
    );
    check.duration_ms.filter(|_| was_built)
}

fn unfinished(run: &RunRecord) -> &'static str {
    if run.is_running { "running" } else { "killed" }
}

fn age(run: &RunRecord, now: Timestamp) -> Duration {
    now.duration_since(run.at).try_into().unwrap_or_default()
}

/// A run as a JSON line.
#[derive(Serialize)]
struct RunLine<'a> {
    run: &'a str,
    at: Timestamp,
    attribute: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
    /// Absent where the run goes on or was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<RunOutcome>,
    is_running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<u64>,
}

impl<'a> RunLine<'a> {
    fn of(run: &'a RunRecord) -> Self {
        Self {
            run: &run.run,
            at: run.at,
            attribute: &run.attribute,
            revision: run.revision.as_deref(),
            outcome: run.outcome,
            is_running: run.is_running,
            duration_ms: run.duration_ms,
            passed: run.counts.map(|counts| counts.0),
            failed: run.counts.map(|counts| counts.1),
            others: run.counts.map(|counts| counts.2),
        }
    }
}

/// A check of a run as a JSON line.
#[derive(Serialize)]
struct CheckLine<'a> {
    run: &'a str,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
    /// The attribute path below the flake's outputs.
    check: &'a str,
    /// Absent where the check goes on or its run was killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    is_running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drv_path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> CheckLine<'a> {
    fn of(check: &'a CheckRecord) -> Self {
        Self {
            run: &check.run.run,
            at: check.run.at,
            revision: check.run.revision.as_deref(),
            check: &check.path,
            outcome: check.outcome,
            is_running: check.outcome.is_none() && check.run.is_running,
            duration_ms: own_duration(check),
            drv_path: check.drv_path.as_ref().map(StorePath::as_str),
            cause: check.cause.as_ref().map(StorePath::as_str),
            phase: check.phase.as_deref(),
            reason: check.reason.as_deref(),
        }
    }
}

fn json_lines(lines: impl Iterator<Item = impl Serialize>) -> Result<Vec<String>, Failure> {
    lines
        .map(|line| serde_json::to_string(&line).map_err(Failure::infrastructure))
        .collect()
}
