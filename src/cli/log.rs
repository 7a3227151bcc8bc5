//! `nixci log`.

mod needed;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::Args;

use self::needed::being_built;
use super::{
    Failure,
    choices::ColorArg,
    history::open_history,
    memory::{flake_key, logs_dir},
    named_check::{find_check, system_here},
    print_note,
};
use crate::{
    config::program_on_path,
    db::{CheckRecord, History},
    event::{LogFolder, Outcome},
    nix::StorePath,
    report::{Format, harmless, log_text, resolve},
};

/// How long a line may be, in bytes; a longer one is shown as several.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// How often a growing log is looked at.
const FOLLOW_DELAY: Duration = Duration::from_millis(100);
/// How long a log may lag behind the table of checks.
const SETTLE_DELAY: Duration = Duration::from_millis(300);
/// How many runs of a check are looked through for one that has a log.
const RUNS_MAX: u32 = 100;

/// Options of `nixci log`.
#[derive(Debug, Args)]
pub(super) struct LogArgs {
    /// The check: `fmt`, `x86_64-linux.fmt` or `checks.x86_64-linux.fmt`
    pub(super) check: String,

    /// The flake whose check it is
    #[arg(long, value_name = "FLAKE", default_value = ".")]
    pub(super) flake: String,

    /// Go on as the build of a run in another terminal does
    #[arg(short, long)]
    pub(super) follow: bool,

    /// Write the bytes as the builder wrote them, escape sequences included
    #[arg(long)]
    pub(super) raw: bool,

    /// When to use colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(super) color: ColorArg,
}

/// Shows a log.
pub(super) fn log(args: &LogArgs) -> Result<ExitCode, Failure> {
    let (history, dir) = open_history()?;
    let key = flake_key(&args.flake);
    let path = find(&history, &key, args)?;
    let viewer = Viewer {
        history,
        logs: logs_dir(&dir),
        path,
        out: Out::new(args),
    };
    match viewer.show(&key, args.follow) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Problem::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::from(141))
        }
        Err(Problem::Output(error)) => Err(Failure::infrastructure(anyhow!(
            "cannot write the output: {error}"
        ))),
        Err(Problem::Other(error)) => Err(Failure::infrastructure(error)),
    }
}

/// Finds the check; one to be followed may not be evaluated yet.
fn find(history: &History, flake: &str, args: &LogArgs) -> Result<String, Failure> {
    let failed = Failure::infrastructure;
    loop {
        let may_come = args.follow
            && (history.runs(flake, 1).map_err(failed)?.iter()).any(|run| run.is_running);
        let paths = history.check_paths(flake).map_err(failed)?;
        match find_check(&paths, &args.check, &system_here()) {
            Err(_) if may_come => sleep(FOLLOW_DELAY),
            found => return found,
        }
    }
}

enum Problem {
    Output(io::Error),
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

/// Shows the log of one check.
struct Viewer {
    history: History,
    logs: PathBuf,
    path: String,
    out: Out,
}

impl Viewer {
    fn show(mut self, flake: &str, follow: bool) -> Result<(), Problem> {
        let records = self.history.runs_of_check(flake, &self.path, RUNS_MAX)?;
        let Some(newest) = records.first() else {
            return Err(anyhow!("no run with {} is left", harmless(&self.path)).into());
        };
        if follow && newest.run.is_running {
            return self.follow(newest.clone());
        }
        if newest.outcome == Some(Outcome::EvaluationFailed) {
            print_note(&format_args!("{} failed to evaluate", newest.path));
            let error = newest.reason.clone().unwrap_or_default();
            return error
                .lines()
                .try_for_each(|line| self.out.line(line.as_bytes()));
        }
        let Some(drv_path) = shown_step(newest) else {
            return Err(anyhow!("{} has no derivation yet", harmless(&self.path)).into());
        };
        say_cause(newest);
        self.show_step(&newest.run.run, drv_path)
    }

    /// Shows the log of a step: of this run, else of an earlier one, else what the store has.
    fn show_step(&mut self, run: &str, drv_path: &StorePath) -> Result<(), Problem> {
        let mut runs = self.history.runs_of_step(drv_path)?;
        // The one that was asked about first.
        runs.sort_by_key(|step| step.run != run);
        for step in runs {
            let file = LogFolder::of_run(&self.logs, &step.run).file(drv_path);
            if let Ok(file) = File::open(file) {
                return self.out.all(file);
            }
            if let Some(text) = step.short_log {
                return self.out.all(text.as_slice());
            }
        }
        self.show_from_store(drv_path)
    }

    fn show_from_store(&mut self, drv_path: &StorePath) -> Result<(), Problem> {
        let none = format!(
            "no log of {drv_path} is kept: its build wrote nothing, or it was not built here"
        );
        let Some(program) = program_on_path("nix-store") else {
            return Err(anyhow!("{none} (there is no `nix-store` on PATH to ask)").into());
        };
        let mut child = Command::new(program)
            .args(["--read-log", drv_path.as_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run `nix-store --read-log`")?;
        let shown = match child.stdout.take() {
            Some(stdout) => self.out.all(stdout),
            None => Ok(()),
        };
        if shown.is_err() {
            let _ = child.kill();
        }
        let status = child.wait();
        shown?;
        if status.is_ok_and(|status| status.success()) {
            Ok(())
        } else {
            Err(anyhow!(none).into())
        }
    }

    /// Shows a log as it grows, until its check is over; as long as something that the check needs is being built, the
    /// log of that.
    fn follow(&mut self, mut record: CheckRecord) -> Result<(), Problem> {
        let mut tail: Option<Tail> = None;
        let mut needed = None;
        let mut is_waiting = false;
        loop {
            // Looked at before the file: what is written when the check is over is all there is.
            let is_over = record.outcome.is_some() || !record.run.is_running;
            let dependency = match &record.drv_path {
                Some(own) if !is_over => {
                    let running = self.history.running_steps(&record.run.run)?;
                    let now = tail.as_ref().map(|tail| &tail.drv_path);
                    being_built(own, &running, now, &mut needed).cloned()
                }
                Some(_) | None => None,
            };
            if let Some(drv_path) = dependency.as_ref().or(shown_step(&record)) {
                if tail.as_ref().is_none_or(|tail| tail.drv_path != *drv_path) {
                    if let Some(before) = &mut tail {
                        before.show_new(&mut self.out)?;
                    }
                    if dependency.is_some() {
                        let name = drv_path.step_name();
                        print_note(&format_args!(
                            "{} waits for {name}, which is being built; this is its log",
                            record.path
                        ));
                    } else if record.outcome.is_some() {
                        say_cause(&record);
                    }
                    tail = Some(Tail::new(&self.logs, &record.run.run, drv_path));
                }
                if let Some(tail) = &mut tail {
                    tail.show_new(&mut self.out)?;
                }
            }
            let is_of_check = |tail: &Tail| shown_step(&record) == Some(&tail.drv_path);
            let has_shown = tail
                .as_ref()
                .is_some_and(|tail| tail.file.is_some() && is_of_check(tail));
            if is_over {
                // The rows and the files are written by two threads, each in its own time.
                sleep(SETTLE_DELAY);
                if let Some(tail) = &mut tail {
                    tail.show_new(&mut self.out)?;
                }
                return match shown_step(&record) {
                    Some(drv_path) if !has_shown => {
                        self.show_step(&record.run.run.clone(), &drv_path.clone())
                    }
                    Some(_) | None => self.out.flush(),
                };
            }
            if !has_shown && dependency.is_none() && !std::mem::replace(&mut is_waiting, true) {
                print_note(&format_args!(
                    "{} has written nothing yet; waiting",
                    self.path
                ));
            }
            sleep(FOLLOW_DELAY);
            if let Some(now) = self.history.check(&record.run.run, &record.path)? {
                record = now;
            }
        }
    }
}

/// The derivation whose log says why a check ended as it did.
fn shown_step(record: &CheckRecord) -> Option<&StorePath> {
    record.cause.as_ref().or(record.drv_path.as_ref())
}

fn say_cause(record: &CheckRecord) {
    if let Some(cause) = &record.cause {
        print_note(&format_args!(
            "{} failed by a dependency; this is the log of {cause}",
            record.path
        ));
    }
}

/// A file that grows.
struct Tail {
    drv_path: StorePath,
    path: PathBuf,
    file: Option<BufReader<File>>,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
}

impl Tail {
    fn new(logs: &Path, run: &str, drv_path: &StorePath) -> Self {
        Self {
            path: LogFolder::of_run(logs, run).file(drv_path),
            drv_path: drv_path.clone(),
            file: None,
            rest: Vec::new(),
        }
    }

    fn show_new(&mut self, out: &mut Out) -> Result<(), Problem> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok().map(BufReader::new);
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        // A build that is tried again begins its log anew.
        if file.get_ref().metadata()?.len() < file.stream_position()? {
            file.seek(SeekFrom::Start(0))?;
            self.rest.clear();
        }
        loop {
            let room = LINE_BYTES_MAX.saturating_sub(self.rest.len() as u64);
            let count = file.by_ref().take(room).read_until(b'\n', &mut self.rest)?;
            let is_whole = self.rest.ends_with(b"\n") || count as u64 == room;
            if count == 0 || !is_whole {
                return out.flush();
            }
            out.line(self.rest.strip_suffix(b"\n").unwrap_or(&self.rest))?;
            self.rest.clear();
        }
    }
}

/// Where logs are shown.
struct Out {
    stdout: io::BufWriter<io::Stdout>,
    is_raw: bool,
    is_terminal: bool,
    color: bool,
}

impl Out {
    fn new(args: &LogArgs) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let look = resolve(
            Some(Format::Plain),
            args.color.wish(),
            0,
            is_terminal,
            io::stderr().is_terminal(),
            |name| std::env::var(name).ok(),
        );
        Self {
            stdout: io::BufWriter::new(io::stdout()),
            is_raw: args.raw,
            is_terminal,
            color: look.color,
        }
    }

    fn all(&mut self, from: impl Read) -> Result<(), Problem> {
        let mut from = BufReader::new(from);
        if self.is_raw {
            return match io::copy(&mut from, &mut self.stdout) {
                Ok(_) => self.flush(),
                Err(error) => Err(Problem::Output(error)),
            };
        }
        let mut line = Vec::new();
        while from
            .by_ref()
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)?
            > 0
        {
            self.line(line.strip_suffix(b"\n").unwrap_or(&line))?;
            line.clear();
        }
        self.flush()
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Problem> {
        let written = if self.is_raw {
            self.stdout.write_all(line)
        } else {
            let text = log_text(
                &String::from_utf8_lossy(line),
                self.color,
                !self.is_terminal,
            );
            self.stdout.write_all(text.as_bytes())
        };
        written
            .and_then(|()| self.stdout.write_all(b"\n"))
            .map_err(Problem::Output)
    }

    fn flush(&mut self) -> Result<(), Problem> {
        self.stdout.flush().map_err(Problem::Output)
    }
}
