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

pub(crate) mod git_server;
pub(crate) mod nix;
pub(crate) mod program;
pub(crate) mod project;
pub(crate) mod redact;
pub(crate) mod running;
pub(crate) mod servers;
pub(crate) mod stand_in;
pub(crate) mod store;
pub(crate) mod tls;

pub(crate) use project::Project;
