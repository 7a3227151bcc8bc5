//! Keeps a server small that waits most of the time.
//!
//! glibc keeps up to eight arenas for each processor, what was in use in each of them at most once, and what each thread has
//! freed; SQLite keeps pages and statements for each connection.

use std::{env, os::unix::process::CommandExt as _, process::Command};

use tracing::warn;

use super::app::App;

/// What glibc takes from the environment of a starting program alone: threads share one arena and keep no freed memory
/// for themselves, and a piece of 64 KiB goes back as soon as it is free.
const TUNABLES: (&str, &str) = (
    "GLIBC_TUNABLES",
    "glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0:glibc.malloc.mmap_threshold=65536",
);

/// Starts this program anew with the same arguments, in the same process, so that it takes less memory. Comes back if it
/// has been started so, or with other settings for glibc, or if that is not possible. To be called before there is a second
/// thread.
#[expect(unsafe_code, reason = "the environment is all threads' own")]
pub fn start_small() {
    let set = env::var_os(TUNABLES.0);
    if set.as_deref().is_some_and(|set| set == TUNABLES.1) {
        // What this starts has its own needs.
        // SAFETY: nobody else looks at the environment meanwhile: there is no other thread.
        unsafe { env::remove_var(TUNABLES.0) };
    }
    if set.is_some() || !cfg!(target_env = "gnu") {
        return;
    }
    // Not by `/proc/self/exe`, after which the process would be named.
    if let Ok(program) = env::current_exe() {
        let mut arguments = env::args_os();
        let mut again = Command::new(program);
        if let Some(name) = arguments.next() {
            again.arg0(name);
        }
        // What it gives is an error: then it takes more memory, and works as well.
        let _ = again.args(arguments).env(TUNABLES.0, TUNABLES.1).exec();
    }
}

/// Gives back what is not in use: after work that took much.
pub(super) async fn give_back(app: &App) {
    if let Err(error) = app.db.give_back().await {
        warn!(%error, "the database keeps its memory");
    }
    trim();
}

#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "glibc has no safe interface to its allocator")
)]
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called by any thread at any time, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
