//! One event as one line, the same in the scrollback of a terminal and in the log of a CI.
//!
//! Every line begins with a word of our own, so that no text from outside can begin one: a CI would take `::error::`
//! there for a command. How much of all this is shown is for the reporters to decide, by [`Weight`].

use std::fmt::Display;

use console::Style;

use super::{
    format::{bytes, counted, duration},
    sanitize::log_line,
    styles::{Styles, paint},
    words::{
        LOG_COLUMNS_MAX, as_it_may, check_name, first_line, for_checks, headline, in_phase,
        list_of_systems, on_machine, place, spoken, step_name, text,
    },
};
use crate::{
    event::{Event, EventKind, Outcome, UploadOutcome},
    nix::StorePath,
};

/// How wide the word at the start of a line is.
const WORD_COLUMNS: usize = 12;

/// How much a line matters, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// What a build wrote, and its phases.
    Log,
    /// What is only asked for with `-v`.
    Detail,
    /// What goes on.
    Progress,
    /// What someone should know.
    Notice,
    /// What failed.
    Failure,
}

#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
/// Writes an event as lines; none where it has nothing to say. `is_news` is false if an event before said the same.
pub(super) fn lines(event: &Event, is_news: bool, styles: &Styles) -> (Weight, Vec<String>) {
    let unless_told = |weight| if is_news { weight } else { Weight::Detail };
    let (weight, style, word, rest) = match &event.kind {
        EventKind::StepLogged { drv_path, lines } => {
            return (Weight::Log, log_lines(drv_path, lines, styles));
        }
        EventKind::RunStarted {
            title,
            revision,
            attribute,
            systems,
            evaluator,
            nix_version,
            slots,
            eval_workers,
            ..
        } => {
            let revision = revision
                .as_ref()
                .map_or(String::new(), |revision| format!(" {}", text(revision)));
            // Empty where several were asked for.
            let attribute = match attribute.as_str() {
                "" => String::new(),
                attribute => format!(": {}", text(attribute)),
            };
            let evaluator = match evaluator.as_str() {
                "none" => "from the evaluation cache".to_owned(),
                name => format!("{}, {}", text(name), counted(*eval_workers, "worker")),
            };
            let rest = format!(
                "{}{revision}{attribute} for {} ({evaluator}; {}; Nix {})",
                text(title),
                list_of_systems(systems),
                counted(*slots, "slot"),
                text(nix_version)
            );
            (Weight::Progress, &styles.strong, "Evaluating", rest)
        }
        EventKind::EvaluationFailed {
            check,
            error,
            file,
            line,
            column,
            allowed,
        } => {
            let what = check.as_deref().map_or("the flake".to_owned(), check_name);
            let place = place(file.as_deref(), *line, *column)
                .map_or(String::new(), |at| format!(" at {at}"));
            let may = as_it_may(*allowed);
            let rest = format!("to evaluate {what}{place}{may}: {}", first_line(error));
            let (failure, style, word) = failure("FAILED", *allowed, styles);
            // That of the whole flake ends the run, and the end tells it.
            let weight = if check.is_some() {
                failure
            } else {
                Weight::Detail
            };
            (unless_told(weight), style, word, rest)
        }
        EventKind::EvaluationWarning { check, message } => {
            let what = check
                .as_deref()
                .map_or(String::new(), |check| format!("{}: ", check_name(check)));
            let rest = format!("{what}{}", first_line(message));
            (
                unless_told(Weight::Progress),
                &styles.notice,
                "Warning",
                rest,
            )
        }
        EventKind::EvaluationFinished {
            checks,
            failed,
            duration: took,
            cached,
            ..
        } => {
            let failed = if *failed > 0 {
                format!(", {failed} failed")
            } else {
                String::new()
            };
            let cached = if *cached {
                " from the evaluation cache"
            } else {
                ""
            };
            let rest = format!(
                "{}{cached} in {}{failed}",
                counted(*checks, "check"),
                duration(*took)
            );
            (Weight::Progress, &styles.strong, "Evaluated", rest)
        }
        EventKind::PlanChanged {
            to_build,
            to_substitute,
            download_bytes,
        } => {
            let builds = counted(*to_build, "build");
            let downloads = counted(*to_substitute, "download");
            let rest = format!("{builds}, {downloads} ({})", bytes(*download_bytes));
            (Weight::Detail, &styles.strong, "Planned", rest)
        }
        EventKind::StepStarted {
            name,
            machine,
            substitute,
            checks,
            ..
        } => {
            let rest = format!(
                "{}{}{}",
                text(name),
                on_machine(machine),
                for_checks(checks)
            );
            if *substitute {
                (Weight::Detail, &styles.run, "Downloading", rest)
            } else {
                (Weight::Progress, &styles.run, "Building", rest)
            }
        }
        EventKind::StepPhase { drv_path, phase } => {
            let rest = format!("{}: {}", step_name(drv_path), text(phase));
            (Weight::Log, &styles.run, "Running", rest)
        }
        EventKind::StepWaiting {
            drv_path, reason, ..
        } => {
            let rest = format!("{}: {}", step_name(drv_path), first_line(reason));
            (Weight::Detail, &styles.run, "Waiting", rest)
        }
        EventKind::StepRetrying {
            drv_path,
            attempt,
            reason,
        } => {
            let rest = format!(
                "{}, attempt {attempt}: {}",
                step_name(drv_path),
                first_line(reason)
            );
            (Weight::Notice, &styles.notice, "Retrying", rest)
        }
        EventKind::StepFinished {
            name,
            outcome,
            duration: took,
            machine,
            error,
            phase,
            checks,
            allowed,
            ..
        } => {
            let (weight, word) = step_ending(*outcome);
            let name = text(name);
            let took = format!("{}{}", duration(*took), on_machine(machine));
            let rest = match (outcome.is_passed(), weight) {
                (_, Weight::Failure) => {
                    let phase = in_phase(phase.as_deref());
                    let error = text(headline(error));
                    let may = as_it_may(*allowed);
                    let rest = format!(
                        "{name} after {took}{phase}{}{may}: {error}",
                        for_checks(checks)
                    );
                    let (weight, style, word) = failure(word, *allowed, styles);
                    return (weight, vec![status(style, word, rest)]);
                }
                (true, _) => format!("{name} in {took}{}", for_checks(checks)),
                (false, _) => format!("{name} ({}){}", spoken(*outcome), for_checks(checks)),
            };
            (weight, styles.outcome(*outcome, false).1, word, rest)
        }
        EventKind::CheckFinished {
            check,
            outcome,
            cause,
            reason,
            allowed,
            ..
        } => {
            let may = as_it_may(*allowed);
            let cause = cause
                .as_ref()
                .map_or(String::new(), |drv| format!(": {}", step_name(drv)));
            let reason = reason
                .as_ref()
                .map_or(String::new(), |reason| format!(": {}", first_line(reason)));
            let rest = format!(
                "{} ({}{cause}{may}){reason}",
                check_name(check),
                spoken(*outcome)
            );
            let usual = styles.outcome(*outcome, false).1;
            let (weight, style, word) = match (outcome.is_passed(), outcome.is_failed()) {
                (true, _) => (Weight::Detail, usual, "Passed"),
                (_, true) => failure("FAILED", *allowed, styles),
                (..) => (Weight::Detail, usual, "Left out"),
            };
            (unless_told(weight), style, word, rest)
        }
        EventKind::UploadStarted { destination, paths } => {
            let rest = format!(
                "{} to {}",
                counted(paths.len(), "output"),
                text(destination)
            );
            (Weight::Detail, &styles.run, "Uploading", rest)
        }
        EventKind::UploadFinished {
            destination,
            paths,
            outcome,
            duration: took,
            error,
        } => {
            let what = format!(
                "{} to {}",
                counted(paths.len(), "output"),
                text(destination)
            );
            match outcome {
                UploadOutcome::Uploaded => {
                    let rest = format!("{what} in {}", duration(*took));
                    (Weight::Progress, &styles.pass, "Uploaded", rest)
                }
                UploadOutcome::UploadFailed => {
                    let rest = format!("to upload {what}: {}", first_line(error));
                    (Weight::Failure, &styles.fail, "FAILED", rest)
                }
            }
        }
        EventKind::Warned { message } => (
            Weight::Notice,
            &styles.notice,
            "Warning",
            first_line(message),
        ),
        EventKind::RunCancelled { reason } => (
            Weight::Notice,
            &styles.notice,
            "Stopping",
            first_line(reason),
        ),
        EventKind::CheckFound { .. }
        | EventKind::Ticked { .. }
        | EventKind::CheckExplained { .. }
        | EventKind::RunFinished { .. } => return (Weight::Log, Vec::new()),
    };
    (weight, vec![status(style, word, rest)])
}

/// The lines of a build's log, each with the build's name in front.
pub(super) fn log_lines(
    drv_path: &StorePath,
    lines: impl IntoIterator<Item = impl AsRef<str>>,
    styles: &Styles,
) -> Vec<String> {
    let name = paint(&styles.dim, format_args!("{}>", step_name(drv_path)));
    let lines = lines.into_iter().map(|line| {
        let (line, ellipsis) = (line.as_ref(), styles.glyphs.ellipsis);
        let shown = log_line(line, styles.color, LOG_COLUMNS_MAX, ellipsis);
        format!("{name} {shown}").trim_end().to_owned()
    });
    lines.collect()
}

/// A line with its word in front.
pub(super) fn status(style: &Style, word: &str, text: impl Display) -> String {
    format!(
        "{} {text}",
        paint(style, format_args!("{word:>WORD_COLUMNS$}"))
    )
}

/// How a failure is told that has this word; one that fails nothing is told more softly.
fn failure<'s>(
    word: &'static str,
    allowed: bool,
    styles: &'s Styles,
) -> (Weight, &'s Style, &'static str) {
    if allowed {
        (Weight::Notice, &styles.notice, "Failed")
    } else {
        (Weight::Failure, &styles.fail, word)
    }
}

fn step_ending(outcome: Outcome) -> (Weight, &'static str) {
    match outcome {
        Outcome::Built => (Weight::Progress, "Built"),
        Outcome::Substituted => (Weight::Detail, "Downloaded"),
        Outcome::Failed => (Weight::Failure, "FAILED"),
        Outcome::TimedOut => (Weight::Failure, "TIMED OUT"),
        Outcome::InfrastructureFailed => (Weight::Failure, "LOST"),
        Outcome::Cached => (Weight::Detail, "Cached"),
        Outcome::Evaluated => (Weight::Detail, "Evaluated"),
        Outcome::DependencyFailed
        | Outcome::EvaluationFailed
        | Outcome::Unsupported
        | Outcome::Skipped
        | Outcome::Cancelled => (Weight::Detail, "Left out"),
    }
}

#[cfg(test)]
mod tests;
