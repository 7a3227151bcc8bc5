//! The evaluator that runs nix-eval-jobs, with a stand-in for that program: it evaluates by `nix eval` and writes the
//! lines that nix-eval-jobs writes, or goes wrong in the ways in which that goes wrong.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nixci::eval::{EvalError, NixEvalJobs};

use crate::{
    harness::{Evaluation, Found, each_nix, url},
    support::{
        Project, nix,
        program::write_program,
        project::{FOREIGN_SYSTEM, SYSTEM},
        store::TestStore,
    },
};

/// What nix-eval-jobs does with what it was told to select: a line for each derivation, in silence over all else.
const LINES: &str = r#"root: let
  line = path: drv: builtins.toJSON {
    attr = builtins.concatStringsSep "." path; attrPath = path; inherit (drv) name system drvPath;
    outputs = builtins.listToAttrs (map (name: { inherit name; value = drv.${name}.outPath; }) (drv.outputs or [ "out" ]));
  };
  walk = path: value:
    if !builtins.isAttrs value then [ ]
    else if value.type or null == "derivation" then [ (line path value) ]
    else builtins.concatMap (name: walk (path ++ [ name ]) value.${name}) (builtins.attrNames value);
in builtins.concatStringsSep "\n" (walk [ ] ((SELECT) root))"#;

/// Writes a stand-in that evaluates what it is asked to, does `after`, and ends.
fn stand_in(store: &TestStore, nix: &Path, after: &str) -> PathBuf {
    let lines = LINES.replace("SELECT", "@SELECT@");
    fs::write(store.folder().join("lines.nix"), lines).unwrap();
    let script = format!(
        r#"#!/bin/sh
echo "$@" > {folder}/arguments
select='root: root'
while [ $# -gt 0 ]; do
  case "$1" in
    --select) select=$2; shift;;
    --flake) flake=$2; shift;;
    --gc-roots-dir) test -d "$2" || exit 7; shift;;
    --override-input) override="--override-input $2 $3"; shift 2;;
  esac
  shift
done
apply=$(cat {folder}/lines.nix)
before=${{apply%@SELECT@*}}
behind=${{apply#*@SELECT@}}
evaluate() {{
  {nix} eval --raw --no-write-lock-file $override "$flake" --apply "$before$select$behind" > {folder}/lines 2> {folder}/said
}}
evaluate
{after}
"#,
        folder = store.folder().display(),
        nix = nix.display(),
    );
    write_program(&store.folder().join("nix-eval-jobs"), &script)
}

fn evaluate(store: &TestStore, project: &Project<'_>, version: (u32, u32), after: &str) -> Found {
    let evaluation = Evaluation::new(store, &format!("{}#checks", url(project.dir())));
    let jobs = stand_in(store, &evaluation.request.nix, after);
    evaluation.run_with(&NixEvalJobs::new(jobs, version))
}

/// Checks that both evaluators find the same; returns it.
#[track_caller]
fn assert_same(
    store: &TestStore,
    project: &Project<'_>,
    version: (u32, u32),
    after: &str,
) -> Found {
    let by_jobs = evaluate(store, project, version, after);
    let builtin = Evaluation::new(store, &format!("{}#checks", url(project.dir()))).run();
    assert_eq!(by_jobs.summary(), builtin.summary(), "{after}");
    assert_eq!(by_jobs.checks, builtin.checks, "{after}");
    assert_eq!(by_jobs.failed, builtin.failed, "{after}");
    by_jobs
}

const LINES_SO_FAR: &str = "cat $(dirname $0)/lines; echo";

#[test]
fn both_evaluators_find_the_same() {
    each_nix(|_, store| {
        let project = Project::new(store)
            .check("a", "")
            .check("dotted.name", "")
            .check_on(FOREIGN_SYSTEM, "a", "")
            .expression("null", "null")
            .expression("string", "\"x\"")
            .expression("app", "{ type = \"app\"; }")
            .expression(
                "group",
                "{ x = build \"x\" \"\" { }; inner.y = build \"y\" \"\" { }; z = 1; }",
            )
            .expression(
                "refuses",
                "{ recurseForDerivations = false; x = build \"refuses\" \"\" { }; }",
            )
            .committed();
        let selected = assert_same(store, &project, (2, 31), LINES_SO_FAR);
        assert_eq!(selected.checks.len(), 4);
        let arguments = fs::read_to_string(store.folder().join("arguments")).unwrap();
        assert!(
            arguments.contains("--force-recurse") && arguments.contains("--select"),
            "{arguments}"
        );
        // It evaluated only what was selected.
        let lines = fs::read_to_string(store.folder().join("lines")).unwrap();
        assert!(
            lines.contains("\"inner\"")
                && !lines.contains("refuses")
                && !lines.contains(FOREIGN_SYSTEM),
            "{lines}"
        );
        // Before it had `--select` it evaluated everything, and the rest is sorted out here.
        assert_same(store, &project, (2, 30), LINES_SO_FAR);
        let lines = fs::read_to_string(store.folder().join("lines")).unwrap();
        assert!(
            lines.contains("refuses") && lines.contains(FOREIGN_SYSTEM),
            "{lines}"
        );
    });
}

#[test]
fn what_it_leaves_undone_is_done_by_the_builtin_evaluator() {
    let store = nix::newest().store();
    let mut project = Project::new(&store).expression("null", "null");
    for i in 0..10 {
        project = project.check(&format!("a{i}"), "");
    }
    let project = project.committed();
    let some = "head -n 4 $(dirname $0)/lines";
    for (after, says) in [
        (format!("{some}; kill -9 $$"), Some("signal: 9")),
        (
            format!("{some}; echo 'error: worker error: x' >&2; exit 1"),
            Some("(exit status: 1): worker error: x"),
        ),
        (some.to_owned(), None),
        ("exit 0".to_owned(), None),
        (
            "echo '{\"attr\":'; echo nonsense".to_owned(),
            Some("cannot understand a line"),
        ),
        ("exec >&-; sleep 0.3".to_owned(), None),
    ] {
        let found = assert_same(&store, &project, (2, 34), &after);
        assert_eq!(found.checks.len(), 10);
        let said: Vec<_> = found
            .warnings
            .iter()
            .map(|(_, text)| text.as_str())
            .collect();
        match says {
            Some(says) => assert!(
                said.iter().any(|said| said.contains(says)),
                "{after}: {said:?}"
            ),
            None => assert!(said.is_empty(), "{after}: {said:?}"),
        }
    }
}

#[test]
fn its_errors_are_shown_as_those_of_the_builtin_evaluator() {
    let store = nix::newest().store();
    let project = Project::new(&store)
        .check("quoted", "")
        .expression("throws", "throw \"no\"")
        .expression("fatal", "builtins.trace \"one trace\" (throw \"other\")")
        .committed();
    let flake = project.dir().join("flake.nix").display().to_string();
    let throws = format!(
        r#"{{"attr":"{SYSTEM}.throws","attrPath":["{SYSTEM}","throws"],"error":"error:\n       … while calling the 'throw' builtin\n         at {flake}:12:40:\n           11|\n             | ^\n\n       error: no","warnings":["evaluation warning: in a line"]}}"#
    );
    let quoted = format!(
        r#"{{"attr":"{SYSTEM}.quoted","attrPath":["{SYSTEM}","quoted"],"error":"error: attribute 'quoted' in selection path '{SYSTEM}.quoted' not found"}}"#
    );
    let fatal = format!(
        r#"{{"attr":"{SYSTEM}.fatal","attrPath":["{SYSTEM}","fatal"],"error":"error: stack overflow; max-call-depth exceeded","fatal":true}}"#
    );
    let after = format!(
        "cat <<'X'\n{throws}\n{quoted}\n{fatal}\nX\ncat {} >&2\nexit 1",
        concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/nix-eval-jobs-2.34/without-recursion.stderr"
        )
    );
    let found = evaluate(&store, &project, (2, 34), &after);
    found.summary();
    assert_eq!(found.checks.len(), 1, "what it cannot look up is looked up");
    let failure = &found.failed[&format!("{SYSTEM}.throws")];
    assert!(
        failure.message.starts_with("no\nat flake.nix:12:40:"),
        "{failure:?}"
    );
    assert_eq!(
        (failure.file.as_deref(), failure.line, failure.column),
        (Some("flake.nix"), Some(12), Some(40))
    );
    let overflow = &found.failed[&format!("{SYSTEM}.fatal")].message;
    assert_eq!(overflow, "stack overflow; max-call-depth exceeded");
    let mut said: Vec<_> = found
        .warnings
        .iter()
        .map(|(path, text)| (path.is_some(), text.as_str()))
        .collect();
    said.sort_unstable();
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(
        said.contains(&(true, "in a line"))
            && said.contains(&(false, "a deprecated option is used"))
    );
}

#[test]
fn a_root_that_fails_is_said_by_nix_itself() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("a", "").committed();
    let root = "cat $(dirname $0)/said >&2; exit 1";
    let evaluation = Evaluation::new(&store, &format!("{}#nope", url(project.dir())));
    let jobs = NixEvalJobs::new(stand_in(&store, &evaluation.request.nix, root), (2, 34));
    let error = evaluation.run_with(&jobs).error().to_string();
    assert_eq!(error, "the flake has no attribute `nope`; it has checks");
    let missing = NixEvalJobs::new("/nowhere/nix-eval-jobs".into(), (2, 34));
    let error = evaluation.run_with(&missing).error().to_string();
    assert!(
        error.starts_with("cannot run `/nowhere/nix-eval-jobs`: No such file"),
        "{error}"
    );
}

#[test]
fn options_and_single_attributes_reach_it() {
    let store = nix::newest().store();
    let dependency = Project::named(&store, "dependency")
        .check("a", "")
        .committed();
    let other = Project::named(&store, "other").check("b", "").committed();
    let project = Project::new(&store)
        .flake(&format!(
            "{{ inputs.a.url = \"{}\"; outputs = {{ self, a }}: {{ inherit (a) checks; }}; }}",
            url(dependency.dir())
        ))
        .committed();
    let mut evaluation = Evaluation::new(&store, &format!("{}#checks", url(project.dir())));
    evaluation.request.options.override_inputs = vec![("a".into(), url(other.dir()))];
    let jobs = NixEvalJobs::new(
        stand_in(&store, &evaluation.request.nix, LINES_SO_FAR),
        (2, 34),
    );
    let found = evaluation.run_with(&jobs);
    assert_eq!(
        found.drv_paths().into_keys().collect::<Vec<_>>(),
        [format!("{SYSTEM}.b")]
    );
    assert_eq!(found.checks, evaluation.run().checks);
    // A derivation by itself, and a name that it cannot be asked for.
    for attribute in [
        format!("checks.{SYSTEM}.a"),
        format!("checks.{SYSTEM}.\"a\""),
    ] {
        let evaluation = Evaluation::new(&store, &format!("{}#{attribute}", url(dependency.dir())));
        let found = evaluation.run_with(&jobs);
        assert_eq!(found.drv_paths().into_keys().collect::<Vec<_>>(), [""]);
    }
}

#[test]
fn it_ends_when_it_is_not_wanted_any_more() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("a", "").committed();
    let evaluation = Evaluation::new(&store, &format!("{}#checks", url(project.dir())));
    let jobs = stand_in(&store, &evaluation.request.nix, "sleep 1000 & wait");
    let cancel = evaluation.cancel.clone();
    thread::scope(|scope| {
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(700));
            cancel.cancel();
        });
        let found = evaluation.run_with(&NixEvalJobs::new(jobs, (2, 34)));
        assert!(matches!(found.error(), EvalError::Cancelled));
    });
}
