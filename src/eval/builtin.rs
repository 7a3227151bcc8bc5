//! The built-in evaluator: needs nothing but `nix`.
//!
//! `nix flake metadata` locks the flake once; workers (`nix repl`) look at its attributes in parallel, see
//! `worker.rs`. Which worker looks at what is decided in `schedule.rs`, what is found goes through
//! [`super::delivery`], and `engine.rs` ties them together. Must give what `nix eval` gives: tests compare every
//! `drvPath`.

mod answer;
mod engine;
mod expressions;
mod findings;
mod flake_check;
mod locked_flake;
mod nix_output;
mod root;
mod schedule;
mod source_path;
mod text;
mod transcript;
mod worker;

use std::ffi::OsString;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(super) use self::{
    engine::Engine,
    text::{list, one_line, string},
};
use super::{
    BoxFuture, EvalError, EvalRequest, EvalSummary, Evaluated, Evaluator, Isolation, RootKeeper,
    delivery::Delivery,
};

/// Evaluates with `nix` alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltinEvaluator;

impl Evaluator for BuiltinEvaluator {
    fn name(&self) -> &'static str {
        "builtin"
    }

    fn evaluate<'a>(
        &'a self,
        request: &'a EvalRequest,
        roots: &'a dyn RootKeeper,
        found: mpsc::Sender<Evaluated>,
        cancel: CancellationToken,
    ) -> BoxFuture<'a, Result<EvalSummary, EvalError>> {
        Box::pin(async move {
            Isolation::prepare(request)?;
            let mut delivery = Delivery::new(roots, found);
            Engine::new(request, &mut delivery, None)?.run(cancel).await
        })
    }
}

/// The arguments that every `nix` of an evaluation gets first.
pub(super) fn common_arguments(request: &EvalRequest) -> Vec<OsString> {
    // What comes last counts, and without these two features nothing works.
    let features = [("extra-experimental-features", "nix-command flakes")];
    let features = features.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let isolation = request.options.isolation.as_ref();
    let isolation = isolation.map(Isolation::settings).unwrap_or_default();
    let options = request.options.nix_options.iter().cloned();
    options
        .chain(features)
        .chain(isolation)
        .flat_map(|(name, value)| [OsString::from("--option"), name.into(), value.into()])
        .collect()
}
