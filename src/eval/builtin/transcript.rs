//! What a worker writes to standard error, taken apart: its answers between what Nix itself writes.
//!
//! A worker's own lines are traces that begin with a number nobody else knows, so a flake cannot forge an answer. Pure.

use crate::eval::sections::{Section, SectionKind, Sections};

/// Something a worker said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A warning or a trace came up at what it looks at.
    Warning(String),
    /// The answer, as JSON.
    Answer(Vec<u8>),
    /// It is done with a request, and with this error text if there was one.
    Done(Option<String>),
}

/// Reads a worker's lines.
#[derive(Debug)]
pub(super) struct Transcript {
    own: Vec<u8>,
    sections: Sections,
    error: Option<String>,
}

impl Transcript {
    /// Reads a worker that marks its own lines with this word.
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            own: format!("trace: {nonce} ").into_bytes(),
            sections: Sections::default(),
            error: None,
        }
    }

    /// Takes a line; returns what is complete with it.
    pub(super) fn push(&mut self, line: &[u8]) -> [Option<Said>; 2] {
        let Some(own) = line.strip_prefix(self.own.as_slice()) else {
            let section = self.sections.push(line);
            return [self.take(section), None];
        };
        let section = self.sections.finish();
        let before = self.take(section);
        let said = match own {
            b"done" => Said::Done(self.error.take()),
            answer => Said::Answer(answer.to_vec()),
        };
        [before, Some(said)]
    }

    /// Returns the error text with which the worker ended, if it said one.
    pub(super) fn finish(mut self) -> Option<String> {
        let section = self.sections.finish();
        self.take(section);
        self.error
    }

    fn take(&mut self, section: Option<Section>) -> Option<Said> {
        let Section { kind, text } = section?;
        match kind {
            SectionKind::Warning | SectionKind::Trace => Some(Said::Warning(text)),
            SectionKind::Error => {
                self.error = Some(text);
                None
            }
            SectionKind::Noise => None,
        }
    }
}

#[cfg(test)]
mod tests;
