//! Makes any text harmless on a terminal and in a CI's log.
//!
//! Names, errors and log lines come from whoever wrote the flake or what it builds, and may hold escape sequences,
//! characters that turn the reading order, or ten thousand letters. Whatever is shown goes through here; nothing else
//! decides what is harmless.

use unicode_width::UnicodeWidthChar;

/// How many characters without a width may follow one that has some; more pile up over other lines.
const COMBINING_MAX: usize = 8;
/// Where tabs stop.
const TAB_COLUMNS: usize = 8;
/// The longest escape sequence that is looked at as one.
const SEQUENCE_BYTES_MAX: usize = 4096;

/// What becomes of a character.
enum Fate {
    Show,
    Drop,
    Escape,
}

fn fate(c: char) -> Fate {
    match c {
        // Selectors and joiners only choose between pictures of the same characters, and terminals disagree about
        // the width of what comes out.
        '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => Fate::Drop,
        // Marks that turn the reading order, separators of lines, and what cannot be seen at all.
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => Fate::Escape,
        _ if c.is_control() => Fate::Escape,
        _ => Fate::Show,
    }
}

/// The columns a character takes; never less than terminals give it.
fn char_columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// The columns that harmless text without colours takes.
pub(super) fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

/// The text on one line, with everything that is not plain text escaped: `\n`, `\u{1b}`.
pub fn harmless(text: &str) -> String {
    fit(text, usize::MAX, "")
}

/// As [`harmless`], cut to a number of columns with an ellipsis at its end. Reads no more of the text than it shows.
pub(super) fn fit(text: &str, width: usize, ellipsis: &str) -> String {
    let mut out = Cut::new(width, ellipsis);
    for c in text.chars() {
        if !out.push(c) {
            break;
        }
    }
    out.text
}

/// A line of a build's log made harmless, cut to a number of columns.
///
/// What a carriage return overwrote is left out, tabs are spread, escape sequences are dropped. Colours (SGR) stay if
/// `color`, and end with the line. Broken sequences and other control characters are shown escaped.
pub(super) fn log_line(line: &str, color: bool, width: usize, ellipsis: &str) -> String {
    let visible = line.split('\r').rfind(|part| !part.is_empty());
    let mut rest = visible.unwrap_or_default();
    let mut out = Cut::new(width, ellipsis);
    let mut colored = false;
    while let Some(c) = rest.chars().next() {
        if c == '\u{1b}'
            && let Some(length) = sequence_length(rest)
        {
            let (sequence, behind) = rest.split_at(length);
            if color && is_sgr(sequence) {
                out.text.push_str(sequence);
                colored = true;
            }
            rest = behind;
            continue;
        }
        let goes_on = if c == '\t' {
            (out.used % TAB_COLUMNS..TAB_COLUMNS).all(|_| out.push(' '))
        } else {
            out.push(c)
        };
        if !goes_on {
            break;
        }
        rest = &rest[c.len_utf8()..];
    }
    if colored {
        out.text.push_str("\u{1b}[0m");
    }
    out.text
}

/// A whole line of a build's log as it may stand alone in front of a person, or, `for_program`, in a pipe or the log of
/// a CI: then nothing in it is a command.
pub fn log_text(line: &str, color: bool, for_program: bool) -> String {
    let text = log_line(line, color, usize::MAX, "");
    if !for_program {
        return text;
    }
    let text = without_commands(&text);
    // What has to stand at the start of a line is kept from there.
    if text.trim_start().starts_with("::") {
        format!("| {text}")
    } else {
        text
    }
}

/// Text that grows until its columns are used up.
struct Cut<'a> {
    text: String,
    used: usize,
    width: usize,
    ellipsis: &'a str,
    /// How long the text was when the ellipsis still had room behind it.
    keep: usize,
    combining: usize,
}

impl<'a> Cut<'a> {
    fn new(width: usize, ellipsis: &'a str) -> Self {
        // Where not even the ellipsis has room, nothing takes its place.
        let ellipsis = if columns(ellipsis) <= width {
            ellipsis
        } else {
            ""
        };
        Self {
            text: String::new(),
            used: 0,
            width,
            ellipsis,
            keep: 0,
            combining: 0,
        }
    }

    /// Adds a character, made harmless. False: there was no room, and the ellipsis stands.
    fn push(&mut self, c: char) -> bool {
        match fate(c) {
            Fate::Show => self.push_shown(c),
            Fate::Drop => true,
            Fate::Escape => c.escape_default().all(|c| self.push_shown(c)),
        }
    }

    fn push_shown(&mut self, c: char) -> bool {
        let wide = char_columns(c);
        self.combining = if wide == 0 { self.combining + 1 } else { 0 };
        if self.combining > COMBINING_MAX {
            return true;
        }
        if wide > self.width - self.used {
            self.text.truncate(self.keep);
            self.text.push_str(self.ellipsis);
            return false;
        }
        self.text.push(c);
        self.used += wide;
        if self.used <= self.width - columns(self.ellipsis) {
            self.keep = self.text.len();
        }
        true
    }
}

/// The length in bytes of the escape sequence at the start of the text, if it is a whole one (ECMA-48, 5th edition,
/// §5.3–5.6).
fn sequence_length(text: &str) -> Option<usize> {
    let bytes = &text.as_bytes()[..text.len().min(SEQUENCE_BYTES_MAX)];
    let skip = |from: usize, wanted: std::ops::RangeInclusive<u8>| {
        from + bytes[from..]
            .iter()
            .take_while(|b| wanted.contains(b))
            .count()
    };
    let ends_with = |at: usize, wanted: std::ops::RangeInclusive<u8>| {
        bytes
            .get(at)
            .is_some_and(|b| wanted.contains(b))
            .then_some(at + 1)
    };
    match bytes.get(1)? {
        b'[' => ends_with(skip(skip(2, 0x30..=0x3f), 0x20..=0x2f), 0x40..=0x7e),
        // Strings, up to ESC \; terminals end the first kind at BEL too.
        kind @ (b']' | b'P' | b'X' | b'^' | b'_') => {
            let end = bytes[2..]
                .iter()
                .position(|b| *b == 0x1b || (*b == 0x07 && *kind == b']'))?
                + 2;
            if bytes[end] == 0x07 {
                Some(end + 1)
            } else {
                ends_with(end + 1, b'\\'..=b'\\')
            }
        }
        0x20..=0x2f => ends_with(skip(1, 0x20..=0x2f), 0x30..=0x7e),
        _ => ends_with(1, 0x30..=0x7e),
    }
}

/// Whether a whole escape sequence chooses colours and nothing else.
fn is_sgr(sequence: &str) -> bool {
    sequence.len() <= 64
        && sequence
            .strip_prefix("\u{1b}[")
            .and_then(|rest| rest.strip_suffix('m'))
            .is_some_and(|parameters| {
                parameters
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b";:".contains(&b))
            })
}

/// Breaks up what a CI would take for a command wherever in a line it stands: `##[…]` (GitHub's runner), `##vso[…]`
/// (Azure Pipelines), `##teamcity[…]`. What has to stand at the start of a line (`::error::`) is kept from there by
/// whoever writes the line.
pub(super) fn without_commands(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("##") {
        let (before, command) = rest.split_at(at + 1);
        out.push_str(before);
        let name = command[1..].trim_start_matches(|c: char| c.is_ascii_alphabetic());
        if name.starts_with('[') {
            out.push(' ');
        }
        rest = command;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
pub(super) mod tests;
