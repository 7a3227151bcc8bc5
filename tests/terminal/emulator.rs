//! What a terminal makes of the bytes it gets: a screen, what scrolled away above it, and whether anything was done to
//! the terminal that nobody asked for.
//!
//! The emulator is `vt100`, which knows nothing of windows. This adds what a test looks at, and what terminals do to
//! lines when they become wider or narrower.

use vt100::{Callbacks, MouseProtocolMode, Parser, Screen};

/// How many lines are kept above the screen: more than any test writes.
const SCROLLBACK: usize = 2000;

/// A terminal without a program.
pub(crate) struct Emulator {
    parser: Parser<Tampering>,
    /// All bytes so far.
    bytes: Vec<u8>,
}

impl Emulator {
    /// An empty one of this size.
    pub(crate) fn new(lines: u16, columns: u16) -> Self {
        Self {
            parser: Parser::new_with_callbacks(lines, columns, SCROLLBACK, Tampering::default()),
            bytes: Vec::new(),
        }
    }

    /// Takes what a program or the terminal itself wrote.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.parser.process(bytes);
    }

    /// Becomes this wide. Lines are wrapped anew, and the cursor stays where it was in its line, as most terminals
    /// have it (VTE, Alacritty, kitty, tmux).
    pub(crate) fn rewrap(&mut self, lines: u16, columns: u16) {
        if self.screen().alternate_screen() {
            self.parser.screen_mut().set_size(lines, columns);
            return;
        }
        let (row, _) = self.screen().cursor_position();
        let below = self.screen().size().0 - row - 1;
        let mut text = self.logical_lines_upto(below);
        // Everything behind the cursor's line is empty: nixci draws nothing below it.
        let last = text.pop().unwrap_or_default();
        let tampering = std::mem::take(self.parser.callbacks_mut());
        self.parser = Parser::new_with_callbacks(lines, columns, SCROLLBACK, tampering);
        for line in text {
            self.parser.process(line.as_bytes());
            self.parser.process(b"\r\n");
        }
        self.parser.process(last.as_bytes());
    }

    /// The rows of the screen.
    pub(crate) fn rows(&self) -> Vec<String> {
        let columns = self.screen().size().1;
        self.screen().rows(0, columns).collect()
    }

    /// Every line from the first one on, those that scrolled away included, and without the empty ones at the end. A
    /// line that the terminal wrapped is one line.
    pub(crate) fn transcript(&mut self) -> Vec<String> {
        let mut lines = self.logical_lines_upto(0);
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// Whether the terminal had to break a line, from the row with this text on.
    pub(crate) fn has_wrapped_below(&self, text: &str) -> bool {
        let rows = self.rows();
        let first = rows.iter().position(|row| row.contains(text));
        (0_u16..)
            .zip(&rows)
            .skip(first.unwrap_or(0))
            .any(|(row, _)| self.screen().row_wrapped(row))
    }

    /// What was done to the terminal besides writing, colouring and moving the cursor, in words.
    pub(crate) fn tampering(&self) -> Vec<String> {
        let screen = self.screen();
        let mut found = self.parser.callbacks().0.clone();
        let modes = [
            ("the cursor is hidden", screen.hide_cursor()),
            ("the alternate screen is shown", screen.alternate_screen()),
            ("the keypad is changed", screen.application_keypad()),
            ("the cursor keys are changed", screen.application_cursor()),
            ("pasting is changed", screen.bracketed_paste()),
            (
                "the mouse is taken",
                screen.mouse_protocol_mode() != MouseProtocolMode::None,
            ),
        ];
        let changed = modes.iter().filter(|(_, is_changed)| *is_changed);
        found.extend(changed.map(|(what, _)| (*what).to_owned()));
        found
    }

    /// Whether text is written in colours or styles now: at the end it must not.
    pub(crate) fn is_styled(&self) -> bool {
        let screen = self.screen();
        screen.fgcolor() != vt100::Color::Default
            || screen.bgcolor() != vt100::Color::Default
            || screen.bold()
            || screen.dim()
            || screen.inverse()
            || screen.underline()
    }

    /// Whether the other screen is shown, which scrolls nothing away.
    pub(crate) fn is_alternate(&self) -> bool {
        self.screen().alternate_screen()
    }

    /// Where the cursor is: row and column from 0.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.screen().cursor_position()
    }

    /// All bytes so far, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn screen(&self) -> &Screen {
        self.parser.screen()
    }

    /// The lines without the last rows of the screen.
    fn logical_lines_upto(&mut self, rows_left_out: u16) -> Vec<String> {
        let (rows, columns) = self.screen().size();
        let screen = self.parser.screen_mut();
        let mut pieces: Vec<(String, bool)> = Vec::new();
        let mut take = |screen: &Screen, row: u16| {
            let text = screen.rows(0, columns).nth(usize::from(row));
            pieces.push((text.unwrap_or_default(), screen.row_wrapped(row)));
        };
        screen.set_scrollback(usize::MAX);
        for above in (1..=screen.scrollback()).rev() {
            screen.set_scrollback(above);
            take(screen, 0);
        }
        screen.set_scrollback(0);
        (0..rows - rows_left_out).for_each(|row| take(screen, row));
        let mut lines: Vec<String> = Vec::new();
        let mut goes_on = false;
        for (text, is_wrapped) in pieces {
            match lines.last_mut() {
                Some(line) if goes_on => line.push_str(&text),
                Some(_) | None => lines.push(text),
            }
            goes_on = is_wrapped;
        }
        lines
    }
}

/// What was asked of the terminal besides writing, colours and moving the cursor.
#[derive(Default)]
struct Tampering(Vec<String>);

impl Callbacks for Tampering {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.0.push("the bell rang".to_owned());
    }

    fn visual_bell(&mut self, _: &mut Screen) {
        self.0.push("the screen flashed".to_owned());
    }

    fn resize(&mut self, _: &mut Screen, size: (u16, u16)) {
        self.0.push(format!("the window was resized: {size:?}"));
    }

    fn set_window_icon_name(&mut self, _: &mut Screen, name: &[u8]) {
        self.0.push(format!("icon: {}", name.escape_ascii()));
    }

    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.0.push(format!("title: {}", title.escape_ascii()));
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], data: &[u8]) {
        self.0.push(format!("clipboard: {}", data.escape_ascii()));
    }

    fn paste_from_clipboard(&mut self, _: &mut Screen, _: &[u8]) {
        self.0.push("the clipboard was read".to_owned());
    }

    fn unhandled_char(&mut self, _: &mut Screen, c: char) {
        // The emulator tells of what stands for bytes that are no text, too.
        if c != char::REPLACEMENT_CHARACTER {
            self.0.push(format!("character {c:?}"));
        }
    }

    fn unhandled_control(&mut self, _: &mut Screen, byte: u8) {
        self.0.push(format!("control {byte:#04x}"));
    }

    fn unhandled_escape(&mut self, _: &mut Screen, a: Option<u8>, b: Option<u8>, c: u8) {
        self.0.push(format!("escape {a:?} {b:?} {c:#04x}"));
    }

    fn unhandled_csi(
        &mut self,
        _: &mut Screen,
        a: Option<u8>,
        b: Option<u8>,
        parameters: &[&[u16]],
        c: char,
    ) {
        // Styles that the emulator does not know, such as blinking, are styles as well.
        if (a, c) != (None, 'm') {
            self.0.push(format!("CSI {a:?} {b:?} {parameters:?} {c:?}"));
        }
    }

    fn unhandled_osc(&mut self, _: &mut Screen, parameters: &[&[u8]]) {
        self.0.push(format!("OSC {parameters:?}"));
    }
}
