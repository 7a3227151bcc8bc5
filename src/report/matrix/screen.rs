//! Puts the block on the terminal: the one file that knows indicatif.
//!
//! The block is the text of one progress bar. Lines that stay are printed above it by the same draw, so that each
//! frame is one write; there are at most ten a second. The cursor is never hidden, so nothing has to bring it back.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle, TermLike};
use signal_hook::consts::SIGCONT;

use super::{Size, echo::EchoOff};
use crate::report::sanitize::columns;

/// The least time between two frames.
const FRAME: Duration = Duration::from_millis(100);

/// A terminal with the block at its end.
pub(in crate::report) struct Screen {
    terminal: LineTerm,
    bar: ProgressBar,
    block: Arc<Mutex<String>>,
    printed: Vec<String>,
    last_frame: Option<Duration>,
    /// Whether the terminal is to be taken into use: with the first frame (before it, a signal may end the process
    /// with nobody to restore the terminal), and when the process goes on after the shell had the terminal.
    is_new: Arc<AtomicBool>,
    silence: fn() -> Option<EchoOff>,
    echo_off: Option<EchoOff>,
}

impl Screen {
    /// The terminal behind stderr.
    pub(super) fn stderr() -> Self {
        let mut screen = Self::new(Arc::new(Term::buffered_stderr()));
        screen.silence = EchoOff::on_stderr;
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
            last_frame: None,
            is_new: Arc::new(AtomicBool::new(true)),
            silence: || None,
            echo_off: None,
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

    /// Draws a frame.
    pub(super) fn draw(&mut self, block: &[String], now: Duration) {
        self.last_frame = Some(now);
        if self.is_new.swap(false, Ordering::Relaxed) {
            drop(self.echo_off.take());
            self.echo_off = (self.silence)();
            // What is above the cursor now is not the block.
            lock(&self.terminal.frame).last.clear();
        }
        *lock(&self.block) = block.join("\n");
        if self.printed.is_empty() {
            self.bar.force_draw();
        } else {
            self.bar.println(self.printed.join("\n"));
            self.printed.clear();
        }
    }

    /// Takes the block away and prints what is left to print. Nothing is drawn after this.
    ///
    /// # Errors
    ///
    /// Those of the terminal.
    pub(super) fn close(&mut self) -> io::Result<()> {
        if !self.bar.is_finished() {
            self.bar.finish_and_clear();
        }
        for line in self.printed.drain(..) {
            self.terminal.inner.write_str(&line)?;
            self.terminal.inner.write_str("\r\n")?;
        }
        let written = self.terminal.inner.flush();
        drop(self.echo_off.take());
        written
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
