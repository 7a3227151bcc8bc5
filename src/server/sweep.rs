//! Finds what no webhook told: at the start, every hour, and when a forge says that its repositories changed.
//!
//! Repositories that are new, renamed or gone; webhooks that are missing; deliveries that failed; branches that moved.
//! What is wrong with one repository is noted there, and stops no other.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    app::App,
    connection::{as_forge, as_row},
    intake::{again, is_listed},
    keep::{self, LeftBehind},
    logs, source,
};
use crate::{
    config::{ForgeConfig, RefPattern, ServerConfig},
    db::server::{NewRun, Repository, RunKind, SeenRepository, TakeUp},
    forge::{ForgeApi, ForgeError, HookWish, MERGE_QUEUES, RepositoryKey, Selection},
    git::{Advertisement, FetchLimits, ls_remote},
};

/// How often to look.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// For how long GitHub delivers again what it could not.
const REDELIVERED_FOR: SignedDuration = SignedDuration::from_hours(72);

/// Looks until the server ends.
pub(super) async fn sweep_all(app: &App) {
    // What the webhooks of each forge are signed with.
    let mut signed_with: HashMap<String, SecretString> = HashMap::new();
    loop {
        for (name, forge) in &app.config().forges {
            let secret = forge.webhook_secrets.first();
            let is_secret_new = signed_with.get(name).is_some_and(|before| {
                secret.is_some_and(|now| now.expose_secret() != before.expose_secret())
            });
            let all_signed = sweep(app, name, forge, is_secret_new).await;
            if let Some(secret) = secret
                && (all_signed || !is_secret_new)
            {
                signed_with.insert(name.clone(), secret.clone());
            }
        }
        if let Err(error) = app.db.prune_deliveries().await {
            warn!(%error, "old deliveries are not forgotten");
        }
        if let Err(error) = app.db.prune_durations().await {
            warn!(%error, "old durations are not forgotten");
        }
        forget_old_runs(app).await;
        tokio::select! {
            () = app.draining.cancelled() => return,
            () = app.wake.sweep.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Looks at repositories that no webhook comes from as often as is set, until the server ends.
pub(super) async fn poll_all(app: &App) {
    loop {
        // Ended with the next settings: what a look has found is a row already, or is found by the next.
        let mut polls = tokio::task::JoinSet::new();
        for (name, forge) in &app.config().forges {
            for (full_name, plain) in &forge.plain {
                if let Some(every) = plain.poll {
                    let (app, name, full_name) = (app.clone(), name.clone(), full_name.clone());
                    polls.spawn(async move { poll(&app, &name, &full_name, every).await });
                }
            }
        }
        app.wake.poll.notified().await;
    }
}

async fn poll(app: &App, name: &str, full_name: &str, every: Duration) {
    let config = app.config();
    let Some(forge) = config.forges.get(name) else {
        return;
    };
    loop {
        tokio::time::sleep(every).await;
        let known = app
            .db
            .repository_named(name.to_owned(), full_name.to_owned())
            .await;
        if let Ok(Some(repository)) = known
            && let Err(problem) = look_at(app, forge, &repository, false).await
        {
            warn!(
                repository = full_name,
                problem, "a repository is in trouble"
            );
        }
    }
}

/// Forgets runs that are too old, with their logs, and what repositories left that are gone for as long.
async fn forget_old_runs(app: &App) {
    let age = i64::try_from(app.config().limits.keep_runs.as_millis()).unwrap_or(i64::MAX);
    let before = Timestamp::now().as_millisecond().saturating_sub(age);
    match app.db.forget_runs(before).await {
        Ok(runs) => {
            for run in runs {
                let _ = std::fs::remove_dir_all(logs::folder(app, run).path());
            }
        }
        Err(error) => warn!(%error, "old runs are not forgotten"),
    }
    match app.db.repositories_unseen_since(before).await {
        Ok(repositories) => {
            for repository in repositories {
                keep::forget_all(app, &repository);
            }
        }
        Err(error) => warn!(%error, "repositories that are gone are not forgotten"),
    }
}

/// Returns whether the webhooks of all repositories are as they should be.
async fn sweep(app: &App, name: &str, forge: &ForgeConfig, is_secret_new: bool) -> bool {
    match app.connections().get(name) {
        Some(api) => {
            if let Err(error) = discover(app, name, forge, &*api).await {
                warn!(forge = name, %error, "repositories are not looked for");
            }
            if let Err(error) = redeliver(app, name, &*api).await {
                warn!(forge = name, %error, "failed deliveries are not looked for");
            }
        }
        None => see_plain(app, name, forge).await,
    }
    let repositories = match app.db.repositories().await {
        Ok(repositories) => repositories,
        Err(error) => {
            warn!(%error, "the database does not answer");
            return false;
        }
    };
    let mut all_well = true;
    for repository in repositories {
        if repository.enabled && repository.seen.forge == name {
            let looked = look_at(app, forge, &repository, is_secret_new).await;
            let problem = looked.err();
            all_well &= problem.is_none();
            if let Some(problem) = &problem {
                warn!(
                    repository = repository.seen.full_name,
                    problem, "a repository is in trouble"
                );
            }
            if problem != repository.problem {
                let _ = app.db.set_problem(repository.id, problem).await;
            }
        }
    }
    all_well
}

/// The repositories of a forge without an interface are those that are configured.
async fn see_plain(app: &App, name: &str, forge: &ForgeConfig) {
    for (full_name, plain) in &forge.plain {
        let seen = SeenRepository {
            forge: name.to_owned(),
            forge_id: full_name.clone(),
            full_name: full_name.clone(),
            default_branch: plain.default_branch.clone(),
            private: !plain.public,
            installation: None,
        };
        if let Err(error) = app.db.see_repository(seen).await {
            warn!(repository = full_name, %error, "a repository is not noted");
        }
    }
}

/// Notes which repositories are to be built, by topics and by the list.
async fn discover(
    app: &App,
    name: &str,
    forge: &ForgeConfig,
    api: &dyn ForgeApi,
) -> Result<(), ForgeError> {
    let mut chosen = Vec::new();
    if !forge.topics.is_empty() {
        let by_topic = Selection {
            topics: forge.topics.clone(),
            ..Selection::default()
        };
        chosen.extend(api.repositories(&by_topic).await?);
    }
    let owners: Vec<String> = forge
        .repositories
        .iter()
        .filter_map(|listed| listed.strip_suffix("/*").map(str::to_owned))
        .collect();
    if !owners.is_empty() {
        let by_owner = Selection {
            owners,
            ..Selection::default()
        };
        chosen.extend(api.repositories(&by_owner).await?);
    }
    for listed in forge
        .repositories
        .iter()
        .filter(|listed| !listed.ends_with("/*"))
    {
        let Ok(full_name) = listed.parse() else {
            continue;
        };
        match api.repository(&RepositoryKey::Name(full_name)).await {
            Ok(known) => chosen.push(known),
            Err(error @ ForgeError::Later { .. }) => return Err(error),
            Err(error) => {
                warn!(forge = name, repository = listed, %error, "a listed repository is not to be had");
            }
        }
    }
    let mut found = HashSet::new();
    for known in chosen {
        if known.is_archived || !found.insert(known.repository.id.clone()) {
            continue;
        }
        let branch = known.repository.default_branch.clone();
        let seen = as_row(
            name,
            &known.repository,
            branch.unwrap_or_else(|| "main".to_owned()),
        );
        if let Err(error) = app.db.see_repository(seen).await {
            warn!(forge = name, %error, "a repository is not noted");
        }
    }
    // All answers came: what is in none of them is no longer to be built.
    for repository in app.db.repositories().await.unwrap_or_default() {
        let seen = &repository.seen;
        let is_gone = seen.forge == name && repository.enabled && !found.contains(&seen.forge_id);
        if is_gone && !is_listed(forge, &seen.full_name) {
            info!(forge = name, repository = seen.full_name, "no longer built");
            let _ = app.db.disable_repository(repository.id).await;
        }
    }
    Ok(())
}

/// Has delivered again what the forge could not deliver and what is not known here.
async fn redeliver(app: &App, name: &str, api: &dyn ForgeApi) -> Result<(), ForgeError> {
    let since = Timestamp::now().saturating_sub(REDELIVERED_FOR);
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
    for failed in api.failed_deliveries(since).await? {
        let is_known = app
            .db
            .knows_delivery(name.to_owned(), failed.guid.clone())
            .await;
        if matches!(is_known, Ok(false)) {
            info!(
                forge = name,
                delivery = failed.guid,
                event = failed.event,
                "asked for once more"
            );
            api.redeliver(failed.id).await?;
        }
    }
    Ok(())
}

/// Sees to the webhook of a repository, and builds what moved unseen.
async fn look_at(
    app: &App,
    forge: &ForgeConfig,
    repository: &Repository,
    is_secret_new: bool,
) -> Result<(), String> {
    let name = &repository.seen.forge;
    if let (Some(api), Some(secret)) = (app.connections().get(name), forge.webhook_secrets.first())
    {
        let hook = HookWish {
            url: format!("{}webhook/{name}", app.config().url),
            secret: secret.clone(),
            is_secret_new,
        };
        // An app of GitHub's has one webhook for all.
        let has_own = repository.seen.installation.is_none();
        if has_own {
            let known = as_forge(&repository.seen).map_err(|error| error.to_string())?;
            match api.ensure_hook(&known, &hook).await {
                Ok(state) => info!(repository = repository.seen.full_name, ?state, "webhook"),
                Err(error) => return Err(format!("the webhook cannot be set: {error}")),
            }
        }
    }
    let left_behind = LeftBehind::of(app, repository);
    let remote = source::remote(app, repository)
        .await
        .map_err(|error| error.to_string())?;
    let advertisement = ls_remote(
        &app.engine.http,
        &remote,
        &FetchLimits::default(),
        &CancellationToken::new(),
    )
    .await
    .map_err(|error| error.to_string())?;
    left_behind.forget_gone(advertisement.refs.iter().map(|found| found.name.as_str()));
    let runs = missed(app, repository, &advertisement).await;
    if runs.is_empty() {
        return Ok(());
    }
    let up = TakeUp {
        runs: runs
            .into_iter()
            .map(|run| again(app, repository, run))
            .collect(),
        ..TakeUp::default()
    };
    let taken = app
        .db
        .take_up(up)
        .await
        .map_err(|error| error.to_string())?;
    if !taken.is_empty() {
        info!(repository = repository.seen.full_name, runs = ?taken, "branches moved that nobody told of");
        app.wake.publish.notify_one();
        app.wake.prepare.notify_one();
    }
    Ok(())
}

/// The runs of branches that are built and whose commit was never seen.
async fn missed(app: &App, repository: &Repository, advertisement: &Advertisement) -> Vec<NewRun> {
    let mut runs = Vec::new();
    for found in &advertisement.refs {
        let Some(branch) = found.name.strip_prefix("refs/heads/") else {
            continue;
        };
        let Some(kind) = kind_of(&app.config(), repository, branch) else {
            continue;
        };
        let commit = found.commit().to_string();
        let known = app.db.run_of_commit(repository.id, commit.clone()).await;
        if !matches!(known, Ok(None)) {
            continue;
        }
        runs.push(NewRun {
            repository: repository.id,
            kind,
            git_ref: found.name.clone(),
            commit,
            base_ref: None,
            pull_request: None,
            title: String::new(),
            actor: String::new(),
            author: None,
            reason: None,
        });
    }
    runs
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
    if branch == repository.seen.default_branch
        || config.branches.iter().any(|glob| glob.matches(branch))
        || own.any(|glob| glob.matches(branch))
    {
        Some(RunKind::Push)
    } else if is_queue() {
        Some(RunKind::MergeQueue)
    } else {
        None
    }
}
