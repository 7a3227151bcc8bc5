use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

pub(in crate::report) use indicatif::InMemoryTerm as Terminal;
use indicatif::TermLike;

use super::Screen;

/// A screen and the terminal it draws on.
pub(in crate::report) fn screen(lines: u16, columns: u16) -> (Screen, Terminal) {
    let terminal = Terminal::new(lines, columns);
    (Screen::new(Arc::new(terminal.clone())), terminal)
}

fn lines(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

const ZERO: Duration = Duration::ZERO;

#[test]
fn the_block_is_redrawn_in_place() {
    let (mut screen, terminal) = screen(10, 20);
    screen.draw(&lines(&["one", "two", "three"]), ZERO);
    assert_eq!(terminal.contents(), "one\ntwo\nthree");
    screen.draw(&lines(&["1", "2"]), ZERO);
    assert_eq!(terminal.contents(), "1\n2");
    screen.draw(&lines(&["one", "", "three", "four"]), ZERO);
    assert_eq!(terminal.contents(), "one\n\nthree\nfour");
}

#[test]
fn printed_lines_scroll_away_above_it() {
    let (mut screen, terminal) = screen(4, 20);
    screen.draw(&lines(&["block", "status"]), ZERO);
    screen.print(lines(&["first", "a line that is wider than the terminal"]));
    assert_eq!(terminal.contents(), "block\nstatus");
    screen.draw(&lines(&["block 2", "status"]), ZERO);
    assert_eq!(
        terminal.contents(),
        "a line that is wider\n than the terminal\nblock 2\nstatus"
    );
    screen.print(lines(&["third"]));
    screen.draw(&lines(&["block 3", "status"]), ZERO);
    assert_eq!(
        terminal.contents(),
        " than the terminal\nthird\nblock 3\nstatus"
    );
}

#[test]
fn the_end_takes_the_block_away_and_leaves_the_lines() {
    let (mut screen, terminal) = screen(6, 20);
    screen.draw(&lines(&["block", "status"]), ZERO);
    screen.print(lines(&["result", "", "1 passed"]));
    screen.close().unwrap();
    assert_eq!(terminal.contents(), "result\n\n1 passed");
    screen.close().unwrap();
    drop(screen);
    assert_eq!(terminal.contents(), "result\n\n1 passed");
}

#[test]
fn a_screen_that_is_dropped_leaves_nothing_behind() {
    let (mut screen, terminal) = screen(6, 20);
    screen.draw(&lines(&["block", "status"]), ZERO);
    drop(screen);
    assert_eq!(terminal.contents(), "");
}

#[test]
fn a_frame_is_one_write_and_hides_no_cursor() {
    let (mut screen, terminal) = screen(6, 20);
    for frame in [&["a", "b"][..], &["c"], &["d", "e"]] {
        screen.draw(&lines(frame), ZERO);
        screen.print(lines(&["printed"]));
    }
    let moves = terminal.moves_since_last_check();
    assert_eq!(moves.matches("Flush").count(), 3, "{moves}");
    assert!(!moves.contains("?25"), "{moves}");
}

#[test]
fn there_are_ten_frames_a_second() {
    let (mut screen, _) = screen(6, 20);
    let mut frames = 0;
    for millis in (0..5_000).step_by(10) {
        let now = Duration::from_millis(millis);
        if screen.is_due(now) {
            screen.draw(&lines(&["x"]), now);
            frames += 1;
        }
    }
    assert_eq!(frames, 50);
    // A clock that goes back stops nothing for good.
    assert!(!screen.is_due(ZERO));
    assert!(screen.is_due(Duration::from_secs(6)));
}

#[test]
fn the_block_leaves_room_for_what_scrolls_away() {
    for (height, width, expected) in [
        (50, 100, (99, 33)),
        (24, 80, (79, 16)),
        (17, 80, (79, 15)),
        (5, 20, (19, 4)),
        (1, 1, (1, 1)),
    ] {
        let size = screen(height, width).0.size();
        assert_eq!(
            (size.columns, size.lines),
            expected,
            "{height} lines of {width}"
        );
    }
}

/// A terminal that can be resized.
#[derive(Debug)]
struct Resizable(Terminal, AtomicU16);

impl TermLike for Resizable {
    fn width(&self) -> u16 {
        self.1.load(Ordering::Relaxed)
    }
    fn height(&self) -> u16 {
        self.0.height()
    }
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }
    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }
    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }
    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }
    fn write_line(&self, line: &str) -> io::Result<()> {
        self.0.write_line(line)
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }
    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }
    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn lines_that_a_narrower_terminal_wraps_are_taken_away_too() {
    let terminal = Arc::new(Resizable(Terminal::new(20, 80), AtomicU16::new(80)));
    let mut screen = Screen::new(terminal.clone());
    screen.draw(
        &lines(&[&"x".repeat(70), "", "\u{1b}[1mshort\u{1b}[0m"]),
        ZERO,
    );
    terminal.0.moves_since_last_check();
    terminal.1.store(30, Ordering::Relaxed);
    screen.draw(&lines(&["x"]), ZERO);
    // 70 columns are three rows of 30 now; the cursor stands on the fifth row of the block.
    assert!(terminal.0.moves_since_last_check().starts_with("Up(4)\n"));
    terminal.1.store(120, Ordering::Relaxed);
    screen.draw(&lines(&["x", "y"]), ZERO);
    screen.draw(&lines(&["x", "y"]), ZERO);
    assert!(terminal.0.moves_since_last_check().contains("Up(1)\n"));
}
