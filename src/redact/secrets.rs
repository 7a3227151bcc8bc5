//! The secrets that are known, and the patterns of those that are not.

use std::{borrow::Cow, collections::BTreeSet, fmt::Write as _};

use aho_corasick::{AhoCorasick, MatchKind};
use secrecy::{ExposeSecret as _, SecretString};

use super::{HIDDEN, Redactor, pattern};

/// How long a secret is at least that is looked for, in bytes: a shorter one is in every other word.
const LENGTH_MIN: usize = 4;
/// How long a line of a secret of several lines is at least.
const LINE_MIN: usize = 8;

/// What is hidden.
pub struct Secrets {
    known: Option<AhoCorasick>,
    /// How long the longest of the known ones is, in bytes.
    longest: usize,
}

impl Secrets {
    /// Hides these secrets, each line of those that have several, the ways to write them in a URL and in quotes, and
    /// whatever looks like a secret. One of less than four bytes is not looked for.
    ///
    /// # Panics
    ///
    /// If there are more than some hundred million bytes of them.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s SecretString>) -> Self {
        let mut needles = BTreeSet::new();
        for secret in secrets {
            let text = secret.expose_secret().trim();
            let is_one = !text.contains(['\n', '\r']);
            let least = if is_one { LENGTH_MIN } else { LINE_MIN };
            for line in text.split(['\n', '\r']).map(str::trim) {
                if line.len() >= least {
                    needles.extend([line.to_owned(), in_url(line), in_quotes(line)]);
                }
            }
        }
        let longest = needles.iter().map(String::len).max().unwrap_or(0);
        let known = (!needles.is_empty()).then(|| {
            // The longest first: one may begin with another.
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&needles)
                .expect("secrets that fit into memory have an automaton that does")
        });
        Self { known, longest }
    }

    /// How long the longest secret is that is known, in bytes.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// Whether there may be something to hide in a text.
    pub(super) fn is_suspect(&self, text: &[u8]) -> bool {
        self.known
            .as_ref()
            .is_some_and(|known| known.is_match(text))
            || pattern::is_suspect(text)
    }

    /// Hides the secrets in a line, but for those of several lines.
    pub(super) fn hide_in_line(&self, line: &[u8]) -> Vec<u8> {
        let (known, _) = self.hide_known(line, line.len());
        pattern::hide_tokens(&known, known.len(), false).0
    }

    /// Hides the secrets in the beginning of a line that is to go on. Returns what can be shown of it, and what is held
    /// back: at least so many bytes.
    pub(super) fn hide_in_open_line(&self, line: &[u8], held: usize) -> (Vec<u8>, Vec<u8>) {
        let (known, place) = self.hide_known(line, line.len().saturating_sub(held));
        let (shown, at) = pattern::hide_tokens(&known, place, true);
        (shown, known[at..].to_vec())
    }

    /// Hides the known secrets that begin before a place. Returns the text, and the place in it.
    fn hide_known(&self, line: &[u8], place: usize) -> (Vec<u8>, usize) {
        let mut shown = Vec::with_capacity(line.len());
        let mut at = 0;
        let known = self.known.iter().flat_map(|known| known.find_iter(line));
        for found in known.take_while(|found| found.start() < place) {
            shown.extend_from_slice(&line[at..found.start()]);
            shown.extend_from_slice(HIDDEN.as_bytes());
            at = found.end();
        }
        let place = shown.len() + place.saturating_sub(at);
        shown.extend_from_slice(&line[at..]);
        (shown, place)
    }

    /// A text without its secrets.
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.is_suspect(text.as_bytes()) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(String::from_utf8_lossy(&self.hide_bytes(text.as_bytes())).into_owned())
    }

    /// The same of bytes.
    pub fn hide_bytes<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        if !self.is_suspect(text) {
            return Cow::Borrowed(text);
        }
        Cow::Owned(Redactor::whole(self, text))
    }
}

/// A secret as it stands in a URL.
fn in_url(secret: &str) -> String {
    let mut text = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// A secret as it stands in quotes, in JSON and in the lines of the journal.
fn in_quotes(secret: &str) -> String {
    secret
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\t', "\\t")
}
