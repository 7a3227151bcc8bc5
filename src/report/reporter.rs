//! The one place where events meet writers.

use std::io::{self, Write};

use super::{Format, ReportOptions, json};
use crate::event::Event;

/// Shows a run as it goes on.
pub struct Reporter {
    options: ReportOptions,
    stdout: Box<dyn Write + Send>,
}

impl Reporter {
    /// Makes a reporter that writes to stdout and stderr as its options say.
    pub fn new(options: ReportOptions) -> Self {
        Self {
            options,
            stdout: Box::new(io::stdout()),
        }
    }

    /// Shows what happened. Returns when it is written.
    ///
    /// # Errors
    ///
    /// Those of the stream written to. After [`io::ErrorKind::BrokenPipe`] nobody reads any more: the run should end.
    pub fn report(&mut self, event: &Event) -> io::Result<()> {
        match self.options.look.format {
            Format::Json => json::write_event(&mut self.stdout, event, self.options.log),
            Format::Matrix | Format::Plain => Ok(()),
        }
    }

    /// Leaves the terminal in order. Needed where a run ends without [`crate::event::EventKind::RunFinished`].
    ///
    /// # Errors
    ///
    /// As [`Self::report`].
    pub fn finish(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }
}
