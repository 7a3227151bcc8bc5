//! Builds branches because it is time, whether anything changed or not.
//!
//! What is due follows from rows alone: the transaction that takes up a run also says that its schedule is dealt with. What
//! became due while the server was down is therefore built once when it is back, however often it was due.

mod plan;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use tracing::{info, warn};

use self::plan::{Plan, plan, wanted};
use super::{app::App, asked::again, source, texts};
use crate::db::server::{
    DbError, NewRun, Repository, RepositoryId, RunKind, ScheduleKey, ScheduleRow, TakeUp,
};

/// How often to look at the clock, which may be set.
const LOOK: Duration = Duration::from_secs(60);
/// How long to wait before a forge is asked again that did not answer, in milliseconds.
const BACK_OFF_MS: i64 = 5 * 60 * 1000;
/// How many repositories are looked at at once.
const AT_ONCE: usize = 8;

/// Begins what is due until the server drains.
pub(super) async fn begin_all(app: &App) {
    let mut put_off = HashMap::new();
    loop {
        let next = begin_due(app, &mut put_off).await.unwrap_or_else(|error| {
            warn!(%error, "schedules wait");
            None
        });
        let wait = next.map_or(LOOK, |next| {
            let millis = next.saturating_sub(now()).max(0);
            LOOK.min(Duration::from_millis(millis.unsigned_abs()))
        });
        tokio::select! {
            () = app.draining.cancelled() => return,
            () = app.wake.schedule.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Begins what is due. Returns when something is due next.
async fn begin_due(
    app: &App,
    put_off: &mut HashMap<ScheduleKey, i64>,
) -> Result<Option<i64>, DbError> {
    let repositories: BTreeMap<RepositoryId, Repository> = app
        .db
        .repositories()
        .await?
        .into_iter()
        .map(|repository| (repository.id, repository))
        .collect();
    let known = app.db.schedules(None).await?;
    let Plan {
        gone,
        put,
        due,
        next,
    } = plan(
        wanted(&app.config().schedules, repositories.values()),
        known,
        put_off,
        now(),
    );
    for key in &gone {
        put_off.remove(key);
    }
    app.db.change_schedules(gone, put).await?;
    let of_repository = |row: ScheduleRow| {
        let repository = repositories.get(&row.key.repository)?;
        Some((repository.clone(), row))
    };
    let due: Vec<_> = due.into_iter().filter_map(of_repository).collect();
    let begun = stream::iter(due).map(|(repository, row)| async move {
        let begun = begin(app, &repository, &row).await;
        (row.key, begun)
    });
    let begun: Vec<_> = begun.buffer_unordered(AT_ONCE).collect().await;
    let mut next = next;
    for (key, result) in begun {
        put_off.remove(&key);
        let at = match result {
            // It has another time now.
            Ok(()) => now(),
            Err(problem) => {
                warn!(schedule = key.name, problem, "a schedule is put off");
                app.db.schedule_failed(key.clone(), problem, None).await?;
                let at = now() + BACK_OFF_MS;
                put_off.insert(key, at);
                at
            }
        };
        next = next.into_iter().chain([at]).min();
    }
    Ok(next)
}

/// Asks for a run of what is at the branch now. An error is to be tried again.
async fn begin(app: &App, repository: &Repository, row: &ScheduleRow) -> Result<(), String> {
    let refs = source::refs(app, repository)
        .await
        .map_err(|error| error.to_string())?;
    let git_ref = format!("refs/heads/{}", row.branch);
    let key = row.key.clone();
    let Some(found) = refs.find(&git_ref) else {
        let problem = format!("there is no branch `{}`", row.branch);
        let noted = app.db.schedule_failed(key, problem, Some(now())).await;
        return noted.map_err(|error| error.to_string());
    };
    let commit = found.commit().to_string();
    let new = NewRun {
        reason: Some(format!("schedule {}", row.key.name)),
        ..NewRun::of_ref(repository.id, RunKind::Schedule, git_ref, commit)
    };
    let up = TakeUp {
        runs: vec![again(app, repository, new)],
        schedule: Some(key),
        ..TakeUp::default()
    };
    let runs = app.take_up(up).await.map_err(|error| error.to_string())?;
    info!(
        repository = repository.seen.full_name,
        schedule = row.key.name,
        runs = %texts::numbers(&runs),
        "it is time"
    );
    for run in runs {
        app.hub.changed(run);
    }
    app.wake.publish.notify_one();
    app.wake.prepare.notify_one();
    Ok(())
}
