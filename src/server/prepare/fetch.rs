//! Gets what a run builds: where the forge has it now, and its objects.

use tracing::{info, warn};

use super::{Trouble, refuse, trust::not_answered};
use crate::{
    db::server::{NewRun, OUT_OF_DATE, Repository, Run, RunKind, TakeUp},
    forge::{ForgeError, GitRef, QueueTarget},
    git::{CommitId, FetchLimits, Mirror, MirrorError, Wanted},
    server::{
        app::App,
        asked::again,
        intake::end,
        pull_request::{self, Now},
        source, texts,
    },
};

/// Fetches what a run builds, and what that goes into. `None`: the run is over, since it is not to be had.
pub(super) async fn fetch(
    app: &App,
    run: &Run,
    repository: &Repository,
    attempt: u32,
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
    let mut wanted = vec![if is_for_a_ref(run) {
        Wanted::RefAt(run.new.git_ref.clone(), asked_for)
    } else {
        Wanted::Commit(asked_for)
    }];
    wanted.extend(run.new.base_ref.clone().map(Wanted::Ref));
    let limits = FetchLimits::default();
    let fetched = mirror
        .fetch(&app.engine.http, &remote, &wanted, &limits)
        .await;
    let commits = match fetched {
        Ok(commits) => commits,
        Err(error @ (MirrorError::Moved { .. } | MirrorError::Missing { .. }))
            if is_asked_for(run) =>
        {
            // Nothing is superseded or left behind by it, and nothing is run after it.
            app.db.build_for_itself(run.id).await?;
            app.wake.prepare.notify_one();
            info!(run = run.id.0, %error, "its ref moved on: the commit is built for itself");
            return Ok(None);
        }
        // A forge may tell of something before it shows it.
        Err(error @ (MirrorError::Moved { .. } | MirrorError::Missing { .. })) if attempt == 0 => {
            return Err(error.into());
        }
        Err(MirrorError::Moved { found, name, .. }) => {
            out_of_date(app, run, repository, &name, &found.to_string()).await?;
            return Ok(None);
        }
        Err(MirrorError::Missing { .. }) if !is_for_a_ref(run) => {
            let commit = texts::short(&run.new.commit);
            return refused(&format!("the repository has no commit {commit}")).await;
        }
        Err(error @ MirrorError::Missing { .. }) => {
            let base = run.new.base_ref.as_deref();
            let is_base =
                matches!(&error, MirrorError::Missing { what, .. } if Some(&**what) == base);
            // Where it goes may be gone for good, while the forge shows it as open.
            let prefix = if is_base { "not built:" } else { OUT_OF_DATE };
            end(app, run, &format!("{prefix} {error}")).await;
            return Ok(None);
        }
        Err(error) if may_pass(&error) => return Err(error.into()),
        Err(error) => return refused(&error.to_string()).await,
    };
    Ok(Some((mirror, commits)))
}

/// The newest commit of the branch that a merge queue's candidate is for. `None`: it is no candidate, or it is not known
/// for what, or that is not to be had.
pub(super) async fn queue_target(
    app: &App,
    run: &Run,
    repository: &Repository,
    mirror: &Mirror,
) -> Result<Option<CommitId>, Trouble> {
    let target = GitRef::try_from(run.new.git_ref.clone())
        .ok()
        .filter(|_| run.new.kind == RunKind::MergeQueue)
        .and_then(|candidate| QueueTarget::of(&candidate));
    let branch = match target {
        None => None,
        Some(QueueTarget::Branch(branch)) => Some(branch),
        Some(QueueTarget::PullRequest(number)) => pull_request::goes_to(app, repository, number)
            .await
            .map_err(|error| not_answered("the pull request", &error))?,
    };
    let Some(branch) = branch else {
        return Ok(None);
    };
    let remote = source::remote(app, repository).await?;
    let wanted = [Wanted::Ref(branch.to_string())];
    let limits = FetchLimits::default();
    let fetched = mirror
        .fetch(&app.engine.http, &remote, &wanted, &limits)
        .await;
    match fetched {
        Ok(commits) => Ok(commits.first().copied()),
        Err(error) if may_pass(&error) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

/// Whether what cannot be fetched now may be later, with nobody pushing anything: a token may be wrong for a while.
fn may_pass(error: &MirrorError) -> bool {
    error.is_transient() || matches!(error, MirrorError::Refused(_))
}

/// A run as the forge has its pull request now; `None`: it is over, since that is elsewhere or gone.
pub(super) async fn as_it_is_now(
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

/// Whether a run is of what a ref is at, and not of a commit wherever that is. What is by hand is of a branch or a tag, too,
/// where it names one: what is run after its builds is as good as a push's.
fn is_for_a_ref(run: &Run) -> bool {
    let git_ref = &run.new.git_ref;
    let is_branch_or_tag = git_ref.starts_with("refs/heads/") || git_ref.starts_with("refs/tags/");
    run.new.kind != RunKind::Manual || (is_branch_or_tag && !run.for_itself)
}

/// Whether somebody wants to have a commit built once more, wherever its ref is by now. Of a pull request that cannot be:
/// it is built as it would be merged.
fn is_asked_for(run: &Run) -> bool {
    let may_be_elsewhere = match run.new.kind {
        RunKind::Push | RunKind::Tag | RunKind::MergeQueue => true,
        RunKind::Manual => is_for_a_ref(run),
        RunKind::PullRequest | RunKind::Schedule => false,
    };
    run.new.reason.is_some() && may_be_elsewhere
}

/// The ref moved on: what is there now is built instead.
async fn out_of_date(
    app: &App,
    run: &Run,
    repository: &Repository,
    git_ref: &str,
    found: &str,
) -> Result<(), Trouble> {
    let why = format!("{OUT_OF_DATE} {git_ref} is at {} now", texts::short(found));
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
    app.take_up(up).await?;
    // It was told of what is built instead.
    app.wake.publish.notify_one();
    Ok(())
}
