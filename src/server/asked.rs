//! Runs as they are asked for, with what the forge is told at once.

use super::{app::App, texts};
use crate::{
    db::server::{NewRun, NewStatus, Repository, RunKind},
    forge::{self, Build, BuildKind, HookEvent, StatusState},
};

/// How long a title may be, in characters.
const TITLE_CHARS: usize = 200;
/// What stands for the number of a run that has none yet.
const RUN: &str = "RUN";

pub(super) type AskedRun = (NewRun, Vec<NewStatus>);

/// A run for an event, with what is told at once.
pub(super) fn asked(
    app: &App,
    repository: &Repository,
    event: &HookEvent,
    build: &Build,
) -> AskedRun {
    let (kind, base_ref, pull_request, author) = match &build.kind {
        BuildKind::Push { .. } => (RunKind::Push, None, None, None),
        BuildKind::Tag => (RunKind::Tag, None, None, None),
        BuildKind::MergeQueue => (RunKind::MergeQueue, None, None, None),
        BuildKind::PullRequest {
            number,
            base_ref,
            author,
            ..
        } => (
            RunKind::PullRequest,
            Some(base_ref.to_string()),
            i64::try_from(*number).ok(),
            author.as_ref(),
        ),
    };
    let (title, actor) = match event {
        HookEvent::Push(push) => (push.message.as_str(), push.actor.as_ref()),
        HookEvent::PullRequest(pull) => (pull.title.as_str(), pull.actor.as_ref()),
        HookEvent::Asked(_)
        | HookEvent::RefDeleted { .. }
        | HookEvent::MergeGroup(_)
        | HookEvent::Rerun(_)
        | HookEvent::CheckAction(_)
        | HookEvent::Comment(_)
        | HookEvent::RepositoryChanged { .. }
        | HookEvent::InstallationChanged { .. }
        | HookEvent::Ping
        | HookEvent::Ignored { .. } => ("", None),
    };
    let new = NewRun {
        base_ref,
        pull_request,
        title: title_of(title),
        actor: actor.map(login_of).unwrap_or_default(),
        author: author.map(id_and_login),
        ..NewRun::of_ref(
            repository.id,
            kind,
            build.git_ref.to_string(),
            build.commit.to_string(),
        )
    };
    again(app, repository, new)
}

/// The first line of a title, bounded.
pub(super) fn title_of(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(TITLE_CHARS).collect()
}

fn login_of(user: &forge::User) -> String {
    let login = user.login.as_ref();
    login.map(ToString::to_string).unwrap_or_default()
}

/// Who wrote what is built, as it is kept.
pub(super) fn id_and_login(user: &forge::User) -> (String, String) {
    (user.id.to_string(), login_of(user))
}

/// A run with what is told at once.
pub(super) fn again(app: &App, repository: &Repository, new: NewRun) -> AskedRun {
    let contexts = texts::contexts(&app.config(), repository);
    let url = app.run_url(RUN);
    let statuses = texts::both(&contexts, StatusState::Pending, texts::WAITING, &url);
    (new, statuses)
}
