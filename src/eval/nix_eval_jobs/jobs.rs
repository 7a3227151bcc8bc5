//! A running nix-eval-jobs.
//!
//! Streams its findings; decides nothing about them. Dropping it ends the process with all its workers.

use std::{ffi::OsString, path::Path, process::Stdio, time::Duration};

use tokio::{
    process::{ChildStderr, ChildStdout},
    time::{Interval, MissedTickBehavior},
};

use super::line::Job;
use crate::eval::{
    EvalError, EvalRequest, Isolation, budget,
    process::{Lines, Process},
    sections::{Section, SectionKind, Sections},
};

/// How often its memory is looked at.
const MEMORY_INTERVAL: Duration = Duration::from_millis(200);

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
    /// The memory that it may have with all its workers. It looks at it itself, but only between two attributes.
    memory_budget_bytes: u64,
    memory: Interval,
    /// Whether it leaves out what is not wanted, so that nested attributes need no second look.
    pub(in crate::eval) has_select: bool,
}

impl Jobs {
    /// Starts it.
    pub(in crate::eval) fn start(
        program: &Path,
        arguments: &[OsString],
        has_select: bool,
        request: &EvalRequest,
        gc_roots: &Path,
    ) -> Result<Self, EvalError> {
        let isolation = request.options.isolation.as_ref();
        let mut process = Process::spawn(
            Isolation::command(isolation, program, &[gc_roots])
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped()),
        )?;
        let mut memory = tokio::time::interval(MEMORY_INTERVAL);
        memory.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut stdout, mut stderr) = (process.stdout_lines(), process.stderr());
        stdout.limit(isolation);
        stderr.limit(isolation);
        Ok(Self {
            process,
            stdout: Some(stdout),
            stderr: Some(stderr),
            sections: Sections::default(),
            error: None,
            memory_budget_bytes: request.memory_budget_bytes,
            memory,
            has_select,
        })
    }

    /// Waits for what it does next. Nothing is lost if the future is dropped.
    pub(in crate::eval) async fn next(&mut self) -> JobEvent {
        loop {
            let section = tokio::select! {
                _ = self.memory.tick() => {
                    self.keep_to_budget();
                    continue;
                }
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

    /// Kills it if it has more memory than all workers together may have. The built-in evaluator then goes on, and has
    /// a way with what needs so much.
    fn keep_to_budget(&mut self) {
        let is_over = |pid| budget::tree_resident_bytes(pid) > self.memory_budget_bytes;
        if self.process.id().is_some_and(is_over) {
            self.process.kill();
            self.error = Some(format!(
                "it needed more than the {} MiB of `--eval-memory`",
                self.memory_budget_bytes >> 20
            ));
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
