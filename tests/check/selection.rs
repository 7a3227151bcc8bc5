//! What is evaluated: attributes, systems, flake references.

use std::collections::BTreeMap;

use crate::{
    Events,
    support::{
        Project, nix,
        project::{FOREIGN_SYSTEM, SYSTEM},
        running::Running,
    },
};

#[test]
fn an_attribute_may_be_anything_with_derivations_below() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).flake(&format!(
        r#"{{
          outputs = {{ self }}: let
            make = system: name: derivation {{
              inherit name system; builder = "/bin/sh"; args = [ "-c" "echo > $out" ];
            }};
          in {{
            packages.{SYSTEM} = {{ default = make "{SYSTEM}" "default"; other = make "{SYSTEM}" "other"; }};
            packages.{FOREIGN_SYSTEM}.default = throw "not asked for";
            hydraJobs.hello.{SYSTEM} = make "{SYSTEM}" "hello";
            hydraJobs.hello.{FOREIGN_SYSTEM} = throw "not asked for";
          }};
        }}"#
    ));
    let project = project.committed();
    for (installable, names) in [
        (".#packages".to_owned(), vec!["default", "other"]),
        (format!(".#packages.{SYSTEM}"), vec!["default", "other"]),
        (format!(".#packages.{SYSTEM}.other"), vec!["other"]),
        (".#hydraJobs".to_owned(), vec!["hello"]),
        (
            format!("path:{}#hydraJobs", project.dir().display()),
            vec!["hello"],
        ),
        (
            format!("git+file://{}#packages", project.dir().display()),
            vec!["default", "other"],
        ),
    ] {
        let run = project.nixci(&["check", "--format", "json", &installable]);
        assert_eq!(run.code, Some(0), "{installable}: {run}");
        let events = Events::of(&run);
        assert_eq!(
            events.outcomes().into_keys().collect::<Vec<_>>(),
            names,
            "{installable}"
        );
        assert!(
            events
                .all("check_finished")
                .all(|event| event["system"] == SYSTEM),
            "{installable}: {run}"
        );
    }
}

#[test]
fn only_the_systems_asked_for_are_evaluated() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("here", "echo > $out")
        .expression_on(FOREIGN_SYSTEM, "there", "throw \"evaluated\"")
        .committed();
    let outcomes = |arguments: &[&str]| {
        let run = project.nixci(&[&["check", "--format", "json"], arguments].concat());
        let events = Events::of(&run);
        let outcomes: Vec<String> = events
            .outcomes()
            .iter()
            .map(|(name, outcome)| format!("{name} {outcome}"))
            .collect();
        (run.code, outcomes)
    };
    assert_eq!(outcomes(&[]), (Some(0), vec!["here built".to_owned()]));
    assert_eq!(
        outcomes(&["--systems", SYSTEM]),
        (Some(0), vec!["here cached".to_owned()])
    );
    let failed = (Some(1), vec!["there evaluation_failed".to_owned()]);
    assert_eq!(outcomes(&["--systems", FOREIGN_SYSTEM]), failed);
    let both = (
        Some(1),
        vec![
            "here cached".to_owned(),
            "there evaluation_failed".to_owned(),
        ],
    );
    assert_eq!(outcomes(&["--all-systems"]), both);
}

#[test]
fn no_checks_for_this_system_says_which_systems_have_some() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check_on(FOREIGN_SYSTEM, "there", "echo > $out")
        .committed();
    let run = project.nixci(&["check", "--format", "plain"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains(FOREIGN_SYSTEM), "{run}");
}

#[test]
fn foreign_checks_are_unsupported_and_fail_only_by_name() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check_on(FOREIGN_SYSTEM, "there", "echo > $out")
        .committed();
    let run = project.nixci(&["check", "--format", "json", "--all-systems"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(Events::of(&run).check("there")["outcome"], "unsupported");
    let by_name = format!(".#checks.{FOREIGN_SYSTEM}.there");
    let run = project.nixci(&["check", "--format", "json", "--all-systems", &by_name]);
    assert_eq!(run.code, Some(1), "{run}");
    assert_eq!(Events::of(&run).check("there")["outcome"], "unsupported");
}

#[test]
fn eval_prints_what_check_would_build() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store)
            .check("a", "echo > $out")
            .expression("bad", "throw \"on purpose\"")
            .committed();
        let run = project.nixci(&["eval", "--format", "json"]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        let mut lines: Vec<serde_json::Value> = run
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        lines.sort_by_key(|line| line["check"].to_string());
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["check"], format!("{SYSTEM}.a"));
        assert_eq!(lines[0]["drv_path"], project.drv_path(SYSTEM, "a"));
        assert_eq!(lines[1]["check"], format!("{SYSTEM}.bad"));
        assert!(lines[1]["error"].as_str().unwrap().contains("on purpose"));
        assert_eq!(lines[1]["file"], "flake.nix", "Nix {nix}: {run}");

        let table = project.nixci(&["eval"]);
        assert_eq!(table.code, Some(1), "Nix {nix}: {table}");
        assert!(
            table.stdout.contains(&project.drv_path(SYSTEM, "a")),
            "{table}"
        );
        assert!(table.stdout.contains("on purpose"), "{table}");
    }
}

#[test]
fn with_max_jobs_0_nothing_is_built_here_unless_jobs_are_asked_for() {
    for nix in nix::all() {
        let store = nix
            .store()
            .with_setting("max-jobs", "0")
            .with_setting(
                "builders",
                &format!("ssh-ng://nobody@nowhere.invalid {SYSTEM}"),
            )
            .with_daemon();
        let project = Project::new(&store).check("a", "echo > $out").committed();
        let run = project.nixci(&["check", "--format", "json"]);
        assert_ne!(
            Events::of(&run).outcomes(),
            BTreeMap::from([("a", "built")]),
            "Nix {nix}: {run}"
        );
        assert_ne!(run.code, Some(0), "Nix {nix}: {run}");
        let run = project.nixci(&["check", "--format", "json", "-j", "1"]);
        assert_eq!(
            Events::of(&run).outcomes(),
            BTreeMap::from([("a", "built")]),
            "Nix {nix}: {run}"
        );
    }
}

#[test]
fn the_settings_a_flake_wishes_for_reach_its_evaluation_if_accepted() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store).expression(
            "imports",
            r#"import (build "generated" "echo '{ build }: build' > $out" { }) { build = build "a" "echo > $out" { }; }"#,
        );
        let text = std::fs::read_to_string(project.dir().join("flake.nix")).unwrap();
        let wishing = text.replacen('{', "{ nixConfig.allow-import-from-derivation = false;", 1);
        let project = project.flake(&wishing).committed();
        let accepted = project.nixci(&["eval", "--accept-flake-config"]);
        assert_eq!(accepted.code, Some(1), "Nix {nix}: {accepted}");
        assert!(
            accepted.stdout.contains("allow-import-from-derivation"),
            "Nix {nix}: {accepted}"
        );
        let plain = project.nixci(&["eval"]);
        assert_eq!(plain.code, Some(0), "Nix {nix}: {plain}");
    }
}

#[test]
fn a_word_beside_a_flake_is_a_check() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("fmt", "echo > $out")
        .check("lint", "echo > $out")
        .committed();
    let run = project.nixci(&["check", "fmt"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("1 passed"), "{run}");
    let run = project.nixci(&["check", "nixpkgs"]);
    assert_eq!(run.code, Some(3), "{run}");
    let said = run.stdout.clone() + &run.stderr;
    assert!(
        said.contains("no check is called `nixpkgs`; there is"),
        "{run}"
    );
    assert!(said.contains("`flake:nixpkgs`"), "{run}");
    let run = project.nixci(&["check", ".", "nixpkgs"]);
    assert!(
        !(run.stdout.clone() + &run.stderr).contains("flake:"),
        "{run}"
    );
    // Elsewhere it can only be a flake of the registry.
    let mut command = project.nixci_command(&["check", "fmt", "--option", "flake-registry", ""]);
    let run = Running::start(command.current_dir(store.folder())).finish();
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stdout.contains("Evaluating fmt: checks"), "{run}");
}
