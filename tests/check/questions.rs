//! `nixci diff`, `nixci why` and the jobs of `nixci eval`: questions that are answered without building.

use std::fs;

use crate::support::{Project, nix, project::SYSTEM};

#[test]
fn diff_tells_what_changed_since_a_commit() {
    for nix in nix::all() {
        let store = nix.store();
        let project = Project::new(&store)
            .check("same", "echo > $out")
            .check("changes", "echo 1 > $out")
            .check("goes", "echo > $out")
            .committed();
        let run = project.nixci(&["diff", "HEAD"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        assert_eq!(
            run.stdout, "0 added, 0 gone, 0 changed, 3 the same\n",
            "Nix {nix}"
        );
        let flake = fs::read_to_string(project.dir().join("flake.nix")).unwrap();
        let flake = flake
            .replace("echo 1 >", "echo 2 >")
            .replace("goes", "comes");
        project.write("flake.nix", &flake);
        let run = project.nixci(&["diff", "HEAD", "--exit-code"]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.stdout.replace(SYSTEM, "SYSTEM"), @"
            ~ SYSTEM.changes
            + SYSTEM.comes
            - SYSTEM.goes
            1 added, 1 gone, 1 changed, 1 the same
            ");
        }
    }
}

#[test]
fn diff_wants_a_revision_of_a_checkout() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    let run = project.nixci(&["diff", "no-such-branch"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(
        run.stderr
            .starts_with("error: `no-such-branch` names no commit of this repository"),
        "{run}"
    );
    let run = project.nixci(&["diff", "HEAD", "github:a/b"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.contains("no flake in a folder"), "{run}");
}

#[test]
fn why_tells_what_would_be_built() {
    for nix in nix::all() {
        let store = nix.store();
        let project = Project::new(&store).check("fmt", "echo > $out").committed();
        let run = project.nixci(&["why", "fmt"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.stdout.replace(SYSTEM, "SYSTEM"), @"
            SYSTEM.fmt
              build check-fmt: not in the store, and no substituter is asked
              1 to build, at most 1 after one another; 0 to download
            ");
        }
        let run = project.nixci(&["check"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let run = project.nixci(&["why", &format!("{SYSTEM}.fmt")]);
        assert!(run.stdout.contains("nothing has to be done"), "{run}");
        let path = format!("checks.{SYSTEM}.fmt");
        let whole = project.nixci(&["why", &path]);
        assert_eq!(whole.stdout, run.stdout, "{whole}");
        let run = project.nixci(&["why", "fnt"]);
        assert_eq!(run.code, Some(3), "{run}");
        assert!(
            run.stderr.contains("there is no check `fnt`; there is"),
            "{run}"
        );
    }
}

#[test]
fn jobs_for_a_ci_leave_out_what_is_there_already() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("there", "echo > $out")
        .check("new", "echo 1 > $out")
        .expression("broken", "throw \"no\"")
        .committed();
    let there = project.nixci(&["check", &format!(".#checks.{SYSTEM}.there")]);
    assert_eq!(there.code, Some(0), "{there}");
    let eval = |arguments: &[&str]| {
        let mut all = vec!["eval"];
        all.extend(arguments);
        let run = project.nixci(&all);
        assert_eq!(run.code, Some(0), "{run}");
        serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap()
    };
    let matrix = eval(&["--format", "github-matrix", "--uncached"]);
    let checks: Vec<&str> = matrix["include"]
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["installable"].as_str().unwrap())
        .collect();
    // What cannot be evaluated is a job too: there it tells why.
    assert_eq!(
        checks,
        [
            format!(".#checks.{SYSTEM}.broken"),
            format!(".#checks.{SYSTEM}.new")
        ]
    );
    let by_system = eval(&["--format", "github-matrix", "--by", "system"]);
    assert_eq!(by_system["include"][0]["checks"], 3);
    let pipeline = eval(&["--format", "gitlab-child-pipeline", "--uncached"]);
    let script = &pipeline[format!("check {SYSTEM}.new")]["script"][0];
    assert_eq!(*script, format!("nixci check '.#checks.{SYSTEM}.new'"));
}
