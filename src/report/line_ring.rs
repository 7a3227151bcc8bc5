//! The last lines of a log, of bounded size.
//!
//! Lines are kept as they came, and made harmless where they are shown.

use std::collections::VecDeque;

/// How much of a single line is kept, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 16 << 10;
/// What a line costs besides its text.
const LINE_COST: usize = 32;

/// The last lines.
#[derive(Debug)]
pub(super) struct LineRing {
    lines: VecDeque<Box<str>>,
    bytes: usize,
    bytes_max: usize,
    before: u64,
}

impl LineRing {
    /// Makes one that holds so many bytes, and a line in any case, and begins behind so many lines.
    pub(super) fn new(bytes_max: usize, before: u64) -> Self {
        Self {
            lines: VecDeque::new(),
            bytes: 0,
            bytes_max,
            before,
        }
    }

    /// Adds a line. Others go where it has no room.
    pub(super) fn push(&mut self, line: &str) {
        let mut end = line.len().min(LINE_BYTES_MAX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        self.lines.push_back(line[..end].into());
        self.bytes += end + LINE_COST;
        while self.bytes > self.bytes_max && self.lines.len() > 1 {
            self.drop_first();
        }
    }

    /// Leaves the last lines, so many of them.
    pub(super) fn shrink_to(&mut self, lines: usize) {
        while self.lines.len() > lines {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.len() + LINE_COST;
            self.before += 1;
        }
    }

    /// How many lines came before the first one that is kept.
    pub(super) fn before(&self) -> u64 {
        self.before
    }

    /// How many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many lines are kept.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether none is.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The number of the line after the last one, counted from the first line of all.
    pub(super) fn end_line(&self) -> u64 {
        self.before + self.lines.len() as u64
    }

    /// The lines from this number on, as far as kept.
    pub(super) fn lines_from(
        &self,
        number: u64,
    ) -> impl DoubleEndedIterator<Item = (u64, &str)> + ExactSizeIterator {
        let skipped = usize::try_from(number.saturating_sub(self.before)).unwrap_or(usize::MAX);
        let begin = skipped.min(self.lines.len());
        let first = self.before + begin as u64;
        self.lines
            .range(begin..)
            .enumerate()
            .map(move |(at, line)| (first + at as u64, &**line))
    }
}
