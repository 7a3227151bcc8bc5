//! What a repository says about how it is built, and from which of its commits that counts.
//!
//! | key of `[serve]` | counts as it is |
//! |---|---|
//! | `branches`, `tags`, `pull_requests`, `schedule` | on the default branch |
//! | `required` | where a pull request or merge queue goes, if that is known; of another branch, on the default one; else in the commit itself |

use tracing::warn;

use super::{app::App, source};
use crate::{
    config::{PullRequests, RefPattern, Schedule, Serve, Sourced},
    db::server::{OwnRules, OwnSchedule, Repository, Run, RunKind},
    git::{CommitId, Mirror},
    nix::AttrPath,
};

/// Notes what the default branch says, if that is what a run builds.
pub(super) async fn note(
    app: &App,
    run: &Run,
    repository: &Repository,
    mirror: &Mirror,
    commit: CommitId,
) {
    if run.new.kind != RunKind::Push
        || run.new.git_ref.strip_prefix("refs/heads/") != Some(&repository.seen.default_branch)
    {
        return;
    }
    let said = source::settings_of(mirror, commit).map(|config| of_file(&config.serve));
    let rules = OwnRules {
        branch: Some(repository.seen.default_branch.clone()),
        // What cannot be read changes nothing; the run says why.
        ..said.unwrap_or_else(|_| repository.rules.clone())
    };
    if rules == repository.rules {
        return;
    }
    if let Err(error) = app.db.set_own_rules(repository.id, rules).await {
        warn!(repository = repository.seen.full_name, %error, "what it says of itself is not noted");
    }
    // Branches that are built from now on.
    app.wake.sweep.notify_one();
    app.wake.schedule.notify_one();
}

fn of_file(serve: &Serve) -> OwnRules {
    fn texts<T: ToString>(list: Option<&Sourced<Vec<T>>>) -> Vec<String> {
        let list = list.map(|list| list.value.iter());
        list.into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect()
    }
    OwnRules {
        branch: None,
        branches: texts::<RefPattern>(serve.branches.as_ref()),
        tags: texts::<RefPattern>(serve.tags.as_ref()),
        required: texts::<AttrPath>(serve.required.as_ref()),
        pull_requests: serve.pull_requests.as_ref().map(|build| build.value),
        schedules: serve
            .schedules
            .iter()
            .map(|own| schedule(&own.value))
            .collect(),
    }
}

fn schedule(schedule: &Schedule) -> OwnSchedule {
    OwnSchedule {
        name: schedule.name.clone(),
        cron: schedule.cron.to_string(),
        branch: schedule.branch.clone(),
    }
}

/// Whose pull requests are built: what the server says, or less.
pub(super) fn pull_requests(app: &App, repository: &Repository) -> PullRequests {
    let own = repository.rules.pull_requests;
    let of_server = app.config().pull_requests;
    own.map_or(of_server, |own| own.min(of_server))
}

/// The checks that have to be there in a run and pass, by their attribute paths. `tested` is the commit that is
/// evaluated, `base` the one that it goes into.
pub(super) fn required(
    run: &Run,
    repository: &Repository,
    mirror: &Mirror,
    tested: CommitId,
    base: Option<CommitId>,
) -> Vec<String> {
    let in_commit = |commit| {
        source::settings_of(mirror, commit).map_or_else(
            // Nothing is demanded less because it cannot be read.
            |_| repository.rules.required.clone(),
            |config| of_file(&config.serve).required,
        )
    };
    let branch = run.new.git_ref.strip_prefix("refs/heads/");
    match run.new.kind {
        RunKind::PullRequest | RunKind::MergeQueue => {
            base.map_or_else(|| repository.rules.required.clone(), in_commit)
        }
        // By hand, too: whoever moves a branch on and has its commit built once more is asked for no less.
        RunKind::Push | RunKind::Schedule | RunKind::Manual
            if branch.is_some_and(|branch| branch != repository.seen.default_branch) =>
        {
            repository.rules.required.clone()
        }
        RunKind::Push | RunKind::Tag | RunKind::Manual | RunKind::Schedule => in_commit(tested),
    }
}
