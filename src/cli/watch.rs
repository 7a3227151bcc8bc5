//! `nixci check --watch`: runs again when the tree changes.
//!
//! Each run is a process of its own, started as this one was but for `--watch`: so every run begins as fresh as one that
//! is started by hand, and a run that a change makes pointless is ended as by Ctrl-C, with all that entails.

use std::{
    ffi::OsString,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use notify::{RecursiveMode, Watcher as _};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    Failure, args::SourceArgs, local_flake::LocalFlake, setup::runtime, targets::named_flake,
};
use crate::run::{Stop, stops};

/// How long the tree has to be quiet before it is looked at: editors and git write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// How long a run may take to end by itself after Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Runs `nixci check` again and again.
pub(super) fn watch(source: &SourceArgs) -> Result<ExitCode, Failure> {
    let flake = &named_flake(&source.scope);
    let local = LocalFlake::find(flake).ok_or_else(|| {
        Failure::usage(anyhow!(
            "`--watch` needs a flake in a folder of this machine, and `{}` is none",
            flake.escape_debug()
        ))
    })?;
    let code = runtime()?
        .block_on(Watch::new(local, flake.clone())?.run())
        .map_err(Failure::infrastructure)?;
    Ok(ExitCode::from(code))
}

struct Watch {
    flake: String,
    arguments: Vec<OsString>,
    changed_rx: mpsc::Receiver<()>,
    /// Whether something changed that was not looked at yet.
    has_changed: bool,
    /// Dropped, it watches no more.
    _watcher: notify::RecommendedWatcher,
}

impl Watch {
    fn new(local: LocalFlake, flake: String) -> Result<Self, Failure> {
        let top = local.checkout.map_or(local.dir, |checkout| checkout.root);
        // One that waits is as good as many.
        let (changed_tx, changed_rx) = mpsc::channel(1);
        let git = top.join(".git");
        let is_of_tree = move |path: &PathBuf| !path.starts_with(&git) || is_head(&git, path);
        let on_event = move |event: notify::Result<notify::Event>| {
            let is_change = event
                .is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(&is_of_tree));
            if is_change {
                let _ = changed_tx.try_send(());
            }
        };
        let watching = || -> notify::Result<_> {
            let mut watcher = notify::recommended_watcher(on_event)?;
            watcher.watch(&top, RecursiveMode::Recursive)?;
            Ok(watcher)
        };
        let watcher = watching()
            .with_context(|| format!("cannot watch {}", top.display()))
            .map_err(Failure::infrastructure)?;
        let arguments = std::env::args_os().skip(1);
        Ok(Self {
            flake,
            arguments: arguments.filter(|argument| argument != "--watch").collect(),
            changed_rx,
            has_changed: false,
            _watcher: watcher,
        })
    }

    async fn run(mut self) -> anyhow::Result<u8> {
        let mut stops = stops()?;
        let mut is_first = true;
        loop {
            let seen = self.fingerprint();
            let mut child = self.start()?;
            let code = tokio::select! {
                status = child.wait() => status?.code(),
                () = self.change(seen.as_ref()) => {
                    end(&mut child, Stop::Interrupt).await?;
                    tell("the tree has changed");
                    continue;
                }
                Some(stop) = stops.recv() => {
                    // The terminal sends Ctrl-C to both, and a second one would end the run at once.
                    let is_heard = stop == Stop::Interrupt
                        && timeout_at(Instant::now() + PATIENCE, child.wait()).await.is_ok();
                    if !is_heard {
                        end(&mut child, stop).await?;
                    }
                    return Ok(stop.exit_code());
                }
            };
            // Wrong usage stays wrong; but what is wrong in `nixci.toml` is put right while this waits.
            if let (true, Some(2)) = (is_first, code) {
                return Ok(2);
            }
            is_first = false;
            tell("waiting for a change; Ctrl-C ends");
            tokio::select! {
                () = self.change(seen.as_ref()) => tell("the tree has changed"),
                Some(stop) = stops.recv() => return Ok(stop.exit_code()),
            }
        }
    }

    fn start(&self) -> anyhow::Result<Child> {
        let program = std::env::current_exe().context("cannot find nixci itself")?;
        Command::new(&program)
            .args(&self.arguments)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))
    }

    /// Waits until the flake sees something else than `seen`.
    async fn change(&mut self, seen: Option<&String>) {
        loop {
            // What was noticed is not forgotten when this future is dropped.
            if !self.has_changed {
                if self.changed_rx.recv().await.is_none() {
                    return std::future::pending().await;
                }
                self.has_changed = true;
            }
            while let Ok(Some(())) =
                timeout_at(Instant::now() + QUIET, self.changed_rx.recv()).await
            {}
            let now = self.fingerprint();
            self.has_changed = false;
            // Files that git ignores change all the time; without git every change counts.
            if now.is_none() || now.as_ref() != seen {
                return;
            }
        }
    }

    fn fingerprint(&self) -> Option<String> {
        let checkout = LocalFlake::find(&self.flake)?.checkout?;
        Some(checkout.fingerprint)
    }
}

/// Whether it is what says which commit is checked out.
fn is_head(git: &Path, path: &Path) -> bool {
    path == git.join("HEAD") || path == git.join("index") || path.starts_with(git.join("refs"))
}

/// Asks a run to stop, and waits until it has.
async fn end(child: &mut Child, stop: Stop) -> anyhow::Result<()> {
    let signal = match stop {
        Stop::Interrupt | Stop::OutputClosed => Signal::INT,
        Stop::Terminate => Signal::TERM,
        Stop::Hangup => Signal::HUP,
    };
    let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    if let Some(pid) = pid {
        // It may just have ended.
        let _ = kill_process(pid, signal);
    }
    child.wait().await?;
    Ok(())
}

fn tell(what: &str) {
    let _ = writeln!(std::io::stderr(), "nixci: {what}");
}
