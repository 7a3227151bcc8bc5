//! Takes secrets out of what comes in pieces, wherever a piece of it ends.
//!
//! Every byte is looked at a fixed number of times, however the pieces are cut: a line waits for its end, and of one that
//! is too long to wait for so much is held back as a secret may have.

use std::{borrow::Cow, mem, sync::Arc};

use super::{HIDDEN, Secrets, pattern::KeyState};

/// How long a token may be that a line too long to wait for is cut through, in bytes.
const TOKEN_MAX: usize = 8 << 10;
/// How long a line may be that is waited for, besides what is held back of it, in bytes.
const LINE_MAX: usize = 64 << 10;

/// Takes secrets out of a text that comes in pieces.
pub struct Redactor {
    secrets: Arc<Secrets>,
    key: KeyState,
    /// The line whose end is to come.
    waiting: Vec<u8>,
}

impl Redactor {
    /// Takes out these.
    pub(super) fn new(secrets: Arc<Secrets>) -> Self {
        Self {
            secrets,
            key: KeyState::default(),
            waiting: Vec::new(),
        }
    }

    /// Takes a piece; returns what can be shown so far.
    pub fn feed(&mut self, piece: &[u8]) -> Vec<u8> {
        let is_end = |byte: &u8| [b'\n', b'\r'].contains(byte);
        // The end of the line is looked for in what is new.
        let Some(end) = piece.iter().rposition(is_end) else {
            self.waiting.extend_from_slice(piece);
            return self.cut_long();
        };
        let mut text = mem::take(&mut self.waiting);
        text.extend_from_slice(&piece[..=end]);
        self.waiting.extend_from_slice(&piece[end + 1..]);
        let mut shown = clean(&self.secrets, &mut self.key, &text).into_owned();
        shown.extend(self.cut_long());
        shown
    }

    /// Returns what waited for more.
    pub fn finish(&mut self) -> Vec<u8> {
        let text = mem::take(&mut self.waiting);
        clean(&self.secrets, &mut self.key, &text).into_owned()
    }

    /// Takes a line, which has no end of its own.
    pub fn line(&mut self, line: String) -> String {
        match clean(&self.secrets, &mut self.key, line.as_bytes()) {
            Cow::Borrowed(_) => line,
            Cow::Owned(shown) => String::from_utf8_lossy(&shown).into_owned(),
        }
    }

    /// All of a text.
    pub(super) fn whole(secrets: &Secrets, text: &[u8]) -> Vec<u8> {
        clean(secrets, &mut KeyState::default(), text).into_owned()
    }

    /// Shows the beginning of a line that is too long to wait for.
    fn cut_long(&mut self) -> Vec<u8> {
        let held = self.secrets.longest().max(TOKEN_MAX);
        if self.waiting.len() < LINE_MAX + 2 * held {
            return Vec::new();
        }
        // No line of a key is so long.
        self.key = KeyState::Outside;
        let (mut shown, rest) = self.secrets.hide_in_open_line(&self.waiting, held);
        self.waiting = rest;
        if self.waiting.len() > LINE_MAX + held {
            // All of it looks like one token.
            self.waiting.clear();
            shown.extend_from_slice(HIDDEN.as_bytes());
        }
        shown
    }
}

/// Hides the secrets in whole lines.
fn clean<'t>(secrets: &Secrets, key: &mut KeyState, text: &'t [u8]) -> Cow<'t, [u8]> {
    if *key == KeyState::Outside && !secrets.is_suspect(text) {
        return Cow::Borrowed(text);
    }
    let mut shown = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| [b'\n', b'\r'].contains(byte)) {
        let end = usize::from(line.ends_with(b"\n") || line.ends_with(b"\r"));
        let (line, end) = line.split_at(line.len() - end);
        // Between `\r` and `\n` there is no line.
        if !line.is_empty() {
            let of_key = key.of_key(line);
            if of_key > 0 {
                shown.extend_from_slice(HIDDEN.as_bytes());
            }
            shown.extend(secrets.hide_in_line(&line[of_key..]));
        }
        shown.extend_from_slice(end);
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests;
