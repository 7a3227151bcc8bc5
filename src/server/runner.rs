//! Begins runs that wait, as many at once as may evaluate.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet};
use tracing::{error, warn};

use super::{app::App, execute::execute, intake::end, memory, queue};
use crate::db::server::{RepositoryId, RunState};

/// How often to look for runs whose time has come.
const LOOK: Duration = Duration::from_secs(5);

/// Begins runs until the server drains, and waits for those that go on.
pub(super) async fn run_all(app: &App) {
    let going_on: Arc<GoingOn> = Arc::default();
    let mut served = HashMap::new();
    let mut clock = 0_u64;
    let mut runs = JoinSet::new();
    let mut has_worked = false;
    loop {
        while runs.try_join_next().is_some() {}
        let permit = tokio::select! {
            () = app.draining.cancelled() => break,
            permit = Arc::clone(&app.engine.evaluations).acquire_owned() => match permit {
                Ok(permit) => permit,
                Err(_) => break,
            },
        };
        let waiting = match app.db.runs_in(RunState::Queued).await {
            Ok(waiting) => waiting,
            Err(error) => {
                warn!(%error, "runs wait");
                tokio::time::sleep(LOOK).await;
                continue;
            }
        };
        let chosen = queue::next(&waiting, &lock(&going_on), &served).cloned();
        let Some((run, repository)) = chosen else {
            drop(permit);
            tokio::select! {
                () = app.draining.cancelled() => break,
                () = app.wake.runner.notified() => {}
                () = tokio::time::sleep(LOOK) => if runs.is_empty() && std::mem::take(&mut has_worked) {
                    memory::give_back(app).await;
                }
            }
            continue;
        };
        // From here on it can be told to stop.
        let (asked_tx, asked_rx) = mpsc::unbounded_channel();
        app.run_begins(run.id, asked_tx);
        let begun = app.db.begin_run(run.id).await;
        if !matches!(begun, Ok(true)) {
            let stopped = app.run_ends(run.id);
            // Otherwise somebody ended it meanwhile.
            if let Err(error) = begun {
                error!(run = run.id.0, %error, "a run does not begin");
                if let Some(why) = stopped {
                    end(app, &run, &why).await;
                }
                tokio::time::sleep(LOOK).await;
            }
            continue;
        }
        app.hub.changed(run.id);
        has_worked = true;
        clock += 1;
        served.insert(repository.id, clock);
        *lock(&going_on).entry(repository.id).or_default() += 1;
        let (app, going_on) = (Arc::clone(app), Arc::clone(&going_on));
        runs.spawn(async move {
            let id = repository.id;
            execute(&app, run, repository, permit, asked_rx).await;
            if let Some(count) = lock(&going_on).get_mut(&id) {
                *count = count.saturating_sub(1);
            }
            app.wake.runner.notify_one();
            app.wake.publish.notify_one();
        });
    }
    while runs.join_next().await.is_some() {}
}

/// How many runs of each repository go on.
type GoingOn = Mutex<HashMap<RepositoryId, usize>>;

fn lock(going_on: &GoingOn) -> MutexGuard<'_, HashMap<RepositoryId, usize>> {
    going_on.lock().unwrap_or_else(PoisonError::into_inner)
}
