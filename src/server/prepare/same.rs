//! Takes over the result of an earlier run of the same tree.

use std::fmt::Write as _;

use super::Trouble;
use crate::{
    db::server::{Repository, Run, RunEnd, RunKind, Tested, Trust},
    forge::StatusState,
    server::{app::App, keep, post_build, private_inputs, texts},
};

/// The earlier run whose result stands for that of a run, if there is one.
pub(super) async fn same_as(
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
pub(super) fn settings_key(
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

/// Takes over the result of an earlier run of the same tree.
pub(super) async fn reuse(
    app: &App,
    run: &Run,
    repository: &Repository,
    same: &Run,
) -> Result<(), Trouble> {
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
