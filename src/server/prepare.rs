//! Looks at runs that were asked for: whether they are to be, and what exactly they build.
//!
//! Here what the forge has now decides, whatever the webhook said: a commit that is no longer where the webhook saw it is
//! not built, and what is there instead is.

use std::{
    collections::HashSet, fmt::Write as _, panic::AssertUnwindSafe, sync::Arc, time::Duration,
};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    app::App,
    insist::insist,
    intake::{again, end},
    keep, own_rules, post_build, private_inputs,
    pull_request::{self, Now},
    source, texts,
};
use crate::{
    config::PullRequests,
    db::server::{
        DbError, NewRun, Repository, Run, RunEnd, RunId, RunKind, RunState, TakeUp, Tested, Trust,
    },
    forge::{ForgeError, Permission, StatusState, User, is_skipped},
    git::{CommitId, FetchLimits, Merge, Mirror, MirrorError, Wanted},
};

/// How many runs are prepared at once.
const AT_ONCE: usize = 8;
/// How often to look for runs whose time has come.
const LOOK: Duration = Duration::from_secs(5);
/// How long to wait before the first further attempt; three times as long after each more.
const BACK_OFF: Duration = Duration::from_secs(10);
/// The longest of these waits.
const BACK_OFF_MAX: Duration = Duration::from_secs(600);
/// How often something is tried: for about a day, which a forge that is moved to another machine may take.
const ATTEMPTS_MAX: u32 = 150;
/// How much of a commit's message is read, in characters.
const MESSAGE_CHARS: usize = 1000;
/// From how many attempts on the forge is told why a run waits.
const ATTEMPTS_UNTOLD: u32 = 3;
/// How many files in conflict are named.
const CONFLICTS_SHOWN: usize = 3;

/// Prepares runs until the server drains.
pub(super) async fn prepare_all(app: &App) {
    let mut going_on: HashSet<RunId> = HashSet::new();
    let mut attempts: std::collections::HashMap<RunId, u32> = std::collections::HashMap::new();
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
        for (run, repository) in taken {
            if going_on.len() >= AT_ONCE || !going_on.insert(run.id) {
                continue;
            }
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
    let Some((mirror, commits)) = fetch(app, &run, repository).await? else {
        return Ok(());
    };
    let message = mirror.message(commits[0], MESSAGE_CHARS)?;
    let by_itself = matches!(
        run.new.kind,
        RunKind::Push | RunKind::Tag | RunKind::PullRequest
    );
    if by_itself && run.new.reason.is_none() && is_skipped(&message) {
        end(app, &run, texts::SKIPPED).await;
        return Ok(());
    }
    supersede(app, &run).await?;
    let head = commits[0];
    own_rules::note(app, &run, repository, &mirror, head).await;
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
    let required = own_rules::required(&run, repository, &mirror, commit, base);
    let tested = Tested {
        commit: commit.to_string(),
        tree: tree.to_string(),
        base_commit: base.map(|commit| commit.to_string()),
        settings: settings_key(app, &run, trust, repository, &required),
        title: message.lines().next().unwrap_or_default().to_owned(),
    };
    if let Some(same) = same_as(app, &run, trust, repository, &tested).await? {
        app.db.queue_run(run.id, trust, tested).await?;
        return reuse(app, &run, repository, &same).await;
    }
    app.db.queue_run(run.id, trust, tested).await?;
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

/// Fetches what a run builds, and what that goes into. `None`: the run is over, since it is not to be had.
async fn fetch(
    app: &App,
    run: &Run,
    repository: &Repository,
) -> Result<Option<(Mirror, Vec<CommitId>)>, Trouble> {
    let refused = async |why: &str| {
        refuse(app, run, repository, why).await?;
        Ok(None)
    };
    let remote = match source::remote(app, repository).await {
        Ok(remote) => remote,
        Err(error) if may_pass(&error) => return Err(error.into()),
        Err(error) => return refused(&error.to_string()).await,
    };
    let (state_dir, number) = (app.config().state_dir.clone(), repository.id.0);
    let mirror = tokio::task::spawn_blocking(move || Mirror::open(&state_dir, number))
        .await
        .map_err(|error| Trouble {
            why: error.to_string(),
            ..Trouble::default()
        })??;
    let asked_for: CommitId = match run.new.commit.parse() {
        Ok(commit) => commit,
        Err(_) => return refused("repositories with SHA-256 are not supported yet").await,
    };
    let mut wanted = vec![if run.new.kind == RunKind::Manual {
        Wanted::Commit(asked_for)
    } else {
        Wanted::RefAt(run.new.git_ref.clone(), asked_for)
    }];
    wanted.extend(run.new.base_ref.clone().map(Wanted::Ref));
    let (limits, cancel) = (FetchLimits::default(), CancellationToken::new());
    let fetched = mirror
        .fetch(&app.engine.http, &remote, &wanted, &limits, &cancel)
        .await;
    let commits = match fetched {
        Ok(commits) => commits,
        Err(MirrorError::Moved { found, name, .. }) => {
            out_of_date(app, run, repository, &name, &found.to_string()).await?;
            return Ok(None);
        }
        Err(error @ MirrorError::Missing { .. }) => {
            end(app, run, &format!("out of date: {error}")).await;
            return Ok(None);
        }
        Err(error) if may_pass(&error) => return Err(error.into()),
        Err(error) => return refused(&error.to_string()).await,
    };
    Ok(Some((mirror, commits)))
}

/// Whether what cannot be fetched now may be later, with nobody pushing anything: a token may be wrong for a while.
fn may_pass(error: &MirrorError) -> bool {
    error.is_transient() || matches!(error, MirrorError::Refused(_))
}

/// A run as the forge has its pull request now; `None`: it is over, since that is elsewhere or gone.
async fn as_it_is_now(
    app: &App,
    run: Run,
    repository: &Repository,
    attempt: u32,
) -> Result<Option<Run>, Trouble> {
    let (other, why) = match pull_request::now(app, run.clone(), repository).await {
        Ok(Now::Same(run)) => return Ok(Some(*run)),
        Ok(Now::Other(other, why)) => (Some(*other), why),
        Ok(Now::Over(why)) => (None, why),
        // What it says is not understood: it was opened by nobody who is known.
        Err(ForgeError::Refused(why)) => {
            warn!(
                run = run.id.0,
                why, "who opened a pull request is not known"
            );
            let mut run = run;
            run.new.author = None;
            return Ok(Some(run));
        }
        Err(error) => return Err(not_answered("the pull request", &error)),
    };
    if attempt == 0 {
        // A forge may tell of something before it shows it.
        return Err(Trouble {
            why: format!("the forge shows something else than was told: {why}"),
            ..Trouble::default()
        });
    }
    match other {
        Some(other) => instead(app, &run, repository, other, &why).await?,
        None => end(app, &run, &why).await,
    }
    Ok(None)
}

/// The earlier run whose result stands for that of a run, if there is one.
async fn same_as(
    app: &App,
    run: &Run,
    trust: Trust,
    repository: &Repository,
    tested: &Tested,
) -> Result<Option<Run>, Trouble> {
    let trusted = Run {
        trust: Some(trust),
        ..run.clone()
    };
    // What is asked for, and what it is time for, is built anew.
    let may_reuse = !matches!(run.new.kind, RunKind::Manual | RunKind::Schedule)
        && run.new.reason.is_none()
        // What is run after a build may be about the commit, not about the tree.
        && !post_build::has_steps(app, &trusted, repository);
    if !may_reuse {
        return Ok(None);
    }
    // What nobody keeps is only there if it is built for this branch.
    let left_for = keep::leaves(run).then(|| run.new.git_ref.clone());
    if let Some(git_ref) = &left_for
        && !keep::has_left(app, repository, git_ref)
    {
        return Ok(None);
    }
    let (tree, settings) = (tested.tree.clone(), tested.settings.clone());
    let same = app.db.run_of_tree(repository.id, tree, settings, left_for);
    Ok(same.await?)
}

/// All that decides on the result besides the tree.
fn settings_key(
    app: &App,
    run: &Run,
    trust: Trust,
    repository: &Repository,
    required: &[String],
) -> String {
    let config = app.config();
    let systems: Vec<String> = app
        .engine
        .systems(&config)
        .iter()
        .map(ToString::to_string)
        .collect();
    let mut key = format!(
        "nix {} · {} · {} · {}",
        app.engine.host.version,
        systems.join(" "),
        // A stranger's evaluation may do less.
        if trust == Trust::Stranger {
            "stranger"
        } else {
            "trusted"
        },
        required.join(" ")
    );
    let opened = private_inputs::opened(&config, run, Some(trust), repository);
    if !opened.is_empty() {
        // One without them fails, or should.
        let _ = write!(key, " · private inputs of {}", opened.names());
    }
    key
}

/// How far what a run builds is trusted; `None`: it waits for approval.
async fn trust(app: &App, run: &Run, repository: &Repository) -> Result<Option<Trust>, Trouble> {
    if run.new.kind != RunKind::PullRequest {
        return Ok(Some(Trust::Trusted));
    }
    let number = run.new.pull_request.unwrap_or_default();
    let is_approved = app
        .db
        .is_approved(run.new.repository, number, run.new.commit.clone())
        .await?;
    // What opens private inputs is for the author's trust alone.
    if is_approved && !private_inputs::has_any(app, repository) {
        return Ok(Some(Trust::Approved));
    }
    if let Some((id, login)) = &run.new.author
        && let Ok(id) = id.parse()
    {
        let author = User {
            id,
            login: login.parse().ok(),
        };
        // Of the one who opened it as the forge says, and now: whatever the repository of its head or its commits say.
        let permission = app.connections().permission(repository, &author).await;
        match permission {
            Ok(permission) if permission >= Permission::Write => return Ok(Some(Trust::Trusted)),
            Ok(_) | Err(ForgeError::Refused(_) | ForgeError::Missing(_)) => {}
            Err(error) => {
                let what = format!("the permission of {login}");
                return Err(not_answered(&what, &error));
            }
        }
    }
    if is_approved {
        return Ok(Some(Trust::Approved));
    }
    let all = own_rules::pull_requests(app, repository) == PullRequests::All;
    Ok((all && why_not_unasked(app, repository).is_none()).then_some(Trust::Stranger))
}

/// Why nothing of strangers is built unasked, if it is not.
fn why_not_unasked(app: &App, repository: &Repository) -> Option<&'static str> {
    if !app.engine.is_sandboxed() {
        // Outside of one a builder does what the build users can, unless somebody has looked at it.
        return Some("builds have no sandbox here");
    }
    // What was fetched lies in the store, where the hash in a lock file opens it.
    private_inputs::has_any(app, repository).then_some("the repository has private inputs")
}

fn not_answered(what: &str, error: &ForgeError) -> Trouble {
    let wait = match error {
        ForgeError::Later { wait, .. } => wait.unwrap_or_default(),
        ForgeError::Refused(_)
        | ForgeError::Unauthorized(_)
        | ForgeError::Forbidden(_)
        | ForgeError::Missing(_) => Duration::ZERO,
    };
    Trouble {
        why: format!("{what} cannot be asked for: {error}"),
        wait,
        is_here: false,
    }
}

async fn wait_for_approval(app: &App, run: &Run, repository: &Repository) -> Result<(), Trouble> {
    if own_rules::pull_requests(app, repository) == PullRequests::Trusted {
        end(
            app,
            run,
            "not built: its author may not write to the repository",
        )
        .await;
        return Ok(());
    }
    let contexts = texts::contexts(&app.config(), repository);
    let mut text = format!("waits for approval of {}", texts::short(&run.new.commit));
    if own_rules::pull_requests(app, repository) == PullRequests::All
        && let Some(why) = why_not_unasked(app, repository)
    {
        text.push_str(": ");
        text.push_str(why);
    }
    let statuses = texts::both(
        &contexts,
        StatusState::Pending,
        &text,
        &app.run_url(run.id.0),
    );
    app.db.await_approval(run.id, statuses).await?;
    Ok(())
}

async fn tell_pending(
    app: &App,
    run: &Run,
    repository: &Repository,
    text: &str,
) -> Result<(), Trouble> {
    let contexts = texts::contexts(&app.config(), repository);
    let url = app.run_url(run.id.0);
    let statuses = texts::both(&contexts, StatusState::Pending, text, &url);
    let commit = run.new.commit.clone();
    app.db
        .set_statuses(run.new.repository, commit, Some(run.id), statuses)
        .await?;
    Ok(())
}

/// The ref moved on: what is there now is built instead.
async fn out_of_date(
    app: &App,
    run: &Run,
    repository: &Repository,
    git_ref: &str,
    found: &str,
) -> Result<(), Trouble> {
    let why = format!("out of date: {git_ref} is at {} now", texts::short(found));
    if git_ref == run.new.git_ref {
        let newer = NewRun {
            commit: found.to_owned(),
            title: String::new(),
            ..run.new.clone()
        };
        return instead(app, run, repository, newer, &why).await;
    }
    end(app, run, &why).await;
    Ok(())
}

/// Builds something instead of what was told of, unless it is or was, and ends that for this reason.
async fn instead(
    app: &App,
    run: &Run,
    repository: &Repository,
    other: NewRun,
    why: &str,
) -> Result<(), Trouble> {
    let up = TakeUp {
        runs: vec![again(app, repository, other)],
        instead_of: Some((run.id, why.to_owned())),
        ..TakeUp::default()
    };
    app.db.take_up(up).await?;
    app.wake.prepare.notify_one();
    Ok(())
}

/// Ends a run that cannot be, for a reason that lies in the commit.
async fn refuse(app: &App, run: &Run, repository: &Repository, why: &str) -> Result<(), Trouble> {
    finish_failed(app, run, repository, StatusState::Error, "errored", why).await
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
    finish_failed(app, run, repository, StatusState::Failure, "failed", &why).await
}

async fn finish_failed(
    app: &App,
    run: &Run,
    repository: &Repository,
    state: StatusState,
    outcome: &str,
    why: &str,
) -> Result<(), Trouble> {
    let contexts = texts::contexts(&app.config(), repository);
    let statuses = texts::both(&contexts, state, why, &app.run_url(run.id.0));
    let end = RunEnd {
        outcome: outcome.to_owned(),
        error: Some(why.to_owned()),
        ..RunEnd::default()
    };
    app.db.finish_run(run.id, end, statuses).await?;
    Ok(())
}

/// Takes over the result of an earlier run of the same tree.
async fn reuse(app: &App, run: &Run, repository: &Repository, same: &Run) -> Result<(), Trouble> {
    let contexts = texts::contexts(&app.config(), repository);
    let text = format!("passed: the same tree as run {}", same.id.0);
    let url = app.run_url(same.id.0);
    let mut statuses = texts::both(&contexts, StatusState::Success, &text, &url);
    // What earlier runs of this commit said of single checks, merged with another base.
    let (repository, commit) = (run.new.repository, run.new.commit.clone());
    let known = app.db.statuses_of(repository, commit).await?;
    statuses.extend(texts::take_back(&contexts, known, &text, &url));
    let end = RunEnd {
        outcome: "passed".to_owned(),
        error: None,
        counts: same.counts.clone(),
        checks: same.checks,
        reused_from: Some(same.id),
    };
    app.db.finish_run(run.id, end, statuses).await?;
    Ok(())
}
