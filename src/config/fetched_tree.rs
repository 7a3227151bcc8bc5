//! The tree of a flake that is in no folder of this machine.
//!
//! Nix fetches it into the store, where the evaluation finds it again. Whatever goes wrong here goes wrong in the
//! evaluation again, and is told there.

use std::path::PathBuf;

use super::{
    NixHost,
    flake_config::{ask, nix_string},
};

/// Has Nix fetch the tree that a reference without a `dir` names, without a look at any flake in it. Returns where it is.
pub fn fetched_tree(
    host: &NixHost,
    reference: &str,
    options: &[(String, String)],
) -> Option<PathBuf> {
    // Not `nix flake prefetch`, which asks the registry for everything before Nix 2.20.
    let scheme = if reference.contains(':') {
        ""
    } else {
        "flake:"
    };
    let url = nix_string(&format!("{scheme}{reference}"));
    let expression = format!("(builtins.fetchTree {url}).outPath");
    let arguments = ["eval", "--impure", "--json", "--expr", &expression];
    let answer = ask(host, options, &arguments)?;
    Some(PathBuf::from(answer.as_str()?))
}
