//! Tells forges what they do not know yet: from rows, the newest state of each context, within each forge's limits.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{sync::Notify, task::JoinSet};
use tracing::{debug, warn};

use super::{
    app::App,
    budget::Budget,
    check_runs::{About, Facts},
};
use crate::{
    db::server::{DbError, DueStatus, RunId, RunState},
    forge::ForgeError,
};

/// How many states are told between two looks at the database, where none has to wait for the one before.
const BATCH: usize = 50;
/// How many states are looked at for one that may be told.
const LOOKED_AT: usize = 500;
/// How long to wait at most before a look at the database.
const LOOK: Duration = Duration::from_secs(10);
/// How often to look whether all is told.
const SETTLE_LOOK: Duration = Duration::from_millis(20);
/// How long to wait after the first failure, where the forge does not say; twice as long after each more.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The longest of these waits.
const BACK_OFF_MAX: Duration = Duration::from_secs(600);
/// How often a state is tried that a forge neither takes nor refuses: about two days.
const ATTEMPTS_MAX: u32 = 300;
/// The same where the forge says that there is no such thing: about two hours.
const ATTEMPTS_OF_MISSING: u32 = 20;

/// Tells all forges until the server ends.
pub(super) async fn publish_all(app: &App) {
    let mut forges = JoinSet::new();
    // One teller for each that was ever configured: two would tell a thing twice.
    let mut tellers: HashMap<String, Arc<Notify>> = HashMap::new();
    loop {
        for name in app.config().forges.keys() {
            if !tellers.contains_key(name) {
                let notify = Arc::new(Notify::new());
                tellers.insert(name.clone(), Arc::clone(&notify));
                let (app, name) = (Arc::clone(app), name.clone());
                forges.spawn(async move { publish_to(&app, &name, &notify).await });
            }
        }
        app.wake.publish.notified().await;
        for teller in tellers.values() {
            teller.notify_one();
        }
    }
}

/// Waits until all forges know what can be told now.
pub(super) async fn settle(app: &App) {
    for name in app.config().forges.keys() {
        while let Ok(due) = app.db.due_statuses(name.clone(), 1).await
            && !due.is_empty()
        {
            tokio::time::sleep(SETTLE_LOOK).await;
        }
    }
}

async fn publish_to(app: &App, forge: &str, wake: &Notify) {
    let mut budget = Budget::default();
    loop {
        let Some(limits) = app.config().forges.get(forge).map(|forge| forge.writes) else {
            // Until it is configured again.
            wake.notified().await;
            continue;
        };
        let pace = app
            .connections()
            .get(forge)
            .map_or(Duration::ZERO, |api| api.pace());
        let due = app
            .db
            .due_statuses(forge.to_owned(), LOOKED_AT)
            .await
            .unwrap_or_else(|error| {
                warn!(forge, %error, "statuses wait");
                Vec::new()
            });
        if due.is_empty() {
            let next = app.db.next_due(forge.to_owned()).await.ok().flatten();
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(until(next)) => {}
            }
            continue;
        }
        let mut told = 0;
        for status in due {
            let now = Timestamp::now().as_millisecond();
            if !budget.allows(limits, &status, now) {
                continue;
            }
            budget.note(&status, now);
            told += 1;
            match send(app, &status).await {
                Ok(Some(wait)) => budget.shut(&status, from_now(wait)),
                Ok(None) => tokio::time::sleep(pace).await,
                Err(error) => {
                    warn!(forge, %error, "a status is not noted");
                    tokio::time::sleep(LOOK).await;
                    break;
                }
            }
            // What is more important may have come meanwhile.
            if told >= BATCH || !pace.is_zero() {
                break;
            }
        }
        if told == 0 {
            // As much was told as may be.
            let opens = budget.opens(Timestamp::now().as_millisecond());
            tokio::select! {
                () = wake.notified() => {}
                () = tokio::time::sleep(until(opens)) => {}
            }
        }
    }
}

/// How often a state is tried that a forge did not take.
fn patience(error: &ForgeError) -> u32 {
    match error {
        ForgeError::Later { .. } | ForgeError::Unauthorized(_) | ForgeError::Forbidden(_) => {
            ATTEMPTS_MAX
        }
        // It may be that, too, where it may not be known that it is there.
        ForgeError::Missing(_) => ATTEMPTS_OF_MISSING,
        ForgeError::Refused(_) => 0,
    }
}

/// When that is, in milliseconds since 1970.
fn from_now(wait: Duration) -> i64 {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    Timestamp::now().as_millisecond().saturating_add(wait)
}

/// How long to wait for a time in milliseconds since 1970, and no longer than to the next look.
fn until(at: Option<i64>) -> Duration {
    at.map_or(LOOK, |at| {
        let ms = at.saturating_sub(Timestamp::now().as_millisecond());
        Duration::from_millis(u64::try_from(ms).unwrap_or(0).max(20)).min(LOOK)
    })
}

/// Tells one state. Returns how long the forge wants to hear nothing more of its account.
async fn send(app: &App, due: &DueStatus) -> Result<Option<Duration>, DbError> {
    let Some(repository) = app.db.repository(due.repository).await? else {
        return Ok(None);
    };
    let facts = match due.run {
        Some(run) if app.connections().has_check_runs(&due.forge) && due.row.state != "pending" => {
            facts(app, due, run).await?
        }
        Some(_) | None => Facts::default(),
    };
    app.db.status_sending(due.id, due.version).await?;
    match app.connections().set_status(&repository, due, &facts).await {
        Ok(remote) => {
            debug!(
                repository = repository.seen.full_name,
                commit = due.commit,
                context = due.row.context,
                state = due.row.state,
                "told"
            );
            app.metrics.status(&due.forge, "sent");
            app.db.status_sent(due.id, due.version, remote).await?;
            Ok(None)
        }
        // The forge comes back, and somebody may put the token right.
        Err(error) if due.attempts < patience(&error) => {
            app.metrics.status(&due.forge, "put_off");
            let back_off = BACK_OFF * 2_u32.pow(due.attempts.min(12));
            let wanted = error.wait();
            // One that says for how long it has enough did not take it now; any other trouble may have come afterwards.
            let is_uncertain =
                due.is_uncertain || matches!(error, ForgeError::Later { wait: None, .. });
            let at = from_now(wanted.unwrap_or_else(|| back_off.min(BACK_OFF_MAX)));
            app.db
                .status_put_off(due.id, error.to_string(), at, is_uncertain)
                .await?;
            Ok(wanted)
        }
        Err(error) => {
            app.metrics.status(&due.forge, "refused");
            warn!(repository = repository.seen.full_name, context = due.row.context, %error, "a forge refuses a status");
            app.db
                .status_refused(due.id, due.version, error.to_string())
                .await?;
            Ok(None)
        }
    }
}

/// What is known of a run, for one of its check runs.
async fn facts(app: &App, due: &DueStatus, id: RunId) -> Result<Facts, DbError> {
    let run = app.db.run(id).await?;
    Ok(Facts {
        checks: app.db.checks_of(id).await?,
        steps: app.db.steps_of(id).await?,
        annotations: match About::of(&due.row.context) {
            About::Part(part) => app.db.annotations_of(id, part).await?,
            About::Check(_) => Vec::new(),
        },
        is_over: run
            .as_ref()
            .is_none_or(|run| run.state == RunState::Finished),
        compared: match run {
            Some(run) => app.db.compared(&run).await?,
            None => None,
        },
    })
}
