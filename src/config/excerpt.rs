//! What is wrong in a file, with its place and the line itself.

use std::{fmt, ops::Range, path::Path};

use super::Origin;

/// How much of a line is shown, in characters.
const COLUMNS_MAX: usize = 100;
/// How much of what is wrong is underlined at most, in characters.
const CARETS_MAX: usize = 40;

/// What is wrong with a file of settings.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
    /// Something in it is wrong.
    #[error("{file}:{line}:{column}: {message}\n{excerpt}")]
    Wrong {
        /// The file's name.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// The line, and below it what is meant.
        excerpt: Excerpt,
    },
}

/// A line of a file with a part of it underlined.
#[derive(Debug, PartialEq, Eq)]
pub struct Excerpt {
    line: usize,
    text: String,
    /// How many characters of `text` come before what is underlined.
    before: usize,
    carets: usize,
}

/// A place in a file.
#[derive(Clone, Debug)]
pub(super) struct Place<'t> {
    file: &'t str,
    text: &'t str,
    span: Range<usize>,
}

impl ConfigError {
    pub(super) fn unreadable(file: &Path, reason: String) -> Self {
        Self::Unreadable {
            file: file.display().to_string(),
            reason,
        }
    }
}

impl<'t> Place<'t> {
    /// Takes the place of these bytes of a file's text.
    pub(super) fn new(file: &'t str, text: &'t str, span: Range<usize>) -> Self {
        // What comes from a parser may point behind the end, or between the bytes of a character.
        let boundary = |at: usize| {
            let mut at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = boundary(span.start);
        let end = boundary(span.end).max(start);
        Self {
            file,
            text,
            span: start..end,
        }
    }

    /// The line, from 1.
    fn line(&self) -> usize {
        self.text[..self.span.start].matches('\n').count() + 1
    }

    /// The file and the line, as where a value comes from.
    pub(super) fn origin(&self) -> Origin {
        Origin::File {
            file: self.file.to_owned(),
            line: self.line(),
        }
    }

    /// Says that this is wrong.
    pub(super) fn error(&self, message: String) -> ConfigError {
        let Self { file, text, span } = self;
        let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let rest = &text[start..];
        let whole = rest.split('\n').next().unwrap_or_default();
        let whole = whole.strip_suffix('\r').unwrap_or(whole);
        let before = text[start..span.start].chars().count();
        let wrong = text[span.clone()].lines().next().unwrap_or_default();
        // A long line is shown from shortly before what is meant.
        let skipped = if before + 10 > COLUMNS_MAX {
            before - 10
        } else {
            0
        };
        ConfigError::Wrong {
            file: (*file).to_owned(),
            line: self.line(),
            column: before + 1,
            message,
            excerpt: Excerpt {
                line: self.line(),
                text: whole
                    .chars()
                    .skip(skipped)
                    .take(COLUMNS_MAX)
                    .map(|c| if c.is_control() { ' ' } else { c })
                    .collect(),
                before: before - skipped,
                carets: wrong.chars().count().clamp(1, CARETS_MAX),
            },
        }
    }

    /// Says what TOML's parser has found wrong.
    pub(super) fn of_toml(file: &'t str, text: &'t str, error: &toml::de::Error) -> ConfigError {
        let span = error.span().unwrap_or(0..0);
        let message: Vec<&str> = error.message().lines().map(str::trim).collect();
        Self::new(file, text, span).error(message.join("; "))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            line,
            text,
            before,
            carets,
        } = self;
        let width = line.to_string().len();
        let wide = |text: &str| console::measure_text_width(text);
        let indent: String = text.chars().take(*before).collect();
        let marked: String = text.chars().skip(*before).take(*carets).collect();
        writeln!(f, "{line} | {}", text.trim_end())?;
        write!(
            f,
            "{:width$} | {:indent$}{}",
            "",
            "",
            "^".repeat(wide(&marked).max(1)),
            indent = wide(&indent)
        )
    }
}
