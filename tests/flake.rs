//! Evaluates this repository's own `flake.nix`, without the network.
//!
//! A stand-in for Nixpkgs makes derivations of what it is asked for, so this finds what a typing error breaks: an
//! output that is missing, throws or has the wrong shape. Whether the real Nixpkgs builds it, only that can tell.

mod support;

use std::{collections::BTreeMap, fs, path::Path};

use support::{Project, nix};

/// As much of Nixpkgs as the flake names.
const NIXPKGS: &str = r#"{
  outputs = { self }: {
    lib = {
      genAttrs = names: make:
        builtins.listToAttrs (map (name: { inherit name; value = make name; }) names);
      getExe = package: "${package}/bin/${package.meta.mainProgram}";
      optionals = condition: list: if condition then list else [ ];
      licenses.mit = { };
      fileset = {
        unions = files: assert builtins.all builtins.pathExists files; files;
        toSource = { root, fileset }: builtins.seq (fileset == [ ]) root;
      };
    };
    legacyPackages = self.lib.genAttrs [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ] (system:
      let
        make = name: attributes:
          derivation (removeAttrs attributes [ "meta" "cargoLock" "inputsFrom" ] // {
            inherit name system;
            builder = "/bin/sh";
          }) // {
            inherit (attributes) nativeBuildInputs;
            meta = attributes.meta or { };
            overrideAttrs = change: make name (attributes // change attributes);
          };
        tool = name: make name { nativeBuildInputs = [ ]; };
      in {
        stdenv.hostPlatform.isDarwin = builtins.match ".*-darwin" system != null;
        rustPlatform.buildRustPackage = attributes: make "${attributes.pname}-${attributes.version}" attributes;
        runCommand = name: attributes: script: make name (attributes // { inherit script; });
        mkShell = attributes: make "shell" (attributes // { nativeBuildInputs = [ ]; });
      } // self.lib.genAttrs
        [ "cargo-deny" "cargo-insta" "clippy" "git" "installShellFiles" "libiconv" "rust-analyzer" "rustfmt"
          "shellcheck" ]
        tool);
  };
}
"#;

#[test]
fn every_output_of_the_flake_evaluates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let store = nix::newest().store();
    let nixpkgs = Project::named(&store, "nixpkgs").flake(NIXPKGS).committed();
    let files = [
        "flake.nix",
        "Cargo.toml",
        "Cargo.lock",
        "dev/demo",
        ".ci/run",
    ];
    let places = [
        ".clippy.toml",
        ".rustfmt.toml",
        "completions/x",
        "man/x",
        "src/x",
        "tests/x",
    ];
    let project = places
        .iter()
        .fold(Project::new(&store), |project, path| project.file(path, ""));
    let project = files
        .iter()
        .fold(project, |project, path| {
            project.file(path, &fs::read_to_string(root.join(path)).unwrap())
        })
        .committed();
    let nixpkgs = format!("git+file://{}", nixpkgs.dir().display());
    let arguments = [
        "--override-input",
        "nixpkgs",
        &nixpkgs,
        "--no-write-lock-file",
    ];
    let check = ["flake", "check", "--no-build", "--all-systems"];
    store.run_nix(&[&check[..], &arguments].concat(), project.dir());

    let names = [
        "eval",
        "--json",
        ".#checks",
        "--apply",
        "builtins.mapAttrs (_: builtins.attrNames)",
    ];
    let names = store.run_nix(&[&names[..], &arguments].concat(), project.dir());
    let names: BTreeMap<String, Vec<String>> = serde_json::from_str(&names).unwrap();
    let systems: Vec<&str> = names.keys().map(String::as_str).collect();
    assert_eq!(
        systems,
        [
            "aarch64-darwin",
            "aarch64-linux",
            "x86_64-darwin",
            "x86_64-linux"
        ]
    );
    assert!(
        names
            .values()
            .all(|names| names == &["clippy", "doc", "fmt", "package", "scripts"]),
        "{names:?}"
    );
}
