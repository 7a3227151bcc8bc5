//! The repositories, and one of them.

use askama::Template;

use super::{
    run_line::{RunLine, ref_name},
    schedule_line::ScheduleLine,
    sign::Sign,
    site::{Page, Site},
};
use crate::{
    db::server::{Repository, Run, ScheduleRow},
    report::harmless,
};

/// The repositories.
#[derive(Debug, Template)]
#[template(path = "repositories.html")]
pub struct RepositoryList {
    page: Page,
    repositories: Vec<RepositoryLine>,
}

/// A repository.
#[derive(Debug)]
struct RepositoryLine {
    name: String,
    forge: String,
    href: String,
    /// How its default branch stands.
    sign: Sign,
    branch: String,
    notes: Vec<String>,
}

impl RepositoryLine {
    fn new(site: &Site, repository: &Repository, newest: Option<&Run>) -> Self {
        let seen = &repository.seen;
        Self {
            name: harmless(&seen.full_name),
            forge: harmless(&seen.forge),
            href: site.repository(&seen.forge, &seen.full_name),
            sign: newest.map_or_else(|| Sign::waiting("not built yet"), Sign::of_run),
            branch: harmless(&seen.default_branch),
            notes: notes(repository),
        }
    }
}

/// What is to be known of a repository besides its runs.
fn notes(repository: &Repository) -> Vec<String> {
    let mut notes = Vec::new();
    if !repository.enabled {
        notes.push("no longer built".to_owned());
    }
    if repository.paused {
        notes.push("paused: its runs wait".to_owned());
    }
    if repository.seen.private {
        notes.push("private".to_owned());
    }
    notes.extend(repository.problem.as_deref().map(harmless));
    notes
}

impl RepositoryList {
    /// Repositories, each with the newest run of its default branch.
    pub fn new(page: Page, repositories: &[(Repository, Option<Run>)]) -> Self {
        let line = |(repository, newest): &(Repository, Option<Run>)| {
            RepositoryLine::new(&page.site, repository, newest.as_ref())
        };
        Self {
            repositories: repositories.iter().map(line).collect(),
            page,
        }
    }
}

/// A repository.
#[derive(Debug, Template)]
#[template(path = "repository.html")]
pub struct RepositoryPage {
    page: Page,
    line: RepositoryLine,
    badge: String,
    /// The newest run of each branch, tag and pull request.
    refs: Vec<RunLine>,
    runs: Vec<RunLine>,
    schedules: Vec<ScheduleLine>,
    /// The page with older runs.
    older: Option<String>,
}

/// All rows about a repository.
#[derive(Debug)]
pub struct RepositoryRows {
    /// The repository.
    pub repository: Repository,
    /// The newest result of its default branch.
    pub newest: Option<Run>,
    /// The newest run of each branch, tag and pull request.
    pub refs: Vec<Run>,
    /// Its runs, newest first.
    pub runs: Vec<Run>,
    /// What of it is built because it is time.
    pub schedules: Vec<ScheduleRow>,
}

impl RepositoryPage {
    /// The page of a repository. One run more than `size` says that there are older ones.
    pub fn new(page: Page, rows: &RepositoryRows, size: usize, now: i64) -> Self {
        let RepositoryRows {
            repository,
            newest,
            refs,
            runs,
            schedules,
        } = rows;
        let line = RepositoryLine::new(&page.site, repository, newest.as_ref());
        let run_line = |run| RunLine::new(&page.site, run, repository, now);
        let shown = &runs[..size.min(runs.len())];
        let last = shown.last().filter(|_| runs.len() > size);
        let default = ref_name(&format!("refs/heads/{}", repository.seen.default_branch));
        let mut refs: Vec<RunLine> = refs.iter().map(run_line).collect();
        refs.sort_by_key(|line| line.git_ref != default);
        Self {
            older: last.map(|run| format!("{}?before={}", line.href, run.id.0)),
            badge: format!("{}/badge.svg", line.href),
            runs: shown.iter().map(run_line).collect(),
            schedules: schedules
                .iter()
                .map(|row| ScheduleLine::new(&page.site, row, now))
                .collect(),
            refs,
            line,
            page,
        }
    }
}
