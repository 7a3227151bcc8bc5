//! What a `.drv` file says.

use std::collections::{BTreeMap, BTreeSet};

use super::StorePath;

/// A derivation: how to build something, and what must be there first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The outputs by name.
    pub outputs: BTreeMap<String, DerivationOutput>,
    /// The derivations that must be built first, with the outputs needed of each.
    pub input_drvs: BTreeMap<StorePath, BTreeSet<String>>,
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
