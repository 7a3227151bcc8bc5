//! What goes on and what waits, and why.

use std::collections::BTreeMap;

use askama::Template;

use super::{moment::took, run_line::RunLine, site::Page};
use crate::db::server::{OpenRun, RunState, Sight};

/// How much there is of what runs wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Slots, taken and in all.
    pub slots: (usize, usize),
    /// Steps that wait for a slot.
    pub steps_waiting: usize,
    /// Evaluations, going on and at most.
    pub evaluations: (usize, usize),
    /// Whether the server is about to stop and begins nothing.
    pub is_draining: bool,
}

/// What goes on and what waits.
#[derive(Debug, Template)]
#[template(path = "queue.html")]
pub struct QueuePage {
    page: Page,
    load: Load,
    groups: Vec<Group>,
    /// Runs that count and may not be seen.
    hidden: usize,
}

/// Runs that are equally far.
#[derive(Debug)]
struct Group {
    title: &'static str,
    runs: Vec<(RunLine, String)>,
}

impl QueuePage {
    /// All runs that are not over, oldest first, as far as they may be seen.
    pub fn new(page: Page, sight: Sight, open: &[OpenRun], load: Load, now: i64) -> Self {
        let mut groups: BTreeMap<u8, Group> = BTreeMap::new();
        let (mut hidden, mut ahead) = (0, 0);
        for open in open {
            let why = why(open, ahead, load, now);
            if open.run.state == RunState::Queued {
                ahead += 1;
            }
            if !sight.shows(&open.repository) {
                hidden += 1;
                continue;
            }
            let (order, title) = match open.run.state {
                RunState::Running => (0, "Going on"),
                RunState::Queued => (1, "Waiting for their turn"),
                RunState::Approval => (2, "Waiting for approval"),
                RunState::Taken => (3, "Being looked at"),
                RunState::Finished => continue,
            };
            let line = RunLine::new(&page.site, &open.run, &open.repository, now);
            let group = groups.entry(order).or_insert(Group {
                title,
                runs: Vec::new(),
            });
            group.runs.push((line, why));
        }
        Self {
            page,
            load,
            groups: groups.into_values().collect(),
            hidden,
        }
    }
}

/// Why a run is not further.
fn why(open: &OpenRun, ahead: usize, load: Load, now: i64) -> String {
    let wait = open.not_before - now;
    let again = (wait > 0).then(|| format!("tried again in {}", took(wait)));
    match open.run.state {
        RunState::Finished => String::new(),
        RunState::Running if open.run.evaluated_at.is_none() => "evaluates".to_owned(),
        RunState::Running if load.steps_waiting > 0 && load.slots.0 >= load.slots.1 => {
            "builds; some steps wait for a slot".to_owned()
        }
        RunState::Running => "builds".to_owned(),
        RunState::Taken => again.unwrap_or_else(|| "its commit is fetched".to_owned()),
        RunState::Approval => format!(
            "somebody who may write has to say /nixci approve {}",
            open.run.new.commit
        ),
        RunState::Queued if open.repository.paused => "the repository is paused".to_owned(),
        RunState::Queued if load.is_draining => "the server is about to stop".to_owned(),
        RunState::Queued => again.unwrap_or_else(|| match ahead {
            0 => "as many runs go on as may at once".to_owned(),
            1 => "behind 1 other; pushes go first, and repositories take turns".to_owned(),
            ahead => format!("behind {ahead} others; pushes go first, and repositories take turns"),
        }),
    }
}
