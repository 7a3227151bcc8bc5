//! The one place where events meet writers.

use std::io::{self, Write};

use super::{
    Format, ReportOptions, SourceTree, json, line,
    matrix::Matrix,
    plain::Plain,
    styles::Styles,
    summary::{Ending, Extent, Summary},
};
use crate::event::{Event, EventKind};

/// Shows a run as it goes on.
pub struct Reporter {
    options: ReportOptions,
    styles: Styles,
    summary: Summary,
    source: Box<dyn SourceTree>,
    face: Face,
}

enum Face {
    Matrix(Box<Matrix>),
    Plain(Plain),
    Json {
        stdout: Box<dyn Write + Send>,
        people: Plain,
    },
}

impl Reporter {
    /// Makes a reporter that writes to stdout and stderr as its options say. `source` has the flake's own files.
    pub fn new(options: ReportOptions, source: Box<dyn SourceTree>) -> Self {
        let face = match options.look.format {
            Format::Matrix => Face::Matrix(Box::new(Matrix::on_stderr(options.verbosity))),
            Format::Plain | Format::Github | Format::Gitlab => {
                Face::Plain(Plain::new(Box::new(io::stdout()), &options))
            }
            Format::Json => Face::Json {
                stdout: Box::new(io::stdout()),
                people: Plain::new(Box::new(io::stderr()), &options),
            },
        };
        Self::with_face(options, source, face)
    }

    fn with_face(options: ReportOptions, source: Box<dyn SourceTree>, face: Face) -> Self {
        Self {
            styles: Styles::new(options.look.color, options.look.unicode),
            summary: Summary::new(options.log_lines),
            options,
            source,
            face,
        }
    }

    /// Shows what happened. Returns when it is written.
    ///
    /// # Errors
    ///
    /// Those of the stream written to. After [`io::ErrorKind::BrokenPipe`] nobody reads any more: the run should end.
    pub fn report(&mut self, event: &Event) -> io::Result<()> {
        let is_news = self.summary.observe(event);
        match &mut self.face {
            Face::Json { stdout, .. } => json::write_event(stdout, event, self.options.log)?,
            Face::Plain(plain) => {
                plain.report(
                    event,
                    line::lines(event, is_news, &self.styles),
                    &self.styles,
                )?;
            }
            Face::Matrix(matrix) => {
                matrix.report(
                    event,
                    line::lines(event, is_news, &self.styles),
                    &self.styles,
                );
            }
        }
        if let EventKind::RunFinished {
            outcome,
            counts,
            duration,
            error,
            ..
        } = &event.kind
        {
            self.end(Ending {
                outcome: *outcome,
                counts,
                duration: *duration,
                error: error.as_deref(),
            })?;
        }
        Ok(())
    }

    fn end(&mut self, ending: Ending<'_>) -> io::Result<()> {
        self.summary.look_into(&*self.source);
        let extent = match (&self.face, self.options.verbosity) {
            (Face::Json { .. }, _) => Extent::Headings,
            (_, ..0) => Extent::Failures,
            (_, 0..) => Extent::Full,
        };
        let lines = self
            .summary
            .lines(ending, extent, &self.options, &self.styles);
        match &mut self.face {
            Face::Json { people, .. } => people.write(&lines),
            Face::Plain(plain) => {
                plain.write(&lines)?;
                plain.annotate(&self.summary.annotations(ending))
            }
            Face::Matrix(matrix) => matrix.end(ending.duration, lines, &self.styles),
        }
    }

    /// Leaves the terminal in order. Needed where a run ends without [`EventKind::RunFinished`].
    ///
    /// # Errors
    ///
    /// As [`Self::report`].
    pub fn finish(&mut self) -> io::Result<()> {
        match &mut self.face {
            Face::Matrix(matrix) => matrix.close(),
            Face::Plain(plain) => plain.write(&[]),
            Face::Json { stdout, .. } => stdout.flush(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
