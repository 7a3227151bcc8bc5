//! What secrets look like that nobody has told: tokens of forges, credentials in addresses, private keys.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::HIDDEN;

static TOKENS: LazyLock<Regex> = LazyLock::new(|| regex(&format!("{TOKEN}|{}", *KEY)));
static KEY_OPEN: LazyLock<Regex> = LazyLock::new(|| regex(&format!("{KEY_BEGIN}{KEY_TEXT}$")));
static KEY_LINE: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"^\s*(?:[A-Za-z0-9+/=]*|(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): .*)\s*$")
});
static KEY_STOP: LazyLock<Regex> = LazyLock::new(|| regex(KEY_END));

/// In this order: GitHub's tokens, those of both kinds; GitLab's; JSON Web Tokens, whatever stands before them; what git
/// is given for a token of an app of GitHub's; credentials in URLs, of which one of HTTP is a secret even if it stands
/// alone; the header of HTTP; `netrc`; keys of age. Private keys come after them.
const TOKEN: &str = r#"\bgh[pousr]_[A-Za-z0-9._-]{10,}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{20,}|gl(?:pat|dt|rt|ptt|cbt|soat|ft|oas|imt|agent)-[A-Za-z0-9_.-]{10,}|eyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*|x-access-token:[^\s@/"']+@?|https?://[^/\s?#"'<>]*@|://[^/\s@:"'<>]*:[^/\s@"'<>]+@|(?i:authorization: *(?:basic|bearer|token) +)[^\s"']+|\blogin\s+\S+\s+password\s+\S+|AGE-SECRET-KEY-1[A-Z0-9]{20,}"#;
/// A private key as far as it is in one line: all of it where line ends are written as `\\n`.
static KEY: LazyLock<String> = LazyLock::new(|| format!("{KEY_BEGIN}{KEY_TEXT}(?:{KEY_END})?"));
const KEY_BEGIN: &str = "-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----";
const KEY_TEXT: &str = r"[A-Za-z0-9+/=\\ \t]*";
const KEY_END: &str = "-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----";

fn regex(text: &str) -> Regex {
    // Bytes: logs are not always UTF-8.
    Regex::new(&format!("(?-u){text}")).expect("it is an expression")
}

/// Whether there is something to hide.
pub(super) fn is_suspect(text: &[u8]) -> bool {
    TOKENS.is_match(text)
}

/// Hides the tokens in a line that begin before a place; but not one whose end may be to come, if `is_open`. Returns what
/// can be shown, and how much of the line that is.
pub(super) fn hide_tokens(line: &[u8], place: usize, is_open: bool) -> (Vec<u8>, usize) {
    let mut shown = Vec::with_capacity(line.len());
    let mut at = 0;
    for found in TOKENS.find_iter(line) {
        if found.start() >= place || (is_open && found.end() == line.len()) {
            let stop = found.start().min(place).max(at);
            shown.extend_from_slice(&line[at..stop]);
            return (shown, stop);
        }
        shown.extend_from_slice(&line[at..found.start()]);
        let text = found.as_bytes();
        shown.extend_from_slice(&text[..harmless_start(text)]);
        shown.extend_from_slice(HIDDEN.as_bytes());
        if text.ends_with(b"@") {
            shown.push(b'@');
        }
        at = found.end();
    }
    let stop = place.max(at);
    shown.extend_from_slice(&line[at..stop]);
    (shown, stop)
}

/// How much of a match comes before the secret: the scheme of a URL, the words before a password.
fn harmless_start(text: &[u8]) -> usize {
    if text.starts_with(b"-----") {
        return 0;
    }
    let scheme = text.windows(3).position(|three| three == b"://");
    let space = text.iter().rposition(u8::is_ascii_whitespace);
    scheme
        .map(|at| at + 3)
        .or(space.map(|at| at + 1))
        .unwrap_or(0)
}

/// Where a private key is said that has several lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum KeyState {
    /// Nowhere near.
    #[default]
    Outside,
    /// The line before was of a key that began at this byte of its line.
    Inside(usize),
}

impl KeyState {
    /// Takes a line. Returns how much of its start is of a key that began before it.
    pub(super) fn of_key(&mut self, line: &[u8]) -> usize {
        if let Self::Inside(column) = *self {
            let own = line.get(column..).unwrap_or_default();
            if let Some(end) = KEY_STOP.find(line) {
                *self = Self::Outside;
                return end.end();
            }
            if KEY_LINE.is_match(line) || KEY_LINE.is_match(own) {
                return line.len();
            }
            // It was cut short: what follows is something else.
        }
        let begin = KEY_OPEN.find(line);
        *self = begin.map_or(Self::Outside, |begin| Self::Inside(begin.start()));
        0
    }
}
