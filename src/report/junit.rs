//! A run as JUnit XML, for the pages on which a CI lists tests.
//!
//! A system is a suite, and a check a test in it. The text of a failure stands at the first check that fails by it; the
//! others name it, so that the file stays small. The form is that of Jenkins' `junit-10.xsd`; GitLab takes the class's
//! name for the suite, no file of 30 MB or more, and of two tests with one name only the first.

use std::collections::{HashMap, HashSet};

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::{
    ReportOptions,
    record::{CheckRecord, Record},
    sanitize::{harmless, log_line},
    shell,
    summary::{Ending, Entry, Summary, of_failure},
    words::{LOG_COLUMNS_MAX, as_it_may, check_name, first_line, spoken, step_name},
};
use crate::event::Outcome;

/// How many bytes the texts of failures have together.
const TEXT_BYTES_MAX: usize = 12 << 20;

/// Writes a run.
///
/// # Errors
///
/// None is known: everything is written to memory.
pub(super) fn junit(
    record: &Record,
    summary: &Summary,
    ending: Ending<'_>,
    options: &ReportOptions,
) -> Result<String, SerializeError> {
    let mut writer = Writer {
        record,
        summary,
        options,
        told: HashSet::new(),
        bytes: 0,
    };
    let mut suites: Vec<TestSuite> = Vec::new();
    let mut suite_of = HashMap::new();
    for check in &record.checks {
        let system = match check.system.as_str() {
            "" => "evaluation",
            system => system,
        };
        let at = *suite_of.entry(system).or_insert_with(|| {
            suites.push(TestSuite::new(harmless(system)));
            suites.len() - 1
        });
        let mut case = writer.case(check);
        case.set_classname(class_name(options, system));
        if let Some(suite) = suites.get_mut(at) {
            suite.add_test_case(case);
            suite.time = Some(suite.time.unwrap_or_default() + check.duration);
        }
    }
    // What belongs to no check would be seen nowhere else.
    let mut run = TestSuite::new("nixci");
    for entry in summary.entries(ending) {
        if entry.checks.is_empty() && entry.drv_path.is_none() {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status
                .set_type(entry.outcome.as_str())
                .set_message(format!("{}{}", harmless(&entry.subject), entry.how))
                .set_description(writer.text(&entry));
            let mut case = TestCase::new(harmless(&entry.subject), status);
            case.set_classname(class_name(options, ""));
            run.add_test_case(case);
        }
    }
    if !run.test_cases.is_empty() {
        suites.push(run);
    }
    if let Some(began) = record.began {
        let began = began.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        for suite in &mut suites {
            suite
                .extra
                .insert("timestamp".into(), began.as_str().into());
        }
    }
    let mut report = Report::new("nixci");
    report.set_time(ending.duration).add_test_suites(suites);
    report.to_string().map(without_skipped)
}

/// The class of a test: the attribute, if it is a single one, and what is below it; never empty.
fn class_name(options: &ReportOptions, below: &str) -> String {
    let parts = [options.attribute.as_str(), below].into_iter();
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] => "nixci".to_owned(),
        parts => harmless(&parts.join(".")),
    }
}

/// The schema of Jenkins knows `skipped` at a suite, but not at all suites together.
fn without_skipped(xml: String) -> String {
    let parts = xml
        .find("<testsuites ")
        .and_then(|start| Some((start, start + xml[start..].find('>')?)));
    let Some((start, end)) = parts else {
        return xml;
    };
    let (before, root, rest) = (&xml[..start], &xml[start..end], &xml[end..]);
    let skipped = root.split_once(" skipped=\"");
    match skipped.and_then(|(head, tail)| Some((head, tail.split_once('"')?.1))) {
        Some((head, tail)) => format!("{before}{head}{tail}{rest}"),
        None => xml,
    }
}

struct Writer<'a> {
    record: &'a Record,
    summary: &'a Summary,
    options: &'a ReportOptions,
    /// The derivations whose failure has been told.
    told: HashSet<&'a str>,
    bytes: usize,
}

impl<'a> Writer<'a> {
    fn case(&mut self, check: &'a CheckRecord) -> TestCase {
        let status = match check.outcome {
            // The run passes, and so does its report.
            outcome if check.allowed => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(format!("{}{}", spoken(outcome), as_it_may(true)));
                status
            }
            Outcome::Built | Outcome::Substituted | Outcome::Cached | Outcome::Evaluated => {
                TestCaseStatus::success()
            }
            Outcome::Unsupported | Outcome::Skipped | Outcome::Cancelled => {
                let mut status = TestCaseStatus::skipped();
                let reason = check.reason.as_deref().unwrap_or(spoken(check.outcome));
                status.set_message(first_line(reason));
                status
            }
            Outcome::Failed | Outcome::TimedOut | Outcome::DependencyFailed => {
                self.failure(check, NonSuccessKind::Failure)
            }
            Outcome::EvaluationFailed | Outcome::InfrastructureFailed => {
                self.failure(check, NonSuccessKind::Error)
            }
        };
        let name = match check.name.as_str() {
            "" => check_name(&check.check),
            name => harmless(name),
        };
        let mut case = TestCase::new(name, status);
        case.set_time(check.duration);
        case
    }

    fn failure(&mut self, check: &'a CheckRecord, kind: NonSuccessKind) -> TestCaseStatus {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_type(check.outcome.as_str());
        let culprit = check.culprit.as_ref();
        let failure = culprit.and_then(|drv_path| self.summary.failure(drv_path));
        let error = self.record.evaluation_errors.get(&check.check);
        match (failure, error, culprit) {
            (Some(failure), _, Some(drv_path)) => {
                let entry = of_failure(failure);
                status.set_message(format!("{}{}", harmless(&entry.subject), entry.how));
                let text = if self.told.insert(drv_path.as_str()) {
                    self.text(&entry)
                } else {
                    format!(
                        "for its log see the first check that failed by it, or {}",
                        shell::show_log(self.options, drv_path)
                    )
                };
                status.set_description(text);
            }
            (_, Some(error), _) => {
                status.set_message(first_line(error));
                let text = self.bounded(error.lines());
                status.set_description(text);
            }
            (_, None, culprit) => {
                let reason = check.reason.as_deref().map(first_line);
                let culprit = culprit.map(|drv_path| format!("{} failed", step_name(drv_path)));
                let reason = reason.or(culprit);
                status.set_message(reason.unwrap_or_else(|| spoken(check.outcome).to_owned()));
            }
        }
        status
    }

    /// All that is to be said of a failure.
    fn text(&mut self, entry: &Entry<'_>) -> String {
        let fix = entry.fix.map(|fix| fix.one_line("->"));
        let place = entry.place().map(|place| format!("at {place}"));
        let which = (!entry.which_lines.is_empty()).then(|| format!("[{}]", entry.which_lines));
        let check = entry.checks.first().map(String::as_str);
        let commands = shell::reproduce(self.options, entry.outcome, entry.drv_path, check);
        let commands: Vec<_> = commands
            .iter()
            .map(|command| format!("$ {command}"))
            .collect();
        let lines = place
            .iter()
            .map(String::as_str)
            .chain(entry.outputs.as_deref())
            .chain(entry.reason.iter().copied())
            .chain(entry.excerpt.iter().map(String::as_str))
            .chain(fix.as_deref())
            .chain(which.as_deref())
            .chain(entry.log.iter().copied())
            .chain(commands.iter().map(String::as_str));
        self.bounded(lines)
    }

    /// Lines of text, as long as there is room.
    fn bounded<'l>(&mut self, lines: impl Iterator<Item = &'l str>) -> String {
        let mut text = String::new();
        for line in lines {
            if self.bytes >= TEXT_BYTES_MAX {
                text.push_str("[…]\n");
                break;
            }
            let line = log_line(line, false, LOG_COLUMNS_MAX, "…");
            self.bytes += line.len();
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests;
