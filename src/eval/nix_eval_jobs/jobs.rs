//! A running nix-eval-jobs.
//!
//! Streams its findings; decides nothing about them. Dropping it ends the process with all its workers.

use std::{ffi::OsString, path::Path, process::Stdio};

use tokio::process::{ChildStderr, ChildStdout, Command};

use super::line::Job;
use crate::eval::{
    EvalError,
    process::{Lines, Process},
    sections::{Section, SectionKind, Sections},
};

/// Something that nix-eval-jobs does.
#[derive(Debug)]
pub(in crate::eval) enum JobEvent {
    /// It has evaluated an attribute.
    Job(Job),
    /// A warning or a trace came up, it does not say where.
    Warning(String),
    /// It has ended; with a text if it did not end well.
    Ended(Option<String>),
}

/// A running nix-eval-jobs.
pub(in crate::eval) struct Jobs {
    process: Process,
    stdout: Option<Lines<ChildStdout>>,
    stderr: Option<Lines<ChildStderr>>,
    sections: Sections,
    error: Option<String>,
    /// Whether it leaves out what is not wanted, so that nested attributes need no second look.
    pub(in crate::eval) has_select: bool,
}

impl Jobs {
    /// Starts it.
    pub(in crate::eval) fn start(
        program: &Path,
        arguments: &[OsString],
        has_select: bool,
    ) -> Result<Self, EvalError> {
        let mut process = Process::spawn(
            Command::new(program)
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        )?;
        let (stdout, stderr) = (Lines::new(process.stdout()), process.stderr());
        Ok(Self {
            process,
            stdout: Some(stdout),
            stderr: Some(stderr),
            sections: Sections::default(),
            error: None,
            has_select,
        })
    }

    /// Waits for what it does next. Nothing is lost if the future is dropped.
    pub(in crate::eval) async fn next(&mut self) -> JobEvent {
        loop {
            let section = tokio::select! {
                line = next_line(&mut self.stdout), if self.stdout.is_some() => {
                    let Some(line) = line else {
                        self.stdout = None;
                        continue;
                    };
                    return match Job::parse(&line) {
                        Ok(job) => JobEvent::Job(job),
                        Err(error) => {
                            JobEvent::Warning(format!("cannot understand a line of nix-eval-jobs: {error}"))
                        }
                    };
                }
                line = next_line(&mut self.stderr), if self.stderr.is_some() => {
                    if let Some(line) = line {
                        self.sections.push(&line)
                    } else {
                        self.stderr = None;
                        self.sections.finish()
                    }
                }
                status = self.process.wait(), if self.stdout.is_none() && self.stderr.is_none() => {
                    let why = match status {
                        Ok(status) if status.success() => return JobEvent::Ended(None),
                        Ok(status) => status.to_string(),
                        Err(error) => error.to_string(),
                    };
                    let error = self.error.take().map(|error| format!(": {}", one_line(&error)));
                    return JobEvent::Ended(Some(format!(
                        "nix-eval-jobs ended early ({why}){}; the built-in evaluator does the rest",
                        error.unwrap_or_default()
                    )));
                }
            };
            match section {
                Some(Section {
                    kind: SectionKind::Warning | SectionKind::Trace,
                    text,
                }) => {
                    return JobEvent::Warning(text);
                }
                // Errors of attributes are in their lines too.
                Some(Section {
                    kind: SectionKind::Error,
                    text,
                }) => self.error = Some(text),
                Some(Section {
                    kind: SectionKind::Noise,
                    ..
                })
                | None => {}
            }
        }
    }

    /// Ends it.
    pub(in crate::eval) async fn stop(mut self) {
        // It has been killed at last: there is nothing to do if waiting fails.
        let _ = self.process.end().await;
    }
}

async fn next_line<R: tokio::io::AsyncRead + Unpin>(
    lines: &mut Option<Lines<R>>,
) -> Option<Vec<u8>> {
    match lines {
        Some(lines) => lines.next().await,
        None => None,
    }
}

/// The last line of an error text is its point.
fn one_line(error: &str) -> &str {
    let last = error.lines().map(str::trim).rfind(|line| !line.is_empty());
    last.unwrap_or_default()
        .trim_start_matches("error:")
        .trim_start()
}
