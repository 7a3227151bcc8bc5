//! Chooses the evaluator.
//!
//! Not part of any evaluator, since each must work without the other.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    BuiltinEvaluator, EvalError, Evaluator, NixEvalJobs,
    nix_eval_jobs::{Job, Outcome},
};

/// Which evaluator the user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EvaluatorKind {
    /// nix-eval-jobs where it is there and of the same version as `nix`, since another version may give other
    /// derivations; else the built-in one.
    #[default]
    Auto,
    /// nix-eval-jobs, of whatever version.
    NixEvalJobs,
    /// The built-in one.
    Builtin,
}

/// Chooses the evaluator: `program` is the nix-eval-jobs on `PATH`, if there is one, `nix_version` that of `nix`.
pub fn choose_evaluator(
    kind: EvaluatorKind,
    program: Option<PathBuf>,
    nix_version: (u32, u32),
) -> Result<Box<dyn Evaluator>, EvalError> {
    let builtin = || Box::new(BuiltinEvaluator);
    match (kind, program) {
        (EvaluatorKind::Builtin, _) | (EvaluatorKind::Auto, None) => Ok(builtin()),
        (EvaluatorKind::NixEvalJobs, None) => Err(EvalError::Infrastructure(
            "cannot find `nix-eval-jobs` on PATH: install it, or use `--evaluator builtin`"
                .to_owned(),
        )),
        (EvaluatorKind::Auto, Some(program)) => match version(&program) {
            Some(version) if version == nix_version && version >= NixEvalJobs::OLDEST => {
                Ok(Box::new(NixEvalJobs::new(program, version)))
            }
            Some(_) | None => Ok(builtin()),
        },
        (EvaluatorKind::NixEvalJobs, Some(program)) => match version(&program) {
            Some(version) if version >= NixEvalJobs::OLDEST => {
                Ok(Box::new(NixEvalJobs::new(program, version)))
            }
            Some((major, minor)) => Err(EvalError::Infrastructure(format!(
                "`{}` is version {major}.{minor}, but 2.24 or newer is needed: upgrade it, or use `--evaluator builtin`",
                program.display()
            ))),
            None => Err(EvalError::Infrastructure(format!(
                "`{}` does not say its version: is it nix-eval-jobs? `--evaluator builtin` does without it",
                program.display()
            ))),
        },
    }
}

/// Finds out the version of a nix-eval-jobs, which is that of the Nix it is linked to.
fn version(program: &Path) -> Option<(u32, u32)> {
    // It is nearly always installed by Nix, and then no process is needed.
    if let Ok(file) = program.canonicalize()
        && let Some(version) = version_in_path(&file.to_string_lossy())
    {
        return Some(version);
    }
    // It has no option for it, but evaluates.
    let output = Command::new(program)
        .args(["--expr", "{ version = throw builtins.nixVersion; }"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let line = output.stdout.split(|&byte| byte == b'\n').next()?;
    match Job::parse(line).ok()?.outcome {
        Outcome::Failed(error) => version_at_start(error.trim_end().rsplit(' ').next()?),
        Outcome::Check(_) | Outcome::NotLookedUp => None,
    }
}

/// `/nix/store/HASH-nix-eval-jobs-2.34.1/bin/nix-eval-jobs`.
fn version_in_path(path: &str) -> Option<(u32, u32)> {
    version_at_start(path.split_once("-nix-eval-jobs-")?.1)
}

fn version_at_start(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
