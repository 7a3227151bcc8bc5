//! The evaluator that runs nix-eval-jobs.
//!
//! What nix-eval-jobs passes over in silence, cannot look up, or leaves undone because it died is looked at by the
//! built-in evaluator, whose engine this is: nix-eval-jobs is one more source of findings for it. So both evaluators
//! give the same results.

mod jobs;
mod line;

use std::{ffi::OsString, path::PathBuf};

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(super) use self::{
    jobs::{JobEvent, Jobs},
    line::{Job, Outcome},
};
use super::{
    BoxFuture, EvalError, EvalRequest, EvalSummary, Evaluated, Evaluator, Isolation, RootKeeper,
    builtin::{self, Engine},
    delivery::Delivery,
};
use crate::nix::{AttrPath, system_pattern};

/// Evaluates with nix-eval-jobs.
#[derive(Clone, Debug)]
pub struct NixEvalJobs {
    program: PathBuf,
    version: (u32, u32),
}

impl NixEvalJobs {
    /// The oldest version that can be used.
    pub const OLDEST: (u32, u32) = (2, 24);
    /// The first version that has `--select`.
    const SELECT: (u32, u32) = (2, 31);

    /// Takes a program of this version.
    pub fn new(program: PathBuf, version: (u32, u32)) -> Self {
        Self { program, version }
    }

    /// The first version that has `--apply`.
    const APPLY: (u32, u32) = (2, 26);

    fn has_select(&self) -> bool {
        self.version >= Self::SELECT
    }

    /// Whether it can do what is asked for: it wants plain attribute names, and 2.24.0 knows no reference lock file.
    fn can(&self, request: &EvalRequest) -> bool {
        let is_plain = |name: &String| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_'".contains(&byte))
        };
        let lock_file = &request.options.reference_lock_file;
        let scope = &request.scope;
        !scope.is_for_builtin_only()
            && (scope.select.is_none() || self.has_select())
            && (scope.apply.is_none() || self.version >= Self::APPLY)
            && request.installable.attribute.names().iter().all(is_plain)
            && (lock_file.is_none() || self.version > Self::OLDEST)
    }

    /// Its arguments.
    fn arguments(&self, request: &EvalRequest, gc_roots: &TempDir) -> Vec<OsString> {
        let workers = request.workers.max(1);
        let mib_each = (request.memory_budget_bytes >> 20) / workers as u64;
        let mut arguments = builtin::common_arguments(request);
        arguments.extend([
            "--force-recurse".into(),
            "--show-trace".into(),
            "--workers".into(),
            workers.to_string().into(),
            "--max-memory-size".into(),
            mib_each.max(1).to_string().into(),
            "--gc-roots-dir".into(),
            gc_roots.path().into(),
            // Its workers would wait for each other.
            "--option".into(),
            "eval-cache".into(),
            "false".into(),
        ]);
        let options = &request.options;
        if options.impure {
            arguments.push("--impure".into());
        }
        for (input, flake) in &options.override_inputs {
            arguments.extend(["--override-input", input, flake].map(OsString::from));
        }
        if let Some(file) = &options.reference_lock_file {
            arguments.extend(["--reference-lock-file".into(), file.into()]);
        }
        if options.accept_flake_config {
            arguments.extend(["--option", "accept-flake-config", "true"].map(OsString::from));
        }
        if self.has_select() {
            arguments.extend(["--select".into(), select(request).into()]);
        }
        if let Some(apply) = &apply_function(request) {
            arguments.extend(["--apply".into(), apply.into()]);
        }
        arguments.extend(["--flake".into(), request.installable.to_string().into()]);
        arguments
    }
}

/// The function that leaves out what is not wanted, before anything is evaluated.
fn select(request: &EvalRequest) -> String {
    let (_, asked_system) = request.installable.attribute.split_system();
    let systems = request.systems.as_ref().filter(|_| asked_system.is_none());
    let wanted = match systems {
        Some(systems) => builtin::list(systems.iter().map(crate::nix::System::as_str)),
        None => "null".to_owned(),
    };
    let prune = format!(
        "({}) {wanted} {}",
        builtin::one_line(include_str!("nix_eval_jobs/select.nix")),
        builtin::string(&system_pattern())
    );
    match &request.scope.select {
        // A line of its own, since it may end in a comment.
        Some(select) => format!("root: {prune} ((\n{select}\n) root)"),
        None => prune,
    }
}

/// The function that is applied to every derivation; it says the same of a wrong result as the built-in evaluator.
fn apply_function(request: &EvalRequest) -> Option<String> {
    let apply = request.scope.apply.as_ref()?;
    Some(format!(
        "drv: let extra = (\n{apply}\n) drv; in if builtins.isAttrs extra then extra \
         else throw \"what --apply gives is no set, but of type ${{builtins.typeOf extra}}\""
    ))
}

/// Whether an attribute is in a set that may ask not to be looked into, which only `--select` can honour.
pub(super) fn is_nested(path: &AttrPath) -> bool {
    path.split_system().0.names().len() > 1
}

impl Evaluator for NixEvalJobs {
    fn name(&self) -> &'static str {
        "nix-eval-jobs"
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
            if !self.can(request) {
                return Engine::new(request, &mut delivery, None)?.run(cancel).await;
            }
            let gc_roots = tempfile::Builder::new().prefix("nixci-roots-").tempdir();
            let gc_roots = gc_roots.map_err(|error| {
                EvalError::Infrastructure(format!("cannot make a temporary folder: {error}"))
            })?;
            let jobs = Jobs::start(
                &self.program,
                &self.arguments(request, &gc_roots),
                self.has_select(),
                request,
                gc_roots.path(),
            )?;
            Engine::new(request, &mut delivery, Some(jobs))?
                .run(cancel)
                .await
        })
    }
}

#[cfg(test)]
mod tests;
