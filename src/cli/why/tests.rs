use std::collections::{BTreeMap, HashSet};

use super::{Facts, explain, similar};
use crate::{
    graph::{Disposition, How, Plan, PlannedStep},
    nix::{Derivation, DerivationOutput, StorePath, System},
};

fn path(name: &str) -> StorePath {
    StorePath::parse(&format!(
        "/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-{name}"
    ))
    .unwrap()
}

fn step(name: &str, how: How, inputs: &[&str]) -> PlannedStep {
    PlannedStep {
        target: path(name),
        drv_path: path(name),
        system: System::of_derivation("x86_64-linux"),
        inputs: inputs.iter().map(|name| path(name)).collect(),
        how,
    }
}

fn derivation(outputs: &[(&str, &str)], env: &[(&str, &str)]) -> Derivation {
    let output = |path: &str| DerivationOutput {
        path: path.to_owned(),
        ..DerivationOutput::default()
    };
    Derivation {
        outputs: outputs
            .iter()
            .map(|(name, path)| ((*name).to_owned(), output(path)))
            .collect(),
        env: env
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect::<BTreeMap<_, _>>(),
        ..Derivation::default()
    }
}

#[test]
fn every_reason_is_told_once_where_it_belongs() {
    let build = How::Build { local: true };
    let plan = Plan {
        wanted: vec![(path("check.drv"), Disposition::Build)],
        steps: vec![
            step("source", How::Substitute, &[]),
            step("base.drv", build.clone(), &["source"]),
            step("generated.drv", build.clone(), &["base.drv"]),
            step("far.drv", How::Build { local: false }, &["base.drv"]),
            step(
                "phone.drv",
                How::Unsupported {
                    reason: "no builder for armv6l-linux".into(),
                },
                &[],
            ),
            step(
                "check.drv",
                build,
                &["generated.drv", "far.drv", "phone.drv"],
            ),
        ],
        download_bytes: 0,
    };
    let out = path("out");
    let facts = Facts {
        derivations: [
            (
                path("base.drv"),
                derivation(&[("out", out.as_str()), ("dev", path("dev").as_str())], &[]),
            ),
            (path("generated.drv"), derivation(&[("out", "")], &[])),
            (
                path("far.drv"),
                derivation(
                    &[("out", path("far").as_str())],
                    &[("allowSubstitutes", "")],
                ),
            ),
            (
                path("check.drv"),
                derivation(&[("out", path("check").as_str())], &[]),
            ),
        ]
        .into(),
        valid: HashSet::from([out]),
        substitutes: true,
    };
    insta::assert_snapshot!(explain(&plan, &facts).join("\n"), @"
      build check: not in the store, and no substituter offers it
        build generated: where its outputs are is only known when it is built
          build base: its dev not in the store, and no substituter offers it
            download source: a substituter offers it
        build far on another machine: not in the store, and `allowSubstitutes = false` forbids to download it
          base (see above)
        cannot build phone: no builder for armv6l-linux
      4 to build, at most 3 after one another; 1 to download
    ");
}

#[test]
fn names_that_may_be_meant() {
    let names: Vec<String> = (0..12).map(|i| format!("x86_64-linux.unit-{i}")).collect();
    assert_eq!(
        similar("unit-11", &names),
        "; there is x86_64-linux.unit-11"
    );
    assert!(similar("lint", &names).ends_with("x86_64-linux.unit-9 and 2 more"));
    assert_eq!(similar("lint", &[]), ": there is none at all");
}
