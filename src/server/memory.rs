//! Keeps a server small that waits most of the time.
//!
//! glibc keeps up to eight arenas for each processor, and what was in use in each of them at most once.

/// Lets all threads share two arenas. To be called before there is a second thread.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "glibc has no safe interface to its settings")
)]
pub fn share_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: nobody else allocates or sets anything meanwhile: there is no other thread.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Gives back what is not in use: after work that took much.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "glibc has no safe interface to its allocator")
)]
pub(super) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called by any thread at any time, and touches nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}
