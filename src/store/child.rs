//! A child that serves a connection on its pipes, such as `nix-daemon --stdio`.
//!
//! One task watches each child: it collects the child's standard error, and when the connection is dropped it sees to it
//! that the child ends. How `nix-daemon --stdio` of 2.8, 2.26 and 2.34 ends was tried out: when its standard input is
//! closed or on SIGTERM it is gone with its builders within 20 ms, whatever runs. Only 2.34 misses that in the moment in
//! which it handles a line of a log; it does not miss it twice. SIGKILL makes 2.8 leave the builder of a sandboxed build
//! behind; so that comes last, and nothing here kills on drop. When nixci itself dies, the kernel closes the pipes, and
//! the child ends the same way.

use std::{
    convert::Infallible,
    ffi::OsString,
    future::{Future as _, pending},
    io,
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    pin::Pin,
    process::{ExitStatus, Stdio},
    task::{Context, Poll, ready},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::task::TaskTracker;

use super::frame::clean_message;

/// What is done to end a child whose pipes are closed, and for how long it may then go on.
const LADDER: [(Option<Signal>, Duration); 3] = [
    (None, Duration::from_millis(500)),
    (Some(Signal::TERM), Duration::from_millis(500)),
    (Some(Signal::KILL), Duration::from_millis(400)),
];
/// How much of a child's standard error is kept.
const STDERR_KEPT_BYTES: usize = 4 << 10;

/// The standard output of a child, which owns the child: when this is dropped, the child ends.
///
/// At its end, reading fails with what became of the child.
#[derive(Debug)]
pub(super) struct ChildOutput {
    stdout: ChildStdout,
    /// Dropped to make the watcher end the child.
    hang_up: Option<oneshot::Sender<()>>,
    watcher: Option<JoinHandle<String>>,
}

/// Starts a child in a process group of its own, so that a Ctrl-C in the terminal does not reach it. Its watcher, which
/// ends when the child is gone, is one of `watchers`.
pub(super) fn start(
    program: &Path,
    args: &[OsString],
    env: &[(OsString, OsString)],
    watchers: &TaskTracker,
) -> io::Result<(ChildOutput, ChildStdin)> {
    let mut child = Command::new(program)
        .args(args)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let (Some(input), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("the child has no pipes"));
    };
    let (hang_up, is_dropped) = oneshot::channel();
    let watcher = watchers.spawn(watch(child, stderr, is_dropped));
    let output = ChildOutput {
        stdout,
        hang_up: Some(hang_up),
        watcher: Some(watcher),
    };
    Ok((output, input))
}

impl ChildOutput {
    /// Ends the child and returns when it is gone. Its standard input should be closed already.
    pub(super) async fn close(self) {
        let Self {
            stdout,
            hang_up,
            watcher,
        } = self;
        drop((stdout, hang_up));
        if let Some(watcher) = watcher {
            // It fails only when the runtime shuts down, and then nobody is left to tell.
            let _ = watcher.await;
        }
    }
}

impl AsFd for ChildOutput {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stdout.as_fd()
    }
}

impl AsyncRead for ChildOutput {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buf.filled().len();
        ready!(Pin::new(&mut this.stdout).poll_read(cx, buf))?;
        if buf.filled().len() > filled || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        // The end. A child without standard output is of no use, whether it still runs or not.
        this.hang_up = None;
        let Some(watcher) = &mut this.watcher else {
            return Poll::Ready(Ok(()));
        };
        let fate = ready!(Pin::new(watcher).poll(cx));
        this.watcher = None;
        let fate = fate.unwrap_or_else(|_| "its watcher was stopped".to_owned());
        Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, fate)))
    }
}

/// Waits for the child's end, brings it about when `is_dropped` is, and tells how it ended.
async fn watch(
    mut child: Child,
    mut stderr: ChildStderr,
    is_dropped: oneshot::Receiver<()>,
) -> String {
    let mut said = Vec::new();
    let status = tokio::select! {
        status = async {
            tokio::select! {
                status = child.wait() => return status,
                _ = is_dropped => {}
            }
            end(&mut child).await
        } => status,
        never = async {
            collect(&mut stderr, &mut said).await;
            pending::<Infallible>().await
        } => match never {},
    };
    // What it said last may still be in the pipe; a grandchild may hold that open.
    let _ = timeout(Duration::from_millis(50), collect(&mut stderr, &mut said)).await;
    describe(status, &said)
}

async fn end(child: &mut Child) -> io::Result<ExitStatus> {
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    for (signal, patience) in LADDER {
        if let (Some(signal), Some(group)) = (signal, group) {
            // It may have ended a moment ago.
            let _ = kill_process_group(group, signal);
        }
        if let Ok(status) = timeout(patience, child.wait()).await {
            return status;
        }
    }
    Err(io::Error::other("it still runs after SIGKILL"))
}

/// Reads to the end and keeps the last [`STDERR_KEPT_BYTES`].
async fn collect(stderr: &mut ChildStderr, said: &mut Vec<u8>) {
    let mut buffer = [0; 1024];
    while let Ok(1..) = stderr
        .read(&mut buffer)
        .await
        .inspect(|read| said.extend_from_slice(&buffer[..*read]))
    {
        said.drain(..said.len().saturating_sub(STDERR_KEPT_BYTES));
    }
}

fn describe(status: io::Result<ExitStatus>, said: &[u8]) -> String {
    let mut text = match status {
        Ok(status) => format!("the daemon's process ended ({status})"),
        Err(error) => format!("the daemon's process is in an unknown state ({error})"),
    };
    let said = clean_message(&String::from_utf8_lossy(said));
    if !said.is_empty() {
        text.push_str(": ");
        text.push_str(&said);
    }
    text
}

#[cfg(test)]
mod tests;
