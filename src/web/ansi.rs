//! What builds say as HTML: colours become classes, and nothing else of what a terminal obeys is left.
//!
//! Kept between pieces of a log, so that one that grows can be shown as it does. Apart from `report`, which speaks to
//! terminals. Must never let anything through that a browser takes for more than text: all text goes through
//! [`push_escaped`], and classes are made of what is written here.

mod style;

use std::fmt::Write as _;

use vte::{Params, Parser, Perform};

use self::style::Style;
use super::escape::push_escaped;
use crate::report::harmless;

/// How much of a line is looked at, in bytes.
const LINE_BYTES_MAX: usize = 32 << 10;
/// Where tabs stop.
const TAB_COLUMNS: usize = 8;
/// Ends whatever escape sequence is open (ECMA-48, CAN).
const CANCEL: u8 = 0x18;

/// Turns a log into lines of HTML, piece by piece.
#[derive(Default)]
pub struct LogHtml {
    parser: Parser,
    line: Line,
    /// Bytes of the open line so far.
    bytes: usize,
    /// The beginning of a character whose rest is to come: the parser loses text behind one that comes in pieces.
    begun: Vec<u8>,
}

impl LogHtml {
    /// Takes a piece of a log, and hands out every line that it ends, without its end.
    pub fn feed(&mut self, mut piece: &[u8], on_line: &mut dyn FnMut(&str)) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.advance(&piece[..end]);
            self.end_line(on_line);
            piece = &piece[end + 1..];
        }
        self.advance(piece);
    }

    /// Hands out the line that has no end yet, if there is one.
    pub fn finish(&mut self, on_line: &mut dyn FnMut(&str)) {
        if self.bytes > 0 {
            self.end_line(on_line);
        }
    }

    fn advance(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.bytes).min(bytes.len());
        self.bytes += bytes.len();
        self.begun.extend_from_slice(&bytes[..room]);
        let text = std::mem::take(&mut self.begun);
        let (whole, begun) = text.split_at(text.len() - unfinished(&text));
        self.parser.advance(&mut self.line, whole);
        self.begun.extend_from_slice(begun);
    }

    fn end_line(&mut self, on_line: &mut dyn FnMut(&str)) {
        if !std::mem::take(&mut self.begun).is_empty() {
            let replacement = char::REPLACEMENT_CHARACTER.to_string();
            self.parser.advance(&mut self.line, replacement.as_bytes());
        }
        // A sequence that is never closed hides no more than its line.
        self.parser.advance(&mut self.line, &[CANCEL]);
        self.line.flush();
        if self.bytes > LINE_BYTES_MAX {
            let left_out = self.bytes - LINE_BYTES_MAX;
            let _ = write!(
                self.line.html,
                "<i class=\"cut\">… {left_out} bytes more of this line</i>"
            );
        }
        on_line(&self.line.html);
        self.line.clear();
        self.bytes = 0;
    }
}

/// How many bytes at the end are the beginning of a character (UTF-8, RFC 3629, §3).
fn unfinished(text: &[u8]) -> usize {
    let tail = &text[text.len().saturating_sub(3)..];
    let Some(lead) = tail.iter().rposition(|byte| !(0x80..0xc0).contains(byte)) else {
        return 0;
    };
    let wanted = match tail[lead] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let there = tail.len() - lead;
    if there < wanted { there } else { 0 }
}

/// The line that is being written.
#[derive(Default)]
struct Line {
    html: String,
    /// Text in the style of now that is not in `html` yet.
    text: String,
    style: Style,
    columns: usize,
    /// A carriage return came: what comes next stands in place of what is there.
    is_returned: bool,
}

impl Line {
    fn clear(&mut self) {
        self.html.clear();
        self.text.clear();
        self.columns = 0;
        self.is_returned = false;
    }

    fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let classes = self.style.classes();
        if !classes.is_empty() {
            self.html.push_str("<span class=\"");
            self.html.push_str(&classes);
            self.html.push_str("\">");
        }
        push_escaped(&mut self.html, &harmless(&self.text));
        if !classes.is_empty() {
            self.html.push_str("</span>");
        }
        self.text.clear();
    }
}

impl Perform for Line {
    fn print(&mut self, c: char) {
        // The parser takes such a one for text when its bytes come in two pieces.
        if c.is_control() {
            return;
        }
        if self.is_returned {
            self.clear();
        }
        self.text.push(c);
        self.columns += 1;
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.is_returned = true,
            b'\t' => {
                for _ in self.columns % TAB_COLUMNS..TAB_COLUMNS {
                    self.print(' ');
                }
            }
            _ => {}
        }
    }

    fn csi_dispatch(
        &mut self,
        params: &Params,
        intermediates: &[u8],
        is_broken: bool,
        action: char,
    ) {
        if action == 'm' && intermediates.is_empty() && !is_broken {
            self.flush();
            self.style.select(params);
        }
    }
}

#[cfg(test)]
mod tests;
