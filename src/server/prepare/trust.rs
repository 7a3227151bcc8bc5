//! Whose commits are built, and which wait until somebody approves them.

use std::fmt::Write as _;

use super::Trouble;
use crate::{
    config::PullRequests,
    db::server::{Repository, Run, RunKind, Trust},
    forge::{ForgeError, Permission, StatusState, User},
    server::{app::App, intake::end, own_rules, private_inputs, texts},
};

/// How far what a run builds is trusted; `None`: it waits for approval.
pub(super) async fn trust(
    app: &App,
    run: &Run,
    repository: &Repository,
) -> Result<Option<Trust>, Trouble> {
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

pub(super) fn not_answered(what: &str, error: &ForgeError) -> Trouble {
    Trouble {
        why: format!("{what} cannot be asked for: {error}"),
        wait: error.wait().unwrap_or_default(),
        is_here: false,
    }
}

pub(super) async fn wait_for_approval(
    app: &App,
    run: &Run,
    repository: &Repository,
) -> Result<(), Trouble> {
    if own_rules::pull_requests(app, repository) == PullRequests::Trusted {
        end(
            app,
            run,
            "not built: its author may not write to the repository",
        )
        .await;
        return Ok(());
    }
    let approval = texts::approval(&run.new.commit);
    let mut text = format!("waits for approval: {approval}");
    if own_rules::pull_requests(app, repository) == PullRequests::All
        && let Some(why) = why_not_unasked(app, repository)
    {
        let _ = write!(text, " ({why})");
    }
    let statuses = texts::of_run(app, repository, run.id, StatusState::Pending, &text);
    app.db.await_approval(run.id, statuses).await?;
    Ok(())
}
