//! Earlier runs as a table with a small chart, for `nixci history`.
//!
//! Knows nothing of where rows come from. Pure; every text is made harmless here.

use std::{fmt::Write as _, time::Duration};

use super::{
    format::duration,
    sanitize::{columns, fit, harmless},
    styles::{Styles, paint},
};

/// How wide the longest bar is, in columns.
const BAR_COLUMNS: usize = 20;
/// Eighths of a column, from one to all.
const EIGHTHS: [&str; 8] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
/// Between two columns of the table.
const GAP: &str = "  ";

/// How something ended, as far as a sign tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistorySign {
    /// Well.
    Passed,
    /// Badly.
    Failed,
    /// Neither.
    Neutral,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// How long ago it began.
    pub age: Duration,
    /// How it ended.
    pub sign: HistorySign,
    /// The same in words.
    pub outcome: String,
    /// How long it took.
    pub duration: Option<Duration>,
    /// Columns of their own behind the chart.
    pub details: Vec<String>,
}

/// Writes the rows in their order, a line each, at most `width` columns wide. The longest duration fills the chart.
pub fn history_table(rows: &[HistoryRow], color: bool, unicode: bool, width: usize) -> Vec<String> {
    let styles = Styles::new(color, unicode);
    let longest = rows.iter().filter_map(|row| row.duration).max();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| cells(row, longest, &styles))
        .collect();
    let count = cells.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|at| {
            let cell = |row: &Vec<String>| row.get(at).map_or(0, |cell| columns(cell));
            cells.iter().map(cell).max().unwrap_or(0)
        })
        .collect();
    rows.iter()
        .zip(&cells)
        .map(|(row, cells)| line(row, cells, &widths, &styles, width))
        .collect()
}

fn cells(row: &HistoryRow, longest: Option<Duration>, styles: &Styles) -> Vec<String> {
    let (glyph, _) = sign(row.sign, styles);
    let mut cells = vec![
        age(row.age),
        format!("{glyph} {}", harmless(&row.outcome)),
        row.duration.map_or(String::new(), duration),
        row.duration
            .zip(longest)
            .map_or(String::new(), |(took, longest)| bar(took, longest, styles)),
    ];
    cells.extend(row.details.iter().map(|detail| harmless(detail)));
    cells
}

fn line(
    row: &HistoryRow,
    cells: &[String],
    widths: &[usize],
    styles: &Styles,
    width: usize,
) -> String {
    let mut left = width;
    let mut out = String::new();
    for (at, (cell, column)) in cells.iter().zip(widths).enumerate() {
        // A column that is empty in all rows takes no room.
        if *column == 0 {
            continue;
        }
        let gap = if out.is_empty() { "" } else { GAP };
        let room = left.saturating_sub(gap.len());
        if room == 0 {
            break;
        }
        let text = fit(cell, room, styles.glyphs.ellipsis);
        let pad = column.min(&room).saturating_sub(columns(&text));
        left = room.saturating_sub(columns(&text) + pad);
        let style = match at {
            0 => &styles.dim,
            1 => sign(row.sign, styles).1,
            3 => &styles.run,
            _ => &styles.plain,
        };
        let painted = paint(style, &text);
        // Figures of time end in the same column.
        if at == 0 || at == 2 {
            let _ = write!(out, "{gap}{:pad$}{painted}", "");
        } else {
            let _ = write!(out, "{gap}{painted}{:pad$}", "");
        }
    }
    out.trim_end().to_owned()
}

fn sign(sign: HistorySign, styles: &Styles) -> (&'static str, &console::Style) {
    match sign {
        HistorySign::Passed => (styles.glyphs.pass, &styles.pass),
        HistorySign::Failed => (styles.glyphs.fail, &styles.fail),
        HistorySign::Neutral => (styles.glyphs.neutral, &styles.notice),
    }
}

/// How long ago: `now`, `5m ago`, `3h ago`, `12d ago`.
fn age(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => "now".to_owned(),
        1..60 => format!("{minutes}m ago"),
        60..2880 => format!("{}h ago", minutes / 60),
        _ => format!("{}d ago", minutes / 1440),
    }
}

/// A bar in proportion to the longest one; what took any time has at least the smallest sign.
fn bar(took: Duration, longest: Duration, styles: &Styles) -> String {
    let unicode = styles.glyphs.pass != "+";
    let steps = if unicode { 8 } else { 1 };
    let all = (BAR_COLUMNS * steps) as u128;
    let length = all * took.as_millis() / longest.as_millis().max(1);
    let length = usize::try_from(length)
        .unwrap_or(0)
        .min(BAR_COLUMNS * steps);
    let length = length.max(usize::from(!took.is_zero()));
    if unicode {
        let part = length % 8;
        let end = if part == 0 { "" } else { EIGHTHS[part - 1] };
        format!("{}{end}", EIGHTHS[7].repeat(length / 8))
    } else {
        "#".repeat(length)
    }
}

#[cfg(test)]
mod tests;
