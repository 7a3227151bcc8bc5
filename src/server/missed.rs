//! Builds what moved and no webhook told: branches, as git shows them, and pull requests, as the forge lists them.

use jiff::Timestamp;
use tracing::{info, warn};

use super::{
    app::App,
    asked::{again, id_and_login, title_of},
    connection::as_forge,
    hooks::REDELIVERED_FOR,
    keep::LeftBehind,
    source,
};
use crate::{
    config::{RefPattern, ServerConfig},
    db::server::{NewRun, Repository, RunKind, TakeUp},
    forge::{ForgeError, MERGE_QUEUES, PullRequestNow},
    git::Advertisement,
};

/// Looks at a repository, and has built what was never seen. An error says what is wrong with it.
pub(super) async fn build_missed(app: &App, repository: &Repository) -> Result<(), String> {
    let left_behind = LeftBehind::of(app, repository);
    let advertisement = source::refs(app, repository)
        .await
        .map_err(|error| error.to_string())?;
    left_behind.forget_gone(advertisement.refs.iter().map(|found| found.name.as_str()));
    let mut found = branches(app, repository, &advertisement);
    match pull_requests(app, repository).await {
        Ok(pulls) => found.extend(pulls),
        Err(error) => {
            let repository = &repository.seen.full_name;
            warn!(repository, %error, "pull requests are not looked for");
        }
    }
    let mut runs = Vec::new();
    for run in found {
        if matches!(app.db.knows(run.clone()).await, Ok(false)) {
            runs.push(again(app, repository, run));
        }
    }
    if runs.is_empty() {
        return Ok(());
    }
    let up = TakeUp {
        runs,
        ..TakeUp::default()
    };
    let taken = app
        .db
        .take_up(up)
        .await
        .map_err(|error| error.to_string())?;
    if !taken.is_empty() {
        info!(repository = repository.seen.full_name, runs = ?taken, "something moved that nobody told of");
        app.wake.publish.notify_one();
        app.wake.prepare.notify_one();
    }
    Ok(())
}

/// The branches that are built, each as a run.
fn branches(app: &App, repository: &Repository, advertisement: &Advertisement) -> Vec<NewRun> {
    let config = app.config();
    let run = |found: &crate::git::RemoteRef| {
        let branch = found.name.strip_prefix("refs/heads/")?;
        Some(NewRun {
            repository: repository.id,
            kind: kind_of(&config, repository, branch)?,
            git_ref: found.name.clone(),
            commit: found.commit().to_string(),
            base_ref: None,
            pull_request: None,
            title: String::new(),
            actor: String::new(),
            author: None,
            reason: None,
        })
    };
    advertisement.refs.iter().filter_map(run).collect()
}

/// The pull requests that changed of late, each as a run: those of a repository that is new here would be many otherwise.
async fn pull_requests(app: &App, repository: &Repository) -> Result<Vec<NewRun>, ForgeError> {
    let Some(api) = app.connections().get(&repository.seen.forge) else {
        return Ok(Vec::new());
    };
    let since = Timestamp::now().saturating_sub(REDELIVERED_FOR);
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
    let pulls = api
        .pull_requests(&as_forge(&repository.seen)?, since)
        .await?;
    let run = |pull: PullRequestNow| NewRun {
        repository: repository.id,
        kind: RunKind::PullRequest,
        git_ref: pull.git_ref.to_string(),
        commit: pull.head_commit.to_string(),
        base_ref: Some(pull.base_ref.to_string()),
        pull_request: i64::try_from(pull.number).ok(),
        title: title_of(&pull.title),
        actor: String::new(),
        author: pull.author.as_ref().map(id_and_login),
        reason: None,
    };
    Ok(pulls
        .into_iter()
        .filter(|pull| pull.is_open)
        .map(run)
        .collect())
}

/// What a branch is built for, if it is.
fn kind_of(config: &ServerConfig, repository: &Repository, branch: &str) -> Option<RunKind> {
    let own = repository.rules.branches.iter();
    let mut own = own.filter_map(|glob| RefPattern::parse(glob).ok());
    let is_queue = || {
        MERGE_QUEUES
            .iter()
            .filter_map(|queue| RefPattern::parse(queue).ok())
            .any(|queue| queue.matches(branch))
    };
    if branch == repository.seen.default_branch {
        Some(RunKind::Push)
    } else if is_queue() {
        // Whatever else is to be built: as a webhook of it is taken.
        Some(RunKind::MergeQueue)
    } else if config.branches.iter().any(|glob| glob.matches(branch))
        || own.any(|glob| glob.matches(branch))
    {
        Some(RunKind::Push)
    } else {
        None
    }
}
