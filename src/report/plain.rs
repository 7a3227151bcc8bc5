//! Lines for where no terminal is: a CI's log, a file, a pipe.
//!
//! Apart from the live block because nothing here may be taken back: what is written stays, in order. Where a CI folds,
//! the log of a build is one block when the build has ended, never mixed with another.

use std::{
    io::{self, Write},
    time::Duration,
};

use super::{
    ReportOptions,
    build_log::{BuildLog, BuildLogs},
    dialect::{Annotation, Dialect},
    format::{count, counted, duration},
    line::{Weight, log_lines, status},
    running::RunningSteps,
    sanitize::without_commands,
    styles::{Styles, paint},
    words::step_name,
};
use crate::{
    event::{Event, EventKind, Progress},
    nix::StorePath,
};

/// How often is told what runs, so that nobody takes a long build for a stuck one.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How many running steps a heartbeat names.
const STEPS_NAMED: usize = 8;

/// The plain lines of a run.
pub(super) struct Plain {
    out: Box<dyn Write + Send>,
    verbosity: i8,
    stall_timeout: Option<Duration>,
    /// The commands that whoever reads understands.
    dialect: Option<Dialect>,
    fold: bool,
    folds: u64,
    logs: BuildLogs,
    running: RunningSteps,
    last_heartbeat: Duration,
}

impl Plain {
    /// Starts with a stream to write to.
    pub(super) fn new(out: Box<dyn Write + Send>, options: &ReportOptions) -> Self {
        Self {
            out,
            verbosity: options.verbosity,
            stall_timeout: options.stall_timeout,
            dialect: Dialect::of(options.look.format),
            fold: options.fold,
            folds: 0,
            logs: BuildLogs::default(),
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
        if self.verbosity < 0 {
            return Ok(());
        }
        let least = match (self.verbosity, self.dialect) {
            (..=0, _) => Weight::Progress,
            // The lines of logs come in one block each.
            (1.., Some(_)) => Weight::Detail,
            (1.., None) => Weight::Log,
        };
        let log = self.dialect.and_then(|_| self.logs.observe(event));
        if let (EventKind::StepFinished { drv_path, .. }, Some(log)) = (&event.kind, log) {
            self.write_log(event, drv_path, (weight, lines), &log, styles)?;
        } else if weight >= least {
            self.write(&lines)?;
        }
        if let EventKind::Ticked { .. } = &event.kind {
            self.tell_silence(event.elapsed, styles)?;
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
        self.write_with_commands(lines.iter().map(|line| without_commands(line)))
    }

    /// Writes annotations, as far as whoever reads knows such.
    ///
    /// # Errors
    ///
    /// Those of the stream.
    pub(super) fn annotate(&mut self, annotations: &[Annotation]) -> io::Result<()> {
        let commands = self.dialect.map(|dialect| dialect.annotations(annotations));
        self.write_with_commands(commands.into_iter().flatten())
    }

    /// Writes lines that may be commands.
    fn write_with_commands(&mut self, lines: impl IntoIterator<Item = String>) -> io::Result<()> {
        let mut text = String::new();
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Writes how a build ended, and its log as one block. What failed stands in the open, its log below it.
    fn write_log(
        &mut self,
        event: &Event,
        drv_path: &StorePath,
        (weight, mut lines): (Weight, Vec<String>),
        log: &BuildLog,
        styles: &Styles,
    ) -> io::Result<()> {
        let all = log.lines.end_line();
        let which = match log.lines.before() {
            0 => String::new(),
            _ => format!("the last {} of ", count(log.lines.len())),
        };
        let which = format!(
            "{which}{} line{}",
            count(all),
            if all == 1 { "" } else { "s" }
        );
        if weight >= Weight::Notice {
            self.write(&lines)?;
            let name = step_name(drv_path);
            lines = vec![status(&styles.dim, "Log", format!("of {name}, {which}"))];
        } else if let Some(line) = lines.last_mut() {
            line.push_str(&paint(&styles.dim, format_args!(", {which}")));
        }
        let began = log.began;
        let log = log_lines(
            drv_path,
            log.lines.lines_from(0).map(|(_, line)| line),
            styles,
        );
        let log = log.iter().map(|line| without_commands(line));
        let title = without_commands(&lines.concat());
        match self.dialect.filter(|_| self.fold) {
            Some(dialect) => {
                self.folds += 1;
                let start = dialect.fold(self.folds, &title, began);
                let end = dialect.end_of_fold(self.folds, event.at);
                self.write_with_commands([start].into_iter().chain(log).chain([end]))
            }
            None => self.write_with_commands([title].into_iter().chain(log)),
        }
    }

    /// Shows the last lines of what has said nothing for long.
    fn tell_silence(&mut self, now: Duration, styles: &Styles) -> io::Result<()> {
        let Some(limit) = self.stall_timeout else {
            return Ok(());
        };
        let mut lines = Vec::new();
        for step in self.running.newly_silent(now, limit) {
            let silence = duration(now.saturating_sub(step.heard));
            let words = format!("{} ({}) for {silence}", step.name, step.stage());
            let behind = match step.last_lines.len() {
                0 => "; it has said nothing yet",
                1 => "; its last line:",
                _ => "; its last lines:",
            };
            lines.push(status(&styles.notice, "Silent", words + behind));
            let bar = paint(&styles.dim, styles.glyphs.quote);
            lines.extend(
                step.last_lines
                    .iter()
                    .map(|line| format!("             {bar} {line}")),
            );
        }
        self.write(&lines)
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
