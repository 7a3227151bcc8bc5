//! Runs an evaluation without a run around it: for the subcommands that only want to know what there is.
//!
//! Warnings and errors go to stderr at once; what was found goes to the caller.

use std::io::{self, Write as _};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Failure, print_error};
use crate::{
    eval::{EvalFailure, EvalSummary, Evaluated, EvaluatedCheck},
    nix::AttrPath,
    report::harmless,
    run::{Evaluate, stops},
};

/// One attribute that was looked at.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// It is a derivation.
    Check(EvaluatedCheck),
    /// It could not be evaluated, or is no derivation.
    Failed(AttrPath, EvalFailure),
}

impl Found {
    /// The attribute, below the one asked for.
    pub(super) fn path(&self) -> &AttrPath {
        match self {
            Self::Check(check) => &check.path,
            Self::Failed(path, _) => path,
        }
    }
}

/// Evaluates and hands over each attribute as it is found; `each` returns whether it wants more. Where the evaluation ends
/// early, the exit code it ends with was told why: by a message, or by a signal.
pub(super) async fn gather(
    evaluate: Evaluate,
    each: &mut (dyn FnMut(Found) -> Result<bool, Failure> + Send),
) -> Result<Result<EvalSummary, u8>, Failure> {
    let cancel = CancellationToken::new();
    let (found_tx, mut found_rx) = mpsc::channel(1024);
    let mut signals = stops().map_err(Failure::infrastructure)?;
    let mut evaluation = tokio::spawn(evaluate(found_tx, cancel.clone()));
    let mut stopped = None;
    loop {
        let found = tokio::select! {
            evaluated = found_rx.recv() => match evaluated {
                None => break,
                Some(Evaluated::Check(check)) => Found::Check(check),
                Some(Evaluated::Failed { path, error }) => Found::Failed(path, error),
                Some(Evaluated::Warning { path, message }) => {
                    warn(path.as_ref(), &message);
                    continue;
                }
                Some(Evaluated::Output(_) | Evaluated::Progress { .. }) => continue,
            },
            Some(stop) = signals.recv() => {
                if stopped.replace(stop.exit_code()).is_some() {
                    return Ok(Err(stop.exit_code()));
                }
                cancel.cancel();
                continue;
            }
        };
        if stopped.is_none() && !each(found)? {
            // As a program that SIGPIPE ends.
            stopped = Some(141);
            cancel.cancel();
        }
    }
    let (result, _) = (&mut evaluation).await.map_err(Failure::infrastructure)?;
    if let Some(code) = stopped {
        return Ok(Err(code));
    }
    Ok(result.map_err(|error| {
        print_error(&error);
        error.exit_code()
    }))
}

fn warn(path: Option<&AttrPath>, message: &str) {
    let place = path.map(|path| format!("{path}: ")).unwrap_or_default();
    let _ = writeln!(
        io::stderr(),
        "warning: {}",
        harmless(&format!("{place}{message}"))
    );
}

/// Writes to stdout. Returns whether anybody reads it.
pub(super) fn print(
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::infrastructure(anyhow::anyhow!(
            "cannot write the output: {error}"
        ))),
    }
}
