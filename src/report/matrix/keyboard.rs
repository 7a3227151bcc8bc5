//! Reads keys, on a thread of its own, and lends the terminal to a pager.
//!
//! Apart from the screen because it waits: for keys, for the pager to end. It reads only while the terminal is set to
//! give keys and this process is in its foreground, so that a shell gets what is typed for it and nothing is stopped by
//! SIGTTIN.

use std::{
    io::{self, IsTerminal as _},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::fstat,
    process::{getpgrp, getppid, getsid},
};
use signal_hook::{
    consts::{SIGQUIT, SIGTSTP},
    low_level::emulate_default_handler,
};
use tokio::signal::unix::{SignalKind, signal};

use super::{key::Keys, terminal};
use crate::{
    nix::StorePath,
    report::{Reporter, Wish},
};

/// How long the rest of a key may be under way.
const KEY_REST: Duration = Duration::from_millis(40);
/// How often is looked whether keys can be read, while they cannot.
const LOOK: Duration = Duration::from_millis(50);

/// A reporter that events and keys come to.
pub type SharedReporter = Arc<Mutex<Reporter>>;

/// The keyboard of a run.
#[derive(Clone, Debug, Default)]
pub struct Keyboard {
    is_lent: Arc<AtomicBool>,
}

impl Keyboard {
    /// Whether there is a keyboard: stdin and stderr are the same terminal.
    pub fn is_there() -> bool {
        let (stdin, stderr) = (io::stdin(), io::stderr());
        stdin.is_terminal()
            && stderr.is_terminal()
            && fstat(&stdin)
                .and_then(|stdin| Ok(stdin.st_rdev == fstat(&stderr)?.st_rdev))
                .unwrap_or(false)
    }

    /// Gives keys to the reporter from now on, and what is wanted by them to `wish`. To be called in a runtime.
    pub fn start(&self, reporter: &SharedReporter, wish: impl Fn(Wish) + Send + 'static) {
        self.stop_in_order(Arc::clone(reporter));
        let (keyboard, reporter) = (self.clone(), Arc::clone(reporter));
        // Without a thread there are no keys, which is no reason to stop a run.
        _ = thread::Builder::new()
            .name("keys".into())
            .spawn(move || keyboard.read(&reporter, &wish));
    }

    /// Whether a pager has the terminal: Ctrl-C is meant for that, then.
    pub fn is_lent(&self) -> bool {
        self.is_lent.load(Ordering::Relaxed)
    }

    fn read(&self, reporter: &SharedReporter, wish: &dyn Fn(Wish)) {
        let mut keys = Keys::default();
        loop {
            let rest = keys.is_waiting().then_some(KEY_REST);
            let pressed = match wait(rest) {
                Ok(true) if !terminal::has_keys() => {
                    thread::sleep(LOOK);
                    continue;
                }
                Ok(true) => {
                    let mut bytes = [0; 1024];
                    match rustix::io::read(rustix::stdio::stdin(), &mut bytes) {
                        // The terminal is gone.
                        Ok(0) => return,
                        Ok(count) => keys.take(&bytes[..count]),
                        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
                        Err(_) => return,
                    }
                }
                Ok(false) => keys.flush().into_iter().collect(),
                Err(_) => return,
            };
            for key in pressed {
                let wanted = lock(reporter).press(key);
                match wanted {
                    Some(Wish::OpenPager(drv_path)) => self.open_pager(reporter, &drv_path),
                    Some(wanted) => wish(wanted),
                    None => {}
                }
            }
        }
    }

    /// Shows a log in the pager, until that is left. What is written by builds meanwhile is kept.
    fn open_pager(&self, reporter: &SharedReporter, drv_path: &StorePath) {
        let Some(log) = lock(reporter).log_to_page(drv_path) else {
            return;
        };
        self.is_lent.store(true, Ordering::Relaxed);
        lock(reporter).suspend();
        let notice = log.page().err();
        lock(reporter).resume();
        self.is_lent.store(false, Ordering::Relaxed);
        if let Some(notice) = notice {
            lock(reporter).notify(notice);
        }
    }

    /// From now on, Ctrl-Z and Ctrl-\\ leave the terminal to the shell in order.
    fn stop_in_order(&self, reporter: SharedReporter) {
        // Without them the shell has to put the terminal in order itself, as most do.
        let (Ok(mut stops), Ok(mut quits)) = (
            signal(SignalKind::from_raw(SIGTSTP)),
            signal(SignalKind::quit()),
        ) else {
            return;
        };
        tokio::spawn(async move {
            if quits.recv().await.is_some() {
                terminal::restore();
                let _ = emulate_default_handler(SIGQUIT);
            }
        });
        let keyboard = self.clone();
        tokio::spawn(async move {
            while stops.recv().await.is_some() {
                if is_orphaned() {
                    continue;
                }
                // Held while the process stands still, so that nobody draws in between.
                let mut reporter = lock(&reporter);
                let is_lent = keyboard.is_lent();
                if !is_lent {
                    reporter.suspend();
                }
                let _ = emulate_default_handler(SIGTSTP);
                if !is_lent {
                    reporter.resume();
                }
            }
        });
    }
}

fn lock(reporter: &SharedReporter) -> MutexGuard<'_, Reporter> {
    // What is in there can be shown, whoever panicked.
    reporter.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until something is typed. False: nothing was within the limit.
fn wait(limit: Option<Duration>) -> rustix::io::Result<bool> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    let stdin = rustix::stdio::stdin();
    let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut ready, limit.as_ref()) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether nobody could let this process go on if it were stopped: then the system ignores Ctrl-Z, and so must we.
fn is_orphaned() -> bool {
    let own = getsid(None).ok();
    let parent = getppid().and_then(|parent| getsid(Some(parent)).ok());
    own.is_none() || own != parent || own == Some(getpgrp())
}
