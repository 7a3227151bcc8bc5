//! What people tell the server from a forge: a comment below a pull request, or a button of a check run.
//!
//! Whether they may is asked from the forge at that moment, of the one who said it.

use std::time::Duration;

use tracing::{info, warn};

use super::{
    app::App,
    connection::as_forge,
    intake::{again, end, forget_failures},
};
use crate::{
    db::server::{DbError, Repository, Run, RunId, RunState, TakeUp},
    forge::{Command, CommitId, ForgeError, Permission, User},
};

/// How often a command is tried while the forge or the database is in trouble: for about an hour.
const ATTEMPTS_MAX: u32 = 12;
/// How long to wait before the second attempt; twice as long after each more.
const BACK_OFF: Duration = Duration::from_secs(1);

/// What somebody asked for.
pub(super) struct Asked {
    pub(super) command: Command,
    /// The pull request it was said at.
    pub(super) number: Option<u64>,
    /// The commit it is about; none: the head of the pull request.
    pub(super) commit: Option<CommitId>,
    pub(super) actor: Option<User>,
}

/// Why nothing came of a command.
enum Unheard {
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

/// Carries out a command, if need be when the forge is there again. Returns what came of it, for the log.
pub(super) async fn carry_out(app: &App, repository: &Repository, asked: &Asked) -> String {
    let mut attempt = 0;
    loop {
        match try_carry_out(app, repository, asked).await {
            Ok(done) => return done,
            Err(Unheard::Later(why, wait)) if attempt < ATTEMPTS_MAX => {
                warn!(
                    repository = repository.seen.full_name,
                    why, "a command waits"
                );
                let wait = wait.unwrap_or_default().max(BACK_OFF * 2_u32.pow(attempt));
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
            Err(Unheard::Later(why, _) | Unheard::Never(why)) => return why,
        }
    }
}

async fn try_carry_out(
    app: &App,
    repository: &Repository,
    asked: &Asked,
) -> Result<String, Unheard> {
    let actor = asked.actor.as_ref().ok_or("nobody said it")?;
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
    let run = find(app, repository, asked.number, asked.commit.as_ref()).await?;
    let what = match &asked.command {
        Command::ApproveUnnamed => {
            return Err("the commit has to be named: /nixci approve SHA".into());
        }
        Command::Approve { commit } => approve(app, repository, &run, commit, &who).await?,
        Command::Rebuild => {
            rebuild(app, repository, &run, None).await?;
            "rebuilt".to_owned()
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

/// The run that is meant: the newest of the commit, or of the head of the pull request.
async fn find(
    app: &App,
    repository: &Repository,
    number: Option<u64>,
    commit: Option<&CommitId>,
) -> Result<Run, Unheard> {
    let commit = match (commit, number) {
        (Some(commit), _) => commit.clone(),
        (None, Some(number)) => {
            let api = app
                .connections()
                .get(&repository.seen.forge)
                .ok_or("the forge has no interface")?;
            let known = as_forge(&repository.seen).map_err(|error| error.to_string())?;
            api.pull_request(&known, number).await?.head_commit
        }
        (None, None) => return Err("it is about no commit".into()),
    };
    let run = app
        .db
        .run_of_commit(repository.id, commit.to_string())
        .await?;
    Ok(run.ok_or_else(|| format!("no run of {commit} is known"))?)
}

/// Approves the very commit that was named: one that was pushed since is another one.
async fn approve(
    app: &App,
    repository: &Repository,
    run: &Run,
    named: &str,
    who: &str,
) -> Result<String, Unheard> {
    if !run.new.commit.starts_with(named) {
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
        ?runs,
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
    let taken = app.db.take_up(up).await;
    let taken = taken.map_err(|error| error.to_string())?;
    app.wake.publish.notify_one();
    app.wake.prepare.notify_one();
    Ok(taken.first().copied())
}
