//! Keys, from the bytes that a terminal sends for them.
//!
//! Pure. Knows the sequences that terminals have in common (ECMA-48 cursor keys in both modes, VT220 editing keys) and
//! passes over all others. Own and not a crate's: what reads here must stop at any moment, so that a pager or the
//! shell gets what is typed for them, and must notice when it is in the background; see [`super::keyboard`].

/// The longest escape sequence that is looked at as one.
const SEQUENCE_BYTES_MAX: usize = 32;

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Key {
    /// A character.
    Char(char),
    /// A letter with Ctrl, in lower case.
    Ctrl(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
}

/// Bytes that are not a whole key yet.
#[derive(Debug, Default)]
pub(super) struct Keys {
    bytes: Vec<u8>,
}

impl Keys {
    /// Takes bytes and returns the keys that are whole.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.bytes.extend_from_slice(bytes);
        let mut keys = Vec::new();
        while let Some((length, key)) = first(&self.bytes) {
            self.bytes.drain(..length);
            keys.extend(key);
        }
        keys
    }

    /// Whether something waits for more bytes; if none come, [`Self::flush`] says what it was.
    pub(super) fn is_waiting(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// No more bytes came: an Escape that begins no sequence is the key itself.
    pub(super) fn flush(&mut self) -> Option<Key> {
        let bytes = std::mem::take(&mut self.bytes);
        (bytes == [0x1b]).then_some(Key::Escape)
    }
}

/// The length of what the first bytes are, and the key if it is one; nothing if more bytes are needed.
fn first(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    match *bytes.first()? {
        0x1b => sequence(bytes),
        b'\r' | b'\n' => Some((1, Some(Key::Enter))),
        0x08 | 0x7f => Some((1, Some(Key::Backspace))),
        b'\t' => Some((1, Some(Key::Down))),
        byte @ 0x01..=0x1a => Some((1, Some(Key::Ctrl(char::from(byte - 1 + b'a'))))),
        0x00 | 0x1c..=0x1f => Some((1, None)),
        byte => {
            let length = match byte {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => 1,
            };
            let character = bytes.get(..length)?;
            let text = std::str::from_utf8(character).ok();
            match text.and_then(|text| text.chars().next()) {
                Some(c) => Some((length, (!c.is_control()).then_some(Key::Char(c)))),
                None => Some((1, None)),
            }
        }
    }
}

/// An escape sequence, or the Escape in front of something that is none.
fn sequence(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    let (begin, is_csi) = match *bytes.get(1)? {
        b'[' => (2, true),
        b'O' => (2, false),
        // Escape pressed twice: the second one may begin a sequence.
        0x1b => return Some((1, Some(Key::Escape))),
        // Alt with a key, which is none of ours.
        _ => return Some((2, None)),
    };
    let is_final = |byte: &u8| (0x40..=0x7e).contains(byte);
    let Some(end) = bytes[begin..].iter().position(is_final) else {
        let is_too_long = bytes.len() > SEQUENCE_BYTES_MAX;
        return is_too_long.then_some((bytes.len(), None));
    };
    let parameters = &bytes[begin..begin + end];
    let key = match (bytes[begin + end], parameters) {
        (b'A', b"") => Some(Key::Up),
        (b'B', b"") => Some(Key::Down),
        (b'C', b"") => Some(Key::Right),
        (b'D', b"") => Some(Key::Left),
        (b'H', b"") | (b'~', b"1" | b"7") => Some(Key::Home),
        (b'F', b"") | (b'~', b"4" | b"8") => Some(Key::End),
        (b'M', b"") if !is_csi => Some(Key::Enter),
        (b'~', b"5") => Some(Key::PageUp),
        (b'~', b"6") => Some(Key::PageDown),
        _ => None,
    };
    Some((begin + end + 1, key))
}

#[cfg(test)]
mod tests;
