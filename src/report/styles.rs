//! Colours and glyphs: the one place that knows whether there are any.

use std::{fmt::Display, time::Duration};

use console::Style;

use crate::event::Outcome;

/// How text for people looks; by default without colours and in ASCII.
#[derive(Clone, Debug, Default)]
pub(super) struct Styles {
    /// What is like other text.
    pub plain: Style,
    /// What went well.
    pub pass: Style,
    /// What failed.
    pub fail: Style,
    /// What is neither, and warnings.
    pub notice: Style,
    /// What runs.
    pub run: Style,
    /// What matters less.
    pub dim: Style,
    /// What stands out.
    pub strong: Style,
    /// Whether what others wrote may keep its colours.
    pub color: bool,
    /// The signs.
    pub glyphs: Glyphs,
}

/// The signs in text for people; each of `pass`, `fail`, `allowed`, `neutral`, `waiting` and the spinner's is one column wide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glyphs {
    /// Passed.
    pub pass: &'static str,
    /// Failed.
    pub fail: &'static str,
    /// Failed, as it may.
    pub allowed: &'static str,
    /// Neither passed nor failed.
    pub neutral: &'static str,
    /// Not yet begun.
    pub waiting: &'static str,
    /// Stands for what is cut off.
    pub ellipsis: &'static str,
    /// Between figures.
    pub dot: &'static str,
    /// A download.
    pub down: &'static str,
    /// An upload.
    pub up: &'static str,
    /// Between what is and what should be.
    pub arrow: &'static str,
    /// In front of quoted lines.
    pub quote: &'static str,
    /// In front of what is chosen from a list.
    pub chosen: &'static str,
    spinner: &'static [&'static str],
}

const UNICODE: Glyphs = Glyphs {
    pass: "✔",
    fail: "✖",
    allowed: "!",
    neutral: "–",
    waiting: "○",
    ellipsis: "…",
    dot: "·",
    down: "↓",
    up: "↑",
    arrow: "→",
    quote: "│",
    chosen: "▸",
    spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
};

const ASCII: Glyphs = Glyphs {
    pass: "+",
    fail: "x",
    allowed: "!",
    neutral: "-",
    waiting: ".",
    ellipsis: "...",
    dot: "|",
    down: "down",
    up: "up",
    arrow: "->",
    quote: "|",
    chosen: ">",
    spinner: &["|", "/", "-", "\\"],
};

/// How long a picture of the spinner stays.
const SPINNER_STEP_MS: u128 = 100;

impl Default for Glyphs {
    fn default() -> Self {
        ASCII
    }
}

impl Glyphs {
    /// The picture of the spinner at a moment of the run.
    pub(super) fn spinner(&self, now: Duration) -> &'static str {
        let step = now.as_millis() / SPINNER_STEP_MS % self.spinner.len() as u128;
        usize::try_from(step)
            .ok()
            .and_then(|step| self.spinner.get(step))
            .copied()
            .unwrap_or(self.waiting)
    }
}

impl Styles {
    /// Makes the styles for a stream that takes colours, characters beyond ASCII, or neither.
    pub(super) fn new(color: bool, unicode: bool) -> Self {
        let glyphs = if unicode { UNICODE } else { ASCII };
        if !color {
            return Self {
                glyphs,
                ..Self::default()
            };
        }
        // What `console` finds out about the terminal by itself must not matter: `resolve` has decided.
        let style = || Style::new().force_styling(true);
        Self {
            plain: style(),
            pass: style().green(),
            fail: style().red().bold(),
            notice: style().yellow(),
            run: style().cyan(),
            dim: style().dim(),
            strong: style().bold(),
            color,
            glyphs,
        }
    }

    /// The sign and the style of an outcome; `allowed`: of a failure that fails nothing.
    pub(super) fn outcome(&self, outcome: Outcome, allowed: bool) -> (&'static str, &Style) {
        if allowed {
            (self.glyphs.allowed, &self.notice)
        } else if outcome.is_passed() {
            (self.glyphs.pass, &self.pass)
        } else if outcome.is_failed() {
            (self.glyphs.fail, &self.fail)
        } else {
            (self.glyphs.neutral, &self.notice)
        }
    }
}

/// The sign of an outcome where there are characters beyond ASCII; `allowed`: of a failure that fails nothing.
pub fn sign(outcome: Outcome, allowed: bool) -> &'static str {
    Styles::new(false, true).outcome(outcome, allowed).0
}

/// Text in a style. The text must be harmless already.
pub(super) fn paint(style: &Style, text: impl Display) -> String {
    style.apply_to(text).to_string()
}

#[cfg(test)]
mod tests;
