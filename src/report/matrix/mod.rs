//! The live block on a terminal: what runs now, and the matrix of checks and systems; and what keys open over it.
//!
//! [`model`] is what is known, [`layout`] what of it is shown where, [`render`] the text of it, [`browser`] the pages on
//! the other screen, [`key`] what bytes mean, all pure; [`screen`] alone writes on the terminal, [`terminal`] changes it
//! and puts it in order, and [`keyboard`] reads what is typed.

mod browser;
mod key;
pub(super) mod keyboard;
mod layout;
mod logs;
mod model;
mod pager;
mod render;
pub(super) mod screen;
pub(super) mod terminal;
mod text_line;

use std::{fmt::Write as _, io, path::PathBuf, time::Duration};

use self::{
    browser::{Action, Browser, Facts, Kind},
    logs::Logs,
    model::Model,
    render::View,
    screen::Screen,
};
pub(super) use self::{key::Key, pager::LogToPage, terminal::Modes};
use super::{Wish, format::counted, line::Weight, sanitize::log_text, styles::Styles};
use crate::{
    event::{Event, EventKind},
    nix::StorePath,
};

/// How often what a check waits for is asked anew while that is shown.
const EXPLAIN_EVERY: Duration = Duration::from_millis(500);
/// What is asked before a run is stopped.
const STOP_QUESTION: &str = "stop the run? y n";

/// The columns and lines there are to write in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    columns: usize,
    lines: usize,
}

/// The live block of a run, and the lines that scroll away above it.
pub(super) struct Matrix {
    verbosity: i8,
    model: Model,
    screen: Screen,
    view: View,
    /// What can be opened by keys; not kept where there are none.
    logs: Option<Logs>,
    browser: Option<Browser>,
    /// Whether someone else has the terminal.
    is_suspended: bool,
    /// What is left to print when the run is over and someone still reads.
    ending: Option<Vec<String>>,
    now: Duration,
    explained_at: Duration,
}

impl Matrix {
    /// Shows the block at the end of what stderr shows now.
    pub(super) fn on_stderr(verbosity: i8, modes: Modes) -> Self {
        let mut matrix = Self::on_screen(Screen::stderr(modes), verbosity);
        if modes == Modes::Keys {
            matrix.take_keys();
        }
        matrix
    }

    pub(super) fn on_screen(screen: Screen, verbosity: i8) -> Self {
        Self {
            verbosity,
            model: Model::default(),
            screen,
            view: View::default(),
            logs: None,
            browser: None,
            is_suspended: false,
            ending: None,
            now: Duration::ZERO,
            explained_at: Duration::ZERO,
        }
    }

    fn take_keys(&mut self) {
        self.logs = Some(Logs::default());
        self.view.has_keys = true;
    }

    /// Takes note of an event; its lines scroll away above the block if they weigh enough. Draws if it is time.
    /// Returns what is wanted of the run.
    pub(super) fn report(
        &mut self,
        event: &Event,
        (weight, lines): (Weight, Vec<String>),
        styles: &Styles,
    ) -> Option<Wish> {
        self.now = event.elapsed;
        self.model.observe(event);
        if let Some(logs) = &mut self.logs {
            logs.observe(event);
        }
        let is_shown = match self.verbosity {
            ..0 => false,
            0 => weight >= Weight::Notice,
            1 => weight >= Weight::Detail,
            2.. => true,
        };
        if is_shown {
            self.screen.print(lines);
            if self.browser.is_some() || self.is_suspended {
                self.screen.limit_printed();
            }
        }
        if self.screen.is_due(event.elapsed) {
            self.draw(styles);
        }
        self.explain_anew(event)
    }

    /// What is wanted so that what is shown stays what is so.
    fn explain_anew(&mut self, event: &Event) -> Option<Wish> {
        let check = self.browser.as_ref()?.explained_check()?;
        let is_due = matches!(event.kind, EventKind::Ticked { .. })
            && self.now.saturating_sub(self.explained_at) >= EXPLAIN_EVERY;
        if !is_due {
            return None;
        }
        self.explained_at = self.now;
        Some(Wish::Explain(check.to_owned()))
    }

    /// Shows what is so now.
    pub(super) fn draw(&mut self, styles: &Styles) {
        if self.is_suspended {
            return;
        }
        match (&self.browser, &self.logs) {
            (Some(browser), Some(logs)) => {
                let facts = Facts {
                    model: &self.model,
                    logs,
                    now: self.now,
                };
                let lines = browser.render(facts, self.screen.whole_size(), styles);
                self.screen.draw_alternate(lines, self.now);
            }
            (Some(_), None) | (None, _) if self.ending.is_some() => {}
            (Some(_), None) | (None, _) => {
                let size = self.screen.size();
                let block = render::block(&self.model, &self.view, size, self.now, styles);
                self.screen.draw(&block, self.now);
            }
        }
    }

    /// Takes a key. Returns what is wanted of others.
    pub(super) fn press(&mut self, key: Key, styles: &Styles) -> Option<Wish> {
        let logs = self.logs.as_ref()?;
        let action = if let Some(browser) = &mut self.browser {
            let facts = Facts {
                model: &self.model,
                logs,
                now: self.now,
            };
            browser.apply(key, facts, self.screen.whole_size())
        } else {
            match (self.view.question.take(), key) {
                (Some(_), Key::Char('y' | 'Y')) => return Some(Wish::Stop),
                (Some(_), _) => {}
                (None, Key::Char('f')) => self.browser = Some(Browser::list(Kind::Logs)),
                (None, Key::Char('w')) => self.browser = Some(Browser::list(Kind::Waits)),
                (None, Key::Char('c')) => self.browser = Some(Browser::list(Kind::Cancel)),
                (None, Key::Char('?')) => self.browser = Some(Browser::help()),
                (None, Key::Char('s')) => self.view.sort = self.view.sort.next(),
                (None, Key::Char('q')) => self.view.question = Some(STOP_QUESTION),
                (None, _) => return None,
            }
            None
        };
        if self.browser.as_ref().is_some_and(Browser::is_closed) {
            self.browser = None;
            self.screen.leave_alternate();
            if self.ending.is_some() {
                return Some(Wish::Leave);
            }
        }
        self.draw(styles);
        action.map(|action| match action {
            Action::OpenPager(drv_path) => Wish::OpenPager(drv_path),
            Action::Cancel(check) => Wish::Cancel(check),
            Action::Explain(check) => {
                self.explained_at = self.now;
                Wish::Explain(check)
            }
        })
    }

    /// The log of a derivation for the pager; `file` may have all of it.
    pub(super) fn log_to_page(
        &self,
        drv_path: &StorePath,
        file: Option<PathBuf>,
        color: bool,
    ) -> Option<LogToPage> {
        let log = self.logs.as_ref()?.of(drv_path)?;
        let mut kept = String::new();
        if log.lines.before() > 0 {
            _ = writeln!(
                kept,
                "({} before)",
                counted(
                    usize::try_from(log.lines.before()).unwrap_or(usize::MAX),
                    "line"
                )
            );
        }
        for (_, line) in log.lines.lines_from(0) {
            _ = writeln!(kept, "{}", log_text(line, color, false));
        }
        Some(LogToPage {
            name: log.name.clone(),
            file,
            kept,
            color,
        })
    }

    /// Says something in the last line of the browser.
    pub(super) fn notify(&mut self, notice: String, styles: &Styles) {
        if let Some(browser) = &mut self.browser {
            browser.notify(notice);
        }
        self.draw(styles);
    }

    /// Leaves the terminal to someone else until [`Self::resume`].
    pub(super) fn suspend(&mut self) {
        self.is_suspended = true;
        self.screen.suspend();
    }

    /// Takes the terminal again.
    pub(super) fn resume(&mut self, styles: &Styles) {
        self.is_suspended = false;
        self.draw(styles);
    }

    /// Whether the run is over and someone still reads.
    pub(super) fn is_read(&self) -> bool {
        self.ending.is_some() && self.browser.is_some()
    }

    /// Leaves the matrix as it is at the end, with these lines below it; if someone is reading, and not because the run
    /// was stopped, only when that is over: with [`Self::close`].
    ///
    /// # Errors
    ///
    /// Those of the terminal.
    pub(super) fn end(
        &mut self,
        now: Duration,
        lines: Vec<String>,
        styles: &Styles,
    ) -> io::Result<()> {
        let mut ending = if self.verbosity >= 0 {
            render::result(&self.model, self.screen.size(), now, styles)
        } else {
            Vec::new()
        };
        ending.extend(lines);
        self.ending = Some(ending);
        if self.browser.is_some() && self.model.stopping.is_none() {
            self.draw(styles);
            return Ok(());
        }
        self.close()
    }

    /// Takes the block off the terminal, and leaves what the end has to say.
    ///
    /// # Errors
    ///
    /// Those of the terminal.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.browser = None;
        if let Some(ending) = self.ending.take() {
            self.screen.print(ending);
        }
        self.screen.close()
    }
}
