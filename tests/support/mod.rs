//! What tests against a real Nix share: installations of Nix, private stores, flakes, runs of the built `nixci`.
//!
//! ```ignore
//! let store = support::nix::newest().store().with_daemon();
//! let project = Project::new(&store).check("fmt", "echo ok > $out").failing("clippy").committed();
//! let run = project.nixci(&["check"]);
//! assert_eq!(run.code, Some(1), "{run}");
//! ```
//!
//! Everything lies in one short temporary folder that goes with the [`TestStore`](store::TestStore), and a process that
//! outlives its test fails it. Nothing here replaces a part of nixci or of Nix by a pretence, but for [`stand_in`], which
//! does what no real daemon can be made to do.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test program uses another part of this"
)]
#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong here fails the test that asked for it"
)]

use std::{
    thread,
    time::{Duration, Instant},
};

pub(crate) mod gate;
pub(crate) mod git_server;
pub(crate) mod nix;
pub(crate) mod port;
pub(crate) mod program;
pub(crate) mod project;
pub(crate) mod redact;
pub(crate) mod running;
pub(crate) mod servers;
pub(crate) mod stand_in;
pub(crate) mod store;
pub(crate) mod tls;

pub(crate) use project::Project;

/// How long a test waits for what has to come about: far longer than that ever takes, since no test may fail only because
/// others use this machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// How long what has to happen at once may take on such a machine. It is less than the minute that a build naps which must
/// not be waited for.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(20);

/// Waits until this holds. Panics with what was waited for if it does not come about.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: did not come");
        thread::sleep(Duration::from_millis(10));
    }
}
