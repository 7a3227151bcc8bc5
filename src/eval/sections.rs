//! Sorts what evaluators write to standard error: warnings, traces, errors, and noise.
//!
//! The same for `nix repl`, `nix flake metadata` and nix-eval-jobs, so that one text has one meaning. Pure; what an
//! error text says in detail is for [`super::failure`].

use console::strip_ansi_codes;

/// The longest text of a warning or trace that is kept, in bytes.
const MESSAGE_MAX: usize = 64 << 10;
/// The longest error text that is kept, in bytes: a trace of thousands of frames.
const ERROR_MAX: usize = 1 << 20;

/// Lines that begin what nobody asked for: Nix says what it builds, copies and downloads for the evaluation, and what
/// it thinks of its own settings. nixci itself shows whether a tree is dirty.
const NOISE: &[&str] = &[
    "error (ignored): ",
    "building '",
    "copying path '",
    "copying '",
    "downloading '",
    "evaluating file '",
    "fetching ",
    "querying ",
    "this derivation will be built:",
    "this path will be fetched (",
    "unpacking '",
    "waiting for ",
    "warning: Git tree ",
    "warning: SQLite database ",
    "warning: error: SQLite database ",
    "warning: ignoring the client-specified setting ",
    "warning: ignoring the user-specified setting ",
    "warning: unknown experimental feature ",
    "warning: unknown setting ",
];

/// What git says before an error of Nix, which leaves it out, and what becomes of that behind the error. Source:
/// `credential.c` and `http.c` of git 2.30 to 2.47.
const ACCESS: &[(&str, &str)] = &[
    (
        "fatal: could not read Username for '",
        "asks for a user and a password, and this evaluation has none for it",
    ),
    (
        "fatal: could not read Password for '",
        "asks for a password, and this evaluation has none for it",
    ),
    (
        "fatal: Authentication failed for '",
        "does not take the user and the password that this evaluation has for it",
    ),
];
/// What git says, too, where it cannot fetch, and what becomes of it, with the reason behind it. Source: `remote-curl.c`.
const NO_ACCESS: &str = "fatal: unable to access '";
pub(super) const UNREACHABLE: &str = " cannot be fetched from: ";
/// What the last line of an error begins with that came of this.
pub(super) const ACCESS_LINE: &str = "git: ";

/// What a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SectionKind {
    /// `warning:` and `evaluation warning:`.
    Warning,
    /// `trace:`.
    Trace,
    /// `error:`.
    Error,
    /// What nobody needs to see while all goes well.
    Noise,
}

/// Some lines that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Section {
    /// What they are.
    pub(super) kind: SectionKind,
    /// The text, without `warning:` and `trace:`, but with `error:`; cut in the middle if it is very long.
    pub(super) text: String,
}

/// Puts lines together to sections.
#[derive(Debug, Default)]
pub(super) struct Sections {
    open: Option<(SectionKind, Clipped)>,
    /// What git said of access since the last error.
    access: Option<String>,
}

impl Sections {
    /// Takes a line; returns the section before it if this line begins another one.
    pub(super) fn push(&mut self, line: &[u8]) -> Option<Section> {
        let line = String::from_utf8_lossy(line);
        let line = strip_ansi_codes(&line);
        if let Some(access) = access(&line) {
            // It belongs to the error behind it, not to one before.
            let before = self.finish();
            self.access = Some(access);
            return before;
        }
        let Some((kind, text)) = section_start(&line) else {
            // Before the first section there are greetings only.
            if let Some((_, open)) = &mut self.open {
                open.push_line(&line);
            }
            return None;
        };
        let before = self.finish();
        let max = match kind {
            SectionKind::Error => ERROR_MAX,
            SectionKind::Warning | SectionKind::Trace | SectionKind::Noise => MESSAGE_MAX,
        };
        let mut open = Clipped::new(max);
        open.push_line(text);
        self.open = Some((kind, open));
        before
    }

    /// Returns the section that is still open.
    pub(super) fn finish(&mut self) -> Option<Section> {
        let (kind, open) = self.open.take()?;
        let mut text = open.into_text();
        if kind == SectionKind::Error
            && let Some(access) = self.access.take()
        {
            text.extend(["\n", ACCESS_LINE, &access]);
        }
        Some(Section { kind, text })
    }
}

/// What a line of git says of access.
fn access(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix(NO_ACCESS) {
        let (address, why) = rest.split_once("': ")?;
        return Some(format!("{address}{UNREACHABLE}{why}"));
    }
    ACCESS.iter().find_map(|(begin, what)| {
        let (address, _) = line.strip_prefix(begin)?.split_once('\'')?;
        Some(format!("{address} {what}"))
    })
}

fn section_start(line: &str) -> Option<(SectionKind, &str)> {
    // `these 2 derivations will be built:`, `path '/x' does not contain a 'flake.nix', searching up`.
    let is_noise = NOISE.iter().any(|noise| line.starts_with(noise))
        || (line.starts_with("these ") && line.ends_with(':'))
        || (line.starts_with("path ") && line.ends_with("searching up"));
    if is_noise {
        return Some((SectionKind::Noise, line));
    }
    let after = |prefix| line.strip_prefix(prefix).map(str::trim_start);
    after("trace:")
        .map(|text| (SectionKind::Trace, text))
        .or_else(|| after("evaluation warning:").map(|text| (SectionKind::Warning, text)))
        .or_else(|| after("warning:").map(|text| (SectionKind::Warning, text)))
        .or_else(|| {
            line.starts_with("error:")
                .then_some((SectionKind::Error, line))
        })
}

/// A text that keeps its beginning and its end when it grows too long.
#[derive(Debug)]
struct Clipped {
    max: usize,
    head: String,
    tail: String,
    dropped: bool,
}

impl Clipped {
    fn new(max: usize) -> Self {
        let (head, tail) = (String::new(), String::new());
        Self {
            max,
            head,
            tail,
            dropped: false,
        }
    }

    fn push_line(&mut self, line: &str) {
        let half = self.max / 2;
        if self.tail.is_empty() && self.head.len() + line.len() < half {
            self.head.push_str(line);
            self.head.push('\n');
            return;
        }
        // Only the end of a line longer than the whole can survive.
        let line = &line[char_boundary(line, line.len().saturating_sub(half))..];
        self.tail.push_str(line);
        self.tail.push('\n');
        if self.tail.len() > self.max {
            let cut = char_boundary(&self.tail, self.tail.len() - half);
            self.tail.drain(..cut);
            self.dropped = true;
        }
    }

    fn into_text(self) -> String {
        let Self {
            mut head,
            tail,
            dropped,
            ..
        } = self;
        if dropped {
            head.push_str("[…]\n");
        }
        head.push_str(&tail);
        head.truncate(head.trim_end().len());
        head
    }
}

/// Returns the first place from `at` on where a character begins.
fn char_boundary(text: &str, at: usize) -> usize {
    let mut places = at..text.len();
    places
        .find(|&place| text.is_char_boundary(place))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
