//! What a run is written to besides what is shown: the events as they come, and reports of the whole when it has ended.
//!
//! A file that cannot be written costs that file and never the run: what went wrong is kept for whoever asks.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    Detail, FileError, ReportFile, ReportOptions, StreamFile, json,
    junit::junit,
    markdown::{self, markdown},
    record::Record,
    summary::{Ending, Summary},
};
use crate::event::{Event, EventKind};

/// Where else a run is written.
#[derive(Default)]
pub struct ReportFiles {
    /// JUnit XML of the whole.
    pub junit: Option<ReportFile>,
    /// Markdown of the whole.
    pub markdown: Option<ReportFile>,
    /// Events as JSON lines, as they come.
    pub json: Option<StreamFile>,
    /// The file to which a CI wants Markdown appended.
    pub step_summary: Option<PathBuf>,
}

/// Writes a run to files.
pub(super) struct Files {
    wanted: ReportFiles,
    record: Record,
    is_done: bool,
    errors: Vec<FileError>,
}

impl ReportFiles {
    /// Whether one of them is standard output.
    pub fn use_stdout(&self) -> bool {
        let reports = [&self.junit, &self.markdown].into_iter().flatten();
        reports.into_iter().any(ReportFile::is_stdout)
            || self.json.as_ref().is_some_and(StreamFile::is_stdout)
    }
}

impl Files {
    pub(super) fn new(files: ReportFiles) -> Self {
        Self {
            wanted: files,
            record: Record::default(),
            is_done: false,
            errors: Vec::new(),
        }
    }

    /// Takes note of an event and writes it to the file of events, if there is to be so much detail.
    pub(super) fn observe(&mut self, event: &Event, detail: Detail) {
        let ReportFiles {
            junit,
            markdown,
            json,
            step_summary,
        } = &mut self.wanted;
        if junit.is_some() || markdown.is_some() || step_summary.is_some() {
            self.record.observe(event);
        }
        if let Some(json) = json {
            let written = json.write(|mut out| {
                json::write_line(&mut out, event, detail)?;
                // Not at every line: a run may have thousands in a moment.
                let is_moment = matches!(
                    event.kind,
                    EventKind::RunStarted { .. }
                        | EventKind::Ticked { .. }
                        | EventKind::RunFinished { .. }
                );
                if is_moment { out.flush() } else { Ok(()) }
            });
            self.errors.extend(written.err());
        }
    }

    /// Writes the reports of the whole, once.
    pub(super) fn end(&mut self, summary: &Summary, ending: Ending<'_>, options: &ReportOptions) {
        if std::mem::replace(&mut self.is_done, true) {
            return;
        }
        let record = &self.record;
        if let Some(file) = &self.wanted.junit {
            let written = match junit(record, summary, ending, options) {
                Ok(text) => file.write(text.as_bytes()),
                Err(error) => Err(file.error(io::Error::other(error))),
            };
            self.errors.extend(written.err());
        }
        if let Some(file) = &self.wanted.markdown {
            let text = markdown(record, summary, ending, options, markdown::BYTES_MAX);
            self.errors.extend(file.write(text.as_bytes()).err());
        }
        if let Some(path) = &self.wanted.step_summary {
            let there = fs::metadata(path).map_or(0, |meta| meta.len());
            let room =
                markdown::BYTES_MAX.saturating_sub(usize::try_from(there).unwrap_or(usize::MAX));
            let text = markdown(record, summary, ending, options, room);
            let written = append(path, &text).map_err(|source| FileError {
                path: path.clone(),
                source,
            });
            self.errors.extend(written.err());
        }
    }

    /// How many checks ended how so far.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// What went wrong since this was asked last.
    pub(super) fn take_errors(&mut self) -> Vec<FileError> {
        std::mem::take(&mut self.errors)
    }
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
