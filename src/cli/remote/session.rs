//! The conversation with a nixci that runs on another machine, and what becomes of what it says.

use std::{
    collections::HashMap,
    io,
    process::Stdio,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStderr, ChildStdout, Command},
    sync::mpsc,
    task::JoinHandle,
    time::{sleep_until, timeout},
};

use crate::{
    cli::{
        orders::{Order, give},
        print_warning,
        remote_run::{Cut, Here, RemoteRun},
    },
    event::{Event, EventKind, Outcome},
    nix::StorePath,
    run::{Input, KeepLog, KeptLog, LogNote, Report, Stop},
    store::SshHost,
};

/// The longest event that is read, in bytes.
const EVENT_BYTES_MAX: u64 = 64 << 20;
/// How much of what the other side says on its standard error is kept, in bytes.
const SAID_BYTES_MAX: u64 = 16 << 10;
/// How long a run there may take to end when it is told to.
const STOP_LIMIT: Duration = Duration::from_secs(8);
/// How long `ssh` may take to end when the run is over.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// What people and the machine here have to say while the run goes on.
pub(super) struct FromHere {
    pub(super) stops: mpsc::UnboundedReceiver<Stop>,
    pub(super) wishes: mpsc::UnboundedReceiver<Input>,
    pub(super) warnings: Option<mpsc::UnboundedReceiver<String>>,
}

impl FromHere {
    /// The next warning; nothing ever where there are none.
    async fn warning(warnings: &mut Option<mpsc::UnboundedReceiver<String>>) -> Option<String> {
        warnings.as_mut()?.recv().await
    }
}

/// How a conversation ends.
pub(super) enum End {
    /// The run told its end.
    Over,
    /// Somebody here wanted it to end, and it does not.
    Stopped(Stop),
    /// Nothing more is heard of it; the other side may have said why.
    Lost(Option<String>),
}

/// A nixci that runs on the other machine. When this is dropped, it notices and ends.
pub(super) struct Session {
    child: Child,
    order_tx: mpsc::UnboundedSender<Order>,
    lines: BufReader<ChildStdout>,
    said: JoinHandle<String>,
}

impl Session {
    /// Starts it.
    pub(super) fn start(ssh: &SshHost, words: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (program, args) = ssh.command(&words);
        let mut child = Command::new(&program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A Ctrl-C in the terminal is passed on as an order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot run `ssh`: {error}"))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("`ssh` has no pipes".to_owned());
        };
        let (order_tx, order_rx) = mpsc::unbounded_channel();
        tokio::spawn(give(stdin, order_rx));
        Ok(Self {
            child,
            order_tx,
            lines: BufReader::with_capacity(64 << 10, stdout),
            said: listen(stderr),
        })
    }

    /// Gives an order.
    pub(super) fn order(&self, order: Order) {
        // Nobody takes orders any more from a run that has ended.
        let _ = self.order_tx.send(order);
    }

    /// Shows what comes until the end.
    pub(super) async fn follow(&mut self, shown: &mut Shown<'_>, from_here: &mut FromHere) -> End {
        let FromHere {
            stops,
            wishes,
            warnings,
        } = from_here;
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
                        self.order(order);
                    }
                    None
                }
                Some(message) = FromHere::warning(warnings) => {
                    if shown.run.has_begun() {
                        shown.tell(vec![EventKind::Warned { message }]);
                    } else {
                        print_warning(&message);
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
                self.order(Order::Stop { stop });
            }
        }
    }

    /// The exit code, and what was said before it, when it has ended.
    pub(super) async fn last_words(&mut self) -> (Option<i32>, String) {
        let status = timeout(CLOSE_LIMIT, self.child.wait()).await;
        let said = timeout(CLOSE_LIMIT, &mut self.said).await;
        let code = status.ok().and_then(Result::ok);
        let said = said.ok().and_then(Result::ok).unwrap_or_default();
        (code.and_then(|status| status.code()), main_part(&said))
    }

    /// Waits until it has ended; it is ended if it does not.
    pub(super) async fn close(self) {
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
pub(super) struct Shown<'r> {
    pub(super) run: RemoteRun,
    began: Instant,
    keep_log: Option<KeepLog>,
    /// The logs of the builds that run.
    logs: HashMap<StorePath, KeptLog>,
    report: Report<'r>,
    /// Whether somebody reads; the first error counts.
    output: io::Result<()>,
}

impl<'r> Shown<'r> {
    pub(super) fn new(here: Here, keep_log: Option<KeepLog>, report: Report<'r>) -> Self {
        Self {
            run: RemoteRun::new(here),
            began: Instant::now(),
            keep_log,
            logs: HashMap::new(),
            report,
            output: Ok(()),
        }
    }

    /// The exit code, when the run is over.
    pub(super) fn exit_code(&self) -> u8 {
        match &self.output {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => 4,
            Err(_) | Ok(()) => self.run.exit_code().unwrap_or(4),
        }
    }

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
    pub(super) fn cut(&mut self, cut: Cut<'_>) {
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
                for line in lines {
                    log(LogNote::Line(line));
                }
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
