//! A program that runs, and what it said when it ended.
//!
//! Apart from `std::process` because a test must not hang: every wait has an end, after which the program is killed and
//! the test fails with everything the program said.

use std::{
    fmt,
    io::Read,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{AT_ONCE, PATIENCE};

/// The longest any program of a test may take to end once that is waited for.
const LIMIT: Duration = Duration::from_secs(300);

/// What a finished program said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    /// The exit code; absent if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Its standard output, with bytes that are not UTF-8 replaced.
    pub(crate) stdout: String,
    /// Its standard error, likewise.
    pub(crate) stderr: String,
    /// How long it ran.
    pub(crate) elapsed: Duration,
}

/// Shows everything, for the message of an assertion.
impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
            elapsed,
        } = self;
        writeln!(f, "exit code {code:?} after {elapsed:.2?}")?;
        write!(f, "--- stdout\n{stdout}\n--- stderr\n{stderr}\n---")
    }
}

/// A program that was started.
pub(crate) struct Running {
    child: Child,
    started: Instant,
    stdout: Capture,
    stderr: Capture,
}

impl Running {
    /// Starts it with both outputs captured.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Capture::start(child.stdout.take().expect("it is piped"));
        let stderr = Capture::start(child.stderr.take().expect("it is piped"));
        Self {
            child,
            started: Instant::now(),
            stdout,
            stderr,
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process has an id");
        kill_process(id, signal).unwrap();
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Its standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until one of its outputs contains this text. Panics if it ends, or too much time passes, without.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait().unwrap().is_some();
            if self.stdout().contains(text) || self.stderr().contains(text) {
                return;
            }
            if ended || Instant::now() > deadline {
                let _ = self.child.kill();
                panic!(
                    "{text:?} did not come.\n--- stdout\n{}\n--- stderr\n{}",
                    self.stdout(),
                    self.stderr()
                );
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for its end. Panics after five minutes.
    pub(crate) fn finish(mut self) -> Finished {
        let waiting = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if waiting.elapsed() > LIMIT {
                let _ = self.child.kill();
                panic!(
                    "it did not end.\n--- stdout\n{}\n--- stderr\n{}",
                    self.stdout(),
                    self.stderr()
                );
            }
            thread::sleep(Duration::from_millis(2));
        };
        let elapsed = self.started.elapsed();
        Finished {
            code: status.code(),
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            elapsed,
        }
    }
}

/// Reads an output while the program writes it, so that it never blocks on a full pipe.
struct Capture {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Capture {
    fn start(mut output: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 16384];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Waits for the end of the output, but not for ever: a child of the program may hold it open.
    fn finish(self) -> String {
        let deadline = Instant::now() + AT_ONCE;
        while !self.reader.is_finished() {
            assert!(
                Instant::now() < deadline,
                "a child holds the output open after: {}",
                self.text()
            );
            thread::sleep(Duration::from_millis(1));
        }
        self.text()
    }
}
