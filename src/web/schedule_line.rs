//! A schedule as one line.

use super::{moment::Moment, run_line::ref_name, site::Site};
use crate::{
    db::server::{ScheduleOrigin, ScheduleRow},
    report::harmless,
};

/// What is built again and again.
#[derive(Debug)]
pub(super) struct ScheduleLine {
    pub name: String,
    pub cron: String,
    pub branch: String,
    /// Who says so.
    pub origin: &'static str,
    /// When it is time next; `None`: it is now.
    pub next: Option<Moment>,
    /// The run that came of it last.
    pub run: Option<(i64, String)>,
    pub problem: String,
}

impl ScheduleLine {
    pub(super) fn new(site: &Site, row: &ScheduleRow, now: i64) -> Self {
        let next = row.next().filter(|next| *next > now);
        Self {
            name: harmless(&row.key.name),
            cron: harmless(&row.cron),
            branch: ref_name(&format!("refs/heads/{}", row.branch)),
            origin: match row.key.origin {
                ScheduleOrigin::Server => "the server's settings",
                ScheduleOrigin::Repository => "nixci.toml",
            },
            next: next.map(|next| Moment::new(next, now)),
            run: row.run.map(|run| (run.0, site.run(run.0))),
            problem: harmless(row.problem.as_deref().unwrap_or_default()),
        }
    }
}
