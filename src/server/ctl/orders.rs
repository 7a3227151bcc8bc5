//! What may be ordered.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use tracing::info;

use super::{
    Operator, broken, missing,
    questions::{find, find_check, get},
    refuse,
};
use crate::{
    db::server::{NewRun, Repository, RunKind, RunState, TakeUp},
    server::{app::App, asked::again, commands, intake::end, reload, source},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunOrder {
    repository: String,
    /// A branch, a tag, a full ref or a commit; absent: the default branch.
    #[serde(rename = "ref")]
    git_ref: Option<String>,
    reason: Option<String>,
}

/// Begins a run by hand.
pub(super) async fn run(
    State(app): State<App>,
    Extension(operator): Extension<Operator>,
    Json(order): Json<RunOrder>,
) -> Response {
    let repository = match find(&app, &order.repository).await {
        Ok(repository) => repository,
        Err(answer) => return answer,
    };
    let (git_ref, commit) = match resolve(&app, &repository, order.git_ref.as_deref()).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let new = NewRun {
        actor: operator.0.clone(),
        reason: Some(order.reason.unwrap_or_default()),
        ..NewRun::of_ref(repository.id, RunKind::Manual, git_ref, commit)
    };
    note(
        &app,
        &operator,
        "run",
        &format!("{} {}", order.repository, new.commit),
    )
    .await;
    let up = TakeUp {
        runs: vec![again(&app, &repository, new)],
        anew: true,
        ..TakeUp::default()
    };
    match app.take_up(up).await {
        Ok(runs) => match runs.first() {
            Some(run) => Json(json!({ "run": run.0, "url": app.run_url(run.0) })).into_response(),
            None => refuse(
                StatusCode::CONFLICT,
                "a run of this commit is queued already",
            ),
        },
        Err(error) => broken(&error),
    }
}

/// The full ref and the commit that a text means, as the forge has it now.
async fn resolve(
    app: &App,
    repository: &Repository,
    text: Option<&str>,
) -> Result<(String, String), Response> {
    let text = text.unwrap_or(&repository.seen.default_branch);
    let advertisement = source::refs(app, repository)
        .await
        .map_err(|error| refuse(StatusCode::BAD_GATEWAY, &error.to_string()))?;
    let candidates = [
        text.to_owned(),
        format!("refs/heads/{text}"),
        format!("refs/tags/{text}"),
    ];
    let found = candidates.iter().find_map(|name| advertisement.find(name));
    if let Some(found) = found {
        return Ok((found.name.clone(), found.commit().to_string()));
    }
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let commit = text.to_ascii_lowercase();
        let of_ref = advertisement
            .refs
            .iter()
            .find(|known| known.commit().to_string() == commit);
        let name = of_ref.map_or_else(|| commit.clone(), |known| known.name.clone());
        return Ok((name, commit));
    }
    Err(missing(&format!(
        "branch, tag or commit `{text}` in {}",
        repository.seen.full_name
    )))
}

/// Ends a run.
pub(super) async fn cancel(
    State(app): State<App>,
    Extension(operator): Extension<Operator>,
    Path(run): Path<i64>,
) -> Response {
    let (run, _) = match get(&app, run).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    if run.state == RunState::Finished {
        return refuse(StatusCode::CONFLICT, "the run is over");
    }
    note(&app, &operator, "cancel", &format!("run {}", run.id.0)).await;
    end(&app, &run, "cancelled by hand").await;
    Json(json!({ "run": run.id.0 })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RebuildOrder {
    /// Only this check, by its attribute path or the end of it.
    check: Option<String>,
}

/// Builds the commit of a run once more, what failed in it included, or only what one check failed by.
pub(super) async fn rebuild(
    State(app): State<App>,
    Extension(operator): Extension<Operator>,
    Path(run): Path<i64>,
    Json(order): Json<RebuildOrder>,
) -> Response {
    let (run, repository) = match get(&app, run).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let check = match order.check {
        None => None,
        Some(name) => match find_check(&app, run.id, &name).await {
            Ok(check) => Some(check.path),
            Err(answer) => return answer,
        },
    };
    let mut detail = format!("run {}", run.id.0);
    if let Some(check) = &check {
        detail = format!("{detail} check {check}");
    }
    note(&app, &operator, "rebuild", &detail).await;
    match commands::rebuild(&app, &repository, &run, check).await {
        Ok(Some(anew)) => {
            Json(json!({ "run": anew.0, "url": app.run_url(anew.0) })).into_response()
        }
        Ok(None) => refuse(StatusCode::CONFLICT, "the commit is queued already"),
        Err(why) => refuse(StatusCode::CONFLICT, &why),
    }
}

/// Approves the commit of a run that waits for that.
pub(super) async fn approve(
    State(app): State<App>,
    Extension(operator): Extension<Operator>,
    Path(run): Path<i64>,
) -> Response {
    let (run, repository) = match get(&app, run).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let Some(number) = run.new.pull_request else {
        return refuse(StatusCode::CONFLICT, "it is no pull request");
    };
    if run.state != RunState::Approval {
        return refuse(StatusCode::CONFLICT, "it does not wait for approval");
    }
    note(
        &app,
        &operator,
        "approve",
        &format!("run {} commit {}", run.id.0, run.new.commit),
    )
    .await;
    let commit = run.new.commit.clone();
    match app
        .db
        .approve(repository.id, number, commit, operator.0)
        .await
    {
        Ok(_) => {
            app.wake.prepare.notify_one();
            Json(json!({ "run": run.id.0 })).into_response()
        }
        Err(error) => broken(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseOrder {
    repository: String,
    paused: bool,
}

/// Lets the runs of a repository wait, or go on.
pub(super) async fn pause(
    State(app): State<App>,
    Extension(operator): Extension<Operator>,
    Json(order): Json<PauseOrder>,
) -> Response {
    let repository = match find(&app, &order.repository).await {
        Ok(repository) => repository,
        Err(answer) => return answer,
    };
    let what = if order.paused { "pause" } else { "resume" };
    note(&app, &operator, what, &order.repository).await;
    match app.db.pause_repository(repository.id, order.paused).await {
        Ok(()) => {
            app.wake.runner.notify_one();
            Json(json!({ "repository": order.repository, "paused": order.paused })).into_response()
        }
        Err(error) => broken(&error),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForgetOrder {
    /// Empty: all of them.
    drv_paths: Vec<String>,
}

/// Forgets that derivations failed.
pub(super) async fn forget(
    State(app): State<App>,
    Extension(operator): Extension<Operator>,
    Json(order): Json<ForgetOrder>,
) -> Response {
    note(&app, &operator, "forget", &order.drv_paths.join(" ")).await;
    match app.engine.failures.forget(order.drv_paths).await {
        Ok(count) => Json(json!({ "forgotten": count })).into_response(),
        Err(error) => broken(&error),
    }
}

/// Looks for repositories and commits that no webhook told of.
pub(super) async fn sweep(
    State(app): State<App>,
    Extension(operator): Extension<Operator>,
) -> Response {
    note(&app, &operator, "sweep", "").await;
    app.wake.sweep.notify_one();
    (StatusCode::ACCEPTED, Json(json!({}))).into_response()
}

/// Reads the settings anew.
pub(super) async fn reload(
    State(app): State<App>,
    Extension(operator): Extension<Operator>,
) -> Response {
    note(&app, &operator, "reload", "").await;
    match reload::reload(&app).await {
        Ok(kept) => Json(json!({ "kept": kept })).into_response(),
        Err(why) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &why),
    }
}

async fn note(app: &App, operator: &Operator, what: &str, detail: &str) {
    info!(who = operator.0, what, detail, "an order");
    let _ = app
        .db
        .audit(operator.0.clone(), what.to_owned(), detail.to_owned())
        .await;
}
