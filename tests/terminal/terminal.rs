//! A pseudo-terminal with a program in it, looked at and typed into as a person would.
//!
//! Every wait has an end, after which the test fails with the screen as it was.

use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use pty_process::{Size, blocking::Pty};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid},
    termios::{ControlModes, InputModes, LocalModes, OutputModes, Termios, tcgetattr},
};

use crate::{emulator::Emulator, support::PATIENCE};

/// The longest a program may take to do what a test waits for.
const LIMIT: Duration = PATIENCE;
/// How often the state of things is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A terminal in which a program runs, as its session's controlling terminal.
pub(crate) struct Terminal {
    pty: Option<Arc<Pty>>,
    emulator: Arc<Mutex<Emulator>>,
    child: Child,
    reader: Option<JoinHandle<()>>,
    is_closing: Arc<AtomicBool>,
    before: Modes,
}

impl Terminal {
    /// Starts the program in a terminal of this size, with `TERM=xterm-256color` unless the command says otherwise.
    pub(crate) fn start(command: Command, lines: u16, columns: u16) -> Self {
        Self::start_below(command, lines, columns, &[])
    }

    /// Starts it below these lines, which are there already.
    pub(crate) fn start_below(command: Command, lines: u16, columns: u16, above: &[&str]) -> Self {
        Self::spawn(command, lines, columns, above, None)
    }

    /// Starts it with its standard output not in the terminal.
    pub(crate) fn start_with_stdout(command: Command, size: (u16, u16), stdout: Stdio) -> Self {
        Self::spawn(command, size.0, size.1, &[], Some(stdout))
    }

    fn spawn(
        mut command: Command,
        lines: u16,
        columns: u16,
        above: &[&str],
        stdout: Option<Stdio>,
    ) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(Size::new(lines, columns)).unwrap();
        let before = modes(&tcgetattr(&pty).unwrap());
        if !command.get_envs().any(|(name, _)| name == "TERM") {
            command.env("TERM", "xterm-256color");
        }
        // A terminal that does not tell its size has one all the same.
        let known = |count, usual| if count == 0 { usual } else { count };
        let mut emulator = Emulator::new(known(lines, 24), known(columns, 80));
        for line in above {
            emulator.take(format!("{line}\r\n").as_bytes());
        }
        // Its three streams become the terminal, whatever was chosen for them before.
        let command = pty_process::blocking::Command::from(command);
        let command = match stdout {
            Some(stdout) => command.stdout(stdout),
            None => command,
        };
        let child = command.spawn(pts).unwrap();
        let (pty, emulator) = (Arc::new(pty), Arc::new(Mutex::new(emulator)));
        let is_closing = Arc::new(AtomicBool::new(false));
        let reader = {
            let (pty, emulator) = (Arc::clone(&pty), Arc::clone(&emulator));
            let is_closing = Arc::clone(&is_closing);
            thread::spawn(move || read(&pty, &emulator, &is_closing))
        };
        Self {
            pty: Some(pty),
            emulator,
            child,
            reader: Some(reader),
            is_closing,
            before,
        }
    }

    /// What the terminal shows. Nothing comes in while this is held.
    pub(crate) fn emulator(&self) -> MutexGuard<'_, Emulator> {
        lock(&self.emulator)
    }

    /// The standard output, if it is a pipe.
    pub(crate) fn take_stdout(&mut self) -> String {
        let mut text = String::new();
        let mut stdout = self.child.stdout.take().expect("it is a pipe");
        stdout.read_to_string(&mut text).unwrap();
        text
    }

    /// Types on the keyboard.
    pub(crate) fn type_keys(&self, keys: &str) {
        let mut pty: &Pty = self.pty.as_ref().expect("the terminal is there");
        pty.write_all(keys.as_bytes()).unwrap();
    }

    /// Stops the program, as Ctrl-Z does, writes these lines as its shell would, and lets it go on.
    pub(crate) fn interrupt_with(&mut self, lines: &str) {
        let id = self.id();
        kill_process(id, Signal::STOP).unwrap();
        let status = waitid(WaitId::Pid(id), WaitIdOptions::STOPPED).unwrap();
        assert!(status.is_some_and(|status| status.stopped()));
        self.wait_until_read();
        self.emulator().take(lines.as_bytes());
        kill_process(id, Signal::CONT).unwrap();
    }

    /// Waits until all that the stopped program has written is read, so that nothing of it comes after what its shell writes.
    fn wait_until_read(&self) {
        let length = || self.emulator().text().len();
        let mut read = length();
        loop {
            thread::sleep(Duration::from_millis(300));
            if length() == read {
                return;
            }
            read = length();
        }
    }

    /// The process that was started.
    pub(crate) fn id(&self) -> Pid {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        id.expect("a process has an id")
    }

    /// Whether the terminal is as it was before the program started.
    pub(crate) fn is_as_before(&self) -> bool {
        let pty = self.pty.as_ref().expect("the terminal is there");
        modes(&tcgetattr(pty).unwrap()) == self.before
    }

    /// Makes the window wider or narrower, higher or lower.
    pub(crate) fn resize(&self, lines: u16, columns: u16) {
        // Held, so that what is written for the new size is read after the change.
        let mut emulator = self.emulator();
        let pty = self.pty.as_ref().expect("the terminal is there");
        pty.resize(Size::new(lines, columns)).unwrap();
        emulator.rewrap(lines, columns);
    }

    /// Closes the window: the program's terminal is gone.
    pub(crate) fn close(&mut self) {
        self.is_closing.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.pty = None;
    }

    /// Waits until the rows of the screen are so. Panics if that does not come, or the program ends before.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        is_so: impl Fn(&[String]) -> bool,
    ) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let has_ended = self.child.try_wait().unwrap().is_some() && self.is_read();
            let rows = self.emulator().rows();
            if is_so(&rows) {
                return rows;
            }
            assert!(
                !has_ended && Instant::now() < deadline,
                "{what}: did not come (ended: {has_ended})\n{}",
                rows.join("\n")
            );
            thread::sleep(LOOK);
        }
    }

    /// Waits until a row of the screen has this text.
    pub(crate) fn wait_for(&mut self, text: &str) -> Vec<String> {
        self.wait_until(text, |rows| rows.iter().any(|row| row.contains(text)))
    }

    /// How many frames of the block have come.
    pub(crate) fn frames(&self) -> usize {
        // What each of them has in its last line.
        self.emulator().text().matches("eval ").count()
    }

    /// Waits until so many frames have come.
    pub(crate) fn wait_for_frames(&mut self, count: usize) {
        let deadline = Instant::now() + LIMIT;
        while self.frames() < count {
            assert!(Instant::now() < deadline, "nothing is drawn any more");
            thread::sleep(LOOK);
        }
    }

    /// Waits for the program's end and returns its exit code. The screen is complete then.
    pub(crate) fn finish(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap()
                && self.is_read()
            {
                return status.code();
            }
            assert!(
                Instant::now() < deadline,
                "it did not end\n{}",
                self.emulator().rows().join("\n")
            );
            thread::sleep(LOOK);
        }
    }

    /// Waits for the end, asserts that the terminal is as it was before and the cursor where the shell's prompt should
    /// be, and returns the exit code.
    pub(crate) fn finish_in_order(&mut self) -> Option<i32> {
        let code = self.finish_restored();
        assert_eq!(self.emulator().cursor().1, 0, "the prompt begins a line");
        code
    }

    /// Waits for the end, asserts that the terminal is as it was before, and returns the exit code.
    pub(crate) fn finish_restored(&mut self) -> Option<i32> {
        let code = self.finish();
        let pty = self.pty.as_ref().expect("the terminal is there");
        assert_eq!(modes(&tcgetattr(pty).unwrap()), self.before);
        let emulator = self.emulator();
        assert_eq!(emulator.tampering(), Vec::<String>::new());
        assert!(!emulator.is_styled(), "a style is left on");
        code
    }

    /// Whether everything that was written is read, which ends the reader.
    fn is_read(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

/// How a terminal treats what is typed and written: input, output, line, and the local modes.
type Modes = (InputModes, OutputModes, ControlModes, LocalModes);

fn modes(termios: &Termios) -> Modes {
    (
        termios.input_modes,
        termios.output_modes,
        termios.control_modes,
        termios.local_modes,
    )
}

/// A program must not outlive its test.
impl Drop for Terminal {
    fn drop(&mut self) {
        self.close();
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A test that failed while it looked must not keep others from looking: its own message is what counts.
fn lock(emulator: &Mutex<Emulator>) -> MutexGuard<'_, Emulator> {
    emulator.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads until the program's side is closed.
fn read(pty: &Pty, emulator: &Mutex<Emulator>, is_closing: &AtomicBool) {
    let mut buffer = [0; 16384];
    let timeout = Timespec::try_from(Duration::from_millis(20)).expect("it is short");
    while !is_closing.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(pty, PollFlags::IN)];
        if poll(&mut ready, Some(&timeout)).is_ok_and(|count| count == 0) {
            continue;
        }
        let mut source = pty;
        match source.read(&mut buffer) {
            Ok(count @ 1..) => lock(emulator).take(&buffer[..count]),
            // EIO on Linux, end of file elsewhere.
            Ok(0) | Err(_) => return,
        }
    }
}
