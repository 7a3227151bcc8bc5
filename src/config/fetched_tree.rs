//! The tree of a flake that is in no folder of this machine.
//!
//! Nix fetches it into the store, where the evaluation finds it again. Whatever goes wrong here goes wrong in the
//! evaluation again, and is told there.

use std::path::PathBuf;

use super::{NixHost, flake_config::ask};

/// Has Nix fetch the tree that a reference names, without a look at any flake in it. Returns where it is.
pub fn fetched_tree(
    host: &NixHost,
    reference: &str,
    options: &[(String, String)],
) -> Option<PathBuf> {
    if reference.starts_with('-') {
        return None;
    }
    let answer = ask(host, options, &["flake", "prefetch", "--json", reference])?;
    Some(PathBuf::from(answer["storePath"].as_str()?))
}
