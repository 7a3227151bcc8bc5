//! Makes an [`EvalFailure`] of an error text of Nix: its point, and where it points at.
//!
//! Nix prints what went wrong together with the frames that led there, in two layouts: message first (before Nix 2.20)
//! or frames first. Frames of nixci's own expressions, which Nix calls `«string»`, are left out. Pure; the text may be
//! anything, and what is not understood stays in the message.

mod machine;

use std::path::Path;

pub(super) use machine::machines_fault;

use super::{EvalFailure, sections::ACCESS_LINE};

/// The longest message, in bytes, unless the whole trace is wanted.
const MESSAGE_MAX: usize = 16 << 10;

/// What is known about the flake that the error is about.
#[derive(Clone, Debug, Default)]
pub(super) struct FailureContext {
    /// The folders that are the flake's own tree: where Nix copied it to, and where the user has it.
    pub(super) trees: Vec<String>,
    /// Whether the whole trace is wanted.
    pub(super) show_trace: bool,
}

/// Returns the folders that a flake reference may mean on this machine, the outermost of a repository first.
pub(super) fn local_trees(flake: &str) -> Vec<String> {
    let path = ["path:", "git+file://", "git+file:"]
        .iter()
        .find_map(|scheme| flake.strip_prefix(scheme));
    let path = path
        .unwrap_or(flake)
        .split(['?', '#'])
        .next()
        .unwrap_or_default();
    let Ok(path) = Path::new(path).canonicalize() else {
        return Vec::new();
    };
    let repository = path.ancestors().find(|dir| dir.join(".git").exists());
    let trees = repository.into_iter().chain([path.as_path()]);
    trees
        .filter_map(Path::to_str)
        .filter(|tree| *tree != "/")
        .map(str::to_owned)
        .collect()
}

/// A place in a file, with the lines around it as Nix shows them.
#[derive(Debug)]
struct Place {
    file: String,
    line: u32,
    column: u32,
    excerpt: Vec<String>,
}

/// A text with its place: the message, or a frame.
#[derive(Debug, Default)]
struct Item {
    text: Vec<String>,
    place: Option<Place>,
}

impl FailureContext {
    /// Reads an error text of Nix.
    pub(super) fn failure(&self, text: &str) -> EvalFailure {
        let (mut message, mut frames) = parse(text);
        if message.place.is_none() {
            message.place = inline_place(&mut message.text);
        }
        for item in frames.iter_mut().chain([&mut message]) {
            if let Some(place) = &mut item.place
                && !place.is_own()
            {
                place.file = self.relative(&place.file).unwrap_or(&place.file).to_owned();
            }
        }
        frames.retain(|frame| !frame.place.as_ref().is_some_and(Place::is_own));
        message.place = message.place.filter(|place| !place.is_own());

        let places = || {
            let items = [&message].into_iter().chain(&frames);
            items.filter_map(|item| item.place.as_ref())
        };
        let place = places()
            .find(|place| place.is_in_flake())
            .or_else(|| places().find(|place| !place.is_internal()));
        EvalFailure {
            message: if self.show_trace {
                whole(&message, &frames)
            } else {
                short(&message, &frames, place)
            },
            file: place.map(|place| place.file.clone()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
        }
    }

    /// Makes a failure at a place.
    pub(super) fn failure_at(
        &self,
        message: String,
        file: &str,
        line: u32,
        column: u32,
    ) -> EvalFailure {
        EvalFailure {
            message,
            file: Some(self.relative(file).unwrap_or(file).to_owned()),
            line: Some(line),
            column: Some(column),
        }
    }

    /// Returns the part of a file's name below the flake's tree, if it lies there.
    fn relative<'f>(&self, file: &'f str) -> Option<&'f str> {
        self.trees.iter().find_map(|tree| {
            // `«git+file:///src/demo?rev=…»/flake.nix`, as Nix 2.34 calls what it reads from a repository.
            let from_git = || {
                let (url, below) = file.strip_prefix("«git+file://")?.split_once('»')?;
                (url.split('?').next() == Some(tree)).then_some(below)
            };
            file.strip_prefix(tree.as_str())
                .or_else(from_git)?
                .strip_prefix('/')
        })
    }
}

impl Place {
    /// Whether it is in an expression that nixci sent.
    fn is_own(&self) -> bool {
        self.file == "«string»" || self.file == "(string)"
    }

    /// Whether it is in a file that comes with Nix.
    fn is_internal(&self) -> bool {
        self.file.starts_with('«')
    }

    /// Whether it is in the flake's tree: only such files have relative names.
    fn is_in_flake(&self) -> bool {
        !self.file.starts_with('/') && !self.is_internal()
    }

    fn show(&self, indent: &str, text: &mut String) {
        let Self {
            file,
            line,
            column,
            excerpt,
        } = self;
        text.extend(["\n", indent, &format!("at {file}:{line}:{column}:")]);
        for line in excerpt {
            text.extend(["\n", indent, line]);
        }
    }
}

/// The message, and the place that helps most; where there is none, the innermost frame.
fn short(message: &Item, frames: &[Item], place: Option<&Place>) -> String {
    let mut text = message.text.join("\n");
    if text.len() > MESSAGE_MAX {
        let mut end = MESSAGE_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str("\n[…]");
    }
    match (place, frames.first()) {
        (Some(place), _) => place.show("", &mut text),
        (None, Some(frame)) => text.extend(["\n… ", &frame.text.join("\n  ")]),
        (None, None) => {}
    }
    text
}

/// The message, and all frames from the innermost out.
fn whole(message: &Item, frames: &[Item]) -> String {
    let mut text = message.text.join("\n");
    if let Some(place) = &message.place {
        place.show("", &mut text);
    }
    for frame in frames {
        text.extend(["\n\n… ", &frame.text.join("\n  ")]);
        if let Some(place) = &frame.place {
            place.show("  ", &mut text);
        }
    }
    text
}

/// Takes an error text apart: the message, and the frames from the innermost out.
fn parse(text: &str) -> (Item, Vec<Item>) {
    let (text, access) = match text.rsplit_once('\n') {
        Some((before, last)) if last.starts_with(ACCESS_LINE) => {
            (before, last.strip_prefix(ACCESS_LINE))
        }
        Some(_) | None => (text, None),
    };
    let text = without_headers(text);
    // What follows an empty header are frames, outermost first, and the message is behind them.
    let frames_first = text.starts_with('\n');
    let (mut message, mut frames) = (Item::default(), Vec::<Item>::new());
    let mut in_frame = frames_first;
    let mut in_message_behind = false;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let bare = line.trim_start();
        if frames_first
            && !in_message_behind
            && let Some(first) = bare.strip_prefix("error:")
        {
            in_message_behind = true;
            in_frame = false;
            message.text.push(first.trim_start().to_owned());
            continue;
        }
        if !in_message_behind
            && let Some(frame) = bare.strip_prefix("… ").or_else(|| omitted_frames(bare))
        {
            in_frame = true;
            frames.push(Item {
                text: vec![frame.to_owned()],
                place: None,
            });
            continue;
        }
        let item = match frames.last_mut() {
            Some(frame) if in_frame => frame,
            Some(_) | None => &mut message,
        };
        match place_header(bare) {
            Some((file, line, column)) if item.place.is_none() => {
                let excerpt = excerpt(&mut lines);
                let file = file.to_owned();
                item.place = Some(Place {
                    file,
                    line,
                    column,
                    excerpt,
                });
            }
            Some(_) | None => item.text.push(unindented(line).to_owned()),
        }
    }
    if frames_first {
        frames.reverse();
    }
    for item in frames.iter_mut().chain([&mut message]) {
        let is_blank = |line: Option<&String>| line.is_some_and(|line| line.trim().is_empty());
        while is_blank(item.text.last()) {
            item.text.pop();
        }
        while is_blank(item.text.first()) {
            item.text.remove(0);
        }
    }
    if let Some(access) = access {
        // The cause, of which Nix says nothing.
        message.text.insert(0, access.to_owned());
    }
    if message.text.is_empty() {
        // Of what makes up an escape sequence Nix itself prints nothing.
        let empty = "Nix gives no reason: the message is empty, or nothing in it can be printed";
        message.text.push(empty.to_owned());
    }
    (message, frames)
}

/// Drops the words before the message: `error: worker error: error: …`.
fn without_headers(mut text: &str) -> &str {
    loop {
        let start = text.trim_start_matches(' ');
        match start
            .strip_prefix("error:")
            .or_else(|| start.strip_prefix("worker error:"))
        {
            Some(rest) => text = rest,
            None => return start,
        }
    }
}

/// `(19989 duplicate frames omitted)`.
fn omitted_frames(line: &str) -> Option<&str> {
    (line.starts_with('(') && line.ends_with(" duplicate frames omitted)")).then_some(line)
}

/// Nix indents everything behind `error: ` by seven.
fn unindented(line: &str) -> &str {
    line.strip_prefix("       ").unwrap_or(line)
}

/// Parses `at FILE:LINE:COLUMN:`.
fn place_header(line: &str) -> Option<(&str, u32, u32)> {
    let (rest, column) = line
        .strip_prefix("at ")?
        .trim_end()
        .strip_suffix(':')?
        .rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some((file, line.parse().ok()?, column.parse().ok()?))
}

/// Takes a place off the end of a message: `expected a function but got an integer at /x/flake.nix:1:3`.
fn inline_place(message: &mut [String]) -> Option<Place> {
    let last = message.last_mut()?;
    let (before, place) = last.rsplit_once(" at ")?;
    let header = format!("at {place}:");
    let (file, line, column) = place_header(&header)?;
    let (file, before) = (file.to_owned(), before.to_owned());
    if !file.starts_with(['/', '«']) {
        return None;
    }
    *last = before;
    Some(Place {
        file,
        line,
        column,
        excerpt: Vec::new(),
    })
}

/// Takes the lines of a source excerpt, if one follows, and removes the indentation they share.
fn excerpt(lines: &mut std::iter::Peekable<std::str::Lines<'_>>) -> Vec<String> {
    let mut excerpt = Vec::new();
    while let Some(line) = lines.peek() {
        let is_blank = line.trim().is_empty();
        // Nix 2.8 leaves a line blank before the excerpt.
        if (is_blank && excerpt.is_empty()) || is_excerpt_line(line) {
            if !is_blank {
                excerpt.push((*line).to_owned());
            }
            lines.next();
        } else {
            break;
        }
    }
    let indent = |line: &String| line.len() - line.trim_start_matches(' ').len();
    let shared = excerpt.iter().map(indent).min().unwrap_or(0);
    for line in &mut excerpt {
        line.drain(..shared);
    }
    excerpt
}

/// `42|  text`, or the line below it that holds the `^`.
fn is_excerpt_line(line: &str) -> bool {
    let bare = line.trim_start();
    let digits = bare.trim_start_matches(|c: char| c.is_ascii_digit());
    digits.starts_with('|') && (digits.len() < bare.len() || bare.trim_end().ends_with('^'))
}

#[cfg(test)]
mod tests;
