//! A run.

use std::collections::HashMap;

use askama::Template;

use super::{
    failure::{Failure, failures, first_lines, last_lines},
    matrix::Matrix,
    moment::{Moment, took},
    run_line::{RunLine, ref_name, short},
    sign::Sign,
    site::Page,
    step_line::StepLine,
};
use crate::{
    db::server::{
        CheckRow, Compared, PostBuildRow, Repository, Run, RunState, StepRow, ToldStatus, Trust,
        Warnings,
    },
    event::{Counts, Outcome},
    report::{counted, harmless, spoken},
};

/// How many checks are named that are new or gone.
const NAMED: usize = 20;
/// How many steps a page lists.
const STEPS: usize = 500;

/// All rows about a run.
#[derive(Debug)]
pub struct RunRows {
    /// The run.
    pub run: Run,
    /// Its repository.
    pub repository: Repository,
    /// Its checks.
    pub checks: Vec<CheckRow>,
    /// Its steps.
    pub steps: Vec<StepRow>,
    /// What is run after its checks.
    pub post_builds: Vec<PostBuildRow>,
    /// Its checks beside those of the branch that it goes into.
    pub compared: Option<Compared>,
    /// What forges are told because of it.
    pub statuses: Vec<ToldStatus>,
    /// What it has warned of.
    pub warnings: Warnings,
}

/// A run.
#[derive(Debug, Template)]
#[template(path = "run.html")]
pub struct RunPage {
    page: Page,
    line: RunLine,
    facts: Vec<Fact>,
    /// Why it ended without a result, or what it was told.
    error: Vec<String>,
    counts: String,
    matrix: Matrix,
    /// The page with all rows.
    all: String,
    failures: Vec<Failure>,
    more_failures: usize,
    running: Vec<StepLine>,
    steps: Vec<StepLine>,
    more_steps: usize,
    post_builds: Vec<StepLine>,
    statuses: Vec<StatusLine>,
    warnings: WarningLines,
}

/// What a run has warned of.
#[derive(Debug)]
struct WarningLines {
    /// How many there were.
    count: String,
    /// The check that each is about, and its lines, as HTML.
    kept: Vec<(String, Vec<String>)>,
    /// How many there are besides.
    more: usize,
}

/// Something to know of a run.
#[derive(Debug)]
struct Fact {
    name: &'static str,
    text: String,
    href: Option<String>,
}

/// What a forge is told.
#[derive(Debug)]
struct StatusLine {
    sign: Sign,
    context: String,
    description: String,
    /// How far that is.
    told: String,
}

impl RunPage {
    /// The page of a run, with all rows of its matrix if they are asked for.
    pub fn new(page: Page, rows: &RunRows, all: bool, now: i64) -> Self {
        let RunRows {
            run,
            repository,
            checks,
            steps,
            post_builds,
            compared,
            statuses,
            warnings,
        } = rows;
        let (site, id) = (&page.site, run.id.0);
        let by_drv_path: HashMap<&str, &StepRow> = steps
            .iter()
            .map(|step| (step.drv_path.as_str(), step))
            .collect();
        let (failures, more_failures) = failures(site, id, checks, &by_drv_path);
        let line = |step| StepLine::new(site, id, step, now);
        let is_running = run.state == RunState::Running;
        let running = steps
            .iter()
            .filter(|step| is_running && step.outcome.is_none());
        Self {
            line: RunLine::new(site, run, repository, now),
            facts: facts(&page, run, compared.as_ref(), now),
            error: last_lines(run.error.as_deref().unwrap_or_default()),
            counts: counts(run, checks),
            matrix: Matrix::new(site, id, checks, &by_drv_path, all),
            all: format!("{}?all=1", site.run(id)),
            failures,
            more_failures,
            running: running.map(line).collect(),
            steps: by_weight(steps).into_iter().take(STEPS).map(line).collect(),
            more_steps: steps.len().saturating_sub(STEPS),
            post_builds: post_builds
                .iter()
                .take(STEPS)
                .map(|row| StepLine::of_post_build(site, row, now))
                .collect(),
            statuses: statuses.iter().map(status_line).collect(),
            warnings: warning_lines(warnings),
            page,
        }
    }
}

/// Steps that failed, then those that go on, then the others; each by name.
fn by_weight(steps: &[StepRow]) -> Vec<&StepRow> {
    let weight = |step: &StepRow| match step.outcome.as_deref().map(Outcome::parse) {
        Some(Some(outcome)) if outcome.is_failed() => 0,
        None => 1,
        Some(_) => 2,
    };
    let mut steps: Vec<&StepRow> = steps.iter().collect();
    steps.sort_by(|a, b| (weight(a), &a.name).cmp(&(weight(b), &b.name)));
    steps
}

fn facts(page: &Page, run: &Run, compared: Option<&Compared>, now: i64) -> Vec<Fact> {
    let site = &page.site;
    let mut facts = Vec::new();
    let mut add = |name, text: String, href| {
        if !text.is_empty() {
            facts.push(Fact { name, text, href });
        }
    };
    add("Commit", harmless(&run.new.commit), None);
    if let Some(base) = &run.new.base_ref {
        let commit = run.base_commit.as_deref().map(short).unwrap_or_default();
        let text = format!("{} {commit}", ref_name(base));
        add("Merged into", text.trim_end().to_owned(), None);
    }
    if let Some(Compared {
        base,
        added,
        removed,
    }) = compared
    {
        let names = |paths: &[String]| {
            let named: Vec<String> = paths
                .iter()
                .take(NAMED)
                .map(|path| harmless(path))
                .collect();
            let more = paths.len().saturating_sub(NAMED);
            let more = (more > 0).then(|| "…".to_owned());
            named.into_iter().chain(more).collect::<Vec<_>>().join(", ")
        };
        add("Checks removed", names(removed), Some(site.run(base.0)));
        add("Checks added", names(added), Some(site.run(base.0)));
    }
    add("Asked for", Moment::new(run.created_at, now).date, None);
    add(
        "Reason",
        harmless(run.new.reason.as_deref().unwrap_or_default()),
        None,
    );
    let trust = match run.trust {
        // So are all pushes.
        Some(Trust::Trusted) | None => "",
        Some(Trust::Approved) => "approved by somebody who may write",
        Some(Trust::Stranger) => "a stranger's, not approved",
    };
    add("Trust", trust.to_owned(), None);
    if run.state == RunState::Approval {
        let how = format!("/nixci approve {}", run.new.commit);
        add("To approve it, say there", how, None);
    }
    if let Some(started_at) = run.started_at {
        add("Waited", took(started_at - run.created_at), None);
        if let Some(evaluated_at) = run.evaluated_at {
            add("Evaluated in", took(evaluated_at - started_at), None);
        }
    }
    if run.attempt > 1 {
        add("Attempt", run.attempt.to_string(), None);
    }
    if let Some(same) = run.reused_from {
        let text = format!("run {}: the same tree and settings", same.0);
        add("Taken over from", text, Some(site.run(same.0)));
    }
    facts
}

/// `3 built, 1 failed`, of what is over.
fn counts(run: &Run, checks: &[CheckRow]) -> String {
    let kept = run
        .counts
        .as_deref()
        .and_then(|counts| serde_json::from_str(counts).ok());
    let counts: Counts = kept.unwrap_or_else(|| {
        let mut counts = Counts::default();
        for outcome in checks.iter().filter_map(|check| check.outcome.as_deref()) {
            if let Some(outcome) = Outcome::parse(outcome) {
                counts.add(outcome);
            }
        }
        counts
    });
    let mut parts: Vec<String> = counts
        .iter()
        .map(|(outcome, n)| format!("{n} {}", spoken(outcome)))
        .collect();
    let total = usize::try_from(run.checks.unwrap_or_default()).unwrap_or_default();
    let total = total.max(checks.len()).max(counts.total());
    if total > counts.total() {
        parts.push(format!("{} to go", total - counts.total()));
    }
    match total {
        0 => String::new(),
        _ => format!("{}: {}", counted(total, "check"), parts.join(", ")),
    }
}

fn warning_lines(warnings: &Warnings) -> WarningLines {
    let kept = warnings.kept.iter().map(|warning| {
        let path = harmless(warning.path.as_deref().unwrap_or_default());
        (path, first_lines(&warning.message))
    });
    WarningLines {
        count: counted(warnings.total, "warning"),
        kept: kept.collect(),
        more: warnings.total.saturating_sub(warnings.kept.len()),
    }
}

fn status_line(status: &ToldStatus) -> StatusLine {
    let told = match (&status.error, status.is_sent) {
        (None, true) => "told".to_owned(),
        (None, false) => "to be told".to_owned(),
        (Some(error), true) => format!("given up: {error}"),
        (Some(error), false) => format!("is tried again: {error}"),
    };
    StatusLine {
        sign: Sign::of_status(&status.row.state),
        context: harmless(&status.row.context),
        description: harmless(&status.row.description),
        told: harmless(&told),
    }
}
