//! Every derivation is the one that `nix eval` gives, however the flake is given.
//!
//! The test flakes put all that a flake can see of itself and its inputs into their derivations.

use std::{collections::BTreeMap, fs};

use crate::{
    harness::{Evaluation, each_nix, url},
    support::{Project, project::SYSTEM, store::TestStore},
};

/// Checks that show everything about `self` and the inputs.
const OUTPUTS: &str = r#"
  outputs = inputs: let
    check = name: value: derivation {
      inherit name;
      system = "@SYSTEM@";
      builder = "/bin/sh";
      args = [ "-c" "echo > $out" ];
      value = builtins.toJSON value;
    };
    seen = flake: {
      names = builtins.attrNames flake;
      info = flake.sourceInfo or null;
      path = flake.outPath or (toString flake);
      rest = builtins.removeAttrs flake (builtins.attrNames (flake.outputs or { }) ++ [ "inputs" "outputs" "self" ]);
    };
  in {
    checks."@SYSTEM@" = builtins.mapAttrs (name: flake: check name (seen flake)) (inputs // { me = inputs.self; }) // {
      file = check "file" (builtins.readFile ./file);
      copied = check "copied" "${./file}";
      positions = check "positions" (builtins.unsafeGetAttrPos "x" { x = 1; });
      values = check "values" (builtins.mapAttrs (_: flake: flake.value or null) inputs);
    };
    value = "@VALUE@";
  };
"#;

fn flake(inputs: &str, value: &str) -> String {
    let outputs = OUTPUTS
        .replace("@SYSTEM@", SYSTEM)
        .replace("@VALUE@", value);
    format!("{{\n{inputs}\n{outputs}}}\n")
}

fn project<'s>(store: &'s TestStore, name: &str, inputs: &str) -> Project<'s> {
    Project::named(store, name)
        .flake(&flake(inputs, name))
        .file("file", name)
        .committed()
}

/// What `nix eval` says about all checks.
fn by_nix_eval(store: &TestStore, flake: &str, arguments: &[&str]) -> BTreeMap<String, String> {
    let attribute = format!("{flake}#checks.{SYSTEM}");
    let mut command = vec![
        "eval",
        "--json",
        "--no-write-lock-file",
        &attribute,
        "--apply",
    ];
    command.push("builtins.mapAttrs (_: check: builtins.unsafeDiscardStringContext check.drvPath)");
    command.extend(arguments);
    let json = store.run_nix(&command, store.folder());
    let drv_paths: BTreeMap<String, String> = serde_json::from_str(&json).unwrap();
    drv_paths
        .into_iter()
        .map(|(name, path)| (format!("{SYSTEM}.{name}"), path))
        .collect()
}

#[track_caller]
fn assert_same(store: &TestStore, flake: &str) {
    assert_same_with(store, flake, &[], |_| {});
}

#[track_caller]
fn assert_same_with(
    store: &TestStore,
    flake: &str,
    arguments: &[&str],
    change: impl Fn(&mut Evaluation<'_>),
) {
    let expected = by_nix_eval(store, flake, arguments);
    let mut evaluation = Evaluation::new(store, &format!("{flake}#checks"));
    change(&mut evaluation);
    let found = evaluation.run();
    assert_eq!(
        found.drv_paths(),
        expected,
        "{flake} {arguments:?} with Nix {}",
        store.nix()
    );
    assert!(expected.len() >= 5, "the flake has {expected:?}");
}

#[test]
fn a_clean_and_a_dirty_tree() {
    each_nix(|_, store| {
        let project = project(store, "project", "").file("gone", "").committed();
        let flake = url(project.dir());
        assert_same(store, &flake);
        project.write("file", "modified");
        assert_same(store, &flake);
        let project = project.committed().file("new", "staged").staged();
        assert_same(store, &flake);
        let project = project.committed();
        fs::remove_file(project.dir().join("gone")).unwrap();
        assert_same(store, &flake);
        project.write("untracked", "nobody sees this");
        let project = project.committed();
        let rev = project.git(&["rev-parse", "HEAD"]);
        assert_same(store, &format!("{flake}?rev={}", rev.trim()));
    });
}

#[test]
fn a_path_and_a_folder_in_a_tree() {
    each_nix(|_, store| {
        let project = project(store, "project", "").committed();
        let flake = flake("", "sub");
        project.write("sub/flake.nix", &flake);
        project.write("sub/file", "sub");
        let project = project.committed();
        let dir = project.dir().display().to_string();
        assert_same(store, &format!("path:{dir}"));
        if store.nix().version >= (2, 20, 0) {
            assert_same(store, &format!("path:{dir}?dir=sub"));
        }
        assert_same(store, &format!("{}?dir=sub", url(project.dir())));
        assert_same(store, &format!("{dir}/sub"));
        project.write("sub/file", "dirty");
        assert_same(store, &format!("{}?dir=sub", url(project.dir())));
        assert_same(store, &format!("{dir}/sub"));
    });
}

#[test]
fn a_shallow_clone_and_submodules() {
    each_nix(|_, store| {
        let origin = project(store, "origin", "")
            .file("file", "second")
            .committed();
        let shallow = Project::named(store, "shallow");
        shallow.git(&[
            "fetch",
            "--quiet",
            "--depth=1",
            &format!("file://{}", origin.dir().display()),
            "HEAD",
        ]);
        shallow.git(&["checkout", "--quiet", "--force", "FETCH_HEAD"]);
        // Nix 2.8 takes a shallow clone only if it is told so.
        let shallow_url = url(shallow.dir());
        assert_same(store, &format!("{shallow_url}?shallow=1"));
        if store.nix().version >= (2, 20, 0) {
            assert_same(store, &shallow_url);
        }
        shallow.write("file", "dirty");
        assert_same(store, &format!("{shallow_url}?shallow=1"));

        let outer = project(store, "outer", "");
        let allow = [
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
        ];
        outer.git(&[&allow[..], &[origin.dir().to_str().unwrap(), "module"]].concat());
        let outer = outer.committed();
        fs::write(
            store.folder().join("home/.gitconfig"),
            "[protocol \"file\"]\nallow = always\n",
        )
        .unwrap();
        assert_same(store, &format!("{}?submodules=1", url(outer.dir())));
        outer.write("file", "dirty");
        assert_same(store, &format!("{}?submodules=1", url(outer.dir())));
    });
}

/// Three projects, the last with inputs of all kinds.
fn with_inputs(store: &TestStore, lock: bool) -> (Project<'_>, Project<'_>, Project<'_>) {
    let leaf = project(store, "leaf", "");
    leaf.write("dir/flake.nix", &flake("", "in a folder"));
    leaf.write("dir/file", "");
    let leaf = leaf.committed();
    let middle = project(
        store,
        "middle",
        &format!("inputs.leaf.url = \"{}\";", url(leaf.dir())),
    );
    store.run_nix(&["flake", "lock"], middle.dir());
    let middle = middle.committed();
    let (leaf_url, middle_url) = (url(leaf.dir()), url(middle.dir()));
    let inputs = format!(
        r#"
        inputs.leaf.url = "{leaf_url}";
        inputs.in-dir.url = "{leaf_url}?dir=dir";
        inputs.middle.url = "{middle_url}";
        inputs.following.url = "{middle_url}";
        inputs.following.inputs.leaf.follows = "leaf";
        inputs.far.follows = "middle/leaf";
        inputs.no-flake.url = "{leaf_url}";
        inputs.no-flake.flake = false;
        inputs.no-flake-in-dir.url = "{leaf_url}?dir=dir";
        inputs.no-flake-in-dir.flake = false;
        inputs.by-path.url = "path:{}";
        "#,
        leaf.dir().display()
    );
    let top = project(store, "top", &inputs);
    let top = if lock {
        store.run_nix(&["flake", "lock"], top.dir());
        top.committed()
    } else {
        top
    };
    (leaf, middle, top)
}

#[test]
fn inputs_that_are_locked() {
    each_nix(|_, store| {
        let (_, _, top) = with_inputs(store, true);
        let flake = url(top.dir());
        assert_same(store, &flake);
        top.write("file", "dirty");
        assert_same(store, &flake);
        assert_same(store, &format!("path:{}", top.dir().display()));
        // Nothing of the inputs is in the store any more.
        let top = top.committed();
        store.run_nix(&["store", "gc"], store.folder());
        assert_same(store, &flake);
        drop(top);
    });
}

#[test]
fn inputs_that_are_fetched_anew() {
    each_nix(|_, store| {
        let (_, _, top) = with_inputs(store, true);
        let flake = url(top.dir());
        // First by the evaluator, so that it has to fetch the inputs itself.
        let found = {
            store.run_nix(&["store", "gc"], store.folder());
            Evaluation::new(store, &format!("{flake}#checks")).run()
        };
        store.run_nix(&["store", "gc"], store.folder());
        assert_eq!(
            found.drv_paths(),
            by_nix_eval(store, &flake, &[]),
            "Nix {}",
            store.nix()
        );
    });
}

#[test]
fn inputs_that_are_not_locked() {
    each_nix(|_, store| {
        let (leaf, _, top) = with_inputs(store, false);
        let flake = url(top.dir());
        assert_same(store, &flake);
        let found = Evaluation::new(store, &format!("{flake}#checks")).run();
        let locked = found.summary().locked.as_ref();
        assert!(!locked.unwrap().fully_locked);
        assert!(
            !top.dir().join("flake.lock").exists(),
            "a lock file was written"
        );
        leaf.write("file", "dirty");
        assert_same(store, &flake);
    });
}

#[test]
fn inputs_that_are_overridden() {
    each_nix(|_, store| {
        let (leaf, _, top) = with_inputs(store, true);
        let other = project(store, "other", "");
        let flake = url(top.dir());
        let by_path = format!("path:{}", other.dir().display());
        let mut urls = vec![url(other.dir()), by_path];
        leaf.write("file", "dirty");
        urls.push(url(leaf.dir()));
        for input in ["leaf", "in-dir", "following/leaf"] {
            for to in &urls {
                assert_same_with(
                    store,
                    &flake,
                    &["--override-input", input, to],
                    |evaluation| {
                        let options = &mut evaluation.request.options;
                        options.override_inputs.push((input.to_owned(), to.clone()));
                    },
                );
            }
        }
    });
}

#[test]
fn a_reference_lock_file() {
    each_nix(|nix, store| {
        if nix.version < (2, 15, 0) {
            let mut evaluation = Evaluation::new(store, ".");
            evaluation.request.options.reference_lock_file = Some("other.lock".into());
            let error = evaluation.run().error().to_string();
            assert!(
                error.starts_with("`--reference-lock-file` needs Nix 2.15"),
                "{error}"
            );
            return;
        }
        let (leaf, _, top) = with_inputs(store, true);
        let lock = store.folder().join("other.lock");
        fs::copy(top.dir().join("flake.lock"), &lock).unwrap();
        leaf.write("file", "newer");
        let _leaf = leaf.committed();
        store.run_nix(&["flake", "update"], top.dir());
        let top = top.committed();
        let file = lock.to_str().unwrap();
        let by_tree = by_nix_eval(store, &url(top.dir()), &[]);
        assert_ne!(
            by_tree,
            by_nix_eval(store, &url(top.dir()), &["--reference-lock-file", file])
        );
        assert_same_with(
            store,
            &url(top.dir()),
            &["--reference-lock-file", file],
            |evaluation| {
                evaluation.request.options.reference_lock_file = Some(lock.clone());
            },
        );
    });
}

#[test]
fn inputs_that_are_folders_of_the_flake() {
    each_nix(|nix, store| {
        if nix.version < (2, 26, 0) {
            return;
        }
        let inputs = "inputs.sub.url = \"path:./sub\"; inputs.deep.url = \"path:./sub/../sub/deep\"; \
                      inputs.plain.url = \"path:./plain\"; inputs.plain.flake = false;";
        let top = project(store, "top", inputs);
        top.write(
            "sub/flake.nix",
            &flake("inputs.deep.url = \"path:./deep\";", "sub"),
        );
        top.write("sub/file", "sub");
        top.write("sub/deep/flake.nix", &flake("", "deep"));
        top.write("sub/deep/file", "deep");
        top.write("plain/file", "plain");
        let top = top.committed();
        assert_same(store, &url(top.dir()));
        store.run_nix(&["flake", "lock"], top.dir());
        let top = top.committed();
        assert_same(store, &url(top.dir()));
        top.write("sub/file", "dirty");
        assert_same(store, &url(top.dir()));
        // As an input of another flake, itself in a folder.
        let outer = project(
            store,
            "outer",
            &format!(
                "inputs.top.url = \"{}\"; inputs.sub.follows = \"top/sub\";",
                url(top.dir())
            ),
        );
        let top = top.committed();
        assert_same(store, &url(outer.dir()));
        store.run_nix(&["flake", "lock"], outer.dir());
        let outer = outer.committed();
        assert_same(store, &url(outer.dir()));
        let other = project(store, "other", "");
        let other_url = url(other.dir());
        let overridden = ["--override-input", "top/sub/deep", &other_url];
        assert_same_with(store, &url(outer.dir()), &overridden, |evaluation| {
            let options = &mut evaluation.request.options;
            options
                .override_inputs
                .push(("top/sub/deep".to_owned(), other_url.clone()));
        });
        drop(top);
    });
}

#[test]
fn options_reach_the_evaluation() {
    each_nix(|nix, store| {
        let project = project(store, "project", "");
        let system = "./file + builtins.currentSystem or \"pure\"";
        project.write(
            "flake.nix",
            &flake("", "x").replace("./file)", &format!("{system})")),
        );
        let flake = url(project.dir());
        // The repl of Nix before 2.10 has `currentSystem` also when all else is pure.
        if nix.version >= (2, 10, 0) {
            assert_same(store, &flake);
        }
        assert_same_with(store, &flake, &["--impure"], |evaluation| {
            evaluation.request.options.impure = true;
        });
        let with_option = ["--impure", "--option", "system", "riscv64-linux"];
        assert_ne!(
            by_nix_eval(store, &flake, &with_option),
            by_nix_eval(store, &flake, &["--impure"])
        );
        assert_same_with(store, &flake, &with_option, |evaluation| {
            let options = &mut evaluation.request.options;
            options.impure = true;
            options.nix_options = vec![("system".into(), "riscv64-linux".into())];
        });
    });
}

#[test]
fn nothing_impure_reaches_a_pure_evaluation() {
    each_nix(|_, store| {
        let secret = store.folder().join("secret");
        fs::write(&secret, "secret").unwrap();
        let mut project = Project::new(store)
            .expression(
                "home",
                "build (\"home-\" + builtins.getEnv \"HOME\") \"\" { }",
            )
            .expression("path", "build \"path\" (toString builtins.nixPath) { }");
        let path = secret.display();
        for (name, read) in [
            ("secret-read", format!("builtins.readFile {path}")),
            ("secret-import", format!("import {path}")),
            ("secret-copy", format!("builtins.path {{ path = {path}; }}")),
        ] {
            project = project.expression(name, &read);
        }
        let project = project.committed();
        let found = Evaluation::new(store, &format!("{}#checks", url(project.dir()))).run();
        let found_names: Vec<_> = found
            .checks
            .values()
            .map(|check| check.name.as_str())
            .collect();
        assert_eq!(found_names, ["home-", "path"], "Nix {}", store.nix());
        for (name, failure) in &found.failed {
            let message = &failure.message;
            assert!(message.contains("is forbidden in"), "{name}: {message}");
        }
        assert_eq!(found.failed.len(), 3);
    });
}
