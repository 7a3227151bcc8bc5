//! Starts the server, and ends it.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;
use tokio::{
    net::UnixListener,
    signal::unix::{SignalKind, signal},
};
use tracing::{info, warn};

use super::{
    app::{App, Server, Settings},
    connection::Connections,
    ctl,
    doctor::{self, Finding},
    engine::{Engine, EngineError},
    execute,
    failures::Failures,
    intake,
    listener::{self, Listener},
    post_build, prepare, publish,
    reload::reload,
    router::router,
    runner, schedule, sweep, systemd,
};
use crate::{
    config::{NixHost, PullRequests, ServerConfig, socket_key},
    db::server::{DbError, ServerDb},
    forge::ForgeError,
    redact::Redaction,
};

/// How long requests may take that go on when the server ends.
const REQUESTS_LIMIT: Duration = Duration::from_secs(2);

/// Why a server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Nix or git.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A forge, by its name.
    #[error("[forge.{0}]: {1}")]
    Forge(String, ForgeError),
    /// The address.
    #[error("cannot listen at {at}: {reason}")]
    Listen {
        /// Where.
        at: String,
        /// Why.
        reason: String,
    },
    /// Its memory cannot be kept from others of its user.
    #[error("cannot keep other processes out of this one: {0}")]
    Conceal(io::Error),
    /// Signals cannot be taken.
    #[error("cannot take signals: {0}")]
    Signals(io::Error),
}

/// Serves until SIGTERM or SIGINT.
///
/// `file` is where the settings are read anew from when SIGHUP or `nixci ctl reload` asks for that; `redaction` learns
/// the secrets that are read.
pub async fn serve(
    config: ServerConfig,
    file: PathBuf,
    redaction: Redaction,
) -> Result<(), ServeError> {
    conceal().map_err(ServeError::Conceal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    listener::raise_file_limit();
    redaction.add(&config.secrets);
    let db = ServerDb::open(&config.state_dir)?.hiding(redaction.clone());
    if let Some(open) = doctor::open_to_others(&config) {
        warn!("{}", open.text);
    }
    // Before anything that starts a program: none is to have the socket, too.
    let listener = Listener::at(&config.listen).await?;
    let failures = Failures::load(db.clone(), config.limits.failed_for).await?;
    let engine = Engine::new(&config, failures).await?;
    if config.pull_requests == PullRequests::All && !engine.is_sandboxed() {
        warn!(
            "Nix has no sandbox here: what strangers send waits for approval, whatever `pull_requests.build` says"
        );
    }
    let requeued = db.requeue_running().await?;
    let settings =
        Settings::new(config).map_err(|(forge, error)| ServeError::Forge(forge, error))?;
    let app = Server::new(settings, file, db, redaction, engine);
    post_build::clean_up(&app);
    execute::clean_up(&app);
    if requeued > 0 {
        info!(
            runs = requeued,
            "runs that were cut short are taken up again"
        );
    }
    // Whoever sees that the server is ready finds it there.
    let (socket, key) = ctl_socket(&app.config().socket)?;
    app.redaction.add([&key]);
    let http = tokio::spawn(listener.answer(Arc::clone(&app), router(Arc::clone(&app))));
    let orders = tokio::spawn(ctl::answer_socket(Arc::clone(&app), socket, key));
    let background = [
        spawn(&app, |app| async move { intake::take_up_all(&app).await }),
        spawn(&app, |app| async move { prepare::prepare_all(&app).await }),
        spawn(&app, |app| async move { publish::publish_all(&app).await }),
        spawn(&app, |app| async move { sweep::sweep_all(&app).await }),
        spawn(&app, |app| async move { sweep::poll_all(&app).await }),
        spawn(&app, |app| async move { schedule::begin_all(&app).await }),
        tokio::spawn(systemd::ping_all(app.db.clone())),
    ];
    let mut runs = spawn(&app, |app| async move { runner::run_all(&app).await });
    info!(url = %app.config().url, "ready");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            // It says itself what comes of it.
            _ = hangup.recv() => drop(reload(&app).await),
        }
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    let limit = app.config().limits.drain;
    info!(
        runs = app.running_count(),
        seconds = limit.as_secs(),
        "ending: runs may go on for a while"
    );
    app.draining.cancel();
    tokio::select! {
        ended = tokio::time::timeout(limit, &mut runs) => if ended.is_err() {
            warn!(runs = app.running_count(), "runs are cut short, and taken up when the server is back");
        },
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    runs.abort();
    app.closing.cancel();
    // What runs said last; the rest is told when the server is back.
    let _ = tokio::time::timeout(REQUESTS_LIMIT, publish::settle(&app)).await;
    for task in background {
        task.abort();
    }
    let _ = tokio::time::timeout(REQUESTS_LIMIT, http).await;
    orders.abort();
    for left in [&app.config().socket, &socket_key(&app.config().socket)] {
        let _ = std::fs::remove_file(left);
    }
    app.engine.close().await;
    Ok(())
}

/// Looks at what a server would need, without being one.
pub async fn check(config: &ServerConfig) -> Result<Vec<Finding>, ServeError> {
    let host =
        tokio::task::block_in_place(|| NixHost::find(&[], None)).map_err(EngineError::from)?;
    let connections = Connections::of_what_works(config);
    Ok(doctor::examine(config, &host, &connections).await)
}

/// Lets nobody but root look into this process: not into its memory, its environment and its open files. Its own user has
/// evaluations and uploads run, too.
#[cfg(target_os = "linux")]
fn conceal() -> io::Result<()> {
    let behavior = rustix::process::DumpableBehavior::NotDumpable;
    Ok(rustix::process::set_dumpable_behavior(behavior)?)
}

#[cfg(not(target_os = "linux"))]
fn conceal() -> io::Result<()> {
    Ok(())
}

/// Listens for `nixci ctl`: only the server's user and root may, and show the key for it.
fn ctl_socket(path: &Path) -> Result<(UnixListener, SecretString), ServeError> {
    let listen = || {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let key = ctl::make_key(path)?;
        let socket = listener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok((socket, key))
    };
    listen().map_err(|error: io::Error| ServeError::Listen {
        at: path.display().to_string(),
        reason: error.to_string(),
    })
}

fn spawn<F: Future<Output = ()> + Send + 'static>(
    app: &App,
    work: impl FnOnce(App) -> F,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(work(Arc::clone(app)))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};

    #[test]
    fn a_server_is_not_looked_into() {
        let before = dumpable_behavior().unwrap();
        super::conceal().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        set_dumpable_behavior(before).unwrap();
    }
}
