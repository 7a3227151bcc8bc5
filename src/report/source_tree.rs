//! The flake's own files, as far as a report looks at them: for an excerpt, and for the line with a wrong hash.
//!
//! A port: a report reads no files itself, so that it works the same on a recorded run and in tests.

use std::collections::HashMap;

/// How many bytes are searched in all.
const SEARCHED_BYTES_MAX: usize = 64 << 20;
/// How many places are found at most.
const PLACES_MAX: usize = 1_000;
/// How many lines stand before and behind the line that an excerpt is about.
const LINES_AROUND: usize = 1;
/// How many columns of a line an excerpt shows.
const EXCERPT_COLUMNS_MAX: usize = 200;

/// The files of the flake that is checked.
pub trait SourceTree: Send {
    /// The names of its files, relative to the tree, those where hashes are likely first.
    fn files(&self) -> Vec<String>;

    /// The text of a file of the tree; `None` if it has no such file, or one that is too large or no text.
    fn read(&self, file: &str) -> Option<String>;
}

/// No files at all: the flake is not on this machine.
#[derive(Debug)]
pub struct NoSource;

impl SourceTree for NoSource {
    fn files(&self) -> Vec<String> {
        Vec::new()
    }

    fn read(&self, _: &str) -> Option<String> {
        None
    }
}

/// Where a word stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub file: String,
    pub line: u32,
    pub column: u32,
}

/// Finds words in the files of a tree; gives the places of each by its number. A word is a run of letters, digits and
/// what base 64 has besides.
pub(super) fn find(tree: &dyn SourceTree, words: &HashMap<String, usize>) -> Vec<(usize, Place)> {
    let mut places = Vec::new();
    if words.is_empty() {
        return places;
    }
    let mut left = SEARCHED_BYTES_MAX;
    for file in tree.files() {
        let Some(text) = tree.read(&file) else {
            continue;
        };
        for (line, content) in (1..).zip(text.lines()) {
            let mut rest = content;
            while let Some(start) = rest.find(is_of_word) {
                let end = rest[start..]
                    .find(|c| !is_of_word(c))
                    .map_or(rest.len(), |length| start + length);
                if let Some(word) = words.get(&rest[start..end]) {
                    let before = content.len() - rest.len() + start;
                    let column = content[..before].chars().count() + 1;
                    let place = Place {
                        file: file.clone(),
                        line,
                        column: u32::try_from(column).unwrap_or(u32::MAX),
                    };
                    places.push((*word, place));
                }
                rest = &rest[end..];
            }
        }
        left = left.saturating_sub(text.len());
        if left == 0 || places.len() >= PLACES_MAX {
            break;
        }
    }
    places
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-')
}

/// The lines around a place, with numbers in front and a caret below it. `None` if there is no such line.
pub(super) fn excerpt(
    tree: &dyn SourceTree,
    file: &str,
    line: u32,
    column: Option<u32>,
) -> Option<Vec<String>> {
    let text = tree.read(file)?;
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let from = at.saturating_sub(LINES_AROUND);
    let around: Vec<_> = text
        .lines()
        .enumerate()
        .skip(from)
        .take(at - from + 1 + LINES_AROUND)
        .map(|(number, line)| {
            let line: String = line.chars().take(EXCERPT_COLUMNS_MAX).collect();
            (number, line.replace('\t', " "))
        })
        .collect();
    let (last, _) = around.last().filter(|(last, _)| *last >= at)?;
    let width = (last + 1).to_string().len();
    let mut lines = Vec::new();
    for (number, content) in &around {
        lines.push(
            format!("{:width$}| {content}", number + 1)
                .trim_end()
                .to_owned(),
        );
        let column = column.and_then(|column| usize::try_from(column).ok()?.checked_sub(1));
        if let Some(before) = column.filter(|column| *number == at && *column <= content.len()) {
            lines.push(format!("{:width$}| {:before$}^", "", ""));
        }
    }
    Some(lines)
}

#[cfg(test)]
pub(super) mod tests;
