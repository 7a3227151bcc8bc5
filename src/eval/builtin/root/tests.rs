use serde_json::{Value, json};

use super::{Root, levels, mark_new_inputs};
use crate::{
    eval::{
        EvalError, EvalOptions, EvalRequest, EvalScope,
        builtin::locked_flake::{LockedFlake, Locks},
    },
    nix::{Installable, System},
};

const HASH: &str = "sha256-iKn6lUH3pJtZzQBMfRHPRISLY4gf7Ph7J4icZCA/kDM=";

fn request(nix_version: (u32, u32)) -> EvalRequest {
    EvalRequest {
        installable: Installable::parse(".").unwrap(),
        systems: None,
        current_system: System::parse("x86_64-linux").unwrap(),
        workers: 1,
        memory_budget_bytes: 1 << 30,
        scope: EvalScope::default(),
        options: EvalOptions::default(),
        nix: "nix".into(),
        nix_version,
    }
}

fn locks(nodes: &Value) -> Locks {
    serde_json::from_value(json!({ "nodes": nodes, "root": "root", "version": 7 })).unwrap()
}

fn flake(nodes: &Value) -> LockedFlake {
    LockedFlake {
        path: "/nix/store/1f8rbv9m4vf8m0qklk07dwfs414h2kr2-source".to_owned(),
        locked: json!({ "type": "git", "rev": "97f0", "narHash": HASH })
            .as_object()
            .unwrap()
            .clone(),
        url: "git+file:///src?rev=97f0".to_owned(),
        locks: locks(nodes),
        is_lock_new: false,
        warnings: Vec::new(),
    }
}

fn root(request: &EvalRequest, flake: &LockedFlake) -> Result<Root, EvalError> {
    Root::new(request, flake, None, |_| true)
}

#[test]
fn each_version_calls_flakes_its_own_way() {
    let on = |version| {
        let levels = levels(version);
        let levels = levels
            .split(';')
            .filter_map(|level| level.strip_suffix(" = true"));
        let names: Vec<_> = levels.map(|level| level.trim_matches([' ', '{'])).collect();
        names.join(" ")
    };
    assert_eq!(on((2, 8)), "");
    assert_eq!(on((2, 10)), "pure");
    assert_eq!(on((2, 14)), "pure type self");
    assert_eq!(on((2, 26)), "pure type self relative");
    assert_eq!(on((2, 34)), "pure type self relative source");
    assert_eq!(on((2, 36)), "pure type self relative source dir");
    // Lix.
    assert_eq!(on((2, 93)), "pure type self");
}

#[test]
fn trees_that_are_not_there_are_told() {
    let nodes = json!({
        "root": { "inputs": { "a": "a", "b": "b" } },
        "a": { "locked": { "type": "git", "narHash": HASH } },
        "b": { "locked": { "type": "git", "narHash": "sha256-TLPh43Uufk60Jf6FbiILZGQXabzC6Hwa0fa923AtnoQ=" } },
    });
    let is_there = |path: &str| !path.contains("gdw98f");
    let all = Root::new(&request((2, 34)), &flake(&nodes), None, is_there).unwrap();
    assert_eq!(all.trees.len(), 3);
    assert!(all.expression.contains(" [] "), "{}", all.expression);
    let none = Root::new(&request((2, 34)), &flake(&nodes), None, |_| false).unwrap();
    assert_eq!(none.trees.len(), 1);
    assert!(
        none.expression.contains(&format!("AtnoQ=\" \"{HASH}\"]")),
        "{}",
        none.expression
    );
}

#[test]
fn a_large_lock_file_is_read_from_the_tree_that_has_it() {
    let nodes: serde_json::Map<_, _> = (0..100)
        .map(|i| {
            (
                format!("n{i}"),
                json!({ "locked": { "type": "git", "rev": i.to_string() } }),
            )
        })
        .collect();
    let mut flake = flake(&Value::Object(nodes));
    let ends_with_null = |flake: &LockedFlake, request: &EvalRequest| {
        root(request, flake).unwrap().expression.ends_with(" null")
    };
    assert!(ends_with_null(&flake, &request((2, 34))));
    let mut with_reference = request((2, 34));
    with_reference.options.reference_lock_file = Some("/other.lock".into());
    assert!(!ends_with_null(&flake, &with_reference));
    flake.is_lock_new = true;
    assert!(!ends_with_null(&flake, &request((2, 34))));
}

#[test]
fn what_is_not_known_is_left_to_nix_if_nix_can_do_it() {
    let plain = json!({ "root": {} });
    let newer = root(&request((2, 40)), &flake(&plain)).unwrap();
    assert_eq!(
        newer.expression,
        "(builtins.getFlake \"git+file:///src?rev=97f0\").outputs"
    );
    let strange = json!({ "root": {}, "a": { "buildTime": true, "locked": {} } });
    let mut flake = flake(&strange);
    assert!(
        root(&request((2, 34)), &flake)
            .unwrap()
            .expression
            .contains("getFlake")
    );
    flake.locked.remove("rev");
    let error = root(&request((2, 34)), &flake).unwrap_err().to_string();
    assert!(
        error.starts_with("the lock file has `buildTime`, which"),
        "{error}"
    );
}

fn new_dirs(nodes: &Value, old: Option<&Value>) -> Vec<(String, Option<String>)> {
    let mut locks = locks(nodes);
    mark_new_inputs(&mut locks, old.map(super::tests::locks).as_ref(), "top");
    let dir = |node: &Value| node["newDir"].as_str().map(str::to_owned);
    locks
        .nodes
        .iter()
        .map(|(key, node)| (key.clone(), dir(node)))
        .collect()
}

#[test]
fn new_inputs_in_folders_of_others_know_their_folder() {
    let relative = |path: &str, parent: &[&str]| json!({ "locked": { "type": "path", "path": path }, "original": { "path": path }, "parent": parent });
    let nodes = json!({
        "root": { "inputs": { "a": "a", "far": "far", "plain": "plain" } },
        "a": { "locked": { "type": "path", "path": "./x/../sub" }, "parent": [], "inputs": { "b": "b" } },
        "b": relative("../deep/./er", &["a"]),
        "c": relative("../../../..", &["a", "b"]),
        "far": { "locked": { "type": "git", "dir": "in" }, "inputs": { "d": "d" } },
        "d": relative("sub", &["far"]),
        "e": relative("sub", &["nowhere"]),
        "plain": { "locked": { "type": "git", "dir": "x" }, "flake": false },
    });
    let expected = [
        ("a", Some("top/sub")),
        ("b", Some("top/deep/er")),
        ("c", Some("")),
        ("d", Some("in/sub")),
        ("e", Some("sub")),
        ("far", None),
        ("plain", Some("")),
        ("root", None),
    ]
    .map(|(key, dir)| (key.to_owned(), dir.map(str::to_owned)));
    assert_eq!(new_dirs(&nodes, None), expected);
    // What was locked before stays as it is.
    assert!(
        new_dirs(&nodes, Some(&nodes))
            .iter()
            .all(|(_, dir)| dir.is_none())
    );
}

#[test]
fn circles_in_a_lock_file_end() {
    let nodes = json!({
        "root": { "inputs": { "a": ["b"], "b": ["a"], "c": "c", "d": "d" } },
        "c": { "locked": { "type": "path", "path": "x" }, "parent": ["a"] },
        "d": { "locked": { "type": "path", "path": "y" }, "parent": ["d"] },
    });
    let dirs = new_dirs(&nodes, None);
    assert_eq!(dirs[0].1.as_deref(), Some("x"));
    assert!(
        dirs[1]
            .1
            .as_deref()
            .is_some_and(|dir| dir.starts_with("y/y"))
    );
}
