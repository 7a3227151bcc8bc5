//! The expression by which a worker calls the flake: what `nix eval FLAKE#…` would see, from a tree that is fixed.
//!
//! Nix can call only a flake that is clean and committed by its name (`builtins.getFlake`), and does so more slowly, and
//! not from a shallow clone. `call_flake.nix` calls any flake whose tree is in the store; it has to follow what each
//! version of Nix gives a flake. Pure: whether a path is there is asked through an argument.

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::{Value, json};

use super::{
    locked_flake::{LockedFlake, Locks},
    source_path::source_path,
    text,
};
use crate::{
    eval::{EvalError, EvalFailure, EvalRequest},
    nix::StorePath,
};

/// The newest Nix whose way to call a flake is known.
const NEWEST_KNOWN: (u32, u32) = (2, 36);
/// The first version of Lix; it treats flakes as Nix 2.18 does.
const LIX: (u32, u32) = (2, 90);
/// The minor version of Nix whose `nix repl` is the first that can evaluate purely.
pub(super) const PURE_SINCE: u32 = 10;
/// What a node of a lock file has, as far as this is known.
const NODE_KEYS: &[&str] = &["flake", "info", "inputs", "locked", "original", "parent"];
/// A lock file up to this size is sent, a larger one read by the worker, in bytes.
const SENT_MAX: usize = 1000;

/// How a worker gets at the flake.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Root {
    /// The expression for the flake's outputs. It may use what [`definitions`] defines.
    pub(super) expression: String,
    /// The trees in the store that it reads, to be held: the flake's own first.
    pub(super) trees: Vec<StorePath>,
}

/// The name [`Root::expression`] has for `call_flake.nix`, and its text, to be defined before.
pub(super) fn definitions() -> String {
    format!("c = {}", text::one_line(include_str!("call_flake.nix")))
}

impl Root {
    /// Decides how to call the flake. `is_there` tells whether a store path is in the store; `tree_lock` is the lock
    /// file that Nix began with, if that is not the one it ended with.
    pub(super) fn new(
        request: &EvalRequest,
        flake: &LockedFlake,
        tree_lock: Option<&Locks>,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<Self, EvalError> {
        let own_tree = StorePath::parse(&flake.path)
            .map_err(|error| EvalError::Infrastructure(error.to_string()))?;
        let is_lix = request.nix_version >= LIX;
        let is_known = (is_lix || request.nix_version <= NEWEST_KNOWN)
            && flake.locked.contains_key("narHash")
            && unknown_key(&flake.locks).is_none();
        let is_locked = flake.locked.contains_key("rev") && !flake.is_lock_new;
        let is_changed = !request.options.override_inputs.is_empty()
            || request.options.reference_lock_file.is_some();
        if !is_known && is_locked && !is_changed {
            return Ok(Self {
                expression: format!("(builtins.getFlake {}).outputs", text::string(&flake.url)),
                trees: vec![own_tree],
            });
        }
        if let Some(key) = unknown_key(&flake.locks) {
            return Err(EvalError::Flake(EvalFailure::new(format!(
                "the lock file has `{key}`, which the built-in evaluator does not know: commit all changes, or use \
                     `--evaluator nix-eval-jobs`"
            ))));
        }
        Ok(Self::call(request, flake, own_tree, tree_lock, is_there))
    }

    /// The value of the file that is asked for in place of a flake.
    pub(super) fn of_file(request: &EvalRequest) -> Self {
        let file = request.scope.file.as_ref();
        let path = file.map_or("", |source| source.file.to_str().unwrap_or_default());
        Self {
            expression: format!("k (import {})", text::string(path)),
            trees: Vec::new(),
        }
    }

    fn call(
        request: &EvalRequest,
        flake: &LockedFlake,
        own_tree: StorePath,
        tree_lock: Option<&Locks>,
        is_there: impl Fn(&str) -> bool,
    ) -> Self {
        let store_dir = flake.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let nar_hashes = flake
            .locks
            .nodes
            .values()
            .filter_map(|node| node["locked"]["narHash"].as_str());
        let (mut trees, mut absent) = (vec![own_tree], Vec::new());
        for nar_hash in nar_hashes.collect::<BTreeSet<_>>() {
            match source_path(store_dir, nar_hash).filter(|path| is_there(path.as_str())) {
                Some(path) => trees.push(path),
                None => absent.push(nar_hash),
            }
        }
        let root = json!({
            "path": flake.path,
            "dir": flake.dir(),
            "dirty": flake.is_lock_new,
            "locked": flake.locked,
        });
        // Every byte that is sent costs a worker two microseconds, and a lock file may be large. The one in the tree
        // has other keys than Nix prints if someone wrote it by hand, but it means the same.
        let mut locks = flake.locks.clone();
        if flake.is_lock_new {
            mark_new_inputs(&mut locks, tree_lock, flake.dir());
        }
        for node in locks.nodes.values_mut().filter_map(Value::as_object_mut) {
            node.remove("original");
        }
        let locks = json!(locks);
        let is_in_tree = !flake.is_lock_new && request.options.reference_lock_file.is_none();
        let locks = if is_in_tree && locks.to_string().len() > SENT_MAX {
            "null".to_owned()
        } else {
            text::json(&locks)
        };
        Self {
            expression: format!(
                "c {} {} {} {locks}",
                levels(request.nix_version),
                text::json(&root),
                text::list(absent)
            ),
            trees,
        }
    }
}

/// The first key of a node that is not known.
fn unknown_key(locks: &Locks) -> Option<&str> {
    let keys = locks
        .nodes
        .values()
        .filter_map(Value::as_object)
        .flat_map(|node| node.keys());
    keys.map(String::as_str)
        .find(|key| !NODE_KEYS.contains(key))
}

/// Whether this version has what came with Nix 2.`minor`.
pub(super) fn is_since(version: (u32, u32), minor: u32) -> bool {
    if version >= LIX {
        minor <= 18
    } else {
        version >= (2, minor)
    }
}

/// Writes which features this version's way to call a flake has.
///
/// Source: the history of `call-flake.nix` in Nix.
fn levels(version: (u32, u32)) -> String {
    let levels = [
        // Workers are pure, see worker.rs.
        ("pure", PURE_SINCE),
        // The flake has `_type`.
        ("type", 12),
        // The flake's `outPath` has its `dir`.
        ("self", 14),
        // Inputs may be folders of the flake that has them.
        ("relative", 26),
        // Such an input's `sourceInfo` is that of the whole tree; what is no flake has `sourceInfo` too.
        ("source", 30),
        // Such an input may have a `dir`.
        ("dir", 36),
    ];
    let mut set = String::from("{");
    for (name, minor) in levels {
        write!(set, " {name} = {};", is_since(version, minor)).expect("a String takes everything");
    }
    set.push_str(" }");
    set
}

/// Gives inputs that Nix has only just locked their `newDir` where it differs from what the lock file says: Nix has
/// fetched them then. Of a folder in another tree it knows the name without `.` and `..`; and of what is no flake it
/// gives the whole tree, whatever `dir` is.
fn mark_new_inputs(locks: &mut Locks, old: Option<&Locks>, root_dir: &str) {
    let is_old = |node: &Value| {
        let same = |other: &Value| {
            ["locked", "original", "parent"]
                .iter()
                .all(|key| other[*key] == node[*key])
        };
        old.is_some_and(|old| old.nodes.values().any(same))
    };
    let before = locks.clone();
    for node in locks.nodes.values_mut() {
        if is_old(node) {
            continue;
        }
        if relative_path(node).is_some() {
            node["newDir"] = folder(&before, node, root_dir, 0).into();
        } else if node["flake"] == false {
            node["newDir"] = "".into();
        }
    }
}

/// The path of a relative input.
fn relative_path(node: &Value) -> Option<&str> {
    let locked = &node["locked"];
    let path = locked["path"]
        .as_str()
        .filter(|path| !path.starts_with('/'))?;
    (locked["type"] == "path").then_some(path)
}

/// The folder of a node's flake in its tree, without `.` and `..`.
fn folder(locks: &Locks, node: &Value, root_dir: &str, depth: usize) -> String {
    let Some(path) = relative_path(node) else {
        let dir = node["locked"]["dir"].as_str();
        return dir
            .unwrap_or(if node["locked"].is_null() {
                root_dir
            } else {
                ""
            })
            .to_owned();
    };
    let parent = parent(locks, node).filter(|_| depth < locks.nodes.len());
    let mut names: Vec<String> = parent
        .map(|parent| folder(locks, parent, root_dir, depth + 1))
        .unwrap_or_default()
        .split('/')
        .map(str::to_owned)
        .collect();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name.to_owned()),
        }
    }
    names.retain(|name| !name.is_empty());
    names.join("/")
}

/// The node of the flake that has this relative input.
fn parent<'l>(locks: &'l Locks, node: &Value) -> Option<&'l Value> {
    let mut steps = 0;
    follow(locks, node["parent"].as_array()?, &mut steps)
}

/// Follows a path of input names from the root, through inputs that follow others.
fn follow<'l>(locks: &'l Locks, path: &[Value], steps: &mut usize) -> Option<&'l Value> {
    let mut node = locks.nodes.get(&locks.root)?;
    for name in path {
        *steps += 1;
        // Inputs that follow each other in a circle lead nowhere.
        if *steps > 10_000 {
            return None;
        }
        node = match &node["inputs"][name.as_str()?] {
            Value::String(key) => locks.nodes.get(key)?,
            Value::Array(path) => follow(locks, path, steps)?,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
        };
    }
    Some(node)
}

#[cfg(test)]
mod tests;
