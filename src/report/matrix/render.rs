//! The text of the block: a pure function of what is known, the room there is, and the time.
//!
//! The matrix itself is in [`table`], what runs and the figures are in [`footer`].

mod footer;
mod table;

use std::time::Duration;

use super::{
    Size,
    layout::{Layout, Sort},
    model::Model,
    text_line::TextLine,
};
use crate::report::styles::Styles;

/// What someone at the keyboard chose.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The order of the rows.
    pub sort: Sort,
    /// A question, in place of the figures.
    pub question: Option<&'static str>,
    /// Whether there are keys to tell of.
    pub has_keys: bool,
}

/// The live block: at most `size.lines` lines of at most `size.columns` columns, without line ends. The last one is
/// the status line.
pub(super) fn block(
    model: &Model,
    view: &View,
    size: Size,
    now: Duration,
    styles: &Styles,
) -> Vec<String> {
    let layout = Layout::of_block(model, size, view.sort);
    let writer = Writer {
        model,
        size,
        now,
        styles,
    };
    let mut lines = writer.matrix(&layout);
    lines.extend(writer.steps(layout.step_lines));
    lines.push(writer.status(view));
    lines.split_off(lines.len().saturating_sub(size.lines))
}

/// The matrix as it stays on the terminal at the end; nothing if there is no check.
pub(super) fn result(model: &Model, size: Size, now: Duration, styles: &Styles) -> Vec<String> {
    if model.row_count() == 0 {
        return Vec::new();
    }
    let writer = Writer {
        model,
        size,
        now,
        styles,
    };
    writer.matrix(&Layout::of_result(model, size))
}

/// What every line is made of.
struct Writer<'a> {
    model: &'a Model,
    size: Size,
    now: Duration,
    styles: &'a Styles,
}

impl Writer<'_> {
    fn line(&self) -> TextLine {
        TextLine::new(self.size.columns, &self.styles.glyphs)
    }
}

#[cfg(test)]
mod tests;
