//! `nixci check --flake-check` beside the real `nix flake check`: the same verdict, of every version of Nix.

mod cases;

use std::{collections::BTreeMap, thread};

use cases::CASES;

use crate::{
    Events,
    support::{
        Project,
        nix::{self, Nix},
        project::{FOREIGN_SYSTEM, SYSTEM},
        running::{Finished, Running},
        store::TestStore,
    },
};

fn flake(outputs: &str) -> String {
    let outputs = outputs
        .replace("SYSTEM", SYSTEM)
        .replace("FOREIGN", FOREIGN_SYSTEM);
    format!(
        r#"{{
          outputs = {{ self }}: let
            make = name: derivation {{
              inherit name; system = "{SYSTEM}"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ];
            }};
          in {{ {outputs} }};
        }}"#
    )
}

fn nix_flake_check(store: &TestStore, project: &Project<'_>, arguments: &[&str]) -> Finished {
    let mut command = store.command("nix");
    let always = ["flake", "check", "--show-trace"];
    command
        .args(always)
        .args(arguments)
        .current_dir(project.dir());
    Running::start(&mut command).finish()
}

fn nixci(project: &Project<'_>, arguments: &[&str]) -> Finished {
    let always = ["check", "--flake-check", "--format", "json"];
    project.nixci(&[&always, arguments].concat())
}

/// The attributes that failed, each with its error.
fn failed(run: &Finished) -> BTreeMap<String, String> {
    let events = Events::of(run);
    let failed = events.all("evaluation_failed").map(|event| {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        (text("check"), text("error"))
    });
    failed.collect()
}

fn compare(nix: &Nix) {
    let store = nix.store().with_daemon();
    let is_newest = *nix == nix::newest();
    let mut project = Project::new(&store);
    for (outputs, attribute, says) in CASES {
        project = project.flake(&flake(outputs));
        // Old versions look at every system, whether they are told so or not.
        let has_option = nix.version >= (2, 16, 0);
        let is_by_system = outputs.contains("FOREIGN");
        for all_systems in [false, true] {
            if all_systems == has_option && !(all_systems && is_by_system) {
                continue;
            }
            let options: &[&str] = if all_systems && has_option {
                &["--no-build", "--all-systems"]
            } else {
                &["--no-build"]
            };
            let theirs = nix_flake_check(&store, &project, options);
            let option = if all_systems {
                "--all-systems"
            } else {
                "--no-eval-cache"
            };
            let ours = nixci(&project, &["--no-build", "--eval-workers", "1", option]);
            let told = format!("{outputs} with Nix {nix}\nnix: {theirs}\nnixci: {ours}");
            assert_eq!(theirs.code == Some(0), ours.code == Some(0), "{told}");
            if theirs.code == Some(0) {
                continue;
            }
            assert_eq!(ours.code, Some(1), "{told}");
            let failed = failed(&ours);
            assert_eq!(failed.len(), 1, "{told}");
            let named = failed.keys().next().expect("there is one");
            // A system without a dash and a set in place of another are told by their place alone.
            let whole = named.split('.').next().expect("there is a first");
            assert!(
                theirs.stderr.contains(&format!("'{named}'")) || theirs.stderr.contains(whole),
                "{told}"
            );
            if is_newest && !all_systems {
                assert!(theirs.stderr.contains(says), "{told}");
                let expected = attribute.replace("SYSTEM", SYSTEM);
                assert!(named.starts_with(&expected), "{told}");
            }
        }
    }
}

#[test]
fn the_verdict_is_that_of_nix_flake_check() {
    thread::scope(|scope| {
        let tests: Vec<_> = nix::all()
            .into_iter()
            .map(|nix| scope.spawn(move || compare(&nix)))
            .collect();
        for test in tests {
            test.join().unwrap();
        }
    });
}

const PROJECT: &str = "
    checks.SYSTEM = { a = make \"a\"; b = make \"b\"; };
    checks.FOREIGN.a = throw \"elsewhere\";
    packages.SYSTEM.a = make \"package\";
    apps.SYSTEM.a = { type = \"app\"; program = \"/a\"; };
    overlays.default = final: prev: { };
    somethingElse = 1;
";

/// What became of each row.
fn rows(run: &Finished) -> Vec<String> {
    let events = Events::of(run);
    let rows = events.all("check_finished").map(|event| {
        let text = |key: &str| event[key].as_str().unwrap_or("-").to_owned();
        format!(
            "{} {} {}",
            text("check").replace(SYSTEM, "S"),
            text("kind"),
            text("outcome")
        )
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

#[test]
fn every_output_is_a_row_and_only_checks_are_built() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).flake(&flake(PROJECT)).committed();
    let all = |outcome: &str| {
        [
            "apps.S.a app evaluated".to_owned(),
            format!("checks.S.a check {outcome}"),
            format!("checks.S.b check {outcome}"),
            "overlays.default overlay evaluated".to_owned(),
            "packages.S.a package evaluated".to_owned(),
        ]
    };
    let run = nixci(&project, &["--no-build"]);
    assert_eq!(
        (run.code, rows(&run)),
        (Some(0), all("skipped").to_vec()),
        "{run}"
    );

    let project = project
        .flake(&flake(&format!("{PROJECT}lib = 1;")))
        .committed();
    for (outcome, cached) in [("built", false), ("cached", true)] {
        let run = nixci(&project, &[]);
        assert_eq!(
            (run.code, rows(&run)),
            (Some(0), all(outcome).to_vec()),
            "{run}"
        );
        let events = Events::of(&run);
        assert_eq!(events.one("evaluation_finished")["cached"], cached, "{run}");
        assert_eq!(events.all("check_found").count(), 2, "{run}");
        let package = events.check("packages.a");
        let drv_path = store.run_nix(
            &["eval", "--raw", &format!(".#packages.{SYSTEM}.a.drvPath")],
            project.dir(),
        );
        assert_eq!(package["drv_path"], drv_path, "{run}");
        let warnings: Vec<_> = events
            .all("evaluation_warning")
            .map(|event| event["message"].as_str().unwrap_or_default().to_owned())
            .collect();
        let is_told = |text: &str| warnings.iter().any(|warning| warning.contains(text));
        assert!(
            is_told(&format!("other systems: {FOREIGN_SYSTEM};")),
            "{run}"
        );
        assert!(is_told("`somethingElse`"), "{run}");
        assert!(is_told("no `meta`"), "{run}");
    }

    // Only what is asked for without it is in the cache of that.
    let run = project.nixci(&["check", "--format", "json"]);
    assert_eq!(rows(&run), ["S.a - cached", "S.b - cached"], "{run}");

    let run = project.nixci(&["check", "--flake-check", "--format", "plain"]);
    let passed = format!(
        " passed\n    apps.{SYSTEM}: a\n    checks.{SYSTEM}: a, b\n    overlays: default\n    packages.{SYSTEM}: a\n"
    );
    assert!(run.stdout.contains(&passed), "{run}");
    assert!(
        run.stdout.contains("5 passed (2 cached, 3 evaluated)"),
        "{run}"
    );
}

#[test]
fn what_is_chosen_is_built_and_what_is_excluded_left_out() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store).flake(&flake(PROJECT));
    let arguments = [".", "b", "--exclude", "packages.a"];
    let run = nixci(&project, &arguments);
    let rest = [
        "apps.S.a app evaluated",
        "checks.S.a check evaluated",
        "checks.S.b check built",
        "overlays.default overlay evaluated",
    ];
    assert_eq!(
        (run.code, rows(&run)),
        (Some(0), rest.map(str::to_owned).to_vec()),
        "{run}"
    );

    let run = nixci(&project, &[".#packages"]);
    let builds = |row: &&String| row.ends_with(" built");
    let built: Vec<_> = rows(&run).iter().filter(builds).cloned().collect();
    assert_eq!(built, ["packages.S.a package built"], "{run}");
}

#[test]
fn wrong_outputs_and_failed_builds_fail_the_run() {
    let store = nix::newest().store().with_daemon();
    let broken = "
        checks.SYSTEM = { bad = derivation { name = \"bad\"; system = \"SYSTEM\"; builder = \"/bin/sh\"; args = [ \"-c\" \"exit 1\" ]; }; good = make \"good\"; };
        overlays.bad = self: super: { };
    ";
    let project = Project::new(&store).flake(&flake(broken));
    let run = nixci(&project, &[]);
    let rest = [
        "checks.S.bad check failed",
        "checks.S.good check built",
        "overlays.bad overlay evaluation_failed",
    ];
    assert_eq!(
        (run.code, rows(&run)),
        (Some(1), rest.map(str::to_owned).to_vec()),
        "{run}"
    );
    let events = Events::of(&run);
    let failure = events.one("evaluation_failed");
    assert_eq!(failure["file"], "flake.nix", "{run}");
    let line = flake(broken)
        .lines()
        .position(|line| line.contains("overlays.bad"));
    assert_eq!(
        failure["line"].as_u64(),
        line.map(|line| line as u64 + 1),
        "{run}"
    );
    let run = project.nixci(&["check", "--flake-check", "--format", "plain"]);
    let again = "rerun    nixci check --flake-check --no-build .";
    assert!(run.stdout.contains(again), "{run}");
    for (arguments, code, told) in [
        (
            &[".#nope"][..],
            3,
            "no attribute `nope`; it has checks, overlays",
        ),
        (&["--file", "flake.nix"], 2, "--flake-check"),
    ] {
        let run = nixci(&project, arguments);
        assert_eq!(run.code, Some(code), "{run}");
        assert!(run.to_string().contains(told), "{run}");
    }
}
