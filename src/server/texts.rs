//! What statuses say that no run has begun to say.

use super::app::App;
use crate::{
    config::{ServerConfig, StatusNames},
    db::server::{NewStatus, Repository, RunId, StatusRow},
    forge::{CommitStatus, News, StatusContexts, StatusState},
};

/// What is told of a run that waits for its turn.
pub(super) const WAITING: &str = "waiting";
/// Why a run ends whose commit has `[skip ci]` in its message.
pub(super) const SKIPPED: &str = "skipped: the commit's message says so";

/// The contexts of a repository.
pub(super) fn contexts(config: &ServerConfig, repository: &Repository) -> StatusContexts {
    let StatusNames { prefix, failures } = &config.statuses;
    let kind = config.forges.get(&repository.seen.forge);
    let kind = kind.map_or("plain", |forge| forge.kind.as_str());
    StatusContexts::of_repository(prefix, kind, &repository.seen.full_name, *failures)
}

/// The statuses of evaluation and build of a run that has not begun, with the page that is to be linked.
pub(super) fn both(
    contexts: &StatusContexts,
    state: StatusState,
    description: &str,
    url: &str,
) -> Vec<NewStatus> {
    [&contexts.eval, &contexts.build]
        .map(|context| NewStatus {
            context: context.clone(),
            state: state_name(state),
            description: description.to_owned(),
            target_url: url.to_owned(),
            only_failing: false,
        })
        .to_vec()
}

/// The same of this run, with its page.
pub(super) fn of_run(
    app: &App,
    repository: &Repository,
    run: RunId,
    state: StatusState,
    description: &str,
) -> Vec<NewStatus> {
    let contexts = contexts(&app.config(), repository);
    both(&contexts, state, description, &app.run_url(run.0))
}

/// Takes back what a commit's statuses say of single checks that failed.
pub(super) fn take_back(
    contexts: &StatusContexts,
    known: Vec<(StatusRow, Option<String>)>,
    description: &str,
    url: &str,
) -> impl Iterator<Item = NewStatus> {
    let known = known.into_iter().map(|(row, _)| row);
    known
        .filter(|row| {
            row.context.starts_with(&contexts.check_prefix)
                && matches!(row.state.as_str(), "failure" | "error")
        })
        .map(move |row| NewStatus {
            context: row.context,
            state: state_name(StatusState::Success),
            description: description.to_owned(),
            target_url: url.to_owned(),
            only_failing: true,
        })
}

/// What a run says, as a row.
pub(super) fn of_news(news: News, url: &str) -> NewStatus {
    let (status, only_failing) = match news {
        News::Status(status) => (status, false),
        News::Passed { context } => (
            CommitStatus {
                context,
                state: StatusState::Success,
                description: "passed".to_owned(),
            },
            true,
        ),
    };
    NewStatus {
        context: status.context,
        state: state_name(status.state),
        description: status.description,
        target_url: url.to_owned(),
        only_failing,
    }
}

/// The name of a state in the database.
pub(super) fn state_name(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Failure => "failure",
        StatusState::Error => "error",
    }
}

/// The state of this name in the database.
pub(super) fn state_of(name: &str) -> StatusState {
    match name {
        "pending" => StatusState::Pending,
        "success" => StatusState::Success,
        "failure" => StatusState::Failure,
        _ => StatusState::Error,
    }
}

/// The numbers of runs, for people.
pub(super) fn numbers(runs: &[RunId]) -> String {
    let numbers: Vec<String> = runs.iter().map(|run| run.0.to_string()).collect();
    numbers.join(", ")
}

/// What approves a commit below a pull request: all of its digits, which fit a description.
pub(super) fn approval(commit: &str) -> String {
    format!("/nixci approve {commit}")
}

/// The first digits of a commit.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..8).unwrap_or(commit)
}
