//! Lines for where no terminal is: a CI's log, a file, a pipe.
//!
//! Apart from the live block because nothing here may be taken back: what is written stays, in order, and a log is one
//! block at the end, never mixed with another. A CI that folds groups would be told so from here.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{
    format::{counted, duration},
    line::{Weight, status},
    running::RunningSteps,
    sanitize::without_commands,
    styles::Styles,
};
use crate::event::{Event, EventKind, Progress};

/// How often is told what runs, so that nobody takes a long build for a stuck one.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How many running steps a heartbeat names.
const STEPS_NAMED: usize = 8;

/// The plain lines of a run.
pub(super) struct Plain {
    out: Box<dyn Write + Send>,
    verbosity: i8,
    running: RunningSteps,
    last_heartbeat: Duration,
}

impl Plain {
    /// Starts with a stream to write to.
    pub(super) fn new(out: Box<dyn Write + Send>, verbosity: i8) -> Self {
        Self {
            out,
            verbosity,
            running: RunningSteps::default(),
            last_heartbeat: Duration::ZERO,
        }
    }

    /// Takes note of an event and writes its lines if they weigh enough.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub(super) fn report(
        &mut self,
        event: &Event,
        (weight, lines): (Weight, Vec<String>),
        styles: &Styles,
    ) -> io::Result<()> {
        self.running.observe(event);
        let least = match self.verbosity {
            ..0 => return Ok(()),
            0 => Weight::Progress,
            1.. => Weight::Log,
        };
        if weight >= least {
            self.write(&lines)?;
        }
        if let EventKind::Ticked { progress, .. } = &event.kind
            && event.elapsed.saturating_sub(self.last_heartbeat) >= HEARTBEAT
        {
            self.last_heartbeat = event.elapsed;
            if let Some(line) = self.heartbeat(event.elapsed, progress, styles) {
                self.write(&[line])?;
            }
        }
        Ok(())
    }

    /// Writes lines at once.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub(super) fn write(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for line in lines {
            text.push_str(&without_commands(line));
            text.push('\n');
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn heartbeat(&self, now: Duration, progress: &Progress, styles: &Styles) -> Option<String> {
        let mut parts = Vec::new();
        if progress.evaluating {
            parts.push(format!(
                "{} evaluated",
                counted(progress.evaluated, "check")
            ));
        }
        let steps = self.running.in_order();
        let mut names: Vec<_> = steps
            .iter()
            .take(STEPS_NAMED)
            .map(|step| {
                format!(
                    "{} ({}, {})",
                    step.name,
                    step.stage(),
                    duration(now.saturating_sub(step.started))
                )
            })
            .collect();
        if steps.len() > STEPS_NAMED {
            names.push(format!("{} more", steps.len() - STEPS_NAMED));
        }
        if !names.is_empty() {
            parts.push(names.join(", "));
        }
        if progress.queued > 0 {
            parts.push(format!("{} queued", progress.queued));
        }
        let text = format!("{}: {}", duration(now), parts.join("; "));
        (!parts.is_empty()).then(|| status(&styles.run, "Running", text))
    }
}

#[cfg(test)]
mod tests;
