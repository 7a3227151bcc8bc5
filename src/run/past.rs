//! What a run is told of earlier ones, and who keeps what its builds say.
//!
//! A run knows no database and no file: it is handed the means to ask and to tell.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::Input;
use crate::{
    eval::BoxFuture,
    graph::{How, Plan},
    nix::{StorePath, System},
};

/// Answers how long steps of these names and systems took before, in the same order; empty where nothing is known.
pub type Expected =
    Arc<dyn Fn(Vec<(String, System)>) -> BoxFuture<'static, Vec<Option<Duration>>> + Send + Sync>;

/// What there is to say to the log of an attempt at a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogNote<'a> {
    /// A line.
    Line(&'a str),
    /// The build passed.
    Passed,
}

/// Takes what there is to say to the log of one attempt at a build. The log is whole when it is dropped.
pub type KeptLog = Box<dyn FnMut(LogNote<'_>) + Send>;

/// Begins to keep what the build of a derivation says.
pub type KeepLog = Arc<dyn Fn(&StorePath) -> KeptLog + Send + Sync>;

/// The ways to the past and into it.
pub struct Past {
    /// How long steps took.
    pub expected: Expected,
    /// Begins to keep what the build of a derivation says.
    pub keep_log: KeepLog,
    /// What went wrong there, to be told by the run, which goes on.
    pub warnings: mpsc::UnboundedReceiver<String>,
}

/// How long the builds of a plan took before.
pub(super) async fn expectations(expected: &Expected, plan: &Plan) -> Input {
    let builds: Vec<_> = plan
        .steps
        .iter()
        .filter(|step| matches!(step.how, How::Build { .. }))
        .collect();
    let mut answer = Vec::new();
    if !builds.is_empty() {
        let names = builds
            .iter()
            .map(|step| (step.drv_path.step_name().to_owned(), step.system.clone()));
        answer = expected(names.collect()).await;
    }
    let targets = builds.into_iter().map(|step| step.target.clone());
    let known = targets
        .zip(answer)
        .filter_map(|(target, duration)| Some((target, duration?)));
    Input::Expected(known.collect())
}
