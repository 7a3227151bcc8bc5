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
        let drv_path = StorePath::parse(&self.drv_path)
            .ok()
            .filter(StorePath::is_derivation);
        let Some(drv_path) = drv_path else {
            let drv_path: String = self.drv_path.chars().take(300).collect();
            return Err(EvalFailure::new(format!(
                "`{shown}` says it is a derivation, but its `drvPath` is `{}`",
                drv_path.escape_debug()
            )));
        };
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
