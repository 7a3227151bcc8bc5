//! Child processes of an evaluation: in process groups of their own, their output read line by line.
//!
//! Apart from the evaluators so that the rule "no child outlives its evaluation" is kept in one place. Knows nothing of
//! what the lines mean.

use std::{ffi::OsStr, fs, io, process::ExitStatus, time::Duration};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    runtime::Handle,
    time::timeout,
};

use super::{EvalError, Isolation, budget};

/// The longest line that is kept whole, in bytes; of a longer one the rest is dropped.
pub(super) const LINE_MAX: usize = 64 << 20;

/// How long a process may take to end its own children, builders among them, when it is asked to end.
const GRACE: Duration = Duration::from_millis(500);

/// A child process that leads its own process group. Dropping this ends it, as [`Self::end`] does.
pub(super) struct Process {
    child: Option<Child>,
    name: String,
    /// Whether it was dropped already, and this ends it in the background.
    is_ending: bool,
}

impl Process {
    /// Starts a command as the leader of a new process group, so that a Ctrl-C meant for nixci does not reach it.
    pub(super) fn spawn(command: &mut Command) -> Result<Self, EvalError> {
        let name = program_name(command.as_std().get_program());
        // With it, Nix writes a number before each line.
        command.env_remove("IN_SYSTEMD");
        match command.process_group(0).kill_on_drop(true).spawn() {
            Ok(child) => Ok(Self {
                child: Some(child),
                name,
                is_ending: false,
            }),
            Err(error) => Err(EvalError::Infrastructure(format!(
                "cannot run `{name}`: {error}"
            ))),
        }
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("only dropping takes it")
    }

    /// The process's id, as long as it has not been waited for.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref()?.id()
    }

    /// Takes the pipe to its standard input. Panics if there is none or it was taken before.
    pub(super) fn stdin(&mut self) -> ChildStdin {
        self.child().stdin.take().expect("stdin is a pipe")
    }

    /// Takes its standard output. Panics if that is no pipe or was taken before.
    pub(super) fn stdout(&mut self) -> ChildStdout {
        self.child().stdout.take().expect("stdout is a pipe")
    }

    /// Takes its standard output as lines. Panics as [`Self::stdout`] does.
    pub(super) fn stdout_lines(&mut self) -> Lines<ChildStdout> {
        Lines::new(self.stdout(), self.id())
    }

    /// Takes its standard error as lines. Panics if that is no pipe or was taken before.
    pub(super) fn stderr(&mut self) -> Lines<ChildStderr> {
        let pipe = self.child().stderr.take().expect("stderr is a pipe");
        Lines::new(pipe, self.id())
    }

    /// Kills the whole group. A builder that it has started itself, without a daemon, is not in it and lives on.
    pub(super) fn kill(&self) {
        kill(self.id());
    }

    /// Ends it, with all that it has started, and returns how it ended.
    pub(super) async fn end(&mut self) -> Result<ExitStatus, EvalError> {
        // Behind walls all goes at once, and no builder of a store without a daemon is there.
        if !self.id().is_some_and(has_children) || self.id().and_then(walled).is_some() {
            self.kill();
            return self.wait().await;
        }
        let leader = self.id();
        signal_group(leader, Signal::TERM);
        if let Ok(ended) = timeout(GRACE, self.wait()).await {
            // What it has left behind.
            signal_group(leader, Signal::KILL);
            return ended;
        }
        self.kill();
        self.wait().await
    }

    /// Waits until it has ended.
    pub(super) async fn wait(&mut self) -> Result<ExitStatus, EvalError> {
        let waited = self.child().wait().await;
        waited.map_err(|error| {
            EvalError::Infrastructure(format!("cannot wait for `{}`: {error}", self.name))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(child) = self.child.take().filter(|child| child.id().is_some()) else {
            return;
        };
        let mut process = Self {
            child: Some(child),
            name: std::mem::take(&mut self.name),
            is_ending: true,
        };
        match Handle::try_current() {
            Ok(runtime) if !self.is_ending => drop(runtime.spawn(async move {
                // There is nobody to tell.
                let _ = process.end().await;
            })),
            // Without a runtime, or with one that is being shut down, there is no time for grace.
            Ok(_) | Err(_) => {
                process.kill();
                process.child = None;
            }
        }
    }
}

/// Whether a process has children, as far as this can be known.
///
/// Source: `/proc/PID/task/TID/children` in `proc_tid_children(5)`.
fn has_children(pid: u32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        // There is no such folder outside of Linux.
        return cfg!(not(target_os = "linux"));
    };
    let children = tasks
        .flatten()
        .map(|task| fs::read(task.path().join("children")));
    children
        .into_iter()
        .any(|children| children.is_ok_and(|children| !children.is_empty()))
}

/// Kills a process group, or what bubblewrap runs: that ends with it, and does so first, so that whoever waits for
/// bubblewrap has waited for all of it.
fn kill(leader: Option<u32>) {
    match leader.and_then(walled) {
        // It fails only if it has ended.
        Some(inner) => drop(kill_process(inner, Signal::KILL)),
        None => signal_group(leader, Signal::KILL),
    }
}

/// The first process behind the walls of a bubblewrap, whose end is the end of all of them.
fn walled(bubblewrap: u32) -> Option<Pid> {
    let name = fs::read(format!("/proc/{bubblewrap}/comm")).ok()?;
    let inner = budget::child_of(bubblewrap).filter(|_| name == b"bwrap\n")?;
    Pid::from_raw(inner.try_into().ok()?)
}

fn signal_group(leader: Option<u32>, signal: Signal) {
    // Not once it has been waited for: its number may belong to somebody else by then.
    if let Some(pid) = leader.and_then(|id| Pid::from_raw(id.try_into().ok()?)) {
        // It fails only if nothing is left of the group.
        let _ = kill_process_group(pid, signal);
    }
}

fn program_name(program: &OsStr) -> String {
    program.to_string_lossy().into_owned()
}

/// The lines of a pipe, each cut at [`LINE_MAX`].
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    /// How much may come yet, in bytes.
    left: u64,
    /// The process that is killed if more comes.
    process: Option<u32>,
}

/// What the last line of a process says that has written too much.
pub(super) const TOO_MUCH: &str = "the evaluation printed more than is allowed";

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads lines from this pipe of a process.
    pub(super) fn new(pipe: R, process: Option<u32>) -> Self {
        Self {
            reader: BufReader::with_capacity(64 << 10, pipe),
            line: Vec::new(),
            left: u64::MAX,
            process,
        }
    }

    /// Reads no more than an isolation allows, and kills the process that writes more.
    pub(super) fn limit(&mut self, isolation: Option<&Isolation>) {
        if let Some(isolation) = isolation {
            self.left = isolation.limits.output_bytes;
        }
    }

    /// Returns the next line without its end, or `None` behind the last one. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if self.left == 0 {
                // Once.
                let process = self.process.take()?;
                kill(Some(process));
                return Some(format!("error: {TOO_MUCH}").into_bytes());
            }
            let chunk = match self.reader.fill_buf().await {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A broken pipe is an ended one: how the process ended says the rest.
                Err(_) => &[],
            };
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let room = LINE_MAX - self.line.len();
            let text = &chunk[..end.unwrap_or(chunk.len())];
            self.line.extend_from_slice(&text[..text.len().min(room)]);
            let used = end.map_or(chunk.len(), |at| at + 1);
            self.left = self.left.saturating_sub(used as u64);
            let is_at_end = chunk.is_empty();
            self.reader.consume(used);
            if end.is_some() || (is_at_end && !self.line.is_empty()) {
                return Some(std::mem::take(&mut self.line));
            }
            if is_at_end {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
