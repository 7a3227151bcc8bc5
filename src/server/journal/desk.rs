//! The way of events to the journal. What builds say has so much room on it and no more: it may be hours until the database can
//! be written.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::mpsc;

use super::Entry;
use crate::event::{Event, EventKind};

/// How much of what builds say waits to be taken, in bytes.
const LOGGED_WAITING_MAX: usize = 8 << 20;

/// How much of what builds say waits to be taken. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// An event was taken.
    pub(super) fn taken(&self, event: &Event) {
        if let Some((bytes, _)) = logged(event) {
            self.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

/// Takes the events of a run.
pub(in crate::server) struct Desk {
    entries_tx: mpsc::UnboundedSender<Entry>,
    waiting: Waiting,
    /// Lines for which there was no room.
    missing: u64,
}

impl Desk {
    pub(in crate::server) fn new(
        entries_tx: mpsc::UnboundedSender<Entry>,
        waiting: Waiting,
    ) -> Self {
        Self {
            entries_tx,
            waiting,
            missing: 0,
        }
    }

    /// Sends an event on its way. What builds say is dropped where too much of it waits; at the end of the run it is said how
    /// much that was.
    pub(in crate::server) fn take(&mut self, event: Event) {
        if let Some((bytes, lines)) = logged(&event) {
            if self.waiting.0.load(Ordering::Relaxed) >= LOGGED_WAITING_MAX {
                self.missing += lines;
                return;
            }
            self.waiting.0.fetch_add(bytes, Ordering::Relaxed);
        }
        if self.missing > 0 && matches!(event.kind, EventKind::RunFinished { .. }) {
            let message = format!(
                "{} lines of logs could not be followed: they came faster than events were written down",
                std::mem::take(&mut self.missing)
            );
            self.send(Event {
                kind: EventKind::Warned { message },
                ..event.clone()
            });
        }
        self.send(event);
    }

    fn send(&self, event: Event) {
        let _ = self.entries_tx.send(Entry::Event(Box::new(event)));
    }
}

/// The bytes and the lines of an event that says what a build said.
fn logged(event: &Event) -> Option<(usize, u64)> {
    let EventKind::StepLogged { lines, .. } = &event.kind else {
        return None;
    };
    let bytes = lines.iter().map(|line| line.len() + size_of::<String>());
    let bytes = bytes.sum::<usize>() + size_of::<Event>();
    Some((bytes, u64::try_from(lines.len()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::{
        event::{Counts, RunOutcome},
        nix::StorePath,
    };

    fn event(kind: EventKind) -> Event {
        Event {
            at: Timestamp::UNIX_EPOCH,
            elapsed: Duration::ZERO,
            kind,
        }
    }

    fn logged_mib() -> Event {
        let drv_path = "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-a.drv";
        event(EventKind::StepLogged {
            drv_path: StorePath::parse(drv_path).unwrap(),
            lines: vec!["x".repeat(1 << 19); 2],
        })
    }

    fn taken(waiting: &Waiting, entries_rx: &mut mpsc::UnboundedReceiver<Entry>) -> Vec<Event> {
        std::iter::from_fn(|| match entries_rx.try_recv().ok()? {
            Entry::Event(event) => Some(*event),
            Entry::ShortLog(..) => None,
        })
        .inspect(|event| waiting.taken(event))
        .collect()
    }

    #[test]
    fn what_builds_say_has_so_much_room_and_all_else_has_more() {
        let (entries_tx, mut entries_rx) = mpsc::unbounded_channel();
        let waiting = Waiting::default();
        let mut desk = Desk::new(entries_tx, waiting.clone());
        let warned = |text: &str| {
            event(EventKind::Warned {
                message: text.to_owned(),
            })
        };
        for n in 0..100 {
            desk.take(logged_mib());
            desk.take(warned(&n.to_string()));
        }
        let events = taken(&waiting, &mut entries_rx);
        let count_logged = |events: &[Event]| events.iter().filter_map(logged).count();
        assert_eq!(count_logged(&events), 8);
        assert_eq!(events.len(), 108, "nothing else is dropped");
        // There is room again.
        desk.take(logged_mib());
        assert_eq!(count_logged(&taken(&waiting, &mut entries_rx)), 1);
        desk.take(event(EventKind::RunFinished {
            outcome: RunOutcome::Passed,
            counts: Counts::default(),
            duration: Duration::ZERO,
            exit_code: 0,
            error: None,
            allowed: 0,
        }));
        let events = taken(&waiting, &mut entries_rx);
        let [said, end] = &events[..] else {
            panic!("{events:?}");
        };
        assert!(
            matches!(&said.kind, EventKind::Warned { message } if message.starts_with("184 lines"))
        );
        assert!(matches!(end.kind, EventKind::RunFinished { .. }));
    }
}
