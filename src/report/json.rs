//! The JSON stream of DESIGN.md §5: one event a line, nothing else.
//!
//! Apart from the formats for people because nothing is escaped, cut or left out here.

use std::io::{self, Write};

use crate::event::{Event, EventKind};

/// How much a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// All events but those below.
    Events,
    /// The lines of logs, too.
    Logs,
    /// What is for displays only, too: for one that stands elsewhere.
    Display,
}

/// Writes an event as a line and flushes it, if there is to be so much detail.
///
/// # Errors
///
/// Those of the writer, [`io::ErrorKind::BrokenPipe`] among them.
pub(super) fn write_event(out: &mut impl Write, event: &Event, detail: Detail) -> io::Result<()> {
    if write_line(out, event, detail)? {
        out.flush()?;
    }
    Ok(())
}

/// Writes an event as a line, as [`write_event`] does, without flushing it. Whether there was one to write.
///
/// # Errors
///
/// Those of the writer.
pub(super) fn write_line(out: &mut impl Write, event: &Event, detail: Detail) -> io::Result<bool> {
    let is_log = matches!(event.kind, EventKind::StepLogged { .. });
    let is_for_display = matches!(
        event.kind,
        EventKind::Ticked { .. } | EventKind::CheckExplained { .. }
    );
    let needed = match (is_for_display, is_log) {
        (true, _) => Detail::Display,
        (false, true) => Detail::Logs,
        (false, false) => Detail::Events,
    };
    if detail < needed {
        return Ok(false);
    }
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    out.write_all(&line)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
