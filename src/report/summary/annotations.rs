//! What of a [`Summary`] a CI shows at a line of a file, or above its log.

use super::{Ending, Entry, Summary};
use crate::report::dialect::Annotation;

/// How many of the last lines of a log an annotation has.
const LOG_LINES: usize = 10;

impl Summary {
    /// Makes an annotation for each cause.
    pub(in crate::report) fn annotations(&self, ending: Ending<'_>) -> Vec<Annotation> {
        self.entries(ending).iter().map(annotation).collect()
    }
}

fn annotation(entry: &Entry<'_>) -> Annotation {
    let mut lines: Vec<String> = entry.reason.iter().map(ToString::to_string).collect();
    lines.extend_from_slice(entry.excerpt);
    lines.extend(entry.fix.map(|fix| fix.one_line("->")));
    lines.extend(entry.outputs.clone());
    lines.extend(entry.breaks().map(|checks| format!("breaks {checks}")));
    let log = &entry.log[entry.log.len().saturating_sub(LOG_LINES)..];
    lines.extend(
        log.iter()
            .map(|line| console::strip_ansi_codes(line).into_owned()),
    );
    // A file with a whole name is none of the repository's.
    let file = entry.file.filter(|file| !file.starts_with(['/', '«']));
    Annotation {
        is_warning: entry.is_allowed,
        title: format!("{}{}", entry.subject, entry.how),
        file: file.map(str::to_owned),
        line: entry.line,
        column: entry.column,
        message: lines.join("\n"),
    }
}
