//! Turns webhooks that were taken into runs.
//!
//! From what the webhook says and the database alone: nothing is asked of a forge, so that the commit is pending there
//! within moments. Whether the webhook is right is looked at when the run is prepared.

mod found;

use std::{collections::HashMap, sync::Arc, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::task::{JoinError, JoinSet};
use tracing::{info, warn};

use self::found::{Unfound, find, look_up, settings};
use super::{
    app::App,
    asked::{AskedRun, again, asked},
    commands,
    gone::{Gone, take_leave},
    insist::{AGAIN, insist},
    texts,
    webhook::hook_kind,
};
use crate::{
    db::server::{CommandKey, DbError, Delivery, Repository, Run, RunEnd, TakeUp},
    forge::{self, BuildKind, CheckName, Decision, HookEvent, decide, parse_hook},
    nix::hex,
};

/// How long to wait at most before a look at the database.
const LOOK: Duration = Duration::from_secs(60);
/// How many webhooks are looked at between two looks at the database.
const BATCH: usize = 64;

/// Takes up webhooks until the server ends.
pub(super) async fn take_up_all(app: &App) {
    let mut commands = Commands::default();
    loop {
        let look = BATCH + commands.going_on.len();
        let taken = async {
            let mut deliveries = app.db.open_deliveries(look).await?;
            deliveries.retain(|id| !commands.going_on.contains_key(id));
            let count = deliveries.len();
            for id in deliveries {
                if let Some(delivery) = app.db.delivery(id).await? {
                    take_up(app, delivery, &mut commands).await?;
                }
            }
            Ok::<_, DbError>(count)
        };
        match taken.await {
            Ok(0) => tokio::select! {
                () = app.wake.intake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                Some(done) = commands.tasks.join_next() => commands.end(done),
            },
            Ok(_) => {}
            Err(error) => {
                warn!(%error, "webhooks wait");
                tokio::time::sleep(AGAIN).await;
            }
        }
        while let Some(done) = commands.tasks.try_join_next() {
            commands.end(done);
        }
    }
}

/// What the forge has to be asked about, apart from all else: it may take its time.
#[derive(Default)]
struct Commands {
    tasks: JoinSet<i64>,
    /// By the webhooks they came with; a command by what it is known by.
    going_on: HashMap<i64, Option<CommandKey>>,
}

impl Commands {
    /// Begins what a webhook leads to, and notes what came of it at its end.
    fn begin(
        &mut self,
        app: &App,
        id: i64,
        forge: String,
        key: Option<CommandKey>,
        work: impl Future<Output = Result<String, String>> + Send + 'static,
    ) {
        self.going_on.insert(id, key.clone());
        let app = Arc::clone(app);
        self.tasks.spawn(async move {
            let outcome = work.await;
            // What came to nothing may be told again.
            let key = key.filter(|_| outcome.is_ok());
            let why = outcome.unwrap_or_else(|why| why);
            note_at_last(&app, id, &forge, why, key).await;
            id
        });
    }

    /// Asks the forge for the repository of a webhook. If it is one that is built, the webhook is taken up again.
    fn look_up(&mut self, app: &App, id: i64, forge: String, seen: forge::Repository) {
        self.going_on.insert(id, None);
        let app = Arc::clone(app);
        self.tasks.spawn(async move {
            if let Err(why) = look_up(&app, &forge, &seen).await {
                note_at_last(&app, id, &forge, why, None).await;
            }
            id
        });
    }

    /// Whether a command goes on, or was carried out.
    async fn has(&self, app: &App, key: &CommandKey) -> Result<bool, DbError> {
        let mut going_on = self.going_on.values();
        Ok(going_on.any(|other| other.as_ref() == Some(key))
            || app.db.knows_command(key.clone()).await?)
    }

    fn end(&mut self, done: Result<i64, JoinError>) {
        match done {
            Ok(id) => {
                self.going_on.remove(&id);
            }
            // It broke down, and is looked at again when the server begins anew.
            Err(error) => warn!(%error, "a command is not carried out"),
        }
    }
}

/// Takes up a webhook. An error says that nothing came of it, and that it is to be tried again.
async fn take_up(app: &App, delivery: Delivery, commands: &mut Commands) -> Result<(), DbError> {
    let id = delivery.id;
    match try_take_up(app, delivery, commands).await {
        // Not to stand in the way of all others.
        Err(error) if error.is_lasting() => done(app, id, "", error.to_string()).await,
        result => result,
    }
}

/// What a webhook says, about which repository, and what is to be done about it; or why nothing is.
async fn understand(
    app: &App,
    delivery: &Delivery,
) -> Result<Result<(HookEvent, Repository, Decision), Unfound>, DbError> {
    let event = match read(app, delivery) {
        Ok(event) => event,
        Err(why) => return Ok(Err(Unfound::Never(why))),
    };
    let found = match event.repository() {
        None => Err(Unfound::Never("it is about no repository".to_owned())),
        Some(seen) => find(app, &delivery.new.forge, seen).await?,
    };
    let changed = matches!(
        event,
        HookEvent::InstallationChanged { .. } | HookEvent::RepositoryChanged { .. }
    );
    if found.is_err() && changed {
        // What is not known may be one that is to be built from now on.
        app.wake.sweep.notify_one();
    }
    Ok(found.and_then(|repository| {
        let settings = settings(app, &repository).map_err(Unfound::Never)?;
        let decision = decide(&event, &settings);
        Ok((event, repository, decision))
    }))
}

async fn try_take_up(
    app: &App,
    delivery: Delivery,
    commands: &mut Commands,
) -> Result<(), DbError> {
    let id = delivery.id;
    let forge = delivery.new.forge.clone();
    let (event, repository, decision) = match understand(app, &delivery).await? {
        Ok(understood) => understood,
        Err(Unfound::Never(why)) => return done(app, id, &forge, why).await,
        Err(Unfound::Yet(seen)) => {
            commands.look_up(app, id, forge, seen);
            return Ok(());
        }
    };
    let key = CommandKey {
        repository: repository.id,
        word: word_of(&event, &delivery.new.body),
    };
    if matches!(decision, Decision::Ask { .. } | Decision::Rerun { .. })
        && commands.has(app, &key).await?
    {
        let why = "what it asks for was done when it was told before".to_owned();
        return done(app, id, &forge, why).await;
    }
    let mut up = TakeUp {
        delivery: Some(id),
        ..TakeUp::default()
    };
    match decision {
        Decision::Build(build) => up.runs.push(asked(app, &repository, &event, &build)),
        Decision::Skip(build) => {
            let (run, _) = asked(app, &repository, &event, &build);
            texts::SKIPPED.clone_into(&mut up.result);
            // What the default branch says of itself counts all the same: it is fetched, and told of nobody.
            if build.kind == (BuildKind::Push { is_default: true }) {
                up.runs.push((run, Vec::new()));
            } else {
                up.skipped.push((run, texts::SKIPPED.to_owned()));
            }
        }
        Decision::Cancel { git_ref } => {
            let gone = Gone::of(&git_ref, &event);
            let app_of_it = Arc::clone(app);
            commands.begin(app, id, forge, None, async move {
                take_leave(&app_of_it, &repository, &gone).await
            });
            return Ok(());
        }
        Decision::Rerun { commit, check } => {
            up.anew = true;
            match rerun(app, &repository, commit.as_str(), check).await? {
                Some(run) => {
                    up.runs.push(run);
                    up.command = Some(key);
                }
                None => "no run of this commit is known".clone_into(&mut up.result),
            }
        }
        Decision::Refresh => {
            app.wake.sweep.notify_one();
            "the repositories changed".clone_into(&mut up.result);
        }
        Decision::Ask {
            command,
            about,
            actor,
        } => {
            let app_of_it = Arc::clone(app);
            let order = commands::Order {
                command,
                about,
                actor,
            };
            commands.begin(app, id, forge, Some(key), async move {
                commands::carry_out(&app_of_it, &repository, &order).await
            });
            return Ok(());
        }
        Decision::Nothing { why } => up.result = why,
    }
    settle(app, &forge, up).await
}

/// Writes down what comes of a webhook.
async fn settle(app: &App, forge: &str, up: TakeUp) -> Result<(), DbError> {
    let (delivery, why) = (up.delivery, up.result.clone());
    let runs = app.take_up(up).await?;
    let runs = texts::numbers(&runs);
    info!(forge, delivery, why, runs, "a webhook is dealt with");
    Ok(())
}

/// The run that a check run shows, or the newest of the commit, once more; of what failed in it what the named check
/// failed by, or all.
async fn rerun(
    app: &App,
    repository: &Repository,
    commit: &str,
    check: Option<CheckName>,
) -> Result<Option<AskedRun>, DbError> {
    let run = commands::run_of_check(app, repository, commit, check.as_ref()).await?;
    let Some(run) = run else { return Ok(None) };
    let check = check.and_then(|check| commands::path_of(app, repository, &check));
    forget_failures(app, &run, check).await;
    Ok(Some(again(app, repository, run.new)))
}

/// What a command is known by, under whatever name the webhook comes that tells of it. Of the presses of a button no two
/// are told alike: when the check run changed last is in it.
fn word_of(event: &HookEvent, body: &[u8]) -> String {
    if let HookEvent::Comment(comment) = event {
        return format!("comment {}", comment.id);
    }
    format!("webhook {}", hex(&Sha256::digest(body)))
}

/// Notes that nothing more comes of a webhook.
async fn done(app: &App, id: i64, forge: &str, why: String) -> Result<(), DbError> {
    note(app, id, forge, why, None).await
}

/// Notes what came of a webhook, and of the command that it told of.
async fn note(
    app: &App,
    id: i64,
    forge: &str,
    why: String,
    command: Option<CommandKey>,
) -> Result<(), DbError> {
    let up = TakeUp {
        delivery: Some(id),
        command,
        result: why,
        ..TakeUp::default()
    };
    settle(app, forge, up).await
}

/// The same, however long that takes.
async fn note_at_last(app: &App, id: i64, forge: &str, why: String, command: Option<CommandKey>) {
    let noted = insist("what came of a webhook", || {
        note(app, id, forge, why.clone(), command.clone())
    });
    if let Err(error) = noted.await {
        warn!(forge, %error, "what came of a webhook is not noted");
    }
}

fn read(app: &App, delivery: &Delivery) -> Result<HookEvent, String> {
    let new = &delivery.new;
    let config = app.config();
    let forge = config.forges.get(&new.forge);
    let forge = forge.ok_or_else(|| format!("the forge {} is no longer configured", new.forge))?;
    let header = |name: &str| match name {
        "content-type" => Some(new.content_type.as_bytes()),
        name if name.ends_with("-event") => Some(new.event.as_bytes()),
        _ => None,
    };
    parse_hook(hook_kind(forge.kind), &header, &new.body).map_err(|error| error.to_string())
}

/// What failed in a run is to be built once more, or what one of its checks failed by.
pub(super) async fn forget_failures(app: &App, run: &Run, check: Option<String>) {
    let forgotten = async {
        let failed = app.db.failed_of_run(run.id, check).await?;
        if failed.is_empty() {
            return Ok(0);
        }
        app.engine.failures.forget(failed).await
    };
    if let Err(error) = forgotten.await {
        warn!(run = run.id.0, %error, "what failed is not forgotten");
    }
}

/// Ends a run that nobody needs any more.
pub(super) async fn end(app: &App, run: &Run, why: &str) {
    if app.stop_run(run.id, why) {
        return;
    }
    let ended = insist("the end of a run", || {
        app.db
            .finish_run(run.id, RunEnd::cancelled(why), Vec::new())
    });
    match ended.await {
        Ok(_) => app.wake.publish.notify_one(),
        Err(error) => warn!(run = run.id.0, %error, "a run is not ended"),
    }
}
