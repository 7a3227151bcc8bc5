//! What may be asked.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{broken, missing};
use crate::{
    db::server::{
        CheckRow, DbError, PostBuildOutcome, PostBuildRow, Repository, Run, RunId, StepRow,
    },
    nix::AttrPath,
    server::{app::App, doctor},
};

/// How many runs a list has if nobody says how many.
const LIST: usize = 20;
/// The most runs of a list.
const LIST_MAX: usize = 1000;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    repository: Option<String>,
    before: Option<i64>,
    limit: Option<usize>,
}

/// The newest runs.
pub(super) async fn runs(State(app): State<App>, Query(query): Query<ListQuery>) -> Response {
    let repository = match &query.repository {
        None => None,
        Some(name) => match find(&app, name).await {
            Ok(repository) => Some(repository.id),
            Err(answer) => return answer,
        },
    };
    let limit = query.limit.unwrap_or(LIST).min(LIST_MAX);
    match app
        .db
        .recent_runs(repository, query.before.map(RunId), limit)
        .await
    {
        Ok(runs) => {
            let runs: Vec<Value> = runs
                .iter()
                .map(|(run, repository)| shown(&app, run, repository))
                .collect();
            Json(json!({ "runs": runs })).into_response()
        }
        Err(error) => broken(&error),
    }
}

/// A run with its checks, and the steps that failed.
pub(super) async fn run(State(app): State<App>, Path(run): Path<i64>) -> Response {
    let (run, repository) = match get(&app, run).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let (checks, steps, statuses, post_builds, compared, warnings) = tokio::join!(
        app.db.checks_of(run.id),
        app.db.steps_of(run.id),
        app.db.statuses_of(repository.id, run.new.commit.clone()),
        app.db.post_builds_of(run.id),
        app.db.compared(&run),
        app.db.warnings_of(run.id)
    );
    let read = || {
        Ok::<_, DbError>((
            checks?,
            steps?,
            statuses?,
            post_builds?,
            compared?,
            warnings?,
        ))
    };
    let (checks, steps, statuses, post_builds, compared, warnings) = match read() {
        Ok(rows) => rows,
        Err(error) => return broken(&error),
    };
    let mut answer = shown(&app, &run, &repository);
    answer["checks"] = checks.iter().map(check).collect();
    answer["steps"] = steps.iter().map(step).collect();
    answer["compared"] = compared.map_or(Value::Null, |compared| {
        json!({ "base_run": compared.base.0, "added": compared.added, "removed": compared.removed })
    });
    answer["warnings"] = warnings
        .kept
        .iter()
        .map(|warning| json!({ "check": warning.path, "message": warning.message }))
        .collect();
    answer["warnings_total"] = warnings.total.into();
    answer["post_builds"] = post_builds.iter().map(post_build).collect();
    answer["statuses"] = statuses
        .iter()
        .map(|(status, error)| {
            json!({ "context": status.context, "state": status.state, "description": status.description, "error": error })
        })
        .collect();
    Json(answer).into_response()
}

/// All repositories.
pub(super) async fn repositories(State(app): State<App>) -> Response {
    match app.db.repositories().await {
        Ok(repositories) => {
            let all: Vec<Value> = repositories
                .iter()
                .map(|repository| {
                    json!({
                        "name": name_of(repository), "default_branch": repository.seen.default_branch,
                        "private": repository.seen.private, "enabled": repository.enabled,
                        "paused": repository.paused, "problem": repository.problem,
                    })
                })
                .collect();
            Json(json!({ "repositories": all })).into_response()
        }
        Err(error) => broken(&error),
    }
}

#[derive(Deserialize)]
pub(super) struct SchedulesQuery {
    repository: Option<String>,
}

/// What is built again and again.
pub(super) async fn schedules(
    State(app): State<App>,
    Query(query): Query<SchedulesQuery>,
) -> Response {
    let repository = match &query.repository {
        None => None,
        Some(name) => match find(&app, name).await {
            Ok(repository) => Some(repository.id),
            Err(answer) => return answer,
        },
    };
    let (rows, repositories) = tokio::join!(app.db.schedules(repository), app.db.repositories());
    let (rows, repositories) = match rows.and_then(|rows| Ok((rows, repositories?))) {
        Ok(read) => read,
        Err(error) => return broken(&error),
    };
    let all = rows.iter().filter_map(|row| {
        let repository = repositories
            .iter()
            .find(|repository| repository.id == row.key.repository)?;
        Some(json!({
            "repository": name_of(repository), "origin": row.key.origin.as_str(), "name": row.key.name,
            "cron": row.cron, "branch": row.branch, "next": time(row.next()),
            "run": row.run.map(|run| run.0), "problem": row.problem,
        }))
    });
    Json(json!({ "schedules": all.collect::<Vec<_>>() })).into_response()
}

/// What is right and wrong with the server.
pub(super) async fn doctor(State(app): State<App>) -> Response {
    let mut findings = doctor::examine(&app.config(), &app.engine.host, &app.connections()).await;
    for found in &mut findings {
        app.redaction.clean(&mut found.text);
    }
    Json(json!({ "findings": findings })).into_response()
}

/// A run and its repository.
pub(super) async fn get(app: &App, run: i64) -> Result<(Run, Repository), Response> {
    let no_run = || missing(&format!("run {run}"));
    let run = app
        .db
        .run(RunId(run))
        .await
        .map_err(|error| broken(&error))?
        .ok_or_else(no_run)?;
    let repository = app
        .db
        .repository(run.new.repository)
        .await
        .map_err(|error| broken(&error))?;
    Ok((run, repository.ok_or_else(no_run)?))
}

/// The repository that is called `FORGE/OWNER/NAME`, or `OWNER/NAME` where that is unique.
pub(super) async fn find(app: &App, name: &str) -> Result<Repository, Response> {
    let repositories = app
        .db
        .repositories()
        .await
        .map_err(|error| broken(&error))?;
    let mut meant = repositories.into_iter().filter(|repository| {
        name.eq_ignore_ascii_case(&name_of(repository))
            || name.eq_ignore_ascii_case(&repository.seen.full_name)
    });
    match (meant.next(), meant.next()) {
        (Some(repository), None) => Ok(repository),
        (Some(_), Some(_)) => Err(super::refuse(
            StatusCode::CONFLICT,
            &format!("several forges have a repository {name}: write FORGE/{name}"),
        )),
        (None, _) => Err(missing(&format!(
            "repository {name}; see `nixci ctl repositories`"
        ))),
    }
}

/// How many checks are named where several are called the same.
const NAMED: usize = 5;

/// The check of a run that is called so: by its attribute path, or the end of it where that is unique.
pub(super) async fn find_check(app: &App, run: RunId, name: &str) -> Result<CheckRow, Response> {
    let mut checks = app
        .db
        .checks_of(run)
        .await
        .map_err(|error| broken(&error))?;
    let end = format!(".{name}");
    // As it is written in the flake, too, where its path has quotes.
    let is_last = |path: &str| {
        let path = AttrPath::parse(path).ok();
        path.is_some_and(|path| path.names().last().is_some_and(|last| last == name))
    };
    checks.retain(|check| {
        let path = &check.path;
        path == name || check.name == name || path.ends_with(&end) || is_last(path)
    });
    if let Some(same) = checks.iter().position(|check| check.path == name) {
        return Ok(checks.swap_remove(same));
    }
    match checks.len() {
        0 => Err(missing(&format!("check {name} in run {}", run.0))),
        1 => Ok(checks.swap_remove(0)),
        count => {
            let mut names: Vec<&str> = checks.iter().map(|check| check.path.as_str()).collect();
            names.truncate(NAMED);
            let more = if count > NAMED { ", …" } else { "" };
            Err(super::refuse(
                StatusCode::CONFLICT,
                &format!(
                    "{count} checks of run {} are called {name}: {}{more}",
                    run.0,
                    names.join(", ")
                ),
            ))
        }
    }
}

#[derive(Deserialize)]
pub(super) struct AuditQuery {
    limit: Option<usize>,
}

/// Who did what, the newest first.
pub(super) async fn audit(State(app): State<App>, Query(query): Query<AuditQuery>) -> Response {
    let limit = query.limit.unwrap_or(LIST).min(LIST_MAX);
    match app.db.audited(limit).await {
        Ok(deeds) => {
            let deeds: Vec<Value> = deeds
                .into_iter()
                .map(|deed| {
                    json!({ "at": time(Some(deed.at)), "who": deed.who, "what": deed.what, "detail": deed.detail })
                })
                .collect();
            Json(json!({ "audit": deeds })).into_response()
        }
        Err(error) => broken(&error),
    }
}

fn name_of(repository: &Repository) -> String {
    format!("{}/{}", repository.seen.forge, repository.seen.full_name)
}

fn time(ms: Option<i64>) -> Option<String> {
    Some(Timestamp::from_millisecond(ms?).ok()?.to_string())
}

/// A run as JSON.
pub(super) fn shown(app: &App, run: &Run, repository: &Repository) -> Value {
    let seen = &repository.seen;
    // What anybody who may read the repository can evaluate.
    let flake = app
        .config()
        .clone_url(&seen.forge, &seen.full_name)
        .map(|url| format!("git+{url}?rev={}", run.new.commit));
    let counts: Option<Value> = run
        .counts
        .as_deref()
        .and_then(|counts| serde_json::from_str(counts).ok());
    json!({
        "run": run.id.0, "repository": name_of(repository), "kind": run.new.kind.as_str(), "ref": run.new.git_ref,
        "commit": run.new.commit, "tested_commit": run.tested_commit, "pull_request": run.new.pull_request,
        "title": run.new.title, "actor": run.new.actor, "reason": run.new.reason, "state": run.state.as_str(),
        "trust": run.trust.map(crate::db::server::Trust::as_str), "outcome": run.outcome, "error": run.error,
        "counts": counts, "reused_from": run.reused_from.map(|run| run.0), "attempt": run.attempt,
        "created_at": time(Some(run.created_at)), "started_at": time(run.started_at),
        "evaluated_at": time(run.evaluated_at), "finished_at": time(run.finished_at), "url": app.run_url(run.id.0),
        "flake": flake,
    })
}

fn check(check: &CheckRow) -> Value {
    let outputs: Option<Value> = check
        .outputs
        .as_deref()
        .and_then(|outputs| serde_json::from_str(outputs).ok());
    json!({
        "check": check.path, "name": check.name, "system": check.system, "drv_path": check.drv_path,
        "outputs": outputs, "outcome": check.outcome, "duration_ms": check.duration, "cause": check.cause,
        "reason": check.reason, "allowed": check.allowed,
    })
}

fn step(step: &StepRow) -> Value {
    json!({
        "step": step.id, "drv_path": step.drv_path, "name": step.name, "system": step.system,
        "machine": step.machine, "phase": step.phase, "outcome": step.outcome, "started_at": time(step.started_at),
        "duration_ms": step.duration, "error": step.error, "log_tail": step.log_tail,
    })
}

fn post_build(row: &PostBuildRow) -> Value {
    json!({
        "check": row.new.path, "name": row.new.name, "outcome": row.outcome.map(PostBuildOutcome::as_str),
        "reason": row.reason, "warn_only": row.new.warn_only, "done_in": row.done_in.map(|run| run.0),
        "started_at": time(Some(row.started_at)), "duration_ms": row.duration,
    })
}
