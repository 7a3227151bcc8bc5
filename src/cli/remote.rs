//! `--remote`: the whole run on another machine, shown here.
//!
//! The flake's tree goes there as a store path, with its inputs. `nixci` there writes its events to us and takes orders;
//! what it says is judged by [`RemoteRun`].

use std::{
    collections::{HashMap, HashSet},
    fmt::Display,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use clap::CommandFactory as _;
use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdout, Command},
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, sleep_until, timeout},
};

use super::{
    Failure,
    args::{CheckArgs, Cli, SourceArgs},
    orders::{Order, give},
    print_note,
    remote_args::forwarded,
    remote_run::{Cut, Here, RemoteRun},
    setup::Setup,
    targets::Targets,
};
use crate::{
    event::{Event, EventKind, Outcome},
    nix::StorePath,
    run::{Input, KeepLog, KeptLog, LogNote, Past, Report, Stop},
    store::SshHost,
    upload::{Invocation, run_program},
};

/// The longest event that is read, in bytes.
const EVENT_BYTES_MAX: u64 = 64 << 20;
/// How much of what the other side says on its standard error is kept, in bytes.
const SAID_BYTES_MAX: u64 = 16 << 10;
/// After how long it is said that the flake is being copied.
const COPY_QUIET: Duration = Duration::from_secs(1);
/// How long a run there may take to end when it is told to.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// How long `ssh` may take to end when the run is over.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

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
    source: Source,
    only: Option<HashSet<String>>,
    here: Here,
    keep_log: Option<KeepLog>,
    warnings: Option<mpsc::UnboundedReceiver<String>>,
}

/// How to bring flakes there.
struct Source {
    nix: PathBuf,
    /// `--option`s of the command line.
    nix_options: Vec<(String, String)>,
    /// The flake as Nix takes it.
    flake: String,
    /// The folder with it below that of its nixci.toml; empty: they are the same.
    flake_dir: String,
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
        evaluator: super::args::EvaluatorArg::Auto,
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
            source: Source {
                nix: setup.host.program.clone(),
                nix_options: args.source.nix_options(),
                flake: setup.installable.flake.clone(),
                flake_dir: flake_dir
                    .map_or_else(String::new, |dir| dir.value.display().to_string()),
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
        let mut session = self.start(&words)?;
        let _ = session.order_tx.send(Order::Begin {
            only: self.only.take(),
        });
        let mut shown = Shown {
            run: RemoteRun::new(std::mem::take(&mut self.here)),
            began: Instant::now(),
            keep_log: self.keep_log.take(),
            logs: HashMap::new(),
            report,
            output: Ok(()),
        };
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
        let code = shown.run.exit_code().unwrap_or(4);
        Ok(match shown.output {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => 4,
            Err(_) | Ok(()) => code,
        })
    }

    fn start(&self, words: &[String]) -> Result<Session, Failure> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (program, args) = self.ssh.command(&words);
        let mut child = Command::new(&program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal is passed on as an order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| self.unreachable(&format_args!("cannot run `ssh`: {error}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(self.unreachable(&"`ssh` has no pipes"));
        };
        let (order_tx, order_rx) = mpsc::unbounded_channel();
        tokio::spawn(give(stdin, order_rx));
        Ok(Session {
            child,
            order_tx,
            lines: BufReader::with_capacity(64 << 10, stdout),
            said: listen(stderr),
        })
    }

    /// The command there; brings the flakes there first that it is about.
    async fn words(&self) -> Result<Vec<String>, Failure> {
        let copied = async {
            let flake = self
                .copied(&self.source.flake, &self.source.flake_dir)
                .await?;
            let mut overrides = Vec::new();
            for (input, flake) in &self.overrides {
                overrides.push((input, self.copied(flake, "").await?));
            }
            Ok((flake, overrides))
        };
        tokio::pin!(copied);
        let (flake, overrides) = tokio::select! {
            copied = &mut copied => copied?,
            () = sleep(COPY_QUIET) => {
                print_note(&format_args!("copying the flake and its inputs to {}", self.host));
                copied.await?
            }
        };
        let mut words: Vec<String> = [&self.nixci, "check", "--take-orders", "--format=json"]
            .map(str::to_owned)
            .into();
        words.extend(self.options.iter().cloned());
        for (input, flake) in overrides {
            words.extend(["--override-input".to_owned(), input.clone(), flake]);
        }
        if self.targets.attributes.is_empty() {
            words.push(flake);
        } else {
            let attributes = self.targets.attributes.iter();
            words.extend(attributes.map(|attribute| format!("{flake}#{attribute}")));
        }
        words.extend(self.targets.patterns.iter().map(ToString::to_string));
        Ok(words)
    }

    /// What a flake is called there. One that is on this machine is copied, with all its inputs.
    async fn copied(&self, flake: &str, below: &str) -> Result<String, Failure> {
        let is_here = ["path:", "git+file:", ".", "/"]
            .iter()
            .any(|start| flake.starts_with(start));
        if !is_here {
            return Ok(flake.to_owned());
        }
        let metadata = self.nix(&["flake", "metadata", flake], flake).await?;
        let url = format!("ssh-ng://{}", self.host);
        let archived = self
            .nix(&["flake", "archive", "--to", &url, flake], flake)
            .await?;
        let path = archived["path"].as_str().unwrap_or_default();
        let path = StorePath::parse(path).map_err(|_| {
            self.unreachable(&"`nix flake archive` does not say where the flake is")
        })?;
        Ok(path_reference(&path, &metadata["locked"], below))
    }

    async fn nix(&self, words: &[&str], flake: &str) -> Result<Value, Failure> {
        let mut args: Vec<String> = ["--extra-experimental-features", "nix-command flakes"]
            .iter()
            .chain(words)
            .chain(&["--json", "--no-write-lock-file"])
            .map(ToString::to_string)
            .collect();
        for (name, value) in &self.source.nix_options {
            args.extend(["--option".to_owned(), name.clone(), value.clone()]);
        }
        let invocation = Invocation {
            program: self.source.nix.clone(),
            args,
            ..Invocation::default()
        };
        let failed = |why: &dyn Display| {
            let flake = flake.escape_debug();
            self.unreachable(&format_args!(
                "cannot copy the flake `{flake}` there: {why}"
            ))
        };
        let printed = Box::pin(run_program(&invocation)).await;
        let printed = printed.map_err(|fault| failed(&fault.text))?;
        serde_json::from_slice(&printed).map_err(|error| failed(&error))
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

/// What people and the machine here have to say while the run goes on.
struct FromHere {
    stops: mpsc::UnboundedReceiver<Stop>,
    wishes: mpsc::UnboundedReceiver<Input>,
    warnings: Option<mpsc::UnboundedReceiver<String>>,
}

impl FromHere {
    /// The next warning; nothing ever where there are none.
    async fn warning(warnings: &mut Option<mpsc::UnboundedReceiver<String>>) -> Option<String> {
        warnings.as_mut()?.recv().await
    }
}

/// How a conversation ends.
enum End {
    /// The run told its end.
    Over,
    /// Somebody here wanted it to end, and it does not.
    Stopped(Stop),
    /// Nothing more is heard of it; the other side may have said why.
    Lost(Option<String>),
}

/// A nixci that runs on the other machine. When this is dropped, it notices and ends.
struct Session {
    child: Child,
    order_tx: mpsc::UnboundedSender<Order>,
    lines: BufReader<ChildStdout>,
    said: JoinHandle<String>,
}

impl Session {
    /// Shows what comes until the end.
    async fn follow(&mut self, shown: &mut Shown<'_>, from_here: &mut FromHere) -> End {
        let FromHere {
            stops,
            wishes,
            warnings,
        } = from_here;
        let order_tx = self.order_tx.clone();
        let mut line = Vec::new();
        let mut stopped: Option<(Stop, Instant)> = None;
        loop {
            let give_up_at = stopped.map_or_else(Instant::now, |(_, at)| at + STOP_LIMIT);
            let stop = tokio::select! {
                read = read_line(&mut self.lines, &mut line) => {
                    match read {
                        Ok(true) => {}
                        Ok(false) => return stopped.map_or(End::Lost(None), |(stop, _)| End::Stopped(stop)),
                        Err(error) => return End::Lost(Some(error.to_string())),
                    }
                    match shown.run.take(&line) {
                        Ok(happened) => shown.tell(happened),
                        Err(nonsense) => return End::Lost(Some(nonsense.to_string())),
                    }
                    line.clear();
                    if shown.run.exit_code().is_some() {
                        return End::Over;
                    }
                    // Once told, it does not matter any more.
                    (shown.output.is_err() && stopped.is_none()).then_some(Stop::OutputClosed)
                }
                Some(stop) = stops.recv() => Some(stop),
                Some(wish) = wishes.recv() => {
                    for order in Order::of_wish(wish) {
                        let _ = order_tx.send(order);
                    }
                    None
                }
                Some(message) = FromHere::warning(warnings) => {
                    if shown.run.has_begun() {
                        shown.tell(vec![EventKind::Warned { message }]);
                    }
                    None
                }
                () = sleep_until(give_up_at.into()) , if stopped.is_some() => {
                    return stopped.map_or(End::Lost(None), |(stop, _)| End::Stopped(stop));
                }
            };
            if let Some(stop) = stop {
                if !shown.run.has_begun() {
                    return End::Stopped(stop);
                }
                stopped = stopped.or(Some((stop, Instant::now())));
                let _ = order_tx.send(Order::Stop { stop });
            }
        }
    }

    /// The exit code, and what was said before it, when it has ended.
    async fn last_words(&mut self) -> (Option<i32>, String) {
        let status = timeout(CLOSE_LIMIT, self.child.wait()).await;
        let said = timeout(CLOSE_LIMIT, &mut self.said).await;
        let code = status.ok().and_then(Result::ok);
        let said = said.ok().and_then(Result::ok).unwrap_or_default();
        (code.and_then(|status| status.code()), main_part(&said))
    }

    /// Waits until it has ended; it is ended if it does not.
    async fn close(self) {
        let Self {
            mut child,
            order_tx,
            lines,
            said: _,
        } = self;
        drop((order_tx, lines));
        let _ = timeout(CLOSE_LIMIT, child.wait()).await;
    }
}

/// A run that is being shown.
struct Shown<'r> {
    run: RemoteRun,
    began: Instant,
    keep_log: Option<KeepLog>,
    /// The logs of the builds that run.
    logs: HashMap<StorePath, KeptLog>,
    report: Report<'r>,
    /// Whether somebody reads; the first error counts.
    output: io::Result<()>,
}

impl Shown<'_> {
    fn tell(&mut self, happened: Vec<EventKind>) {
        for kind in happened {
            self.keep(&kind);
            let event = Event {
                at: Timestamp::now(),
                elapsed: self.began.elapsed(),
                kind,
            };
            let told = (self.report)(&event);
            if self.output.is_ok() {
                self.output = told;
            }
        }
    }

    /// Ends the run from here.
    fn cut(&mut self, cut: Cut<'_>) {
        let happened = self.run.cut(cut, self.began.elapsed());
        self.tell(happened);
    }

    /// Keeps what a build says, as that of one here.
    fn keep(&mut self, kind: &EventKind) {
        let Some(keep_log) = &self.keep_log else {
            return;
        };
        if let EventKind::StepStarted {
            drv_path,
            substitute: false,
            ..
        } = kind
        {
            self.logs.insert(drv_path.clone(), keep_log(drv_path));
        } else if let EventKind::StepLogged { drv_path, lines } = kind {
            if let Some(log) = self.logs.get_mut(drv_path) {
                lines.iter().for_each(|line| log(LogNote::Line(line)));
            }
        } else if let EventKind::StepFinished {
            drv_path, outcome, ..
        } = kind
            && let Some(mut log) = self.logs.remove(drv_path)
            && *outcome == Outcome::Built
        {
            log(LogNote::Passed);
        }
    }
}

/// Collects what the other side says on its standard error.
fn listen(stderr: ChildStderr) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut said = Vec::new();
        let mut stderr = stderr.take(SAID_BYTES_MAX);
        let _ = stderr.read_to_end(&mut said).await;
        // What follows is read so that nobody waits for it.
        let _ = tokio::io::copy(&mut stderr.into_inner(), &mut tokio::io::sink()).await;
        String::from_utf8_lossy(&said).into_owned()
    })
}

/// The error in what a program said, without the advice behind it; else all it said.
fn main_part(said: &str) -> String {
    let said = console::strip_ansi_codes(said);
    let error = said
        .split_once("error:")
        .map_or(said.as_ref(), |(_, error)| error);
    let error = error.trim().split("\n\n").next().unwrap_or_default();
    error.trim().to_owned()
}

/// A flake in the store, with what is known of the commit it was. `below`: the folder that is left out of its own.
fn path_reference(path: &StorePath, locked: &Value, below: &str) -> String {
    let mut parameters = Vec::new();
    for name in ["rev", "revCount", "lastModified"] {
        match &locked[name] {
            Value::String(text) => parameters.push(format!("{name}={text}")),
            Value::Number(number) => parameters.push(format!("{name}={number}")),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
        }
    }
    let dir = Path::new(locked["dir"].as_str().unwrap_or_default());
    let dir = dir.to_str().unwrap_or_default();
    let dir = dir.strip_suffix(below).unwrap_or(dir).trim_end_matches('/');
    if !dir.is_empty() {
        let dir = super::local_flake::percent_encode(dir);
        parameters.push(format!("dir={dir}"));
    }
    let query = if parameters.is_empty() { "" } else { "?" };
    format!("path:{path}{query}{}", parameters.join("&"))
}

/// Reads a line without its end; false at the end of all. Nothing is lost if the future is dropped.
async fn read_line(
    reader: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    let room = EVENT_BYTES_MAX.saturating_sub(line.len() as u64);
    (&mut *reader).take(room).read_until(b'\n', line).await?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(true);
    }
    if line.is_empty() {
        return Ok(false);
    }
    let why = if line.len() as u64 >= EVENT_BYTES_MAX {
        "an event is too long"
    } else {
        "the connection ended in the midst of an event"
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, why))
}

#[cfg(test)]
mod tests;
