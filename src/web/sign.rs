//! Outcomes as a sign, a colour and a word: the same as `nixci check` shows.

use crate::{
    db::server::{CheckRow, PostBuildOutcome, PostBuildRow, Run, RunState, StepRow},
    event::{Outcome, RunOutcome},
    report::{sign, spoken},
};

/// How something stands, to be seen at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    /// Its class in the stylesheet.
    pub class: &'static str,
    /// A character.
    pub glyph: &'static str,
    /// The same in words.
    pub word: String,
}

impl Sign {
    fn new(class: &'static str, glyph: &'static str, word: impl Into<String>) -> Self {
        Self {
            class,
            glyph,
            word: word.into(),
        }
    }

    /// What waits.
    pub(super) fn waiting(word: &str) -> Self {
        Self::new("wait", "○", word)
    }

    /// What goes on.
    pub(super) fn running(word: &str) -> Self {
        Self::new("run", "●", word)
    }

    /// Of a run.
    pub(super) fn of_run(run: &Run) -> Self {
        match run.state {
            RunState::Taken => Self::waiting("taken"),
            RunState::Approval => Self::waiting("waits for approval"),
            RunState::Queued => Self::waiting("queued"),
            RunState::Running if run.evaluated_at.is_none() => Self::running("evaluating"),
            RunState::Running => Self::running("building"),
            RunState::Finished => match run.outcome.as_deref().and_then(RunOutcome::parse) {
                Some(RunOutcome::Passed) => Self::new("pass", "✔", "passed"),
                Some(RunOutcome::Failed) => Self::new("fail", "✖", "failed"),
                Some(RunOutcome::Errored) => Self::new("fail", "✖", "errored"),
                Some(RunOutcome::Cancelled) => Self::new("neutral", "–", "cancelled"),
                None => Self::new("neutral", "–", "over"),
            },
        }
    }

    fn of_outcome(outcome: Outcome, allowed: bool) -> Self {
        let class = if allowed {
            "allowed"
        } else if outcome.is_passed() {
            "pass"
        } else if outcome.is_failed() {
            "fail"
        } else {
            "neutral"
        };
        Self::new(class, sign(outcome, allowed), spoken(outcome))
    }

    /// Of a check; `step` is the one that is its own, if it began.
    pub(super) fn of_check(check: &CheckRow, step: Option<&StepRow>) -> Self {
        match check.outcome.as_deref() {
            Some(outcome) => match Outcome::parse(outcome) {
                Some(outcome) => Self::of_outcome(outcome, check.allowed),
                None => Self::new("neutral", "–", "over"),
            },
            None if step.is_some_and(|step| step.outcome.is_none()) => Self::running("building"),
            None => Self::waiting("waiting"),
        }
    }

    /// Of a step.
    pub(super) fn of_step(step: &StepRow) -> Self {
        match step.outcome.as_deref() {
            Some(outcome) => match Outcome::parse(outcome) {
                Some(outcome) => Self::of_outcome(outcome, false),
                None => Self::new("neutral", "–", "over"),
            },
            None => Self::running("going on"),
        }
    }

    /// Of what is run after a check; what is cut short goes on with its run.
    pub(super) fn of_post_build(row: &PostBuildRow) -> Self {
        let failed = |word| {
            let class = if row.new.warn_only { "allowed" } else { "fail" };
            Self::new(class, "✖", word)
        };
        match row.outcome {
            None => Self::running("going on"),
            Some(PostBuildOutcome::Passed) if row.done_in.is_some() => {
                Self::new("pass", "✔", "done before")
            }
            Some(PostBuildOutcome::Passed) => Self::new("pass", "✔", "passed"),
            Some(PostBuildOutcome::Failed) => failed("failed"),
            Some(PostBuildOutcome::TimedOut) => failed("took too long"),
            Some(PostBuildOutcome::Cancelled) => Self::new("neutral", "–", "cancelled"),
        }
    }

    /// Of a state that a forge is told.
    pub(super) fn of_status(state: &str) -> Self {
        match state {
            "pending" => Self::waiting("pending"),
            "success" => Self::new("pass", "✔", "success"),
            "failure" => Self::new("fail", "✖", "failure"),
            _ => Self::new("fail", "✖", "error"),
        }
    }
}
