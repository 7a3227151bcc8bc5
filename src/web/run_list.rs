//! The newest runs.

use askama::Template;

use super::{run_line::RunLine, site::Page};
use crate::db::server::{Repository, Run};

/// The newest runs.
#[derive(Debug, Template)]
#[template(path = "run_list.html")]
pub struct RunList {
    page: Page,
    runs: Vec<RunLine>,
    /// The page with older ones.
    older: Option<String>,
}

impl RunList {
    /// A page of runs, newest first. One more than `size` says that there are older ones.
    pub fn new(page: Page, runs: &[(Run, Repository)], size: usize, now: i64) -> Self {
        let has_older = runs.len() > size;
        let shown = &runs[..size.min(runs.len())];
        let last = shown.last().filter(|_| has_older);
        Self {
            older: last.map(|(run, _)| page.site.page(&format!("?before={}", run.id.0))),
            runs: shown
                .iter()
                .map(|(run, repository)| RunLine::new(&page.site, run, repository, now))
                .collect(),
            page,
        }
    }
}
