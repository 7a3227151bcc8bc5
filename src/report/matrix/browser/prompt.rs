//! A line that is typed into: a filter, something to search for.

use super::{Canvas, Key};

/// How many characters are taken.
const CHARS_MAX: usize = 200;

/// A text, and whether it is typed now.
#[derive(Debug, Default)]
pub(super) struct Prompt {
    text: String,
    is_open: bool,
}

impl Prompt {
    /// What was typed so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whether keys belong to it.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Starts typing, with nothing typed yet.
    pub(super) fn open(&mut self) {
        self.text.clear();
        self.is_open = true;
    }

    /// Forgets what was typed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes a key while it is open. Whether the text may have changed or is complete.
    pub(super) fn apply(&mut self, key: Key) -> bool {
        match key {
            Key::Char(c) if self.text.chars().count() < CHARS_MAX => self.text.push(c),
            Key::Backspace if self.text.is_empty() => self.is_open = false,
            Key::Backspace => _ = self.text.pop(),
            Key::Ctrl('u') => self.text.clear(),
            Key::Enter => self.is_open = false,
            Key::Escape => self.clear(),
            Key::Char(_)
            | Key::Ctrl(_)
            | Key::Up
            | Key::Down
            | Key::Left
            | Key::Right
            | Key::PageUp
            | Key::PageDown
            | Key::Home
            | Key::End => return false,
        }
        true
    }

    /// The line as it is typed, the cursor behind it.
    pub(super) fn render(&self, canvas: Canvas<'_>, more: &str) -> String {
        let styles = canvas.styles;
        canvas
            .line()
            .skip(1)
            .push("/", &styles.strong)
            .push(&self.text, &styles.plain)
            .push("_", &styles.run)
            .skip(2)
            .push(more, &styles.dim)
            .finish()
    }

    /// Whether a text has what was typed in it, in small or capital letters alike.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.text.is_empty() || text.to_lowercase().contains(&self.text.to_lowercase())
    }
}
