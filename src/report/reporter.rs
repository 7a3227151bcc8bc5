//! The one place where events meet writers.

use std::{
    io::{self, Write},
    panic,
};

use super::{
    FileError, Format, ReportFiles, ReportOptions, SourceTree, Wish,
    files::Files,
    json, line,
    matrix::{Key, LogToPage, Matrix, Modes, terminal},
    plain::Plain,
    styles::Styles,
    summary::{Ending, Extent, Summary},
};
use crate::{
    event::{Event, EventKind, RunOutcome},
    nix::StorePath,
};

/// Shows a run as it goes on.
pub struct Reporter {
    options: ReportOptions,
    styles: Styles,
    summary: Summary,
    source: Box<dyn SourceTree>,
    files: Files,
    face: Face,
    wish: Option<Box<dyn Fn(Wish) + Send>>,
}

enum Face {
    Matrix(Box<Matrix>),
    Plain(Plain),
    Json {
        stdout: Box<dyn Write + Send>,
        people: Plain,
    },
}

impl Face {
    fn matrix(&mut self) -> Option<&mut Matrix> {
        match self {
            Self::Matrix(matrix) => Some(matrix),
            Self::Plain(_) | Self::Json { .. } => None,
        }
    }
}

impl Reporter {
    /// Makes a reporter that writes to stdout and stderr as its options say. `source` has the flake's own files.
    pub fn new(options: ReportOptions, source: Box<dyn SourceTree>, files: ReportFiles) -> Self {
        // Lines for people would stand between those of the file.
        let stdout: Box<dyn Write + Send> = if files.use_stdout() {
            Box::new(io::stderr())
        } else {
            Box::new(io::stdout())
        };
        let face = match options.look.format {
            Format::Matrix => {
                let modes = if options.keys {
                    Modes::Keys
                } else {
                    Modes::Silent
                };
                Face::Matrix(Box::new(Matrix::on_stderr(options.verbosity, modes)))
            }
            Format::Plain | Format::Github | Format::Gitlab => {
                Face::Plain(Plain::new(stdout, &options))
            }
            Format::Json => Face::Json {
                stdout: Box::new(io::stdout()),
                people: Plain::new(Box::new(io::stderr()), &options),
            },
        };
        Self::with_face(options, source, files, face)
    }

    fn with_face(
        options: ReportOptions,
        source: Box<dyn SourceTree>,
        files: ReportFiles,
        face: Face,
    ) -> Self {
        Self {
            styles: Styles::new(options.look.color, options.look.unicode),
            summary: Summary::new(options.log_lines),
            options,
            source,
            files: Files::new(files),
            face,
            wish: None,
        }
    }

    /// Tells what the display wants of the run by itself to this function, too.
    pub fn on_wish(&mut self, wish: impl Fn(Wish) + Send + 'static) {
        self.wish = Some(Box::new(wish));
    }

    /// Shows what happened. Returns when it is written.
    ///
    /// # Errors
    ///
    /// Those of the stream written to. After [`io::ErrorKind::BrokenPipe`] nobody reads any more: the run should end.
    pub fn report(&mut self, event: &Event) -> io::Result<()> {
        let is_news = self.summary.observe(event);
        self.files.observe(event, self.options.detail);
        match &mut self.face {
            Face::Json { stdout, .. } => json::write_event(stdout, event, self.options.detail)?,
            Face::Plain(plain) => {
                plain.report(
                    event,
                    line::lines(event, is_news, &self.styles),
                    &self.styles,
                )?;
            }
            Face::Matrix(matrix) => {
                let lines = line::lines(event, is_news, &self.styles);
                let wanted = matrix.report(event, lines, &self.styles);
                if let (Some(wanted), Some(wish)) = (wanted, &self.wish) {
                    wish(wanted);
                }
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
            // Before anything is shown: whoever should see it may be gone.
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
        self.files.end(&self.summary, ending, &self.options);
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

    /// What could not be written to a file, since this was asked last.
    pub fn take_file_errors(&mut self) -> Vec<FileError> {
        self.files.take_errors()
    }

    /// Whether keys are of use: the options say so.
    pub fn takes_keys(&self) -> bool {
        self.options.keys
    }

    /// Takes a key. Returns what is wanted by it.
    pub(super) fn press(&mut self, key: Key) -> Option<Wish> {
        let styles = &self.styles;
        self.face.matrix()?.press(key, styles)
    }

    /// The log of a derivation for a pager, as far as it is known.
    pub(super) fn log_to_page(&mut self, drv_path: &StorePath) -> Option<LogToPage> {
        let folder = self.options.logs.as_ref();
        let file = folder.map(|folder| folder.file(drv_path));
        let color = self.styles.color;
        self.face.matrix()?.log_to_page(drv_path, file, color)
    }

    /// Leaves the terminal to someone else until [`Self::resume`].
    pub(super) fn suspend(&mut self) {
        if let Some(matrix) = self.face.matrix() {
            matrix.suspend();
        }
    }

    /// Takes the terminal again.
    pub(super) fn resume(&mut self) {
        let styles = &self.styles;
        if let Some(matrix) = self.face.matrix() {
            matrix.resume(styles);
        }
    }

    /// Says something to whoever is at the keyboard.
    pub(super) fn notify(&mut self, notice: String) {
        let styles = &self.styles;
        if let Some(matrix) = self.face.matrix() {
            matrix.notify(notice, styles);
        }
    }

    /// Whether the run is over and someone still reads: what it has to say at the end is written when [`Wish::Leave`]
    /// comes and [`Self::finish`] is called.
    pub fn is_read(&mut self) -> bool {
        self.face.matrix().is_some_and(|matrix| matrix.is_read())
    }

    /// Draws anew what someone still reads: the terminal's size may have changed.
    pub fn refresh(&mut self) {
        let styles = &self.styles;
        if let Some(matrix) = self.face.matrix() {
            matrix.draw(styles);
        }
    }

    /// Undoes at once what was changed of the terminal, from wherever: for an end that cannot wait.
    pub fn restore_terminal() {
        terminal::restore();
    }

    /// From now on, a panic leaves the terminal in order before it is told of.
    pub fn restore_terminal_on_panic() {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            terminal::restore();
            told(panic);
        }));
    }

    /// Leaves the terminal in order, and writes what is known to the files. Needed where a run ends without
    /// [`EventKind::RunFinished`].
    ///
    /// # Errors
    ///
    /// As [`Self::report`].
    pub fn finish(&mut self) -> io::Result<()> {
        let record = self.files.record();
        let (counts, duration) = (record.counts(), record.elapsed);
        let ending = Ending {
            outcome: RunOutcome::Cancelled,
            counts: &counts,
            duration,
            error: None,
        };
        self.files.end(&self.summary, ending, &self.options);
        match &mut self.face {
            Face::Matrix(matrix) => matrix.close(),
            Face::Plain(plain) => plain.write(&[]),
            Face::Json { stdout, .. } => stdout.flush(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
