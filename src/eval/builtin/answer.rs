//! What a worker's `look.nix` found at an attribute.
//!
//! Apart from the schedule and the delivery so that the worker's JSON is known in one place only. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    eval::{EvalFailure, EvaluatedCheck},
    nix::{AttrPath, StorePath, System},
};

/// The answer to one look.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(super) enum Answer {
    /// A derivation.
    Derivation(DerivationAnswer),
    /// A derivation that was only glanced at.
    Glanced,
    /// An attribute set to look into.
    Set {
        /// How many attributes it has.
        count: usize,
        /// Their names; not all if there are too many.
        names: Vec<String>,
        /// Whether it may be looked into: `recurseForDerivations` is not `false`.
        recurse: bool,
    },
    /// Neither.
    Other {
        /// The kind of value, as `builtins.typeOf` names it.
        is: String,
        /// Of a set that says it is of some type: which.
        #[serde(rename = "type")]
        type_name: Option<String>,
        /// Where it is defined.
        position: Option<Position>,
    },
    /// What a rule of `flake_check.nix` wants.
    Fit {
        /// Of a derivation: its path.
        #[serde(rename = "drvPath")]
        drv_path: Option<String>,
        /// What is to be said about it all the same.
        remark: Option<String>,
    },
    /// Something else than what a rule wants.
    Unfit {
        /// What is wrong with it, as the end of a sentence; or what it is not.
        why: String,
        /// Then: the kind of value that it is.
        is: Option<String>,
        /// Where it is defined.
        position: Option<Position>,
    },
    /// A name of the path is not in its set.
    Missing {
        /// What the set has instead; the first 20.
        names: Vec<String>,
    },
    /// The path leads into something that is no set.
    Blocked {
        /// The name, counted from 0, that cannot be looked up.
        at: usize,
        /// The kind of value that is there.
        is: String,
    },
}

/// What identifies a derivation.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DerivationAnswer {
    drv_path: String,
    name: Option<String>,
    system: Option<String>,
    outputs: BTreeMap<String, Option<String>>,
    #[serde(default)]
    extra: Option<serde_json::Value>,
}

/// A position as `builtins.unsafeGetAttrPos` gives it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Position {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl DerivationAnswer {
    /// Makes it a check. `shown` is the whole attribute path, for the error text.
    pub(super) fn into_check(
        self,
        path: AttrPath,
        shown: &AttrPath,
    ) -> Result<EvaluatedCheck, EvalFailure> {
        let drv_path = derivation_path(&self.drv_path, shown)?;
        let name = self
            .name
            .unwrap_or_else(|| drv_path.name().trim_end_matches(".drv").to_owned());
        // Nix itself calls the system of a derivation that names none so.
        let system = self.system.as_deref().unwrap_or("unknown");
        Ok(EvaluatedCheck {
            path,
            name,
            system: System::of_derivation(system),
            // Of a floating content-addressed output there is a placeholder, which is no store path.
            outputs: self
                .outputs
                .into_iter()
                .map(|(name, path)| (name, path.and_then(|path| StorePath::parse(&path).ok())))
                .collect(),
            drv_path,
            extra: self.extra,
        })
    }
}

/// Parses the path of a derivation. `shown` is the whole attribute path, for the error text.
pub(super) fn derivation_path(drv_path: &str, shown: &AttrPath) -> Result<StorePath, EvalFailure> {
    let parsed = StorePath::parse(drv_path).ok();
    parsed.filter(StorePath::is_derivation).ok_or_else(|| {
        let drv_path: String = drv_path.chars().take(300).collect();
        EvalFailure::new(format!(
            "`{shown}` says it is a derivation, but its `drvPath` is `{}`",
            drv_path.escape_debug()
        ))
    })
}

/// Says that something is not what a rule wants.
pub(super) fn not_fit(shown: &AttrPath, why: &str, is: Option<&str>) -> String {
    let why: String = why.chars().take(1000).collect();
    match is {
        Some(is) => format!("`{shown}` is {}, {why}", value_kind(is)),
        None => format!("`{shown}` {why}"),
    }
}

/// Says that an attribute is something else than a derivation.
pub(super) fn not_a_derivation(shown: &AttrPath, is: &str, type_name: Option<&str>) -> String {
    let what = match type_name {
        Some(name) => format!(
            "a set of type `{}`",
            name.chars().take(100).collect::<String>().escape_debug()
        ),
        None => value_kind(is).to_owned(),
    };
    format!("`{shown}` is {what}, not a derivation")
}

/// The kind of a value with its article.
pub(super) fn value_kind(is: &str) -> &str {
    match is {
        "bool" => "a Boolean",
        "float" => "a number",
        "int" => "an integer",
        "lambda" => "a function",
        "list" => "a list",
        "null" => "null",
        "path" => "a path",
        "set" => "a set",
        "string" => "a string",
        _ => "something unknown",
    }
}

#[cfg(test)]
mod tests;
