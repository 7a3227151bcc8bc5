//! A pull request as its forge has it now.
//!
//! Whoever has the secret of a webhook can sign any name, and a delivery can come again years later. So who opened a pull
//! request, where it is and where it goes is asked when it is to be built; the webhook was only the reason to ask.

use super::{
    app::App,
    asked::{id_and_login, title_of},
    connection::as_forge,
    texts,
};
use crate::{
    db::server::{NewRun, OUT_OF_DATE, Repository, Run, RunKind},
    forge::{ForgeError, GitRef, PullRequestNow},
};

/// What the forge says of the pull request of a run.
pub(super) enum Now {
    /// It is at the run's commit, and goes where the run has it: the run, with who opened it.
    Same(Box<Run>),
    /// It is at another commit, or goes elsewhere: what is to be built instead, and why.
    Other(Box<NewRun>, String),
    /// Nothing of it is to be built, for this reason.
    Over(String),
}

/// Asks the forge for the pull request of a run. What is none, and what has no interface to ask, is as it was said.
pub(super) async fn now(app: &App, run: Run, repository: &Repository) -> Result<Now, ForgeError> {
    let number = run
        .new
        .pull_request
        .and_then(|number| number.try_into().ok());
    let (Some(number), Some(api), RunKind::PullRequest) = (
        number,
        app.connections().get(&repository.seen.forge),
        run.new.kind,
    ) else {
        return Ok(Now::Same(Box::new(run)));
    };
    let known = as_forge(&repository.seen)?;
    match api.pull_request(&known, number).await {
        Ok(pull) => Ok(compare(run, &repository.seen.forge_id, &pull)),
        Err(ForgeError::Missing(why)) => {
            let why = format!("{OUT_OF_DATE} the forge shows no such pull request: {why}");
            Ok(Now::Over(why))
        }
        Err(error) => Err(error),
    }
}

/// The branch that a pull request goes to. `None`: there is no interface to ask, or no such pull request.
pub(super) async fn goes_to(
    app: &App,
    repository: &Repository,
    number: u64,
) -> Result<Option<GitRef>, ForgeError> {
    let Some(api) = app.connections().get(&repository.seen.forge) else {
        return Ok(None);
    };
    let known = as_forge(&repository.seen)?;
    match api.pull_request(&known, number).await {
        Ok(pull) => Ok(Some(pull.base_ref)),
        Err(ForgeError::Missing(_) | ForgeError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn compare(mut run: Run, repository: &str, pull: &PullRequestNow) -> Now {
    if !pull.is_open {
        return Now::Over(format!("{OUT_OF_DATE} the pull request is closed"));
    }
    // Whoever opens a pull request of somebody else's fork does not say what is pushed there.
    let is_pushed_here = pull.head_repository.as_deref() == Some(repository);
    let author = pull
        .author
        .as_ref()
        .filter(|author| is_pushed_here || pull.head_owner == Some(author.id));
    run.new.author = author.map(id_and_login);
    let (head, base) = (pull.head_commit.to_string(), pull.base_ref.to_string());
    let why = if head != run.new.commit {
        format!(
            "{OUT_OF_DATE} {} is at {} now",
            run.new.git_ref,
            texts::short(&head)
        )
    } else if run.new.base_ref.as_deref() != Some(&base) {
        format!("{OUT_OF_DATE} the pull request goes to {base} now")
    } else {
        return Now::Same(Box::new(run));
    };
    let other = NewRun {
        commit: head,
        base_ref: Some(base),
        title: title_of(&pull.title),
        ..run.new
    };
    Now::Other(Box::new(other), why)
}
