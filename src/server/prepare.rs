//! Looks at runs that were asked for: whether they are to be, and what exactly they build.
//!
//! Here what the forge has now decides, whatever the webhook said: a commit that is no longer where the webhook saw it is
//! not built, and what is there instead is.

mod fetch;
mod same;
mod trust;

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{info, warn};

use self::{
    fetch::{as_it_is_now, fetch, queue_target},
    same::{reuse, same_as, settings_key},
    trust::{trust, wait_for_approval},
};
use super::{app::App, insist::insist, intake::end, own_rules, queue, texts};
use crate::{
    db::server::{DbError, Repository, Run, RunEnd, RunId, RunKind, RunState, Tested, Trust},
    forge::{StatusState, is_skipped},
    git::{Merge, Mirror, MirrorError},
};

/// How often to look for runs whose time has come.
const LOOK: Duration = Duration::from_secs(5);
/// How long to wait before the first further attempt; three times as long after each more.
const BACK_OFF: Duration = Duration::from_secs(10);
/// The longest of these waits.
const BACK_OFF_MAX: Duration = Duration::from_secs(600);
/// How often something is tried: for about a day, which a forge that is moved to another machine may take.
const ATTEMPTS_MAX: u32 = 150;
/// How much of a commit's message is read, in characters.
const MESSAGE_CHARS: usize = 16_000;
/// From how many attempts on the forge is told why a run waits.
const ATTEMPTS_UNTOLD: u32 = 3;
/// How many files in conflict are named.
const CONFLICTS_SHOWN: usize = 3;

/// Prepares runs until the server drains.
pub(super) async fn prepare_all(app: &App) {
    let mut going_on: HashMap<RunId, Repository> = HashMap::new();
    let mut attempts: HashMap<RunId, u32> = HashMap::new();
    let mut tasks: JoinSet<(RunId, u32)> = JoinSet::new();
    loop {
        let taken = app
            .db
            .runs_in(RunState::Taken)
            .await
            .unwrap_or_else(|error| {
                warn!(%error, "runs are not prepared");
                Vec::new()
            });
        let state_dir = app.config().state_dir.clone();
        let is_new = |repository: &Repository| Mirror::is_new(&state_dir, repository.id.0);
        for (run, repository) in queue::to_prepare(taken, &going_on, is_new) {
            going_on.insert(run.id, repository.clone());
            let app = Arc::clone(app);
            let attempt = attempts.get(&run.id).copied().unwrap_or_default();
            tasks.spawn(async move {
                let id = run.id;
                let prepared = prepare(&app, run.clone(), &repository, attempt);
                // Its place is for the next, whatever happens.
                let prepared = AssertUnwindSafe(prepared).catch_unwind().await;
                match prepared.unwrap_or_else(|_| Err(broken_down())) {
                    Ok(()) => (id, 0),
                    Err(trouble) => (id, later(&app, &run, &repository, attempt, trouble).await),
                }
            });
        }
        tokio::select! {
            () = app.draining.cancelled() => return,
            () = app.wake.prepare.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            Some(done) = tasks.join_next() => if let Ok((id, attempt)) = done {
                going_on.remove(&id);
                attempts.insert(id, attempt);
                attempts.retain(|_, attempt| *attempt > 0);
                app.hub.changed(id);
                app.wake.runner.notify_one();
                app.wake.publish.notify_one();
            }
        }
    }
}

/// Why a run could not be prepared now.
#[derive(Default)]
struct Trouble {
    why: String,
    /// How long the forge wants to be left alone.
    wait: Duration,
    /// Whether the database is at fault, whose trouble never is a reason to give a run up.
    is_here: bool,
}

impl From<MirrorError> for Trouble {
    fn from(error: MirrorError) -> Self {
        let why = error.to_string();
        Self {
            why,
            ..Self::default()
        }
    }
}

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Self {
        Self {
            is_here: !error.is_lasting(),
            why: error.to_string(),
            ..Self::default()
        }
    }
}

fn broken_down() -> Trouble {
    Trouble {
        why: "preparing it broke down: this is a fault of nixci".to_owned(),
        ..Trouble::default()
    }
}

/// Tries a run again later, or gives it up. Returns how often it was tried without success.
async fn later(
    app: &App,
    run: &Run,
    repository: &Repository,
    before: u32,
    trouble: Trouble,
) -> u32 {
    let id = run.id;
    let Trouble { why, wait, is_here } = trouble;
    let attempt = if is_here { before } else { before + 1 };
    warn!(run = id.0, attempt, why, "a run is not prepared");
    let result = if attempt >= ATTEMPTS_MAX {
        let give_up = || app.db.finish_run(id, RunEnd::errored(&why), Vec::new());
        insist("the end of a run", give_up).await.map(drop)
    } else {
        let back_off = BACK_OFF * 3_u32.pow(before.min(5));
        let wait = back_off.min(BACK_OFF_MAX).max(wait);
        let at =
            Timestamp::now().as_millisecond() + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        insist("when a run is tried again", || app.db.retake_run(id, at)).await
    };
    if let Err(error) = result {
        warn!(run = id.0, %error, "and cannot be put off");
    }
    // The forge may well show what it does not let be fetched.
    if (ATTEMPTS_UNTOLD..ATTEMPTS_MAX).contains(&attempt)
        && let Err(trouble) = tell_pending(app, run, repository, &format!("waits: {why}")).await
    {
        warn!(run = id.0, why = trouble.why, "nor is that told");
    }
    attempt
}

async fn prepare(
    app: &App,
    run: Run,
    repository: &Repository,
    attempt: u32,
) -> Result<(), Trouble> {
    let Some(run) = as_it_is_now(app, run, repository, attempt).await? else {
        return Ok(());
    };
    let Some(trust) = trust(app, &run, repository).await? else {
        supersede(app, &run).await?;
        return wait_for_approval(app, &run, repository).await;
    };
    if run.new.pull_request.is_some() {
        app.db.trust_run(run.id, trust).await?;
    }
    let Some((mirror, commits)) = fetch(app, &run, repository, attempt).await? else {
        return Ok(());
    };
    let head = commits[0];
    own_rules::note(app, &run, repository, &mirror, head).await;
    let message = mirror.message(head, MESSAGE_CHARS)?;
    let by_itself = matches!(
        run.new.kind,
        RunKind::Push | RunKind::Tag | RunKind::PullRequest
    );
    if by_itself && run.new.reason.is_none() && is_skipped(&message) {
        end(app, &run, texts::SKIPPED).await;
        return Ok(());
    }
    supersede(app, &run).await?;
    let base = commits.get(1).copied();
    let (commit, tree) = match base {
        None => (head, mirror.tree_id(head)?),
        Some(base) => match mirror.merge(base, head).await? {
            Merge::Merged { commit, tree } => (commit, tree),
            Merge::Conflict { files } => {
                return conflict(app, &run, repository, &files).await;
            }
            Merge::Unrelated => {
                return refuse(
                    app,
                    &run,
                    repository,
                    "it has no history in common with its base",
                )
                .await;
            }
        },
    };
    let base = match base {
        Some(base) => Some(base),
        None => queue_target(app, &run, repository, &mirror).await?,
    };
    let required = own_rules::required(&run, repository, &mirror, commit, base);
    let tested = Tested {
        commit: commit.to_string(),
        tree: tree.to_string(),
        base_commit: base.map(|commit| commit.to_string()),
        settings: settings_key(app, &run, trust, repository, &required),
        title: message.lines().next().unwrap_or_default().to_owned(),
    };
    let same = same_as(app, &run, trust, repository, &tested).await?;
    app.db.queue_run(run.id, trust, tested).await?;
    if let Some(same) = same {
        return reuse(app, &run, repository, &same).await;
    }
    if trust == Trust::Approved || attempt >= ATTEMPTS_UNTOLD {
        // What it waited for before is over.
        tell_pending(app, &run, repository, texts::WAITING).await?;
    }
    info!(run = run.id.0, %commit, "a run waits for its turn");
    Ok(())
}

/// Ends what a run makes pointless, now that it is known to be the newest.
async fn supersede(app: &App, run: &Run) -> Result<(), Trouble> {
    let by = texts::short(&run.new.commit);
    for older in app.db.superseded_by(run).await? {
        let why = format!("superseded by {by}, run {}", run.id.0);
        end(app, &older, &why).await;
    }
    Ok(())
}

async fn tell_pending(
    app: &App,
    run: &Run,
    repository: &Repository,
    text: &str,
) -> Result<(), Trouble> {
    let statuses = texts::of_run(app, repository, run.id, StatusState::Pending, text);
    let commit = run.new.commit.clone();
    app.db
        .set_statuses(run.new.repository, commit, Some(run.id), statuses)
        .await?;
    Ok(())
}

/// Ends a run that cannot be, for a reason that lies in the commit.
async fn refuse(app: &App, run: &Run, repository: &Repository, why: &str) -> Result<(), Trouble> {
    finish(
        app,
        run,
        repository,
        StatusState::Error,
        RunEnd::errored(why),
    )
    .await
}

async fn conflict(
    app: &App,
    run: &Run,
    repository: &Repository,
    files: &[String],
) -> Result<(), Trouble> {
    let base = run.new.base_ref.as_deref().unwrap_or_default();
    let base = base.strip_prefix("refs/heads/").unwrap_or(base);
    let mut why = format!("merge conflict with {base}: ");
    why.push_str(&files[..files.len().min(CONFLICTS_SHOWN)].join(", "));
    if files.len() > CONFLICTS_SHOWN {
        why.push_str(", …");
    }
    finish(
        app,
        run,
        repository,
        StatusState::Failure,
        RunEnd::failed(&why),
    )
    .await
}

/// Ends a run as `end` says, with the first line of why told in this state.
async fn finish(
    app: &App,
    run: &Run,
    repository: &Repository,
    state: StatusState,
    end: RunEnd,
) -> Result<(), Trouble> {
    let why = end.error.as_deref().unwrap_or_default();
    let first_line = why.lines().next().unwrap_or_default();
    let statuses = texts::of_run(app, repository, run.id, state, first_line);
    app.db.finish_run(run.id, end, statuses).await?;
    Ok(())
}
