//! A log to read: it follows what is written until someone goes up.

use super::{Action, Canvas, Drawing, Facts, Key, Size, Step, prompt::Prompt};
use crate::{
    nix::StorePath,
    report::{
        format::{count, duration},
        matrix::logs::Log,
        sanitize::{columns, log_line},
        words::{LOG_COLUMNS_MAX, spoken, step_name},
    },
};

#[derive(Debug)]
pub(super) struct LogPage {
    drv_path: StorePath,
    /// The number of the first line shown; without one the end is followed.
    top: Option<u64>,
    search: Prompt,
    /// The line that was found last.
    found: Option<u64>,
    is_missing: bool,
}

impl LogPage {
    pub(super) fn new(drv_path: StorePath) -> Self {
        Self {
            drv_path,
            top: None,
            search: Prompt::default(),
            found: None,
            is_missing: false,
        }
    }

    pub(super) fn apply(&mut self, key: Key, facts: Facts<'_>, body: Size) -> Step {
        self.is_missing = false;
        let log = facts.logs.of(&self.drv_path);
        if self.search.is_open() {
            self.search.apply(key);
            if key == Key::Enter
                && let Some(log) = log
            {
                // From what is shown on, the last of it first: that is where errors are.
                let from = self.top.map_or(log.lines.end_line(), |top| top + 1);
                self.go_to(
                    self.before(log, from).or_else(|| self.behind(log, from)),
                    log,
                    body,
                );
            }
            return Step::Stay;
        }
        match key {
            Key::Char('q') | Key::Escape | Key::Left => return Step::Back,
            Key::Char('o') => return Step::Act(Action::OpenPager(self.drv_path.clone())),
            Key::Char('/') => self.search.open(),
            Key::Char(_)
            | Key::Ctrl(_)
            | Key::Enter
            | Key::Backspace
            | Key::Up
            | Key::Down
            | Key::Right
            | Key::PageUp
            | Key::PageDown
            | Key::Home
            | Key::End => {
                if let Some(log) = log {
                    self.go(key, log, body);
                }
            }
        }
        Step::Stay
    }

    /// Moves, where the key is one that does.
    fn go(&mut self, key: Key, log: &Log, body: Size) {
        let end = end_top(log, body);
        let top = self.top.unwrap_or(end).max(log.lines.before());
        let page = body.lines.max(2) as u64 - 1;
        let to = match key {
            Key::Char('j') | Key::Down | Key::Enter => top + 1,
            Key::Char('k') | Key::Up => top.saturating_sub(1),
            Key::Char(' ') | Key::PageDown | Key::Ctrl('f') => {
                // By lines of the log that are shown, which may be fewer than those of the screen.
                let shown = fitting(log.lines.lines_from(top).map(|(_, line)| line), body);
                top + (shown as u64).clamp(1, page)
            }
            Key::Char('b') | Key::PageUp | Key::Ctrl('b') => {
                let above = log.lines.lines_from(0).rev();
                let above = above.skip_while(|(number, _)| *number >= top);
                top.saturating_sub((fitting(above.map(|(_, line)| line), body) as u64).max(1))
            }
            Key::Char('g') | Key::Home => 0,
            Key::Char('G' | 'F') | Key::End => u64::MAX,
            Key::Char(next @ ('n' | 'N')) if !self.search.text().is_empty() => {
                let from = self.found.unwrap_or(top);
                let found = if next == 'n' {
                    self.behind(log, from + 1)
                } else {
                    self.before(log, from)
                };
                return self.go_to(found, log, body);
            }
            Key::Char(_) | Key::Ctrl(_) | Key::Backspace | Key::Right | Key::Left | Key::Escape => {
                return;
            }
        };
        // Whoever is at the end follows.
        self.top = (to < end).then(|| to.max(log.lines.before()));
    }

    fn go_to(&mut self, found: Option<u64>, log: &Log, body: Size) {
        self.is_missing = found.is_none();
        if let Some(number) = found {
            self.found = found;
            // With what came before it in sight.
            let to = number
                .saturating_sub(body.lines as u64 / 3)
                .max(log.lines.before());
            self.top = Some(to.min(end_top(log, body)));
        }
    }

    /// The last line before this one with the text that is searched for.
    fn before(&self, log: &Log, number: u64) -> Option<u64> {
        let mut lines = log.lines.lines_from(0).rev();
        let found = lines.find(|(at, line)| *at < number && self.has(line));
        found.map(|(at, _)| at)
    }

    /// The first line from this one on with the text that is searched for.
    fn behind(&self, log: &Log, number: u64) -> Option<u64> {
        let found = log
            .lines
            .lines_from(number)
            .find(|(_, line)| self.has(line));
        found.map(|(at, _)| at)
    }

    fn has(&self, line: &str) -> bool {
        !self.search.text().is_empty() && self.search.is_in(&shown(line))
    }

    pub(super) fn render(&self, canvas: Canvas<'_>) -> Drawing {
        let styles = canvas.styles;
        let name = step_name(&self.drv_path);
        let Some(log) = canvas.facts.logs.of(&self.drv_path) else {
            let gone = "it was built, and its log is not kept here";
            return Drawing {
                title: canvas.title(name, ""),
                body: vec![canvas.line().skip(1).push(gone, &styles.dim).finish()],
                last: canvas.keys(&[("q", "back")]),
            };
        };
        let top = self.top.unwrap_or_else(|| end_top(log, canvas.size));
        let mut body = Vec::new();
        for (number, line) in log.lines.lines_from(top) {
            let is_hit = self.has(line);
            for row in wrapped(line, canvas.size.columns) {
                let style = match (is_hit, self.found == Some(number)) {
                    (true, true) => &styles.notice,
                    (true, false) => &styles.strong,
                    (false, _) => &styles.plain,
                };
                body.push(canvas.line().push(&row, style).finish());
            }
            if body.len() >= canvas.size.lines {
                break;
            }
        }
        // Of a line that is higher than the screen, its end is what was written last.
        if self.top.is_none() {
            body.drain(..body.len().saturating_sub(canvas.size.lines));
        }
        body.truncate(canvas.size.lines);
        let state = match (&log.end, canvas.facts.model.running.of(&self.drv_path)) {
            (Some((outcome, took, _)), _) => {
                format!("{} after {}", spoken(*outcome), duration(*took))
            }
            (None, Some(step)) => {
                let took = duration(canvas.facts.now.saturating_sub(step.started));
                format!("{} {took}", step.stage())
            }
            (None, None) => String::new(),
        };
        let place = match self.top {
            None if log.end.is_none() => "following".to_owned(),
            None => "end".to_owned(),
            Some(top) => format!("line {} of {}", count(top + 1), count(log.lines.end_line())),
        };
        let last = if self.search.is_open() {
            self.search.render(canvas, "")
        } else if self.is_missing {
            let missing = format!("no `{}` there", self.search.text());
            canvas
                .line()
                .skip(1)
                .push(&missing, &styles.notice)
                .finish()
        } else {
            canvas.keys(&[
                ("q", "back"),
                ("G", "follow"),
                ("/", "search"),
                ("n N", "next, before"),
                ("o", "pager"),
                ("j k Space b", "move"),
            ])
        };
        Drawing {
            title: canvas.title(name, &format!("{state}  {place}")),
            body,
            last,
        }
    }
}

/// A line of a log as it is shown.
fn shown(line: &str) -> String {
    log_line(line, false, LOG_COLUMNS_MAX, "")
}

/// A line of a log in pieces of at most so many columns.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut rows = vec![String::new()];
    let mut used = 0;
    for c in shown(line).chars() {
        let wide = columns(c.encode_utf8(&mut [0; 4]));
        if used + wide > width && used > 0 {
            rows.push(String::new());
            used = 0;
        }
        used += wide;
        if let Some(row) = rows.last_mut() {
            row.push(c);
        }
    }
    rows
}

/// How many of these lines fit, at least one.
fn fitting<'a>(lines: impl Iterator<Item = &'a str>, body: Size) -> usize {
    let mut room = body.lines;
    let fits = |line: &&str| {
        let rows = wrapped(line, body.columns).len();
        let fits = rows <= room;
        room = room.saturating_sub(rows);
        fits
    };
    lines.take_while(fits).count().max(1)
}

/// The number of the first line that is shown when the end is.
fn end_top(log: &Log, body: Size) -> u64 {
    let lines = log.lines.lines_from(0).rev().map(|(_, line)| line);
    log.lines
        .end_line()
        .saturating_sub(fitting(lines, body) as u64)
}
