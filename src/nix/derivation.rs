//! What a `.drv` file says.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::StorePath;

/// A derivation: how to build something, and what must be there first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derivation {
    /// The outputs by name.
    pub outputs: BTreeMap<String, DerivationOutput>,
    /// The derivations that must be built first, with the outputs needed of each.
    pub input_drvs: BTreeMap<StorePath, BTreeSet<String>>,
    /// For derivations among `input_drvs` those outputs that are derivations themselves, and what is needed of these
    /// (experimental feature `dynamic-derivations`; empty without it).
    pub dynamic_inputs: BTreeMap<StorePath, BTreeMap<String, NeededOutputs>>,
    /// The store paths that must be there first and are no outputs of a derivation.
    pub input_srcs: BTreeSet<StorePath>,
    /// The system to build on, or `builtin`.
    pub system: String,
    /// The program to run.
    pub builder: Vec<u8>,
    /// Its arguments.
    pub args: Vec<Vec<u8>>,
    /// Its environment.
    pub env: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// One output, as the `.drv` file has it: three strings, of which some may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DerivationOutput {
    /// Where it will be; empty where that is only known after the build (content-addressed ones).
    pub path: String,
    /// `sha256` and the like, `r:` in front for a recursive hash, empty if not fixed and not content-addressed.
    pub hash_algo: String,
    /// The hash it must have; empty unless fixed.
    pub hash: String,
}

/// What is needed of a derivation that only a build makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeededOutputs {
    /// The outputs needed.
    pub outputs: BTreeSet<String>,
    /// The outputs that are derivations themselves, and what is needed of these.
    pub dynamic: BTreeMap<String, NeededOutputs>,
}

impl Derivation {
    /// The name it was given, where it says so.
    pub fn name(&self) -> Option<String> {
        match self.attribute("name")? {
            Attribute::Plain(name) => Some(String::from_utf8_lossy(&name).into_owned()),
            Attribute::Structured(name) => name.as_str().map(str::to_owned),
        }
    }

    /// The features a machine must have to build it: those it names, and `ca-derivations` where Nix takes that for granted.
    pub fn required_system_features(&self) -> BTreeSet<String> {
        let mut features: BTreeSet<String> = match self.attribute("requiredSystemFeatures") {
            Some(Attribute::Plain(words)) => words_of(&String::from_utf8_lossy(&words)).collect(),
            Some(Attribute::Structured(Value::String(words))) => words_of(&words).collect(),
            Some(Attribute::Structured(Value::Array(items))) => items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            Some(Attribute::Structured(_)) | None => BTreeSet::new(),
        };
        if self
            .outputs
            .values()
            .any(|output| output.is_content_addressed() && !output.is_fixed())
        {
            features.insert("ca-derivations".to_owned());
        }
        features
    }

    /// Whether its output must have a certain hash, so that it may use the network.
    pub fn is_fixed_output(&self) -> bool {
        self.outputs.values().any(DerivationOutput::is_fixed)
    }

    /// Whether its outputs are named by their content, fixed or not.
    pub fn is_content_addressed(&self) -> bool {
        self.outputs
            .values()
            .any(DerivationOutput::is_content_addressed)
    }

    /// Whether it should rather be built here than be copied to another machine.
    pub fn prefers_local_build(&self) -> bool {
        match self.attribute("preferLocalBuild") {
            Some(Attribute::Plain(value)) => value == b"1",
            Some(Attribute::Structured(value)) => value == Value::Bool(true),
            None => false,
        }
    }

    /// Whether a substituter may be asked for it. With `allowSubstitutes = false` only the setting
    /// `always-allow-substitutes` makes Nix ask.
    pub fn allows_substitutes(&self) -> bool {
        match self.attribute("allowSubstitutes") {
            Some(Attribute::Plain(value)) => value == b"1",
            Some(Attribute::Structured(value)) => value != Value::Bool(false),
            None => true,
        }
    }

    /// An attribute as the expression set it: with `__structuredAttrs` from the JSON text, else from the environment.
    fn attribute(&self, name: &str) -> Option<Attribute> {
        let Some(json) = self.env.get(b"__json".as_slice()) else {
            return self.env.get(name.as_bytes()).cloned().map(Attribute::Plain);
        };
        let mut attributes: serde_json::Map<String, Value> = serde_json::from_slice(json).ok()?;
        attributes.remove(name).map(Attribute::Structured)
    }
}

enum Attribute {
    Plain(Vec<u8>),
    Structured(Value),
}

fn words_of(text: &str) -> impl Iterator<Item = String> {
    text.split_ascii_whitespace().map(str::to_owned)
}

impl DerivationOutput {
    /// Whether it must have a certain hash.
    pub fn is_fixed(&self) -> bool {
        // An impure derivation has this word in the place of the hash.
        !self.hash.is_empty() && self.hash != "impure"
    }

    /// Whether it is named by its content.
    pub fn is_content_addressed(&self) -> bool {
        !self.hash_algo.is_empty()
    }
}

#[cfg(test)]
mod tests;
