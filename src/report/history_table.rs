//! Earlier runs as a table with a small chart, for `nixci history`.
//!
//! Knows nothing of where rows come from. Pure; every text is made harmless here.

use std::{fmt::Write as _, time::Duration};

use super::{
    format::{count, counted, duration, estimate},
    sanitize::{columns, fit, harmless},
    styles::{Styles, paint},
};

/// How wide the longest bar is at most, in columns; in a narrow table a quarter of it.
const BAR_COLUMNS_MAX: usize = 20;
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
    let scale = Scale {
        longest: rows
            .iter()
            .filter_map(|row| row.duration)
            .max()
            .unwrap_or_default(),
        columns: BAR_COLUMNS_MAX.min(width / 4),
        unicode,
    };
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, scale, &styles)).collect();
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

/// Says in a line what the rows of a check have in common.
pub fn history_heading(check: &str, rows: &[HistoryRow]) -> String {
    let of = |sign| rows.iter().filter(move |row| row.sign == sign);
    let mut parts = vec![counted(rows.len(), "run")];
    for (sign, what) in [
        (HistorySign::Passed, "passed"),
        (HistorySign::Failed, "failed"),
    ] {
        let n = of(sign).count();
        if n > 0 {
            parts.push(format!("{} {what}", count(n)));
        }
    }
    let mut took: Vec<Duration> = of(HistorySign::Passed)
        .filter_map(|row| row.duration)
        .collect();
    took.sort_unstable();
    if let Some(median) = took.get(took.len() / 2) {
        parts.push(format!("takes about {}", estimate(*median)));
    }
    format!("{}: {}", harmless(check), parts.join(", "))
}

/// What bars are in proportion to.
#[derive(Clone, Copy)]
struct Scale {
    longest: Duration,
    columns: usize,
    unicode: bool,
}

fn cells(row: &HistoryRow, scale: Scale, styles: &Styles) -> Vec<String> {
    let (glyph, _) = sign(row.sign, styles);
    let mut cells = vec![
        age(row.age),
        format!("{glyph} {}", harmless(&row.outcome)),
        row.duration.map_or(String::new(), duration),
        row.duration.map_or(String::new(), |took| bar(took, scale)),
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

/// How long ago: `7s ago`, `5m ago`, `3h ago`, `12d ago`.
fn age(age: Duration) -> String {
    let minutes = age.as_secs() / 60;
    match minutes {
        0 => format!("{}s ago", age.as_secs()),
        1..60 => format!("{minutes}m ago"),
        60..2880 => format!("{}h ago", minutes / 60),
        _ => format!("{}d ago", minutes / 1440),
    }
}

/// A bar in proportion to the longest one; what took any time has at least the smallest sign.
fn bar(took: Duration, scale: Scale) -> String {
    let steps = if scale.unicode { EIGHTHS.len() } else { 1 };
    let all = scale.columns * steps;
    let length = all as u128 * took.as_millis() / scale.longest.as_millis().max(1);
    let length = usize::try_from(length).map_or(all, |length| length.min(all));
    let length = length.max(usize::from(!took.is_zero()));
    if scale.unicode {
        let end = (length % EIGHTHS.len()).checked_sub(1);
        let end = end.and_then(|at| EIGHTHS.get(at)).unwrap_or(&"");
        format!("{}{end}", "█".repeat(length / EIGHTHS.len()))
    } else {
        "#".repeat(length)
    }
}

#[cfg(test)]
mod tests;
