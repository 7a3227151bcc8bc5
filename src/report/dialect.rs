//! The commands that a CI reads from a log: folds, and annotations at a line of a file.
//!
//! Apart from who writes the log since a mistake here lets others write commands: whatever comes from outside is escaped
//! in this file. Nothing between commands has to be protected by `::stop-commands::`, because no line of a log begins
//! with a text from outside, and no line end or escape sequence of theirs is ever written.

use jiff::Timestamp;

use super::{
    Format,
    sanitize::{harmless, without_commands},
};

/// How many annotations of a kind GitHub shows for a step.
const ANNOTATIONS_MAX: usize = 10;
/// How many characters of an annotation's text are given; GitHub cuts it somewhere beyond.
const MESSAGE_CHARS_MAX: usize = 4000;
/// How many characters its title may have.
const TITLE_CHARS_MAX: usize = 255;

/// A language of commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// That of GitHub, which Gitea and Forgejo understand.
    Github,
    /// That of GitLab.
    Gitlab,
}

/// Something to be shown at a place in a file, or for the whole step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Annotation {
    /// Whether nothing fails by it.
    pub is_warning: bool,
    /// What failed.
    pub title: String,
    /// The file, relative to the flake's tree.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// Why; may have several lines.
    pub message: String,
}

impl Dialect {
    /// The language of a format, if it has one.
    pub(super) fn of(format: Format) -> Option<Self> {
        match format {
            Format::Github => Some(Self::Github),
            Format::Gitlab => Some(Self::Gitlab),
            Format::Matrix | Format::Plain | Format::Json => None,
        }
    }

    /// The line that begins a fold with this title, which must be harmless. `id` tells it from other folds.
    pub(super) fn fold(self, id: u64, title: &str, began: Timestamp) -> String {
        match self {
            Self::Github => {
                let title = console::strip_ansi_codes(title);
                format!("::group::{}", data(title.trim_start()))
            }
            Self::Gitlab => format!(
                "\u{1b}[0Ksection_start:{}:nixci_{id}[collapsed=true]\r\u{1b}[0K{title}",
                began.as_second()
            ),
        }
    }

    /// The line that ends a fold.
    pub(super) fn end_of_fold(self, id: u64, ended: Timestamp) -> String {
        match self {
            Self::Github => "::endgroup::".to_owned(),
            Self::Gitlab => format!(
                "\u{1b}[0Ksection_end:{}:nixci_{id}\r\u{1b}[0K",
                ended.as_second()
            ),
        }
    }

    /// The lines that make annotations; as many as are shown, the last one counting the rest.
    pub(super) fn annotations(self, annotations: &[Annotation]) -> Vec<String> {
        match self {
            Self::Gitlab => Vec::new(),
            Self::Github => {
                let of = |is_warning| {
                    annotations
                        .iter()
                        .filter(move |one| one.is_warning == is_warning)
                };
                let errors = commands(&of(false).collect::<Vec<_>>());
                let warnings = commands(&of(true).collect::<Vec<_>>());
                [errors, warnings].concat()
            }
        }
    }
}

/// The commands for annotations of a kind.
fn commands(annotations: &[&Annotation]) -> Vec<String> {
    let most = match annotations.len() {
        ..=ANNOTATIONS_MAX => ANNOTATIONS_MAX,
        _ => ANNOTATIONS_MAX - 1,
    };
    let (shown, rest) = annotations.split_at(annotations.len().min(most));
    let more = rest.first().map(|first| Annotation {
        is_warning: first.is_warning,
        title: format!("{} more failures", rest.len()),
        message: "The log and the summary have all of them.".to_owned(),
        ..Annotation::default()
    });
    let all = shown.iter().copied().chain(&more);
    all.map(Annotation::command).collect()
}

impl Annotation {
    fn command(&self) -> String {
        let mut properties = Vec::new();
        if let Some(file) = &self.file {
            properties.push(format!("file={}", property(&harmless(file))));
            for (name, number) in [("line", self.line), ("col", self.line.and(self.column))] {
                properties.extend(number.map(|number| format!("{name}={number}")));
            }
        }
        let title: String = harmless(&self.title)
            .chars()
            .take(TITLE_CHARS_MAX)
            .collect();
        properties.push(format!("title={}", property(&title)));
        let mut left = MESSAGE_CHARS_MAX;
        let mut lines = Vec::new();
        for line in self.message.trim_end().lines() {
            let line: String = harmless(line).chars().take(left).collect();
            left -= line.chars().count();
            lines.push(line);
            if left == 0 {
                break;
            }
        }
        let level = if self.is_warning { "warning" } else { "error" };
        format!(
            "::{level} {}::{}",
            properties.join(","),
            data(&lines.join("\n"))
        )
    }
}

/// The text of a command; of other kinds of commands in it nothing is left. Source: `escapeData` in GitHub's `@actions/core`.
fn data(text: &str) -> String {
    without_commands(text)
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a command's property. Source: `escapeProperty` in GitHub's `@actions/core`.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests;
