//! What a `.drv` file says.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::StorePath;

/// A derivation: how to build something, and what must be there first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derivation {
    /// The outputs by name.
    pub outputs: BTreeMap<String, DerivationOutput>,
    /// The derivations that must be built first, with the outputs needed of each.
    pub input_drvs: BTreeMap<StorePath, BTreeSet<String>>,
    /// Inputs that are outputs of derivations which only a build makes (experimental feature `dynamic-derivations`): for a
    /// derivation the chains of output names that lead to what is needed, `["out", "lib"]` for `DRV^out^lib`. Each of
    /// these derivations is a key of `input_drvs` too.
    pub dynamic_input_drvs: BTreeMap<StorePath, BTreeSet<Vec<String>>>,
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

impl Derivation {
    /// The name it was given, where it says so.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        unimplemented!("the skeleton")
    }

    /// The features a machine must have to build it.
    pub fn required_system_features(&self) -> BTreeSet<String> {
        unimplemented!("the skeleton")
    }

    /// Whether its output is known by its hash, so that it may use the network.
    pub fn is_fixed_output(&self) -> bool {
        unimplemented!("the skeleton")
    }

    /// Whether its outputs are named by their content, fixed or not.
    pub fn is_content_addressed(&self) -> bool {
        unimplemented!("the skeleton")
    }

    /// Whether it should rather be built here than be copied to another machine.
    pub fn prefers_local_build(&self) -> bool {
        unimplemented!("the skeleton")
    }
}
