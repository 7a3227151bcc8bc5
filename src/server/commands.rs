//! What people tell the server from a forge: a comment below a pull request, or a button of a check run.
//!
//! Whether they may is asked from the forge at that moment, of the one who said it.

use tracing::info;

use super::{
    app::App,
    connection::as_forge,
    intake::{again, end, forget_failures},
};
use crate::{
    db::server::{Repository, Run, RunId, RunState, TakeUp},
    forge::{Command, CommitId, Permission, User},
};

/// Carries out a command. Returns what came of it, for the log.
pub(super) async fn carry_out(
    app: &App,
    repository: &Repository,
    command: &Command,
    number: Option<u64>,
    commit: Option<&CommitId>,
    actor: Option<&User>,
) -> Result<String, String> {
    let actor = actor.ok_or("nobody said it")?;
    let permission = app.connections().permission(repository, actor).await;
    let permission =
        permission.map_err(|error| format!("who said it cannot be asked for: {error}"))?;
    let who = actor
        .login
        .as_ref()
        .map_or_else(|| actor.id.to_string(), ToString::to_string);
    if permission < Permission::Write {
        return Err(format!(
            "{who} may not write to {}",
            repository.seen.full_name
        ));
    }
    let run = find(app, repository, number, commit).await?;
    let what = match command {
        Command::ApproveUnnamed => {
            return Err("the commit has to be named: /nixci approve SHA".to_owned());
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
) -> Result<Run, String> {
    let commit = match (commit, number) {
        (Some(commit), _) => commit.clone(),
        (None, Some(number)) => {
            let api = app
                .connections()
                .get(&repository.seen.forge)
                .ok_or("the forge has no interface")?;
            let known = as_forge(&repository.seen).map_err(|error| error.to_string())?;
            let now = api
                .pull_request(&known, number)
                .await
                .map_err(|error| error.to_string())?;
            now.head_commit
        }
        (None, None) => return Err("it is about no commit".to_owned()),
    };
    let run = app
        .db
        .run_of_commit(repository.id, commit.to_string())
        .await;
    run.map_err(|error| error.to_string())?
        .ok_or_else(|| format!("no run of {commit} is known"))
}

/// Approves the very commit that was named: one that was pushed since is another one.
async fn approve(
    app: &App,
    repository: &Repository,
    run: &Run,
    named: &str,
    who: &str,
) -> Result<String, String> {
    if !run.new.commit.starts_with(named) {
        return Err(format!(
            "{named} is not the commit that waits, {}",
            run.new.commit
        ));
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
        .await;
    let runs = runs.map_err(|error| error.to_string())?;
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
