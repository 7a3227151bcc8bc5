//! Asks whoever sits at the terminal.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
    thread,
    time::Duration,
};

use anyhow::anyhow;
use console::style;
use rustix::{
    process::{Signal, getpid, kill_process},
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr},
};
use secrecy::SecretString;

use super::Failure;
use crate::report::harmless;

/// How long an answer may be, in bytes.
const ANSWER_BYTES: usize = 4096;
/// What is said where there is none.
const NO_ANSWER: &str = "a question has no answer: nothing is written";
/// The keys that end what is typed, take a character back, or all.
const INTERRUPT: u8 = 3;
const END: u8 = 4;
const BACKSPACE: [u8; 2] = [8, 127];
const KILL: u8 = 21;

/// Whether somebody can be asked.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks until the answer is one that `check` takes; an empty one is the usual one, if there is any.
pub(super) fn ask<T>(
    question: &str,
    usual: Option<&str>,
    check: impl Fn(&str) -> Result<T, String>,
) -> Result<T, Failure> {
    loop {
        let hint = usual
            .filter(|usual| !usual.is_empty())
            .map(|usual| format!(" [{usual}]"));
        prompt(question, &hint.unwrap_or_default());
        let line = line()?;
        let answer = match (line.trim(), usual) {
            ("", Some(usual)) => usual,
            (answer, _) => answer,
        };
        match check(answer) {
            Ok(answer) => return Ok(answer),
            Err(why) => complain(&why),
        }
    }
}

/// Asks for one of these, by number or name. Returns its place.
pub(super) fn choose(question: &str, options: &[(&str, &str)]) -> Result<usize, Failure> {
    let width = options.iter().map(|(name, _)| name.len()).max();
    for (number, (name, what)) in options.iter().enumerate() {
        let width = width.unwrap_or_default();
        say(&format!("  {}  {name:width$}  {what}", number + 1));
    }
    ask(question, None, |answer| {
        let named = options
            .iter()
            .position(|(name, _)| name.eq_ignore_ascii_case(answer));
        let numbered = answer
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1))
            .filter(|place| *place < options.len());
        named
            .or(numbered)
            .ok_or_else(|| format!("write a number from 1 to {}, or a name", options.len()))
    })
}

/// Asks for something that is not shown.
pub(super) fn ask_hidden(question: &str) -> Result<SecretString, Failure> {
    loop {
        prompt(question, " (not shown)");
        let hidden = Hidden::new().map_err(|error| broken(&error))?;
        let typed = typed_line();
        drop(hidden);
        say("");
        match typed.map_err(|error| broken(&error))? {
            Typed::Text(text) if !text.trim().is_empty() => return Ok(text.trim().into()),
            Typed::Text(_) => complain("there has to be one"),
            Typed::End => return Err(ended()),
            Typed::Interrupt => {
                // Just as if it had been typed anywhere else.
                let _ = kill_process(getpid(), Signal::INT);
                // Another thread may be the one that it ends; or whoever started this one does not want it to be ended so.
                thread::sleep(Duration::from_secs(1));
                return Err(Failure::interrupted(anyhow!(NO_ANSWER)));
            }
        }
    }
}

/// Says something, on lines of its own.
pub(super) fn say(text: &str) {
    for line in text.split('\n') {
        let _ = writeln!(io::stderr(), "{}", harmless(line));
    }
}

fn prompt(question: &str, hint: &str) {
    let mut stderr = io::stderr();
    let question = style(question).for_stderr().bold();
    let hint = style(hint).for_stderr().dim();
    let _ = write!(stderr, "{question}{hint}: ");
    let _ = stderr.flush();
}

fn complain(why: &str) {
    let why = style(harmless(why)).for_stderr().red();
    let _ = writeln!(io::stderr(), "  {why}");
}

fn line() -> Result<String, Failure> {
    let mut line = String::new();
    let mut stdin = io::stdin().lock().take(ANSWER_BYTES as u64);
    match stdin.read_line(&mut line) {
        Ok(0) => Err(ended()),
        Ok(_) => Ok(line),
        Err(error) => Err(broken(&error)),
    }
}

fn ended() -> Failure {
    Failure::usage(anyhow!(NO_ANSWER))
}

fn broken(error: &io::Error) -> Failure {
    Failure::infrastructure(anyhow!("cannot ask at the terminal: {error}"))
}

/// The terminal while what is typed is not shown.
struct Hidden {
    before: Termios,
}

enum Typed {
    Text(String),
    End,
    Interrupt,
}

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut modes = before.clone();
        // Without signals, too: one would leave the terminal like this.
        let shown = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        modes.local_modes.remove(shown);
        tcsetattr(io::stdin(), OptionalActions::Flush, &modes)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &self.before);
    }
}

/// What is typed until Enter, key by key.
fn typed_line() -> io::Result<Typed> {
    let mut text = Vec::new();
    let mut byte = [0];
    loop {
        if io::stdin().lock().read(&mut byte)? == 0 {
            return Ok(Typed::End);
        }
        match byte[0] {
            b'\r' | b'\n' => {
                return Ok(Typed::Text(String::from_utf8_lossy(&text).into_owned()));
            }
            INTERRUPT => return Ok(Typed::Interrupt),
            END if text.is_empty() => return Ok(Typed::End),
            KILL => text.clear(),
            byte if BACKSPACE.contains(&byte) => drop(text.pop()),
            byte if text.len() < ANSWER_BYTES && !byte.is_ascii_control() => text.push(byte),
            _ => {}
        }
    }
}
