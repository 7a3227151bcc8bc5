//! Puts the block on the terminal: the one file that knows indicatif.
//!
//! The block is the text of one progress bar. Lines that stay are printed above it by the same draw, so that each
//! frame is one write; there are at most ten a second. The cursor is never hidden, so nothing has to bring it back.

use std::{
    fmt::{self, Write as _},
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle, TermLike};
use signal_hook::consts::SIGCONT;

use super::{
    Size,
    terminal::{self, Modes},
};
use crate::report::{format::counted, sanitize::columns};

/// How many lines wait to be printed while the block is not shown.
const PRINTED_MAX: usize = 10_000;
/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// A terminal with the block at its end.
pub(in crate::report) struct Screen {
    terminal: LineTerm,
    bar: ProgressBar,
    block: Arc<Mutex<String>>,
    printed: Vec<String>,
    printed_forgotten: usize,
    last_frame: Option<Duration>,
    /// Whether the terminal is to be taken into use: with the first frame (before it, a signal may end the process
    /// with nobody to restore the terminal), and when the process goes on after the shell had the terminal.
    is_new: Arc<AtomicBool>,
    /// What is wanted of the terminal; nothing where it is none.
    modes: Option<Modes>,
    /// What the other screen shows, if that is there, and its size.
    alternate: Option<(Vec<String>, Size)>,
}

impl Screen {
    /// The terminal behind stderr.
    pub(super) fn stderr(modes: Modes) -> Self {
        let mut screen = Self::new(Arc::new(Term::buffered_stderr()));
        screen.modes = Some(modes);
        // Without it the block is drawn over what the shell wrote, which is no reason to stop a run.
        _ = signal_hook::flag::register(SIGCONT, Arc::clone(&screen.is_new));
        screen
    }

    fn new(terminal: Arc<dyn TermLike>) -> Self {
        let terminal = LineTerm {
            inner: terminal,
            frame: Arc::default(),
        };
        let block = Arc::<Mutex<String>>::default();
        let shown = Arc::clone(&block);
        let style = ProgressStyle::with_template("{block}")
            .expect("the template is constant")
            .with_key(
                "block",
                move |_: &indicatif::ProgressState, out: &mut dyn fmt::Write| {
                    _ = out.write_str(&lock(&shown));
                },
            );
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bar = ProgressBar::with_draw_target(None, target)
            .with_style(style)
            .with_finish(ProgressFinish::AndClear);
        Self {
            terminal,
            bar,
            block,
            printed: Vec::new(),
            printed_forgotten: 0,
            last_frame: None,
            is_new: Arc::new(AtomicBool::new(true)),
            modes: None,
            alternate: None,
        }
    }

    /// The room for the block: all columns but the last, where some terminals wrap; not all lines, so that what is
    /// printed above stays in sight.
    pub(super) fn size(&self) -> Size {
        let lines = usize::from(self.terminal.height());
        Size {
            columns: usize::from(self.terminal.width()).saturating_sub(1).max(1),
            lines: if lines <= 16 {
                lines.saturating_sub(1).max(1)
            } else {
                (lines * 2 / 3).max(15)
            },
        }
    }

    /// Whether it is time for a frame.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.last_frame
            .is_none_or(|last| now.saturating_sub(last) >= FRAME)
    }

    /// Prints lines above the block, with the next frame.
    pub(super) fn print(&mut self, lines: Vec<String>) {
        self.printed.extend(lines);
    }

    /// Forgets the oldest of the lines that wait to be printed, if they are many: no frame comes for some time.
    pub(super) fn limit_printed(&mut self) {
        let too_many = self.printed.len().saturating_sub(PRINTED_MAX);
        if too_many > 0 {
            // Half of them, so that not every line moves all others.
            let gone = self.printed.drain(..too_many + PRINTED_MAX / 2).count();
            self.printed_forgotten += gone;
        }
    }

    /// Draws a frame.
    pub(super) fn draw(&mut self, block: &[String], now: Duration) {
        self.last_frame = Some(now);
        if self.hold() {
            // What is above the cursor now is not the block.
            lock(&self.terminal.frame).last.clear();
        }
        self.tell_forgotten();
        *lock(&self.block) = block.join("\n");
        if self.printed.is_empty() {
            self.bar.force_draw();
        } else {
            self.bar.println(self.printed.join("\n"));
            self.printed.clear();
        }
    }

    fn tell_forgotten(&mut self) {
        if self.printed_forgotten > 0 {
            let gone = counted(std::mem::take(&mut self.printed_forgotten), "line");
            self.printed.insert(0, format!("({gone} left out)"));
        }
    }

    /// Takes the terminal into use, where it is not. Whether someone else may have written on it meanwhile.
    fn hold(&self) -> bool {
        let is_new = self.is_new.swap(false, Ordering::Relaxed);
        if let Some(modes) = self.modes {
            terminal::hold(modes, is_new);
        }
        is_new
    }

    /// The room on the other screen.
    pub(super) fn whole_size(&self) -> Size {
        Size {
            columns: usize::from(self.terminal.width()).max(1),
            lines: usize::from(self.terminal.height()).max(1),
        }
    }

    /// Shows these lines on the other screen, one for each of its lines, and nothing else.
    pub(super) fn draw_alternate(&mut self, lines: Vec<String>, now: Duration) {
        self.last_frame = Some(now);
        let size = self.whole_size();
        let is_new = self.hold();
        let mut frame = String::new();
        if self.alternate.is_none() {
            // The block would be in the way when the terminal comes back from there in another size.
            self.clear_block();
        }
        let enter = match self.modes {
            Some(_) => terminal::enter_alternate(),
            None if self.alternate.is_none() => terminal::ENTER_ALTERNATE,
            None => "",
        };
        let before = match self.alternate.take() {
            Some((before, known)) if known == size && enter.is_empty() && !is_new => before,
            Some(_) | None => {
                frame.push_str(enter);
                frame.push_str(terminal::CLEAR);
                Vec::new()
            }
        };
        for (at, line) in lines.iter().enumerate() {
            if before.get(at) != Some(line) {
                // Cleared first: behind a line that fills its row, its last column would be.
                _ = write!(frame, "\x1b[{};1H\x1b[2K{line}", at + 1);
            }
        }
        if !frame.is_empty() {
            // Where it is out of the way, and the same whatever was drawn.
            _ = write!(frame, "\x1b[{};1H", size.lines);
            // A terminal that is gone is told of by a signal.
            _ = self.terminal.inner.write_str(&frame);
            _ = self.terminal.inner.flush();
        }
        self.alternate = Some((lines, size));
    }

    /// Shows the usual screen again.
    pub(super) fn leave_alternate(&mut self) {
        if self.alternate.take().is_some() {
            let leave = match self.modes {
                Some(_) => terminal::leave_alternate(),
                None => terminal::LEAVE_ALTERNATE,
            };
            _ = self.terminal.inner.write_str(leave);
            _ = self.terminal.inner.flush();
        }
    }

    /// Leaves the terminal to someone else for some time: the next frame takes it again.
    pub(super) fn suspend(&mut self) {
        if self.alternate.is_some() {
            self.leave_alternate();
        } else {
            self.clear_block();
        }
        terminal::release();
        self.is_new.store(true, Ordering::Relaxed);
    }

    /// Takes the block away, all but the empty line that the cursor is on.
    fn clear_block(&mut self) {
        if self.last_frame.is_some() {
            lock(&self.block).clear();
            self.bar.force_draw();
        }
    }

    /// Takes the block away and prints what is left to print. Nothing is drawn after this.
    ///
    /// # Errors
    ///
    /// Those of the terminal.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.leave_alternate();
        self.tell_forgotten();
        if !self.bar.is_finished() {
            self.bar.finish_and_clear();
        }
        for line in self.printed.drain(..) {
            self.terminal.inner.write_str(&line)?;
            self.terminal.inner.write_str("\r\n")?;
        }
        let written = self.terminal.inner.flush();
        if self.modes.is_some() {
            terminal::release();
        }
        written
    }
}

/// Whatever happens, the terminal is as it was.
impl Drop for Screen {
    fn drop(&mut self) {
        self.leave_alternate();
        if self.modes.is_some() {
            terminal::release();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is whole after each statement, whoever panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A terminal that gets whole lines.
///
/// indicatif fills lines with spaces up to the margin instead of ending them. A terminal that wraps anew when it is
/// resized then takes all of it for one line, and what scrolled away is torn up. So lines are ended here; and where
/// the terminal has become narrower since the last frame, the lines that its wrapping has added are counted in.
#[derive(Clone, Debug)]
struct LineTerm {
    inner: Arc<dyn TermLike>,
    frame: Arc<Mutex<Frame>>,
}

#[derive(Debug, Default)]
struct Frame {
    /// The widths of the lines of the last frame.
    last: Vec<usize>,
    /// The widths of the lines of this frame so far.
    current: Vec<usize>,
    /// Whether this frame has moved to where it begins.
    is_placed: bool,
    /// Whether what comes next fills up a line.
    is_filler: bool,
}

impl TermLike for LineTerm {
    fn width(&self) -> u16 {
        self.inner.width()
    }

    fn height(&self) -> u16 {
        self.inner.height()
    }

    /// The first move of a frame goes up to the first line of the block, `n` lines above its last one, and clears it.
    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        let mut frame = lock(&self.frame);
        if std::mem::replace(&mut frame.is_placed, true) || frame.last.is_empty() {
            return Ok(());
        }
        let width = usize::from(self.width()).max(1);
        let block = &frame.last[frame.last.len().saturating_sub(n + 1)..];
        let rows: usize = block
            .iter()
            .map(|columns| columns.div_ceil(width).max(1))
            .sum();
        let above = rows.saturating_sub(1);
        self.inner.move_cursor_up(above)?;
        // Row by row: what is cleared at once from the first row of the screen on, tmux keeps in its history.
        for _ in 0..above {
            self.inner.clear_line()?;
            self.inner.move_cursor_down(1)?;
        }
        self.inner.clear_line()?;
        self.inner.move_cursor_up(above)
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.inner.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.inner.move_cursor_left(n)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.inner.write_line(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut frame = lock(&self.frame);
        if std::mem::take(&mut frame.is_filler) {
            return Ok(());
        }
        frame.is_filler = true;
        if !frame.current.is_empty() {
            self.inner.write_str("\r\n")?;
        }
        frame
            .current
            .push(columns(&console::strip_ansi_codes(text)));
        self.inner.write_str(text)
    }

    /// Clears nothing: the first move of a frame has cleared all below.
    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut frame = lock(&self.frame);
        frame.last = std::mem::take(&mut frame.current);
        frame.is_placed = false;
        frame.is_filler = false;
        self.inner.flush()
    }
}

#[cfg(test)]
pub(in crate::report) mod tests;
