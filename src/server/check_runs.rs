//! What a check run of GitHub says beside the state: a table of what failed, last lines, places in files, buttons.
//!
//! Everything from outside stands in code there, and nowhere else.

use std::fmt::Write as _;

use crate::{
    db::server::{AnnotationRow, CheckRow, Compared, DueStatus, RunPart, StepRow},
    event::Outcome,
    forge::{
        Annotation, AnnotationLevel, CheckButton, CheckOutput, CheckRun, CheckState, Command,
        CommitId, Conclusion, StatusState, code_span, fenced,
    },
};

/// How many failures the table has.
const ROWS_MAX: usize = 100;
/// How many checks are named that are gone or new.
const NAMED: usize = 20;
/// Of how many failures the last lines are shown.
const EXCERPTS_MAX: usize = 3;
/// How much of a log is shown, in characters.
const EXCERPT_CHARS: usize = 6000;

/// What is known of a run, for its check runs.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) checks: Vec<CheckRow>,
    pub(super) steps: Vec<StepRow>,
    /// The places that this check run points at.
    pub(super) annotations: Vec<AnnotationRow>,
    /// Whether the run is over.
    pub(super) is_over: bool,
    /// The checks beside those of the branch that it goes into.
    pub(super) compared: Option<Compared>,
}

/// What a context is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About<'a> {
    /// The evaluation or the build of a run.
    Part(RunPart),
    /// A check, by its attribute path below the flake's outputs.
    Check(&'a str),
}

impl<'a> About<'a> {
    /// `nixci/eval`, `nixci/build`, `nixci/build github:acme/demo#checks.x86_64-linux.fmt`; an attribute may have any name.
    pub(super) fn of(context: &'a str) -> Self {
        match context.split_once(' ') {
            Some((_, check)) => Self::Check(check.split_once('#').map_or(check, |(_, path)| path)),
            None if context.ends_with("eval") => Self::Part(RunPart::Evaluation),
            None => Self::Part(RunPart::Build),
        }
    }
}

/// The check run for a state.
pub(super) fn check_run(due: &DueStatus, commit: CommitId, facts: &Facts) -> CheckRun {
    let state = super::texts::state_of(&due.row.state);
    let completed = |conclusion| CheckState::Completed {
        conclusion,
        at: None,
    };
    let state = match state {
        StatusState::Pending if due.needs_approval => completed(Conclusion::ActionRequired),
        StatusState::Pending => CheckState::InProgress,
        StatusState::Success => completed(Conclusion::Success),
        StatusState::Failure => completed(Conclusion::Failure),
        StatusState::Error => completed(Conclusion::Cancelled),
    };
    let buttons = buttons(due, facts);
    let annotations = facts.annotations.iter().map(annotation);
    CheckRun {
        name: due.row.context.clone(),
        commit,
        details_url: Some(due.row.target_url.clone()),
        external_id: due.run.map(|run| run.0.to_string()).unwrap_or_default(),
        state,
        started_at: None,
        output: Some(CheckOutput {
            title: due.row.description.clone(),
            summary: summary(due, facts),
            annotations: annotations.collect(),
            ..CheckOutput::default()
        }),
        buttons,
    }
}

/// What people may press. GitHub shows no button while a check run is pending.
fn buttons(due: &DueStatus, facts: &Facts) -> Vec<CheckButton> {
    let state = super::texts::state_of(&due.row.state);
    let button = match (state, About::of(&due.row.context)) {
        (StatusState::Pending, _) if due.needs_approval => button(
            &Command::ApproveUnnamed,
            "Approve and run",
            "Build this very commit",
        ),
        (StatusState::Pending, _) => return Vec::new(),
        // The evaluation is over, and the build goes on.
        (_, About::Part(_)) if due.run.is_some() && !facts.is_over => {
            button(&Command::Cancel, "Cancel", "End this run")
        }
        (StatusState::Success, _) => return Vec::new(),
        (StatusState::Failure | StatusState::Error, About::Part(_)) => {
            button(&Command::Rebuild, "Rebuild", "Build what failed once more")
        }
        (StatusState::Failure | StatusState::Error, About::Check(_)) => button(
            &Command::Rebuild,
            "Rebuild",
            "Build what it failed by once more",
        ),
    };
    vec![button]
}

fn button(command: &Command, label: &str, description: &str) -> CheckButton {
    CheckButton {
        label: label.to_owned(),
        description: description.to_owned(),
        identifier: command.button().to_owned(),
    }
}

/// Whether a button ends a run.
pub(super) fn is_cancel(button: &CheckButton) -> bool {
    button.identifier == Command::Cancel.button()
}

fn annotation(row: &AnnotationRow) -> Annotation {
    Annotation {
        path: row.file.clone(),
        line: row.line,
        level: if row.allowed {
            AnnotationLevel::Warning
        } else {
            AnnotationLevel::Failure
        },
        title: row.title.clone(),
        message: row.message.clone(),
    }
}

/// The failures that a context is about: of the whole run, or of the check whose path it ends with.
fn summary(due: &DueStatus, facts: &Facts) -> String {
    let about = About::of(&due.row.context);
    let is_failed = |check: &&CheckRow| {
        check
            .outcome
            .as_deref()
            .and_then(Outcome::parse)
            .is_some_and(Outcome::is_failed)
            && !check.allowed
    };
    let failed: Vec<&CheckRow> = facts
        .checks
        .iter()
        .filter(is_failed)
        .filter(|check| match about {
            About::Check(path) => check.path == path,
            About::Part(_) => true,
        })
        .collect();
    let mut text = code_span(&due.row.description);
    text.push('\n');
    if about == About::Part(RunPart::Build) {
        push_compared(&mut text, facts.compared.as_ref());
    }
    if about == About::Part(RunPart::Evaluation) || failed.is_empty() {
        return text;
    }
    text.push_str("\n| check | outcome | why |\n|---|---|---|\n");
    for check in failed.iter().take(ROWS_MAX) {
        let outcome = check.outcome.as_deref().unwrap_or_default();
        let why = check
            .cause
            .as_deref()
            .or(check.reason.as_deref())
            .unwrap_or_default();
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            code_span(&check.path),
            code_span(outcome),
            code_span(why)
        );
    }
    if failed.len() > ROWS_MAX {
        let _ = writeln!(text, "\n… and {} more", failed.len() - ROWS_MAX);
    }
    let causes = |step: &&StepRow| {
        failed.iter().any(|check| {
            check.drv_path.as_ref() == Some(&step.drv_path)
                || check.cause.as_ref() == Some(&step.drv_path)
        })
    };
    let with_logs = facts
        .steps
        .iter()
        .filter(causes)
        .filter_map(|step| Some((step, step.log_tail.as_ref()?)));
    for (step, tail) in with_logs.take(EXCERPTS_MAX) {
        let _ = writeln!(
            text,
            "\n{}\n\n{}",
            code_span(&step.name),
            fenced(tail, EXCERPT_CHARS)
        );
    }
    text
}

/// Says which checks are gone and new: a check that is gone fails nobody.
fn push_compared(text: &mut String, compared: Option<&Compared>) {
    let Some(compared) = compared else { return };
    for (what, paths) in [("removed", &compared.removed), ("added", &compared.added)] {
        if paths.is_empty() {
            continue;
        }
        let named = paths.iter().take(NAMED).map(|path| code_span(path));
        let named: Vec<String> = named.collect();
        let more = if paths.len() > NAMED { ", …" } else { "" };
        let _ = writeln!(
            text,
            "\nChecks {what}, compared with run {}: {}{more}",
            compared.base.0,
            named.join(", ")
        );
    }
}

#[cfg(test)]
mod tests;
