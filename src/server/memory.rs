//! Keeps a server small that waits most of the time.
//!
//! glibc keeps up to eight arenas for each processor, and what was in use in each of them at most once; SQLite keeps pages
//! and statements for each connection.

use tracing::warn;

use super::app::App;

/// Lets all threads share one arena. To be called before there is a second thread.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "glibc has no safe interface to its settings")
)]
pub fn share_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: nobody else allocates or sets anything meanwhile: there is no other thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        // From how many bytes on a piece goes back as soon as it is free; else that grows to what was ever freed at once.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 * 1024);
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
