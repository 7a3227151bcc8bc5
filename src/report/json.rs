//! The JSON stream of DESIGN.md §5: one event a line, nothing else.
//!
//! Apart from the formats for people because nothing is escaped, cut or left out here.

use std::io::{self, Write};

use crate::event::{Event, EventKind};

/// Writes an event as a line and flushes it; leaves out what is for displays only, and the lines of logs unless `log`.
///
/// # Errors
///
/// Those of the writer, [`io::ErrorKind::BrokenPipe`] among them.
pub(super) fn write_event(out: &mut impl Write, event: &Event, log: bool) -> io::Result<()> {
    if write_line(out, event, log)? {
        out.flush()?;
    }
    Ok(())
}

/// Writes an event as a line, as [`write_event`] does, without flushing it. Whether there was one to write.
///
/// # Errors
///
/// Those of the writer.
pub(super) fn write_line(out: &mut impl Write, event: &Event, log: bool) -> io::Result<bool> {
    let is_log = matches!(event.kind, EventKind::StepLogged { .. });
    let is_for_display = matches!(
        event.kind,
        EventKind::Ticked { .. } | EventKind::CheckExplained { .. }
    );
    if is_for_display || (is_log && !log) {
        return Ok(false);
    }
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    out.write_all(&line)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
