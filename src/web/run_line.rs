//! A run as a line of a list, and as the head of its page.

use super::{
    moment::{Moment, took},
    sign::Sign,
    site::Site,
};
use crate::{
    db::server::{Repository, Run, RunKind, RunState},
    report::harmless,
};

/// How much of a commit is shown.
const COMMIT_DIGITS: usize = 8;

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunLine {
    /// Its number.
    pub number: i64,
    /// Its page.
    pub href: String,
    /// How it stands.
    pub sign: Sign,
    /// The repository.
    pub repository: String,
    /// The repository's page.
    pub repository_href: String,
    /// What it is about, in a line.
    pub title: String,
    /// The branch, tag or pull request.
    pub git_ref: String,
    /// The first digits of the commit.
    pub commit: String,
    /// Who caused it; empty if unknown.
    pub who: String,
    /// What asked for it.
    pub why: &'static str,
    /// When it was asked for.
    pub created: Moment,
    /// How long it took, or takes so far; empty if it has not begun.
    pub took: String,
}

impl RunLine {
    /// A run, seen at a time in milliseconds since 1970.
    pub(super) fn new(site: &Site, run: &Run, repository: &Repository, now: i64) -> Self {
        let seen = &repository.seen;
        Self {
            number: run.id.0,
            href: site.run(run.id.0),
            sign: Sign::of_run(run),
            repository: harmless(&seen.full_name),
            repository_href: site.repository(&seen.forge, &seen.full_name),
            title: harmless(&run.new.title),
            git_ref: ref_in_words(run),
            commit: short(&run.new.commit),
            who: harmless(&run.new.actor),
            why: why(run.new.kind),
            created: Moment::new(run.created_at, now),
            took: run_took(run, now),
        }
    }
}

/// The first digits of a commit.
pub(super) fn short(commit: &str) -> String {
    harmless(&commit.chars().take(COMMIT_DIGITS).collect::<String>())
}

/// A full ref as people call it.
pub(super) fn ref_name(git_ref: &str) -> String {
    let name = ["refs/heads/", "refs/tags/"]
        .into_iter()
        .find_map(|prefix| git_ref.strip_prefix(prefix));
    harmless(name.unwrap_or(git_ref))
}

fn ref_in_words(run: &Run) -> String {
    match run.new.pull_request {
        Some(number) => format!("#{number}"),
        None => ref_name(&run.new.git_ref),
    }
}

fn why(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Push => "push",
        RunKind::Tag => "tag",
        RunKind::PullRequest => "pull request",
        RunKind::MergeQueue => "merge queue",
        RunKind::Manual => "by hand",
        RunKind::Schedule => "schedule",
    }
}

fn run_took(run: &Run, now: i64) -> String {
    let Some(started_at) = run.started_at else {
        return String::new();
    };
    let ended_at = match run.state {
        RunState::Running => now,
        RunState::Taken | RunState::Approval | RunState::Queued => return String::new(),
        RunState::Finished => run.finished_at.unwrap_or(started_at),
    };
    took(ended_at - started_at)
}
