//! What is recorded of an event: owned, small, and nothing of what only a display needs.

use jiff::Timestamp;

use crate::event::{Counts, Event, EventKind, Outcome, RunOutcome};

/// How long a text from outside may be, in characters.
const TEXT_CHARS_MAX: usize = 10_000;

/// One change of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Row {
    RunStarted {
        run: String,
        attribute: String,
        revision: Option<String>,
        at: i64,
    },
    CheckFound {
        check: String,
        drv_path: String,
    },
    EvaluationFailed {
        check: String,
        error: String,
    },
    CheckFinished {
        check: String,
        drv_path: Option<String>,
        outcome: Outcome,
        duration: i64,
        cause: Option<String>,
        reason: Option<String>,
        at: i64,
    },
    StepStarted {
        drv_path: String,
        system: String,
        machine: String,
    },
    StepFinished {
        drv_path: String,
        name: String,
        system: String,
        machine: String,
        outcome: Outcome,
        duration: i64,
        phase: Option<String>,
        at: i64,
    },
    StepLog {
        drv_path: String,
        text: Vec<u8>,
    },
    RunFinished {
        outcome: RunOutcome,
        duration: i64,
        counts: Counts,
    },
}

impl Row {
    /// What is to be recorded of an event, if anything.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let at = millis_of(event.at);
        let row = match &event.kind {
            EventKind::RunStarted {
                run,
                attribute,
                revision,
                ..
            } => Self::RunStarted {
                run: run.clone(),
                attribute: attribute.clone(),
                revision: revision.as_deref().map(bounded),
                at,
            },
            EventKind::CheckFound {
                check, drv_path, ..
            } => Self::CheckFound {
                check: check.clone(),
                drv_path: drv_path.to_string(),
            },
            EventKind::CheckFinished {
                check,
                drv_path,
                outcome,
                duration,
                cause,
                reason,
                ..
            } => Self::CheckFinished {
                check: check.clone(),
                drv_path: drv_path.as_ref().map(ToString::to_string),
                outcome: *outcome,
                duration: millis(*duration),
                cause: cause.as_ref().map(ToString::to_string),
                reason: reason.as_deref().map(bounded),
                at,
            },
            EventKind::StepStarted {
                drv_path,
                system,
                machine,
                ..
            } => Self::StepStarted {
                drv_path: drv_path.to_string(),
                system: system.to_string(),
                machine: bounded(machine),
            },
            EventKind::StepFinished {
                drv_path,
                name,
                system,
                outcome,
                duration,
                machine,
                phase,
                ..
            } => Self::StepFinished {
                drv_path: drv_path.to_string(),
                name: name.clone(),
                system: system.to_string(),
                machine: bounded(machine),
                outcome: *outcome,
                duration: millis(*duration),
                phase: phase.as_deref().map(bounded),
                at,
            },
            EventKind::RunFinished {
                outcome,
                counts,
                duration,
                ..
            } => Self::RunFinished {
                outcome: *outcome,
                duration: millis(*duration),
                counts: counts.clone(),
            },
            EventKind::EvaluationFailed {
                check: Some(check),
                error,
                ..
            } => Self::EvaluationFailed {
                check: check.clone(),
                error: bounded(error),
            },
            EventKind::EvaluationFailed { check: None, .. }
            | EventKind::EvaluationWarning { .. }
            | EventKind::EvaluationFinished { .. }
            | EventKind::PlanChanged { .. }
            | EventKind::StepPhase { .. }
            | EventKind::StepWaiting { .. }
            | EventKind::StepLogged { .. }
            | EventKind::StepRetrying { .. }
            | EventKind::UploadStarted { .. }
            | EventKind::UploadFinished { .. }
            | EventKind::Warned { .. }
            | EventKind::RunCancelled { .. }
            | EventKind::Ticked { .. }
            | EventKind::CheckExplained { .. } => return None,
        };
        Some(row)
    }
}

/// The attribute path of a check below the flake's outputs.
pub(super) fn full_path(attribute: &str, check: &str) -> String {
    match (attribute, check) {
        ("", path) | (path, "") => path.to_owned(),
        (attribute, check) => format!("{attribute}.{check}"),
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// A moment as milliseconds since 1970.
pub(super) fn millis_of(at: Timestamp) -> i64 {
    at.as_millisecond()
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
