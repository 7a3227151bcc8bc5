use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    eval::{
        EvalError, EvalRequest, Evaluated,
        builtin::{
            findings::{
                Findings,
                tests::{Roots, delivered, request},
            },
            schedule::{Look, Task},
        },
        delivery::Delivery,
    },
    nix::{AttrPath, CheckPattern, System},
};

const DRV: &str = "/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-ok.drv";

/// A request for all outputs that builds these.
fn wish(roots: &[&str]) -> EvalRequest {
    let mut request = request(".");
    request.installable.attribute = AttrPath::default();
    request.scope.flake_check = true;
    request.scope.roots = roots.iter().map(|root| path(root)).collect();
    request
}

fn path(path: &str) -> AttrPath {
    AttrPath::parse(path).unwrap()
}

fn set(names: &[&str]) -> Value {
    json!({ "kind": "set", "count": names.len(), "names": names, "recurse": true })
}

/// Answers as a worker would for a flake with these sets; whatever else there is fits, or is built.
fn answer(sets: &BTreeMap<&str, Value>, task: &Task) -> Value {
    let known = sets.get(task.path.to_string().as_str());
    known.cloned().unwrap_or_else(|| match task.look {
        Look::Rule(rule) if rule.as_str().ends_with("build") => {
            json!({ "kind": "derivation", "drvPath": DRV, "name": "ok", "system": "x86_64-linux", "outputs": {} })
        }
        Look::Whole | Look::Glance => json!({ "kind": "other", "is": "int" }),
        Look::Rule(_) => json!({ "kind": "fit" }),
    })
}

/// What is sent for a flake with these sets.
fn sent(request: &EvalRequest, sets: &[(&str, Value)]) -> Result<Vec<String>, EvalError> {
    let sets = sets.iter().cloned().collect();
    let roots = Roots;
    let (found_tx, mut found) = mpsc::channel(100);
    let mut delivery = Delivery::new(&roots, found_tx);
    let mut findings = Findings::new(request, &mut delivery, false);
    let mut tasks: VecDeque<Task> = findings.begin().into();
    while let Some(task) = tasks.pop_front() {
        let json = answer(&sets, &task).to_string();
        tasks.extend(findings.take(task, Ok(json.as_bytes()))?);
    }
    findings.tell_omitted();
    let systems = findings.systems();
    let mut sent = Vec::new();
    for evaluated in delivered(&mut delivery, &mut found) {
        match evaluated {
            Evaluated::Check(check) => sent.push(format!("build {}", check.path)),
            Evaluated::Output(output) => sent.push(format!("fits {}", output.path)),
            Evaluated::Failed { path, error } => {
                let place = error
                    .line
                    .map_or(String::new(), |line| format!(" at {line}"));
                sent.push(format!("failed {path}{place}: {}", error.message));
            }
            Evaluated::Warning { path, message } => {
                let path = path.map_or(String::new(), |path| format!("{path}: "));
                sent.push(format!("warning {path}{message}"));
            }
            Evaluated::Progress { .. } => {}
        }
    }
    sent.sort();
    sent.extend(systems.iter().map(System::to_string));
    Ok(sent)
}

#[test]
fn what_is_asked_for_is_built_and_the_rest_looked_at() {
    let flake = [
        (
            "",
            set(&[
                "checks",
                "hydraJobs",
                "legacyPackages",
                "lib",
                "overlay",
                "packages",
            ]),
        ),
        ("checks", set(&["aarch64-linux", "x86_64-linux"])),
        ("checks.x86_64-linux", set(&["a", "b"])),
        ("hydraJobs", set(&["x", "y"])),
        ("hydraJobs.x", set(&["z"])),
        ("legacyPackages", set(&["riscv64-linux", "x86_64-linux"])),
        ("packages", set(&["x86_64-linux"])),
        ("packages.x86_64-linux", set(&["a"])),
    ];
    let warnings = [
        "warning the check omitted what is for other systems: aarch64-linux, riscv64-linux; `--all-systems` looks at it, too",
        "warning the flake output `overlay` is deprecated: `overlays.default` takes its place",
    ];
    let systems = ["aarch64-linux", "riscv64-linux", "x86_64-linux"];
    let mut request = wish(&["checks"]);
    let found = [
        "build checks.x86_64-linux.a",
        "build checks.x86_64-linux.b",
        "fits hydraJobs.x.z",
        "fits hydraJobs.y",
        "fits overlay",
        "fits packages.x86_64-linux.a",
    ];
    let expected = [&found[..], &warnings, &systems].concat();
    assert_eq!(sent(&request, &flake).unwrap(), expected);

    request.scope.roots = vec![path("hydraJobs.x"), path("packages")];
    request.scope.only = vec![CheckPattern::parse("z").unwrap()];
    request.scope.exclude = vec![CheckPattern::parse("checks.b").unwrap()];
    let found = [
        "build hydraJobs.x.z",
        "fits checks.x86_64-linux.a",
        "fits hydraJobs.y",
        "fits overlay",
        "fits packages.x86_64-linux.a",
    ];
    let expected = [&found[..], &warnings, &systems].concat();
    assert_eq!(sent(&request, &flake).unwrap(), expected);
}

#[test]
fn who_names_a_system_means_it() {
    let request = wish(&["packages.aarch64-linux"]);
    let flake = [
        ("", set(&["packages"])),
        ("packages", set(&["aarch64-linux", "i686-linux"])),
        ("packages.aarch64-linux", set(&["a"])),
    ];
    let sent = sent(&request, &flake).unwrap();
    assert_eq!(sent[0], "build packages.aarch64-linux.a", "{sent:?}");
    assert!(
        sent[1].contains("omitted what is for other systems: i686-linux;"),
        "{sent:?}"
    );
}

#[test]
fn what_no_rule_finds_is_looked_at_as_without_rules() {
    let request = wish(&["ci", "legacyPackages.x86_64-linux.a"]);
    let flake = [
        ("", set(&["ci", "legacyPackages"])),
        ("ci", set(&["x"])),
        ("legacyPackages", set(&["x86_64-linux"])),
        ("legacyPackages.x86_64-linux.a", set(&["y"])),
    ];
    let sent = sent(&request, &flake).unwrap();
    assert_eq!(
        sent[..3],
        [
            "failed ci.x: `ci.x` is an integer, not a derivation",
            "failed legacyPackages.x86_64-linux.a.y: `legacyPackages.x86_64-linux.a.y` is an integer, not a derivation",
            "warning unknown flake output `ci`: nobody knows what should be in it",
        ]
    );
}

#[test]
fn only_checks_may_be_missing() {
    let flake = [("", set(&["overlays"])), ("overlays", set(&[]))];
    assert_eq!(sent(&wish(&["checks"]), &flake).unwrap(), [""; 0]);
    for (missing, told) in [
        ("packages", "`packages`; it has overlays"),
        (
            "checks.x86_64-linux",
            "`checks.x86_64-linux`; it has overlays",
        ),
        ("overlays.a", "`overlays.a`, nor anything beside it"),
    ] {
        let error = sent(&wish(&[missing]), &flake).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the flake has no attribute {told}")
        );
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let place = json!({ "file": "/flake.nix", "line": 7, "column": 3 });
    let flake = [
        ("", set(&["apps", "overlays", "packages"])),
        (
            "apps",
            json!({ "kind": "unfit", "is": "list", "why": "not a set", "position": null }),
        ),
        ("overlays", set(&["a", "b"])),
        (
            "overlays.a",
            json!({ "kind": "unfit", "why": "is an overlay of its own", "position": place }),
        ),
        ("overlays.b", json!({ "kind": "fit", "remark": "so so" })),
        ("packages", set(&["x86_64-linux"])),
        ("packages.x86_64-linux", set(&["a"])),
        (
            "packages.x86_64-linux.a",
            json!({ "kind": "fit", "drvPath": "nonsense" }),
        ),
    ];
    assert_eq!(
        sent(&wish(&["checks"]), &flake).unwrap(),
        [
            "failed apps: `apps` is a list, not a set",
            "failed overlays.a at 7: `overlays.a` is an overlay of its own",
            "failed packages.x86_64-linux.a: `packages.x86_64-linux.a` says it is a derivation, but its `drvPath` is `nonsense`",
            "fits overlays.b",
            "warning overlays.b: so so",
            "x86_64-linux",
        ]
    );
}

#[test]
fn a_flake_without_outputs_fails_as_a_whole() {
    let request = wish(&["checks"]);
    let flake = [(
        "",
        json!({ "kind": "unfit", "is": "lambda", "why": "not a set" }),
    )];
    let error = sent(&request, &flake).unwrap_err();
    assert!(matches!(error, EvalError::Flake(_)), "{error}");
}
