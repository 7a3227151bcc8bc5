//! What keys open on the other screen: logs to read, what checks wait for, checks to cancel, the keys themselves.
//!
//! Pure: [`Browser::apply`] takes a key and says what is wanted of others, [`Browser::render`] is the whole screen as
//! lines. What is shown comes from the model and the logs at each moment, so it is always what is so now; only where
//! someone looks is kept here. Pages lie on each other; leaving one shows the one below.

mod help;
mod list;
mod log_page;
mod prompt;
mod waits_page;

use std::time::Duration;

pub(super) use self::list::Kind;
use self::{list::List, log_page::LogPage, waits_page::WaitsPage};
use super::{Size, key::Key, logs::Logs, model::Model, text_line::TextLine};
use crate::{nix::StorePath, report::styles::Styles};

/// What is known, for a page to show.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) model: &'a Model,
    pub(super) logs: &'a Logs,
    pub(super) now: Duration,
}

/// What someone wants by a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// The log of this derivation in the pager.
    OpenPager(StorePath),
    /// This check out of the run.
    Cancel(String),
    /// What this check waits for, newly.
    Explain(String),
}

/// What a page wants of the browser.
enum Step {
    Stay,
    /// This page goes.
    Back,
    Open(Page),
    Act(Action),
    OpenAndAct(Page, Action),
}

#[derive(Debug)]
enum Page {
    List(List),
    Log(LogPage),
    Waits(WaitsPage),
    /// How many lines are above the first one shown.
    Help(usize),
}

/// The pages that are open.
#[derive(Debug)]
pub(super) struct Browser {
    pages: Vec<Page>,
    /// What went wrong with the last wish.
    notice: Option<String>,
}

impl Browser {
    /// Opens with a list.
    pub(super) fn list(kind: Kind) -> Self {
        Self::open(Page::List(List::new(kind)))
    }

    /// Opens with the keys there are.
    pub(super) fn help() -> Self {
        Self::open(Page::Help(0))
    }

    fn open(page: Page) -> Self {
        Self {
            pages: vec![page],
            notice: None,
        }
    }

    /// Whether no page is open any more.
    pub(super) fn is_closed(&self) -> bool {
        self.pages.is_empty()
    }

    /// Says something in the last line until the next key.
    pub(super) fn notify(&mut self, notice: String) {
        self.notice = Some(notice);
    }

    /// The check whose waits are shown.
    pub(super) fn explained_check(&self) -> Option<&str> {
        match self.pages.last()? {
            Page::Waits(page) => Some(page.check()),
            Page::List(_) | Page::Log(_) | Page::Help(_) => None,
        }
    }

    /// Takes a key. `size` is that of the screen.
    pub(super) fn apply(&mut self, key: Key, facts: Facts<'_>, size: Size) -> Option<Action> {
        self.notice = None;
        let body = Size {
            lines: body_lines(size),
            ..size
        };
        let step = match self.pages.last_mut()? {
            Page::List(list) => list.apply(key, facts, body),
            Page::Log(page) => page.apply(key, facts, body),
            Page::Waits(page) => page.apply(key),
            Page::Help(top) => help::apply(top, key, body),
        };
        match step {
            Step::Stay => None,
            Step::Back => {
                self.pages.pop();
                None
            }
            Step::Open(page) => {
                self.pages.push(page);
                None
            }
            Step::Act(action) => Some(action),
            Step::OpenAndAct(page, action) => {
                self.pages.push(page);
                Some(action)
            }
        }
    }

    /// The whole screen: `size.lines` lines of at most `size.columns` columns.
    pub(super) fn render(&self, facts: Facts<'_>, size: Size, styles: &Styles) -> Vec<String> {
        let Some(page) = self.pages.last() else {
            return vec![String::new(); size.lines];
        };
        let canvas = Canvas {
            facts,
            size: Size {
                lines: body_lines(size),
                ..size
            },
            styles,
        };
        let mut drawing = match page {
            Page::List(list) => list.render(canvas),
            Page::Log(page) => page.render(canvas),
            Page::Waits(page) => page.render(canvas),
            Page::Help(top) => help::render(*top, canvas),
        };
        if let Some(notice) = &self.notice {
            drawing.last = canvas.line().skip(1).push(notice, &styles.notice).finish();
        }
        let mut lines = Vec::with_capacity(size.lines);
        if size.lines >= 3 {
            lines.push(drawing.title);
        }
        drawing.body.resize(canvas.size.lines, String::new());
        lines.append(&mut drawing.body);
        if size.lines >= 2 {
            lines.push(drawing.last);
        }
        lines
    }
}

/// How many lines there are between the title and the last line.
fn body_lines(size: Size) -> usize {
    size.lines - usize::from(size.lines >= 3) - usize::from(size.lines >= 2)
}

/// What a page draws with.
#[derive(Clone, Copy)]
struct Canvas<'a> {
    facts: Facts<'a>,
    /// The room for the body.
    size: Size,
    styles: &'a Styles,
}

impl Canvas<'_> {
    fn line(&self) -> TextLine {
        TextLine::new(self.size.columns, &self.styles.glyphs)
    }

    /// The title of a page: what it is in few words, and what there is to say of it.
    fn title(&self, what: &str, more: &str) -> String {
        let over = match (self.facts.model.is_over, &self.facts.model.stopping) {
            (true, _) => "the run is over",
            (false, Some(_)) => "the run is stopping",
            (false, None) => "",
        };
        self.line()
            .skip(1)
            .push(what, &self.styles.strong)
            .skip(2)
            .push(more, &self.styles.dim)
            .skip(2)
            .push(over, &self.styles.notice)
            .finish()
    }

    /// Keys and what they do, as many as there is room for.
    fn keys(&self, keys: &[(&str, &str)]) -> String {
        let mut line = self.line().skip(1);
        for (key, what) in keys {
            // A key that is cut off says nothing.
            if line.room() < key.len() + 1 + what.len() {
                break;
            }
            line = line
                .push(key, &self.styles.strong)
                .skip(1)
                .push(what, &self.styles.dim)
                .skip(2);
        }
        line.finish()
    }
}

/// What a page looks like.
struct Drawing {
    title: String,
    body: Vec<String>,
    last: String,
}

#[cfg(test)]
mod tests;
