//! A step and its log, which may be long and may grow.
//!
//! The page is made in three pieces, so that nobody has to hold a whole log: what stands before the lines, the lines as
//! they are read, and what stands behind them.

use std::fmt::Write as _;

use askama::Template;

use super::{
    ansi::LogHtml, failure::last_lines, run_line::RunLine, site::Page, step_line::StepLine,
};
use crate::{
    db::server::{PostBuildRow, Repository, Run, StepRow},
    report::{bytes, harmless},
};

/// Stands in the template where the lines are to be; no text has it, as control characters are escaped.
const LINES_HERE: &str = "\u{0}";

/// A step, without the lines of its log.
#[derive(Debug, Template)]
#[template(path = "log.html")]
pub struct LogPage {
    page: Page,
    line: RunLine,
    step: StepLine,
    drv_path: String,
    error: Vec<String>,
    raw: String,
    /// Where what is added to the log is told, as long as something is.
    follow: Option<String>,
    /// Whether there is a log at all.
    has_log: bool,
    lines_here: &'static str,
}

impl LogPage {
    /// The page of a step.
    pub fn new(
        page: Page,
        run: &Run,
        repository: &Repository,
        step: &StepRow,
        has_log: bool,
        now: i64,
    ) -> Self {
        let address = page.site.step(run.id.0, step.id);
        Self {
            line: RunLine::new(&page.site, run, repository, now),
            step: StepLine::new(&page.site, run.id.0, step, now),
            drv_path: harmless(&step.drv_path),
            error: last_lines(step.error.as_deref().unwrap_or_default()),
            raw: format!("{address}/raw"),
            follow: step.outcome.is_none().then(|| format!("{address}/events")),
            has_log,
            lines_here: LINES_HERE,
            page,
        }
    }

    /// The page of what is run after a check.
    pub fn of_post_build(
        page: Page,
        run: &Run,
        repository: &Repository,
        row: &PostBuildRow,
        has_log: bool,
        now: i64,
    ) -> Self {
        let address = page.site.post_build(run.id.0, row.id);
        Self {
            line: RunLine::new(&page.site, run, repository, now),
            step: StepLine::of_post_build(&page.site, row, now),
            drv_path: harmless(&row.new.path),
            error: last_lines(row.reason.as_deref().unwrap_or_default()),
            raw: format!("{address}/raw"),
            follow: row.outcome.is_none().then(|| format!("{address}/events")),
            has_log,
            lines_here: LINES_HERE,
            page,
        }
    }

    /// What stands before the lines, and what stands behind them.
    pub fn halves(&self) -> Result<(String, String), askama::Error> {
        let html = self.render()?;
        let (before, behind) = html.split_once(LINES_HERE).unwrap_or((&html, ""));
        Ok((before.to_owned(), behind.to_owned()))
    }
}

/// Writes the lines of a log as HTML, with their numbers.
pub struct NumberedLines {
    html: LogHtml,
    /// The number of the next line.
    next: u64,
}

impl NumberedLines {
    /// Begins with the line of this number, the first being 1.
    pub fn starting_at(next: u64) -> Self {
        Self {
            html: LogHtml::default(),
            next,
        }
    }

    /// Takes what comes before the first line, for its colours alone.
    pub fn skip(&mut self, piece: &[u8]) {
        self.html.feed(piece, &mut |_| {});
        self.html.finish(&mut |_| {});
    }

    /// The number of the next line.
    pub fn next_number(&self) -> u64 {
        self.next
    }

    /// Writes the lines that a piece of the log ends.
    pub fn feed(&mut self, piece: &[u8], out: &mut String) {
        let next = &mut self.next;
        self.html
            .feed(piece, &mut |line| push_line(out, next, line));
    }

    /// Writes the line that has no end.
    pub fn finish(&mut self, out: &mut String) {
        let next = &mut self.next;
        self.html.finish(&mut |line| push_line(out, next, line));
    }
}

fn push_line(out: &mut String, next: &mut u64, line: &str) {
    let number = *next;
    *next += 1;
    // The number is the stylesheet's, so that it is not copied with the text.
    let _ = writeln!(
        out,
        "<div id=\"L{number}\"><a href=\"#L{number}\" data-n=\"{number}\" aria-label=\"line {number}\"></a>{line}</div>"
    );
}

/// Stands in place of the middle of a long log.
pub fn left_out(left_out_bytes: u64) -> String {
    format!(
        "<p class=\"gap\">… {} left out: <a href=\"?all=1\">show all</a></p>\n",
        bytes(left_out_bytes)
    )
}
