//! A line of nix-eval-jobs' output: one evaluated attribute.
//!
//! Reads what every version since 2.24 writes; fields that are not needed are ignored, whatever is in them. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    eval::EvaluatedCheck,
    nix::{AttrPath, StorePath, System},
};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::eval) struct Job {
    /// The attribute.
    pub(in crate::eval) path: AttrPath,
    /// What became of it.
    pub(in crate::eval) outcome: Outcome,
    /// Warnings and traces that came up at it.
    pub(in crate::eval) warnings: Vec<String>,
}

/// What became of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::eval) enum Outcome {
    /// A derivation.
    Check(EvaluatedCheck),
    /// An error text of Nix.
    Failed(String),
    /// It could not be looked up, because of how nix-eval-jobs quotes names.
    NotLookedUp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    /// Not `attr`, which cannot be taken apart again.
    attr_path: AttrPath,
    error: Option<String>,
    drv_path: Option<StorePath>,
    name: Option<String>,
    system: Option<String>,
    #[serde(default)]
    outputs: BTreeMap<String, Option<String>>,
    /// What `--apply` gave.
    extra_value: Option<serde_json::Value>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    traces: Vec<String>,
}

/// Why a line is not understood.
#[derive(Debug, thiserror::Error)]
pub(in crate::eval) enum LineError {
    /// It is not the JSON that is expected.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// It says neither an error nor a derivation.
    #[error("`{0}` has neither an error nor a derivation")]
    NoOutcome(AttrPath),
}

impl Job {
    /// Reads a line.
    pub(in crate::eval) fn parse(line: &[u8]) -> Result<Self, LineError> {
        let Line {
            attr_path: path,
            error,
            drv_path,
            name,
            system,
            outputs,
            extra_value: extra,
            warnings,
            traces,
        } = serde_json::from_slice(line)?;
        let outcome = match (error, drv_path.filter(StorePath::is_derivation)) {
            (Some(error), _)
                if error.contains("in selection path") && error.contains("not found") =>
            {
                Outcome::NotLookedUp
            }
            (Some(error), _) => Outcome::Failed(error),
            (None, Some(drv_path)) => Outcome::Check(EvaluatedCheck {
                path: path.clone(),
                name: name.unwrap_or_else(|| drv_path.name().trim_end_matches(".drv").to_owned()),
                system: System::of_derivation(system.as_deref().unwrap_or("unknown")),
                outputs: outputs
                    .into_iter()
                    .map(|(name, path)| (name, path.and_then(|path| StorePath::parse(&path).ok())))
                    .collect(),
                drv_path,
                extra,
            }),
            (None, None) => return Err(LineError::NoOutcome(path)),
        };
        let strip = |text: String| {
            let text = text.trim();
            let bare = ["evaluation warning:", "warning:", "trace:"]
                .iter()
                .find_map(|prefix| text.strip_prefix(prefix));
            bare.map_or(text, str::trim_start).to_owned()
        };
        let warnings = warnings.into_iter().chain(traces).map(strip).collect();
        Ok(Self {
            path,
            outcome,
            warnings,
        })
    }
}

#[cfg(test)]
mod tests;
