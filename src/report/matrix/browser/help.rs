//! The page that says which keys there are.

use super::{Canvas, Drawing, Key, Size, Step};

/// The keys, and what they do; without a key a heading.
const LINES: &[(&str, &str)] = &[
    ("", "while the matrix is shown"),
    ("f", "the logs of what failed and what runs"),
    ("w", "what a check waits for"),
    ("s", "sort: by name, failures first, longest running first"),
    ("c", "cancel a check; the others go on"),
    ("q", "stop the run, as Ctrl-C does"),
    ("?", "this page"),
    ("", "in a list"),
    (
        "j k",
        "down and up, as the arrows; PgDn PgUp g G go further",
    ),
    ("/", "show only what has this in its name"),
    ("Enter", "open"),
    ("q Esc", "back"),
    ("", "in a log"),
    (
        "j k",
        "down and up, as the arrows; Space b PgDn PgUp go further",
    ),
    (
        "g G",
        "to the beginning; to the end, and follow what is written",
    ),
    ("/ n N", "search; the next one, the one before"),
    ("o", "open it in $PAGER"),
];
/// How wide the keys are.
const KEY_COLUMNS: usize = 8;

pub(super) fn apply(top: &mut usize, key: Key, body: Size) -> Step {
    let last = LINES.len().saturating_sub(body.lines);
    match key {
        Key::Char('q' | '?') | Key::Escape | Key::Enter => return Step::Back,
        Key::Char('j' | ' ') | Key::Down | Key::PageDown => *top = (*top + 1).min(last),
        Key::Char('k' | 'b') | Key::Up | Key::PageUp => *top = top.saturating_sub(1),
        Key::Char(_)
        | Key::Ctrl(_)
        | Key::Backspace
        | Key::Left
        | Key::Right
        | Key::Home
        | Key::End => {}
    }
    Step::Stay
}

pub(super) fn render(top: usize, canvas: Canvas<'_>) -> Drawing {
    let styles = canvas.styles;
    let line = |(key, what): &(&str, &str)| {
        let line = canvas.line();
        if key.is_empty() {
            return line.skip(1).push(what, &styles.dim).finish();
        }
        line.skip(3)
            .push(key, &styles.strong)
            .skip_to(3 + KEY_COLUMNS)
            .push(what, &styles.plain)
            .finish()
    };
    Drawing {
        title: canvas.title("keys", ""),
        body: LINES
            .iter()
            .skip(top)
            .map(line)
            .take(canvas.size.lines)
            .collect(),
        last: canvas.keys(&[("q", "back"), ("j k", "move")]),
    }
}
