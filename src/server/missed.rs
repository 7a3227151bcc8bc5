//! Builds what moved and no webhook told: branches and tags, as git shows them, and pull requests, as the forge lists them.

use jiff::Timestamp;
use tracing::{info, warn};

use super::{
    app::App,
    asked::{AskedRun, again, id_and_login, title_of},
    connection::as_forge,
    hooks::REDELIVERED_FOR,
    keep::LeftBehind,
    source, texts,
};
use crate::{
    config::{RefPattern, ServerConfig},
    db::server::{ChangedTags, NewRun, OwnRules, Repository, RunKind, Tags, TakeUp},
    forge::{ForgeError, MERGE_QUEUES, PullRequestNow},
    git::{Advertisement, RemoteRef},
};

/// How many tags that are new at once are built: more are the past of another repository, which somebody pushed here.
const NEW_TAGS_MAX: usize = 50;

/// Looks at a repository, and has built what was never seen. An error says what is wrong with it.
pub(super) async fn build_missed(app: &App, repository: &Repository) -> Result<(), String> {
    let left_behind = LeftBehind::of(app, repository).await;
    let advertisement = source::refs(app, repository)
        .await
        .map_err(|error| error.to_string())?;
    left_behind.forget_gone(advertisement.refs.iter().map(|found| found.name.as_str()));
    let tags = tags_of(&advertisement);
    let tags = app.db.changed_tags(repository.id, tags).await;
    let tags = tags.map_err(|error| error.to_string())?;
    let mut found = branches(app, repository, &advertisement);
    match pull_requests(app, repository).await {
        Ok(pulls) => found.extend(pulls),
        Err(error) => {
            let repository = &repository.seen.full_name;
            warn!(repository, %error, "pull requests are not looked for");
        }
    }
    let mut runs = unknown(app, repository, found).await?;
    let of_tags = unknown(app, repository, new_tags(app, repository, &tags)).await?;
    if of_tags.len() > NEW_TAGS_MAX {
        let (repository, tags) = (&repository.seen.full_name, of_tags.len());
        warn!(
            repository,
            tags, "too many tags are new at once: none of them is built"
        );
    } else {
        runs.extend(of_tags);
    }
    if !runs.is_empty() {
        take_up(app, repository, runs, false).await?;
    }
    if let Some(run) = other_default(repository, &advertisement) {
        take_up(app, repository, vec![again(app, repository, run)], true).await?;
        // Once, whatever comes of it.
        let rules = OwnRules {
            branch: Some(repository.seen.default_branch.clone()),
            ..repository.rules.clone()
        };
        let noted = app.db.set_own_rules(repository.id, rules).await;
        noted.map_err(|error| error.to_string())?;
    }
    // Not before what is to be built is on disk.
    if !tags.is_empty() {
        let noted = app.db.note_tags(repository.id, tags).await;
        noted.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Those of the runs that nobody told of.
async fn unknown(
    app: &App,
    repository: &Repository,
    found: Vec<NewRun>,
) -> Result<Vec<AskedRun>, String> {
    let mut runs = Vec::new();
    for run in found {
        let is_known = app.db.knows(run.clone()).await;
        if !is_known.map_err(|error| error.to_string())? {
            runs.push(again(app, repository, run));
        }
    }
    Ok(runs)
}

/// The default branch, if another one was when it was looked at what that says of the repository: it is built once more,
/// since it may have been built as any branch before.
fn other_default(repository: &Repository, advertisement: &Advertisement) -> Option<NewRun> {
    let default_branch = &repository.seen.default_branch;
    if repository.rules.branch.as_ref()? == default_branch {
        return None;
    }
    let found = advertisement.find(&format!("refs/heads/{default_branch}"))?;
    let (name, commit) = (found.name.clone(), found.commit().to_string());
    Some(NewRun::of_ref(repository.id, RunKind::Push, name, commit))
}

async fn take_up(
    app: &App,
    repository: &Repository,
    runs: Vec<AskedRun>,
    anew: bool,
) -> Result<(), String> {
    let up = TakeUp {
        runs,
        anew,
        ..TakeUp::default()
    };
    let taken = app.take_up(up).await.map_err(|error| error.to_string())?;
    if !taken.is_empty() {
        info!(
            repository = repository.seen.full_name,
            runs = %texts::numbers(&taken),
            "something moved that nobody told of"
        );
    }
    Ok(())
}

/// The branches that are built, each as a run.
fn branches(app: &App, repository: &Repository, advertisement: &Advertisement) -> Vec<NewRun> {
    let config = app.config();
    let run = |found: &RemoteRef| {
        let branch = found.name.strip_prefix("refs/heads/")?;
        let kind = kind_of(&config, repository, branch)?;
        let commit = found.commit().to_string();
        Some(NewRun::of_ref(
            repository.id,
            kind,
            found.name.clone(),
            commit,
        ))
    };
    advertisement.refs.iter().filter_map(run).collect()
}

fn tags_of(advertisement: &Advertisement) -> Tags {
    let tag = |found: &RemoteRef| {
        let name = found.name.strip_prefix("refs/tags/")?;
        Some((name.to_owned(), found.commit().to_string()))
    };
    advertisement.refs.iter().filter_map(tag).collect()
}

/// The tags that are built and were not there, or elsewhere, when the repository was looked at before, each as a run. Those
/// that a repository comes with are its past.
fn new_tags(app: &App, repository: &Repository, tags: &ChangedTags) -> Vec<NewRun> {
    if tags.is_first {
        return Vec::new();
    }
    let config = app.config();
    let is_built = |tag: &str| is_one_of(tag, &config.tags, &repository.rules.tags);
    let built = tags.set.iter().filter(|(name, _)| is_built(name));
    built
        .map(|(name, commit)| {
            let git_ref = format!("refs/tags/{name}");
            NewRun::of_ref(repository.id, RunKind::Tag, git_ref, commit.clone())
        })
        .collect()
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
        base_ref: Some(pull.base_ref.to_string()),
        pull_request: i64::try_from(pull.number).ok(),
        title: title_of(&pull.title),
        author: pull.author.as_ref().map(id_and_login),
        ..NewRun::of_ref(
            repository.id,
            RunKind::PullRequest,
            pull.git_ref.to_string(),
            pull.head_commit.to_string(),
        )
    };
    Ok(pulls
        .into_iter()
        .filter(|pull| pull.is_open)
        .map(run)
        .collect())
}

/// What a branch is built for, if it is.
fn kind_of(config: &ServerConfig, repository: &Repository, branch: &str) -> Option<RunKind> {
    let queues = MERGE_QUEUES.map(str::to_owned);
    if branch == repository.seen.default_branch {
        Some(RunKind::Push)
    } else if is_one_of(branch, &[], &queues) {
        // Whatever else is to be built: as a webhook of it is taken.
        Some(RunKind::MergeQueue)
    } else if is_one_of(branch, &config.branches, &repository.rules.branches) {
        Some(RunKind::Push)
    } else {
        None
    }
}

/// Whether one of these patterns matches a name: the server's, or a repository's own.
fn is_one_of(name: &str, of_server: &[RefPattern], own: &[String]) -> bool {
    let mut own = own.iter().filter_map(|glob| RefPattern::parse(glob).ok());
    of_server.iter().any(|glob| glob.matches(name)) || own.any(|glob| glob.matches(name))
}
