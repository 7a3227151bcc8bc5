//! A check of a run.

use std::collections::BTreeMap;

use askama::Template;

use super::{
    failure::last_lines, moment::took, run_line::RunLine, sign::Sign, site::Page,
    step_line::StepLine,
};
use crate::{
    db::server::{CheckRow, PostBuildRow, Repository, Run, StepRow},
    report::{harmless, headline},
};

/// All rows about a check.
#[derive(Debug)]
pub struct CheckRows {
    /// The run.
    pub run: Run,
    /// Its repository.
    pub repository: Repository,
    /// The check.
    pub check: CheckRow,
    /// Its own step, if it began.
    pub step: Option<StepRow>,
    /// The step it failed by, if that is another.
    pub cause: Option<StepRow>,
    /// What is run after it.
    pub post_builds: Vec<PostBuildRow>,
    /// The same check in the newest runs.
    pub before: Vec<(Run, CheckRow)>,
}

/// A check of a run.
#[derive(Debug, Template)]
#[template(path = "check.html")]
pub struct CheckPage {
    page: Page,
    line: RunLine,
    path: String,
    system: String,
    sign: Sign,
    took: String,
    is_allowed: bool,
    drv_path: String,
    /// Names and paths.
    outputs: Vec<(String, String)>,
    /// Why it ended so.
    reason: Vec<String>,
    steps: Vec<Attempt>,
    post_builds: Vec<StepLine>,
    before: Vec<Before>,
}

/// A step that decides on the check.
#[derive(Debug)]
struct Attempt {
    step: StepLine,
    is_cause: bool,
    error: String,
    lines: Vec<String>,
}

/// The check in another run.
#[derive(Debug)]
struct Before {
    run: RunLine,
    sign: Sign,
    href: String,
    took: String,
}

impl CheckPage {
    /// The page of a check.
    pub fn new(page: Page, rows: &CheckRows, now: i64) -> Self {
        let CheckRows {
            run,
            repository,
            check,
            step,
            cause,
            post_builds,
            before,
        } = rows;
        let (site, id) = (&page.site, run.id.0);
        let attempt = |step: &StepRow, is_cause| Attempt {
            step: StepLine::new(site, id, step, now),
            is_cause,
            error: harmless(step.error.as_deref().map(headline).unwrap_or_default()),
            lines: last_lines(step.log_tail.as_deref().unwrap_or_default()),
        };
        let steps = [(step, false), (cause, true)];
        let steps = steps
            .into_iter()
            .filter_map(|(step, is_cause)| Some(attempt(step.as_ref()?, is_cause)));
        let before = before.iter().map(|(run, check)| Before {
            run: RunLine::new(site, run, repository, now),
            sign: Sign::of_check(check, None),
            href: site.check(run.id.0, &check.path),
            took: check.duration.map(took).unwrap_or_default(),
        });
        // What is said of the step already is not said again.
        let reason = check.reason.as_deref().unwrap_or_default();
        let is_new = cause.is_none() && step.as_ref().is_none_or(|step| step.error.is_none());
        Self {
            line: RunLine::new(site, run, repository, now),
            path: harmless(&check.path),
            system: harmless(&check.system),
            sign: Sign::of_check(check, step.as_ref()),
            took: check.duration.map(took).unwrap_or_default(),
            is_allowed: check.allowed,
            drv_path: harmless(check.drv_path.as_deref().unwrap_or_default()),
            outputs: outputs(check),
            reason: if is_new {
                last_lines(reason)
            } else {
                Vec::new()
            },
            steps: steps.collect(),
            post_builds: post_builds
                .iter()
                .map(|row| StepLine::of_post_build(site, row, now))
                .collect(),
            before: before.collect(),
            page,
        }
    }
}

fn outputs(check: &CheckRow) -> Vec<(String, String)> {
    let outputs: BTreeMap<String, Option<String>> = check
        .outputs
        .as_deref()
        .and_then(|outputs| serde_json::from_str(outputs).ok())
        .unwrap_or_default();
    outputs
        .into_iter()
        .filter_map(|(name, path)| Some((harmless(&name), harmless(&path?))))
        .collect()
}
