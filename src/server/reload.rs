//! Reads the settings anew while the server runs: SIGHUP, and `nixci ctl reload`.
//!
//! The one place where what a [`Server`](super::app::Server) is told changes. Either all of it counts from then on or, if
//! anything is wrong, nothing does. What goes on keeps what it began with.

use std::sync::Arc;

use sd_notify::NotifyState;
use tracing::{info, warn};

use super::app::{App, Settings};
use crate::config::ServerConfig;

/// Goes by what the file says now. Returns the keys that another start would be needed for, or what is wrong.
pub(super) async fn reload(app: &App) -> Result<Vec<&'static str>, String> {
    // One after the other: the last that was asked for reads what is there last.
    let file = app.file.lock().await;
    let mut notices = vec![NotifyState::Reloading];
    notices.extend(NotifyState::monotonic_usec_now().ok());
    let _ = sd_notify::notify(&notices);
    let path = file.clone();
    let read = tokio::task::spawn_blocking(move || ServerConfig::read(&path));
    let result = match read.await {
        Ok(Ok(config)) => go_by(app, config),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    match &result {
        Ok(kept) if kept.is_empty() => info!("the settings are read anew"),
        Ok(kept) => warn!(
            keys = kept.join(", "),
            "the settings are read anew; these stay as they were until the server is started again"
        ),
        Err(error) => warn!(%error, "the settings stay as they were"),
    }
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    result
}

fn go_by(app: &App, mut config: ServerConfig) -> Result<Vec<&'static str>, String> {
    let kept = keep_fixed(&app.config(), &mut config);
    let settings =
        Settings::new(config).map_err(|(forge, error)| format!("[forge.{forge}]: {error}"))?;
    let engine = app.engine.go_by(&settings.config);
    engine.map_err(|error| error.to_string())?;
    app.go_by(settings);
    let wake = &app.wake;
    for part in [
        &wake.publish,
        &wake.sweep,
        &wake.poll,
        &wake.runner,
        &wake.schedule,
    ] {
        part.notify_one();
    }
    Ok(kept)
}

/// Keeps what cannot change while a server runs. Returns the keys that would have changed.
fn keep_fixed(now: &Arc<ServerConfig>, next: &mut ServerConfig) -> Vec<&'static str> {
    fn keep<T: Clone + PartialEq>(now: &T, next: &mut T) -> bool {
        let is_other = now != next;
        next.clone_from(now);
        is_other
    }
    [
        ("listen", keep(&now.listen, &mut next.listen)),
        ("state_dir", keep(&now.state_dir, &mut next.state_dir)),
        ("socket", keep(&now.socket, &mut next.socket)),
        ("isolation", keep(&now.isolation, &mut next.isolation)),
        (
            "limits.post_builds",
            keep(&now.limits.post_builds, &mut next.limits.post_builds),
        ),
    ]
    .into_iter()
    .filter_map(|(key, is_other)| is_other.then_some(key))
    .collect()
}
