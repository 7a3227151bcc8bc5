//! One line of the block, never wider than it may be.

use std::fmt::Write as _;

use console::Style;

use crate::report::{
    sanitize::{columns, fit},
    styles::{Glyphs, paint},
};

/// A line that is written from left to right. Whatever is pushed is made harmless and cut to the room that is left.
pub(super) struct TextLine {
    text: String,
    used: usize,
    /// Columns to skip before the next piece; none at the end of a line.
    gap: usize,
    width: usize,
    ellipsis: &'static str,
}

impl TextLine {
    /// Starts an empty line of at most so many columns.
    pub(super) fn new(width: usize, glyphs: &Glyphs) -> Self {
        Self {
            text: String::new(),
            used: 0,
            gap: 0,
            width,
            ellipsis: glyphs.ellipsis,
        }
    }

    /// The columns that are left.
    pub(super) fn room(&self) -> usize {
        self.width.saturating_sub(self.used + self.gap)
    }

    /// The columns that are written.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Leaves columns empty.
    #[must_use]
    pub(super) fn skip(mut self, n: usize) -> Self {
        self.gap += n;
        self
    }

    /// Leaves columns empty up to this one, counted from 0.
    #[must_use]
    pub(super) fn skip_to(mut self, column: usize) -> Self {
        self.gap = self.gap.max(column.saturating_sub(self.used));
        self
    }

    /// Adds a text.
    #[must_use]
    pub(super) fn push(self, text: &str, style: &Style) -> Self {
        let room = self.room();
        self.push_within(text, room, style)
    }

    /// Adds a text, cut to so many columns.
    #[must_use]
    pub(super) fn push_within(mut self, text: &str, width: usize, style: &Style) -> Self {
        let text = fit(text, width.min(self.room()), self.ellipsis);
        let gap = self.gap;
        // Even a text without a width must not draw the gap over the end of the line.
        if !text.is_empty() && self.used + gap <= self.width {
            _ = write!(self.text, "{:gap$}{}", "", paint(style, &text));
            self.used += gap + columns(&text);
            self.gap = 0;
        }
        self
    }

    /// The line.
    pub(super) fn finish(self) -> String {
        self.text
    }
}
