//! The flake as `nix flake metadata` locks it: its tree in the store, and its lock file.
//!
//! Apart from the workers because it is asked for once, so that all workers see one tree however it is edited
//! meanwhile. Never writes a lock file: a check does not change what it checks.

use std::ffi::OsString;

use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::nix_output::NixOutput;
use crate::eval::{
    EvalError, EvalFailure, EvalRequest,
    failure::{FailureContext, local_trees, machines_fault},
};

/// The first version that has `--reference-lock-file`.
const REFERENCE_LOCK_FILE: (u32, u32) = (2, 15);
/// How Nix, of every version, says that the lock file of the tree is not the one it uses.
const NOT_WRITING: &str = "not writing modified lock file of flake";

/// A flake that is locked and in the store.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct LockedFlake {
    /// The tree in the store, without the flake's folder.
    pub(super) path: String,
    /// The locked flake reference as attributes; of a dirty tree also what Nix says about that.
    pub(super) locked: Map<String, Value>,
    /// The locked flake reference as a URL.
    pub(super) url: String,
    /// The lock file.
    pub(super) locks: Locks,
    /// Whether the lock file is another one than that in the tree (or the reference lock file).
    #[serde(skip)]
    pub(super) is_lock_new: bool,
    /// The warnings of Nix.
    #[serde(skip)]
    pub(super) warnings: Vec<String>,
}

/// A lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
pub(super) struct Locks {
    /// The nodes by their keys.
    pub(super) nodes: Map<String, Value>,
    /// The key of the flake itself.
    pub(super) root: String,
}

impl LockedFlake {
    /// Asks Nix, unless `stop` is cancelled before it answers.
    pub(super) async fn read(
        request: &EvalRequest,
        stop: &CancellationToken,
    ) -> Result<Self, EvalError> {
        if request.installable.flake.starts_with('-') {
            return Err(EvalError::Flake(EvalFailure::new(format!(
                "`{0}` begins like an option: write `./{0}` if it is a folder",
                request.installable.flake
            ))));
        }
        let (major, minor) = request.nix_version;
        if request.options.reference_lock_file.is_some() && (major, minor) < REFERENCE_LOCK_FILE {
            return Err(EvalError::Infrastructure(format!(
                "`--reference-lock-file` needs Nix 2.15 or newer, but this is {major}.{minor}: upgrade Nix"
            )));
        }
        let output = NixOutput::of(request, &arguments(request), stop).await?;
        if !output.status.success() {
            return Err(refused(request, output));
        }
        let mut flake: Self = serde_json::from_slice(&output.stdout).map_err(|error| {
            EvalError::Infrastructure(format!(
                "cannot understand what `nix flake metadata --json` says: {error}"
            ))
        })?;
        let warnings = output.warnings;
        flake.is_lock_new = warnings
            .iter()
            .any(|warning| warning.starts_with(NOT_WRITING));
        flake.warnings = warnings;
        Ok(flake)
    }

    /// The flake's folder below its tree; empty if it is the tree's root.
    pub(super) fn dir(&self) -> &str {
        self.locked
            .get("dir")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// The arguments of `nix flake metadata`.
fn arguments(request: &EvalRequest) -> Vec<OsString> {
    let always = [
        "flake",
        "metadata",
        "--json",
        "--no-write-lock-file",
        "--show-trace",
    ];
    let mut arguments = Vec::from(always.map(OsString::from));
    let options = &request.options;
    for (input, flake) in &options.override_inputs {
        arguments.extend(["--override-input", input, flake].map(OsString::from));
    }
    if let Some(file) = &options.reference_lock_file {
        arguments.extend([
            "--reference-lock-file".into(),
            file.clone().into_os_string(),
        ]);
    }
    if options.accept_flake_config {
        arguments.push("--accept-flake-config".into());
    }
    if options.impure {
        arguments.push("--impure".into());
    }
    arguments.push(request.installable.flake.clone().into());
    arguments
}

/// Says why Nix refuses the flake.
fn refused(request: &EvalRequest, output: NixOutput) -> EvalError {
    let Some(error) = output.error else {
        let status = output.status;
        return EvalError::Infrastructure(format!(
            "`nix flake metadata` ended with {status} and no word"
        ));
    };
    if let Some(fault) = machines_fault(&error) {
        return EvalError::Infrastructure(fault);
    }
    let mut trees = local_trees(&request.installable.flake);
    // What Nix cannot read before it has looked at any input is the flake itself.
    if !error.contains("while updating the flake input") {
        trees.extend(source_tree(&error).map(str::to_owned));
    }
    let context = FailureContext {
        trees,
        show_trace: request.options.show_trace,
    };
    let mut failure = context.failure(&error);
    // `could not find a flake.nix file` does not say where it looked.
    if let Some(searched) = output
        .searched
        .filter(|_| failure.message.starts_with("could not find a flake.nix"))
    {
        failure.message = searched.replace(", searching up", ", nor does a folder above it");
    }
    EvalError::Flake(failure)
}

/// The first source tree in the store that a text names.
fn source_tree(text: &str) -> Option<&str> {
    let end = text.find("-source/")? + "-source".len();
    let start = text[..end].rfind([' ', '\'', '"', '\n'])? + 1;
    Some(&text[start..end])
}

#[cfg(test)]
mod tests;
