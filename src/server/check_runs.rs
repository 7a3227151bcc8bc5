//! What a check run of GitHub says beside the state: a table of what failed, last lines, a button.
//!
//! Everything from outside stands in code there, and nowhere else.

use std::fmt::Write as _;

use crate::{
    db::server::{CheckRow, Compared, DueStatus, StepRow},
    event::Outcome,
    forge::{
        CheckButton, CheckOutput, CheckRun, CheckState, Command, CommitId, Conclusion, StatusState,
        code_span, fenced,
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
    /// The checks beside those of the branch that it goes into.
    pub(super) compared: Option<Compared>,
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
    let approve = Command::ApproveUnnamed;
    let buttons = if due.needs_approval {
        vec![CheckButton {
            label: "Approve and run".to_owned(),
            description: "Build this very commit".to_owned(),
            identifier: approve.button().to_owned(),
        }]
    } else {
        Vec::new()
    };
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
            ..CheckOutput::default()
        }),
        buttons,
    }
}

/// The failures that a context is about: of the whole run, or of the check whose path it ends with.
fn summary(due: &DueStatus, facts: &Facts) -> String {
    let context = due.row.context.as_str();
    // `nixci/build github:acme/demo#checks.x86_64-linux.fmt`: an attribute may have any name.
    let of_check = context
        .split_once(' ')
        .map(|(_, check)| check.split_once('#').map_or(check, |(_, path)| path));
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
        .filter(|check| of_check.is_none_or(|path| check.path == path))
        .collect();
    let mut text = code_span(&due.row.description);
    text.push('\n');
    if of_check.is_none() && context.ends_with("build") {
        push_compared(&mut text, facts.compared.as_ref());
    }
    let is_evaluation = of_check.is_none() && context.ends_with("eval");
    if is_evaluation || failed.is_empty() {
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
        let cell = |text: &str| code_span(text).replace('|', "\\|");
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            cell(&check.path),
            cell(outcome),
            cell(why)
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
