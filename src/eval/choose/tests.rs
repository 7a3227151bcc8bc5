use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{EvaluatorKind, choose_evaluator, version_in_path};

/// Writes a program that answers as nix-eval-jobs linked to this version of Nix does.
fn program(folder: &Path, version: &str) -> PathBuf {
    let file = folder.join(format!("nix-eval-jobs{version}"));
    let answer = format!(
        r#"{{"attr":"version","attrPath":["version"],"error":"error:\n       … while calling the throw builtin\n\n       error: {version}"}}"#
    );
    let script = format!("#!/bin/sh\ncat <<'X'\n{answer}\nX\n");
    // Another process writes it: what this one has open for writing cannot be run, and a child that some other test
    // starts meanwhile may keep it open for a moment.
    let write = "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let mut shell = Command::new("sh");
    let status = shell.args(["-c", write]).arg(&file).arg(script).status();
    assert!(status.unwrap().success());
    file
}

fn chosen(kind: EvaluatorKind, program: Option<PathBuf>) -> String {
    match choose_evaluator(kind, program, (2, 34)) {
        Ok(evaluator) => evaluator.name().to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_evaluator_is_the_one_that_fits() {
    use EvaluatorKind::{Auto, Builtin, NixEvalJobs};
    let folder = tempfile::tempdir().unwrap();
    let program = |version| Some(program(folder.path(), version));
    assert_eq!(chosen(Auto, None), "builtin");
    assert_eq!(chosen(Auto, program("2.34.8")), "nix-eval-jobs");
    assert_eq!(chosen(Auto, program("2.31.2")), "builtin");
    assert_eq!(chosen(Auto, program("nonsense")), "builtin");
    assert_eq!(
        chosen(Auto, Some("/nowhere/nix-eval-jobs".into())),
        "builtin"
    );
    assert_eq!(chosen(Builtin, program("2.34.8")), "builtin");
    assert_eq!(chosen(NixEvalJobs, program("2.31.2")), "nix-eval-jobs");
    assert_eq!(
        chosen(NixEvalJobs, None),
        "cannot find `nix-eval-jobs` on PATH: install it, or use `--evaluator builtin`"
    );
    let old = chosen(NixEvalJobs, program("2.19.4"));
    assert!(old.ends_with(
        "is version 2.19, but 2.24 or newer is needed: upgrade it, or use `--evaluator builtin`"
    ));
    let nonsense = chosen(NixEvalJobs, program("nonsense"));
    assert!(nonsense.contains("does not say its version"), "{nonsense}");
}

#[test]
fn what_nix_installed_has_its_version_in_its_name() {
    let path = "/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-nix-eval-jobs-2.34.1/bin/nix-eval-jobs";
    assert_eq!(version_in_path(path), Some((2, 34)));
    assert_eq!(version_in_path("/usr/bin/nix-eval-jobs"), None);
    assert_eq!(
        version_in_path("/nix/store/x-nix-eval-jobs-unstable/bin/nix-eval-jobs"),
        None
    );
}
