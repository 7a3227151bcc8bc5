//! What people tell the server from a forge: a comment below a pull request, or a button of a check run.
//!
//! Whether they may is asked from the forge at that moment, of the one who said it.

use std::time::Duration;

use tracing::{info, warn};

use super::{
    app::App,
    asked::again,
    connection::as_forge,
    intake::{end, forget_failures},
    texts,
};
use crate::{
    db::server::{DbError, Repository, Run, RunId, RunState, TakeUp},
    forge::{About, CheckName, Command, CommitId, ForgeError, Permission, User},
};

/// How often a command is tried while the forge or the database is in trouble: for about an hour.
const ATTEMPTS_MAX: u32 = 12;
/// How long to wait before the second attempt; twice as long after each more.
const BACK_OFF: Duration = Duration::from_secs(1);

/// How long to wait for a comment that was told of and is not there.
const UNTIL_READ: Duration = Duration::from_secs(5);

/// What somebody asked for.
pub(super) struct Order {
    pub(super) command: Command,
    pub(super) about: About,
    pub(super) actor: Option<User>,
}

/// Why nothing came of a command, or of anything else that the forge has to be asked about.
pub(super) enum Unheard {
    /// It may be carried out later.
    Later(String, Option<Duration>),
    Never(String),
}

impl From<String> for Unheard {
    fn from(why: String) -> Self {
        Self::Never(why)
    }
}

impl From<&str> for Unheard {
    fn from(why: &str) -> Self {
        Self::Never(why.to_owned())
    }
}

impl From<DbError> for Unheard {
    fn from(error: DbError) -> Self {
        Self::Later(error.to_string(), None)
    }
}

impl From<ForgeError> for Unheard {
    fn from(error: ForgeError) -> Self {
        let why = format!("the forge cannot be asked: {error}");
        match error {
            ForgeError::Later { wait, .. } => Self::Later(why, wait),
            ForgeError::Refused(_)
            | ForgeError::Unauthorized(_)
            | ForgeError::Forbidden(_)
            | ForgeError::Missing(_) => Self::Never(why),
        }
    }
}

/// Carries out a command, if need be when the forge is there again. Returns what came of it, or why nothing did.
pub(super) async fn carry_out(
    app: &App,
    repository: &Repository,
    order: &Order,
) -> Result<String, String> {
    let name = &repository.seen.full_name;
    persist(name, || try_carry_out(app, repository, order)).await
}

/// Tries something until it is done or never will be, for about an hour.
pub(super) async fn persist<T, F>(repository: &str, what: impl Fn() -> F) -> Result<T, String>
where
    F: Future<Output = Result<T, Unheard>>,
{
    let mut attempt = 0;
    loop {
        match what().await {
            Ok(done) => return Ok(done),
            Err(Unheard::Later(why, wait)) if attempt < ATTEMPTS_MAX => {
                warn!(repository, why, "what a webhook asks for waits");
                let wait = wait.unwrap_or_default().max(BACK_OFF * 2_u32.pow(attempt));
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
            Err(Unheard::Later(why, _) | Unheard::Never(why)) => return Err(why),
        }
    }
}

async fn try_carry_out(
    app: &App,
    repository: &Repository,
    order: &Order,
) -> Result<String, Unheard> {
    let actor = order.actor.as_ref().ok_or("nobody said it")?;
    if let About::PullRequest { number, comment } = order.about {
        is_said(app, repository, order, number, comment).await?;
    }
    let permission = app.connections().permission(repository, actor).await?;
    let who = actor
        .login
        .as_ref()
        .map_or_else(|| actor.id.to_string(), ToString::to_string);
    if permission < Permission::Write {
        return Err(Unheard::Never(format!(
            "{who} may not write to {}",
            repository.seen.full_name
        )));
    }
    let run = find(app, repository, &order.about).await?;
    let what = match &order.command {
        Command::ApproveUnnamed => {
            return Err(format!(
                "the commit has to be named by all of its digits: {}",
                texts::approval(&run.new.commit)
            )
            .into());
        }
        Command::Approve { commit } => approve(app, repository, &run, commit, &who).await?,
        Command::Rebuild => {
            let check = match &order.about {
                About::CheckRun { check, .. } => path_of(app, repository, check),
                About::PullRequest { .. } => None,
            };
            rebuild(app, repository, &run, check).await?;
            "rebuilt".to_owned()
        }
        Command::Cancel if run.state == RunState::Finished => {
            return Err(format!("run {} is over already", run.id.0).into());
        }
        Command::Cancel => {
            end(app, &run, &format!("cancelled by {who}")).await;
            "cancelled".to_owned()
        }
    };
    let detail = format!("{} run {}", repository.seen.full_name, run.id.0);
    let _ = app
        .db
        .audit(
            format!("{}:{who}", repository.seen.forge),
            what.clone(),
            detail,
        )
        .await;
    Ok(format!("{what} by {who}"))
}

/// Makes sure that a comment stands there as it was told: whoever knows the secret of the webhooks, which a forge shows to who
/// administers any of its repositories, can tell of anything in anybody's name.
async fn is_said(
    app: &App,
    repository: &Repository,
    order: &Order,
    number: u64,
    comment: u64,
) -> Result<(), Unheard> {
    let api = app
        .connections()
        .get(&repository.seen.forge)
        .ok_or("the forge has no API")?;
    let known = as_forge(&repository.seen).map_err(|error| error.to_string())?;
    let now = match api.comment(&known, number, comment).await {
        // It may be told before it can be read.
        Err(ForgeError::Missing(_)) => {
            tokio::time::sleep(UNTIL_READ).await;
            api.comment(&known, number, comment).await?
        }
        now => now?,
    };
    let author = now.author.map(|author| author.id);
    if now.pull_request != number
        || author != order.actor.as_ref().map(|actor| actor.id)
        || Command::of_comment(&now.body).as_ref() != Some(&order.command)
    {
        return Err(format!("comment {comment} is another at the forge than was told").into());
    }
    Ok(())
}

/// The run that is meant: of a pull request the newest at its head, of a check run the one that it shows.
async fn find(app: &App, repository: &Repository, about: &About) -> Result<Run, Unheard> {
    let (run, of) = match about {
        About::PullRequest { number, .. } => {
            let api = app
                .connections()
                .get(&repository.seen.forge)
                .ok_or("the forge has no API")?;
            let known = as_forge(&repository.seen).map_err(|error| error.to_string())?;
            let head = api.pull_request(&known, *number).await?.head_commit;
            let of_pull_request = i64::try_from(*number).map_err(|error| error.to_string())?;
            // A branch and other pull requests may be at the same commit.
            let run = app
                .db
                .run_of_pull_request(repository.id, of_pull_request, head.to_string());
            (run.await?, format!("pull request {number} at {head}"))
        }
        About::CheckRun { commit, check } => {
            let commit = commit.to_string();
            let run = run_of_check(app, repository, &commit, Some(check)).await?;
            (run, commit)
        }
    };
    Ok(run.ok_or_else(|| format!("no run of {of} is known"))?)
}

/// The run that a check run of a commit shows; the newest of the commit where it names none, or there is no check run.
pub(super) async fn run_of_check(
    app: &App,
    repository: &Repository,
    commit: &str,
    check: Option<&CheckName>,
) -> Result<Option<Run>, DbError> {
    let named = check.and_then(|check| check.external_id.parse().ok());
    if let Some(id) = named
        && let Some(run) = app.db.run(RunId(id)).await?
        && run.new.repository == repository.id
        && run.new.commit == commit
    {
        return Ok(Some(run));
    }
    let newest = app.db.run_of_commit(repository.id, commit.to_owned());
    newest.await
}

/// The attribute path of the check that a check run is about, if it is about one alone.
pub(super) fn path_of(app: &App, repository: &Repository, check: &CheckName) -> Option<String> {
    let contexts = texts::contexts(&app.config(), repository);
    let path = check.name.strip_prefix(&contexts.check_prefix)?;
    Some(path.to_owned())
}

/// Approves the very commit that was named: one that was pushed since is another one.
async fn approve(
    app: &App,
    repository: &Repository,
    run: &Run,
    named: &CommitId,
    who: &str,
) -> Result<String, Unheard> {
    if run.new.commit != named.as_str() {
        return Err(Unheard::Never(format!(
            "{named} is not the commit that waits, {}",
            run.new.commit
        )));
    }
    let number = run.new.pull_request.ok_or("it is no pull request")?;
    let runs = app
        .db
        .approve(
            repository.id,
            number,
            run.new.commit.clone(),
            who.to_owned(),
        )
        .await?;
    info!(
        repository = repository.seen.full_name,
        number,
        runs = %texts::numbers(&runs),
        who,
        "approved"
    );
    app.wake.prepare.notify_one();
    Ok("approved".to_owned())
}

/// Builds a commit once more, what failed in it included, or only what one check failed by. Returns the new run.
pub(super) async fn rebuild(
    app: &App,
    repository: &Repository,
    run: &Run,
    check: Option<String>,
) -> Result<Option<RunId>, String> {
    if run.state != RunState::Finished {
        return Err("it is not over yet".to_owned());
    }
    forget_failures(app, run, check).await;
    let up = TakeUp {
        runs: vec![again(app, repository, run.new.clone())],
        anew: true,
        ..TakeUp::default()
    };
    let taken = app.take_up(up).await;
    let taken = taken.map_err(|error| error.to_string())?;
    Ok(taken.first().copied())
}
