//! The texts for people in an event.

use super::{Event, EventKind};

impl Event {
    /// Lets something change each text that says in words what happened: what came out of an evaluation, a build or the
    /// daemon. Names and paths, which tell things apart, are not among them.
    pub fn for_each_text(&mut self, change: &mut dyn FnMut(&mut String)) {
        match &mut self.kind {
            EventKind::EvaluationFailed { error: text, .. }
            | EventKind::EvaluationWarning { message: text, .. }
            | EventKind::StepPhase { phase: text, .. }
            | EventKind::StepStarted { machine: text, .. }
            | EventKind::StepWaiting { reason: text, .. }
            | EventKind::StepRetrying { reason: text, .. }
            | EventKind::UploadStarted {
                destination: text, ..
            }
            | EventKind::Warned { message: text }
            | EventKind::RunCancelled { reason: text } => change(text),
            EventKind::StepLogged { lines, .. } => lines.iter_mut().for_each(change),
            EventKind::StepFinished {
                machine,
                error,
                log_tail,
                phase,
                ..
            } => {
                let texts = [machine, error].into_iter();
                texts.chain(log_tail).chain(phase).for_each(change);
            }
            EventKind::CheckFinished { reason, .. } => reason.iter_mut().for_each(change),
            EventKind::UploadFinished {
                destination, error, ..
            } => [destination, error].into_iter().for_each(change),
            EventKind::RunFinished { error, .. } => error.iter_mut().for_each(change),
            EventKind::RunStarted { .. }
            | EventKind::CheckFound { .. }
            | EventKind::EvaluationFinished { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::Ticked { .. }
            | EventKind::CheckExplained { .. } => {}
        }
    }
}
