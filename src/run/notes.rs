//! What a running step says, on its way to the owner of the run, in bounded memory.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, PoisonError},
};

use super::StepNote;

/// How many notes wait at most; older lines are dropped, and counted.
const WAITING_MAX: usize = 1000;

/// The notes of one step that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    notes: VecDeque<StepNote>,
    dropped_lines: u64,
}

impl Notes {
    /// Adds a note. Returns whether it is the first since the last [`Self::take`]: then someone has to be told.
    pub(super) fn push(&self, note: StepNote) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = waiting.notes.is_empty();
        if let (StepNote::Download { .. }, Some(last @ StepNote::Download { .. })) =
            (&note, waiting.notes.back_mut())
        {
            *last = note;
            return false;
        }
        if waiting.notes.len() == WAITING_MAX {
            // The first note may say that the builder runs; it is never dropped.
            let dropped = waiting.notes.remove(1);
            waiting.dropped_lines += u64::from(matches!(dropped, Some(StepNote::Line(_))));
        }
        waiting.notes.push_back(note);
        is_first
    }

    /// Takes all notes out.
    pub(super) fn take(&self) -> Vec<StepNote> {
        let Waiting {
            notes,
            dropped_lines,
        } = mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let dropped = (dropped_lines > 0).then_some(StepNote::Dropped(dropped_lines));
        dropped.into_iter().chain(notes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Notes, StepNote, WAITING_MAX};

    #[test]
    fn a_flood_of_lines_costs_bounded_memory_and_is_counted() {
        let notes = Notes::default();
        assert!(notes.push(StepNote::Building {
            machine: String::new()
        }));
        for i in 0..WAITING_MAX + 10 {
            assert!(!notes.push(StepNote::Line(i.to_string())));
        }
        let taken = notes.take();
        assert_eq!(taken.len(), WAITING_MAX + 1);
        assert_eq!(taken[0], StepNote::Dropped(11));
        assert_eq!(
            taken[1],
            StepNote::Building {
                machine: String::new()
            }
        );
        assert_eq!(
            taken.last(),
            Some(&StepNote::Line((WAITING_MAX + 9).to_string()))
        );
        assert!(notes.push(StepNote::Phase("buildPhase".into())));
    }

    #[test]
    fn only_the_newest_download_figures_count() {
        let notes = Notes::default();
        notes.push(StepNote::Download {
            done: 1,
            expected: 9,
        });
        assert!(!notes.push(StepNote::Download {
            done: 2,
            expected: 9
        }));
        assert_eq!(
            notes.take(),
            [StepNote::Download {
                done: 2,
                expected: 9
            }]
        );
    }
}
