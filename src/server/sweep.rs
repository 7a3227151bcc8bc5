//! Finds what no webhook told: at the start, every hour, and when a forge says that its repositories changed.
//!
//! Repositories that are new, renamed or gone; webhooks that are missing; deliveries that failed; branches that moved.
//! What is wrong with one repository is noted there, and stops no other.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt as _, future};
use jiff::Timestamp;
use tokio::{sync::Notify, task::JoinSet};
use tracing::{error, info, warn};

use super::{
    app::App,
    chosen::{chosen, open_to_strangers},
    connection::as_row,
    hooks::{self, Hooks},
    keep, logs, memory,
    missed::build_missed,
    upkeep,
};
use crate::{
    config::ForgeConfig,
    db::server::{Repository, RunId, SeenRepository},
    forge::{ForgeApi, HookOwner},
};

/// How often to look.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How many repositories are looked at at once.
const AT_ONCE: usize = 8;

/// Looks until the server drains.
pub(super) async fn sweep_all(app: &App) {
    let hooks = Arc::new(Hooks::load(&app.config().state_dir));
    let (mut looks, mut tidying) = (JoinSet::new(), JoinSet::new());
    // One for each forge that was ever configured: one that does not answer holds up no other, nor its next look.
    let mut lookers: HashMap<String, Arc<Notify>> = HashMap::new();
    loop {
        for (name, forge) in &app.config().forges {
            let looker = lookers.entry(name.clone()).or_insert_with(|| {
                if let Some(what) = open_to_strangers(forge) {
                    warn!(forge = name, "{what}");
                }
                let notify = Arc::new(Notify::new());
                let (app, name, hooks) = (Arc::clone(app), name.clone(), Arc::clone(&hooks));
                let wake = Arc::clone(&notify);
                looks.spawn(async move { look_after(&app, &name, &hooks, &wake).await });
                notify
            });
            looker.notify_one();
        }
        forget_forges(app).await;
        // It may take hours: large mirrors.
        if tidying.try_join_next().is_some() || tidying.is_empty() {
            let app = Arc::clone(app);
            tidying.spawn(async move { tidy(&app).await });
        }
        tokio::select! {
            () = app.draining.cancelled() => return,
            () = app.wake.sweep.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Builds no longer what is of forges that the settings do not have any more; with the forge it comes back.
async fn forget_forges(app: &App) {
    let config = app.config();
    for repository in app.db.repositories().await.unwrap_or_default() {
        let seen = &repository.seen;
        if repository.enabled && !config.forges.contains_key(&seen.forge) {
            info!(
                forge = seen.forge,
                repository = seen.full_name,
                "no longer built: its forge is not configured any more"
            );
            let _ = app.db.disable_repository(repository.id).await;
        }
    }
}

/// Looks at a forge whenever it is to be looked at.
async fn look_after(app: &App, name: &str, hooks: &Hooks, wake: &Notify) {
    loop {
        wake.notified().await;
        let config = app.config();
        if let Some(forge) = config.forges.get(name) {
            let looked = AssertUnwindSafe(sweep(app, name, forge, hooks)).catch_unwind();
            if looked.await.is_err() {
                error!(
                    forge = name,
                    "looking at it broke down: this is a fault of nixci"
                );
            }
        }
        // Of repositories that are new.
        app.wake.schedule.notify_one();
        memory::give_back(app).await;
    }
}

/// Forgets what is old.
async fn tidy(app: &App) {
    if let Err(error) = app.db.prune_deliveries().await {
        warn!(%error, "old deliveries are not forgotten");
    }
    if let Err(error) = app.db.prune_durations().await {
        warn!(%error, "old durations are not forgotten");
    }
    forget_old_runs(app).await;
    upkeep::tidy(app).await;
}

/// Looks at repositories that no webhook comes from as often as is set, until the server ends.
pub(super) async fn poll_all(app: &App) {
    loop {
        // Ended with the next settings: what a look has found is a row already, or is found by the next.
        let mut polls = JoinSet::new();
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
    loop {
        tokio::time::sleep(every).await;
        let known = app
            .db
            .repository_named(name.to_owned(), full_name.to_owned())
            .await;
        if let Ok(Some(repository)) = known
            && let Err(problem) = build_missed(app, &repository).await
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
        Ok(runs) => forget_logs(app, runs),
        Err(error) => warn!(%error, "old runs are not forgotten"),
    }
    if let Err(error) = app.db.forget_statuses(before).await {
        warn!(%error, "old statuses are not forgotten");
    }
    match app.db.repositories_unseen_since(before).await {
        Ok(repositories) => {
            for repository in repositories {
                keep::forget_all(app, &repository).await;
                match app.db.forget_repository(repository.id).await {
                    Ok(runs) => forget_logs(app, runs),
                    Err(error) => warn!(%error, "a repository that is gone is not forgotten"),
                }
            }
        }
        Err(error) => warn!(%error, "repositories that are gone are not forgotten"),
    }
}

fn forget_logs(app: &App, runs: Vec<RunId>) {
    for run in runs {
        let _ = std::fs::remove_dir_all(logs::folder(app, run).path());
    }
}

async fn sweep(app: &App, name: &str, forge: &ForgeConfig, hooks: &Hooks) {
    match app.connections().get(name) {
        Some(api) => {
            discover(app, name, forge, &*api).await;
            // Before what did not arrive is asked for: it would go where it went.
            if let Err(error) = hooks::see_to_app(app, name, forge, hooks).await {
                warn!(forge = name, %error, "the App's webhook cannot be set");
            }
            if let Err(error) = hooks::redeliver(app, name, &*api, HookOwner::App).await {
                warn!(forge = name, %error, "failed deliveries are not looked for");
            }
        }
        None => see_plain(app, name, forge).await,
    }
    let repositories = match app.db.repositories().await {
        Ok(repositories) => repositories,
        Err(error) => {
            warn!(%error, "the database does not answer");
            return;
        }
    };
    let enabled = repositories
        .into_iter()
        .filter(|repository| repository.enabled && repository.seen.forge == name);
    let waiting = Mutex::new(enabled);
    let next = || {
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.next()
    };
    // Several at a time: one that does not answer is not to hold up the others. A look is made when it is its turn, since
    // each takes memory.
    let looks = (0..AT_ONCE).map(|_| async {
        while let Some(repository) = next() {
            let problem = look_at(app, forge, &repository, hooks).await.err();
            note(app, &repository, problem).await;
        }
    });
    future::join_all(looks).await;
}

/// Notes what is wrong with a repository, or that nothing is any more.
async fn note(app: &App, repository: &Repository, problem: Option<String>) {
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
    forget_gone(app, name, |id| forge.plain.contains_key(id)).await;
}

/// Notes which repositories are to be built, by topics and by the list. What one question is not answered for is not known
/// to be gone; the answers to the others count.
async fn discover(app: &App, name: &str, forge: &ForgeConfig, api: &dyn ForgeApi) {
    let (chosen, is_all) = chosen(name, forge, api).await;
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
    if is_all {
        forget_gone(app, name, |id| found.contains(id)).await;
    }
}

/// Builds no longer what is not there any more.
async fn forget_gone(app: &App, name: &str, is_there: impl Fn(&str) -> bool) {
    for repository in app.db.repositories().await.unwrap_or_default() {
        let seen = &repository.seen;
        if seen.forge == name && repository.enabled && !is_there(&seen.forge_id) {
            info!(forge = name, repository = seen.full_name, "no longer built");
            let _ = app.db.disable_repository(repository.id).await;
        }
    }
}

/// Sees to the webhook of a repository, and builds what moved unseen.
async fn look_at(
    app: &App,
    forge: &ForgeConfig,
    repository: &Repository,
    hooks: &Hooks,
) -> Result<(), String> {
    let hook = hooks::see_to(app, forge, repository, hooks).await;
    // All the more where no webhook tells.
    let source = build_missed(app, repository).await;
    hook.map_err(|error| format!("the webhook cannot be set: {error}"))?;
    source
}
