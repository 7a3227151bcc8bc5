//! What an attempt at a step has to pass before it begins, where several runs share a machine.

use super::{StepEnd, StepNote, input::Start};
use crate::eval::BoxFuture;

/// What a gate says.
pub enum Entry {
    /// The attempt may begin, and holds this until it is over.
    Permitted(Box<dyn Send>),
    /// It must not, for this reason: the step failed.
    Refused(String),
}

/// Lets attempts at steps begin, one by one or not at all.
pub trait Gate: Send + Sync {
    /// Waits until an attempt may begin; to be dropped where nobody waits any more. Tells what it waits for.
    fn enter<'a>(
        &'a self,
        start: &'a Start,
        on_note: &'a mut (dyn FnMut(StepNote) + Send),
    ) -> BoxFuture<'a, Entry>;

    /// Takes note of how an attempt ended that was let in, before what it holds is let go of.
    fn leave<'a>(&'a self, start: &'a Start, end: &'a StepEnd) -> BoxFuture<'a, ()>;
}
