//! Which checks are chosen: patterns, several attributes, functions, files.

use serde_json::Value;

use crate::{
    Events,
    support::{
        Project, nix,
        project::{FOREIGN_SYSTEM, SYSTEM},
        running::Finished,
        store::TestStore,
    },
};

/// The attributes that were found, with their derivations' names, or their errors' first lines.
fn found(run: &Finished) -> Vec<String> {
    let mut lines: Vec<String> = run
        .stdout
        .lines()
        .map(|line| {
            let value: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {run}"));
            let check = value["check"].as_str().unwrap().replace(SYSTEM, "SYSTEM");
            match value["error"].as_str() {
                Some(error) => format!("{check}: {}", error.lines().next().unwrap()),
                None => check,
            }
        })
        .collect();
    lines.sort();
    lines
}

/// A flake of which every part that nobody should look at fails.
fn guarded(store: &TestStore) -> Project<'_> {
    Project::new(store)
        .flake(&format!(
            r#"{{
  outputs = {{ self }}: let
    make = name: derivation {{ inherit name; system = "{SYSTEM}"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }};
    guard = name: builtins.trace "evaluated ${{name}}" (throw "evaluated ${{name}}");
  in {{
    checks.{SYSTEM} = {{
      fmt = make "fmt";
      "a.b" = make "a-b";
      nixos-login = make "nixos-login";
      nixos-upgrade = make "nixos-upgrade";
      other = guard "other";
      unread = {{ type = "derivation"; drvPath = guard "drvPath"; }};
      group = {{ one = make "one"; two = guard "two"; deep.three = make "three"; }};
    }};
    checks.{FOREIGN_SYSTEM}.fmt = make "foreign";
    packages.{SYSTEM} = {{ fmt = make "package"; tool = make "tool"; }};
    broken = throw "a broken output";
  }};
}}"#
        ))
        .committed()
}

#[test]
fn only_what_patterns_choose_is_evaluated() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = guarded(&store);
        for (patterns, expected) in [
            (&["fmt"][..], &["SYSTEM.fmt"][..]),
            (
                &["nixos-*"],
                &["SYSTEM.nixos-login", "SYSTEM.nixos-upgrade"],
            ),
            (&["*.fmt", "group.one"], &["SYSTEM.fmt", "SYSTEM.group.one"]),
            (&["**.three"], &["SYSTEM.group.deep.three"]),
            (&["\"a.b\""], &["SYSTEM.\"a.b\""]),
            (&["group.deep"], &["SYSTEM.group.deep.three"]),
        ] {
            let run = project.nixci(&[&["eval", "--format", "json", "."], patterns].concat());
            assert_eq!(found(&run), expected, "Nix {nix} {patterns:?}: {run}");
            assert_eq!(run.code, Some(0), "Nix {nix} {patterns:?}: {run}");
            // Otherwise `other` is looked at, since it could be a set with something in it.
            if !patterns[0].starts_with('*') {
                assert!(
                    !run.stderr.contains("evaluated"),
                    "Nix {nix} {patterns:?}: {run}"
                );
            }
        }
        let run = project.nixci(&[
            "eval",
            "--format",
            "json",
            "--exclude",
            "{other,unread,group}",
        ]);
        assert_eq!(
            found(&run),
            [
                "SYSTEM.\"a.b\"",
                "SYSTEM.fmt",
                "SYSTEM.nixos-login",
                "SYSTEM.nixos-upgrade"
            ],
            "Nix {nix}: {run}"
        );
    }
}

#[test]
fn a_pattern_that_chooses_nothing_is_an_error_that_says_what_there_is() {
    let store = nix::newest().store().with_daemon();
    let project = guarded(&store);
    for arguments in [
        &["eval", ".", "fmt", "nxos-*"][..],
        &["check", "--format", "plain", ".", "fmt", "nxos-*"],
    ] {
        let run = project.nixci(arguments);
        assert_eq!(run.code, Some(3), "{run}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(said.contains("no check is called `nxos-*`"), "{run}");
        assert!(
            said.contains("there is \"a.b\", fmt, group, nixos-login"),
            "{run}"
        );
    }
    let foreign = format!("{FOREIGN_SYSTEM}.fmt");
    let run = project.nixci(&["eval", ".", &foreign]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains("`--all-systems`"), "{run}");
    let run = project.nixci(&["eval", "--all-systems", ".", &foreign]);
    assert_eq!(run.code, Some(0), "{run}");
    for (arguments, said) in [
        (&["eval", ".", "[a"][..], "`[a` is no pattern"),
        (
            &["eval", ".#checks", "path:/x#checks"],
            "one run looks at one flake",
        ),
        (
            &["eval", "--file", "flake.nix", ".#a"],
            "`--file` takes the place of a flake",
        ),
        (&["eval", "--exclude", "a..b"], "empty name in the pattern"),
        (&["eval", "--arg", "a", "1"], "--file"),
    ] {
        let run = project.nixci(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {run}");
        assert!(run.stderr.contains(said), "{arguments:?}: {run}");
    }
}

#[test]
fn several_attributes_are_one_run() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = guarded(&store);
        let tool = format!(".#packages.{SYSTEM}.tool");
        let run = project.nixci(&[
            "check", "--format", "json", ".#checks", &tool, "fmt", "-A", "packages",
        ]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let events = Events::of(&run);
        let mut checks: Vec<(&str, &str)> = events
            .all("check_finished")
            .map(|event| {
                (
                    event["check"].as_str().unwrap(),
                    event["name"].as_str().unwrap(),
                )
            })
            .collect();
        checks.sort_unstable();
        let (check, package) = (
            format!("checks.{SYSTEM}.fmt"),
            format!("packages.{SYSTEM}.fmt"),
        );
        assert_eq!(
            checks,
            [
                (check.as_str(), "checks.fmt"),
                (package.as_str(), "packages.fmt")
            ],
            "Nix {nix}: {run}"
        );
        assert_eq!(events.one("run_started")["attribute"], "");
        let again = project.nixci(&["check", "--format", "json", ".#checks", ".#packages", "fmt"]);
        assert_eq!(
            Events::of(&again).one("evaluation_finished")["cached"],
            true,
            "Nix {nix}: {again}"
        );
        let run = project.nixci(&["eval", ".#packages", ".#nope"]);
        assert_eq!(run.code, Some(3), "Nix {nix}: {run}");
        assert!(
            run.stderr.contains("no attribute `nope`"),
            "Nix {nix}: {run}"
        );
        let run = project.nixci(&["eval", ".#packages", ".#broken"]);
        assert_eq!(run.code, Some(3), "Nix {nix}: {run}");
        assert!(run.stderr.contains("a broken output"), "Nix {nix}: {run}");
    }
}

#[test]
fn a_function_selects_and_another_one_tells_more() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = guarded(&store);
        let select = format!("checks: {{ inherit (checks.{SYSTEM}) fmt nixos-login; }}");
        let apply = "drv: { labels = [ drv.name ]; nested = { n = 1; }; }";
        let arguments = [
            "check",
            "--format",
            "json",
            "--no-build",
            "--select",
            &select,
            "--apply",
            apply,
        ];
        for cached in [false, true] {
            let run = project.nixci(&arguments);
            assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
            let events = Events::of(&run);
            assert_eq!(
                events.one("evaluation_finished")["cached"],
                cached,
                "Nix {nix}: {run}"
            );
            let mut extra: Vec<String> = events
                .all("check_found")
                .map(|event| format!("{} {}", event["check"], event["extra"]))
                .collect();
            extra.sort();
            assert_eq!(
                extra,
                [
                    r#""fmt" {"labels":["fmt"],"nested":{"n":1}}"#,
                    r#""nixos-login" {"labels":["nixos-login"],"nested":{"n":1}}"#
                ],
                "Nix {nix}: {run}"
            );
        }
        let other = project.nixci(&["eval", "--format", "json", "--select", "checks: { }"]);
        assert_eq!(found(&other), [""; 0], "Nix {nix}: {other}");
        let run = project.nixci(&[
            "eval",
            "--format",
            "json",
            "--apply",
            "drv: drv.name",
            ".",
            "fmt",
        ]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        assert!(
            found(&run)[0].contains("what --apply gives is no set, but of type string"),
            "{run}"
        );
        for (option, text) in [
            ("--select", "checks: {"),
            ("--apply", "nope"),
            ("--select", ":quit"),
        ] {
            let run = project.nixci(&["eval", option, text]);
            assert_eq!(run.code, Some(2), "Nix {nix} {text}: {run}");
            assert!(
                run.stderr
                    .contains(&format!("the expression of `{option}` is wrong")),
                "Nix {nix} {text}: {run}"
            );
        }
        let lines = "checks: # all of them\n  { inherit (checks.SYSTEM) fmt; } # ä";
        let run = project.nixci(&[
            "eval",
            "--format",
            "json",
            "--select",
            &lines.replace("SYSTEM", SYSTEM),
        ]);
        if nix.version < (2, 10, 0) {
            assert_eq!(run.code, Some(2), "Nix {nix}: {run}");
            assert!(
                run.stderr.contains("single line of ASCII"),
                "Nix {nix}: {run}"
            );
        } else {
            assert_eq!(found(&run), ["fmt"], "Nix {nix}: {run}");
        }
    }
}

#[test]
fn a_file_is_evaluated_as_nix_build_does() {
    let release = format!(
        r#"{{ greeting, number ? 1, path ? <searched> }}: let
  make = name: derivation {{ inherit name; system = "{SYSTEM}"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; }};
in {{
  hello = make "${{greeting}}-${{toString number}}-${{import path}}";
  tests = {{ number, ... }}@args: {{ a = make "a-${{toString number}}-${{toString (args ? greeting)}}"; }};
  bad = throw "on purpose";
  plain = x: x;
}}"#
    );
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store)
            .file("release.nix", &release)
            .file("searched/default.nix", "\"found\"")
            .committed();
        let base = [
            "--file",
            "release.nix",
            "--argstr",
            "greeting",
            "hi",
            "--arg",
            "number",
            "3 + 4",
            "-I",
            "searched=./searched",
        ];
        let run = project.nixci(&[&["eval", "--format", "json"], &base[..]].concat());
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        let shown = found(&run);
        assert_eq!(shown[0], "bad: on purpose", "Nix {nix}");
        assert_eq!(
            shown[1..],
            [
                "hello",
                "plain: `plain` is a function, not a derivation",
                "tests.a"
            ],
            "Nix {nix}"
        );
        assert!(run.stdout.contains("hi-7-found"), "Nix {nix}: {run}");
        assert!(run.stdout.contains("a-7-1"), "Nix {nix}: {run}");
        let run = project.nixci(
            &[
                &["check", "--format", "json"],
                &base[..],
                &["-A", "tests", "-A", "hello"],
            ]
            .concat(),
        );
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let names: Vec<String> = Events::of(&run)
            .outcomes()
            .iter()
            .map(|(name, how)| format!("{name} {how}"))
            .collect();
        assert_eq!(names, ["hello built", "tests.a built"], "Nix {nix}: {run}");
        let expected = store.run_nix(
            &[
                "eval",
                "--impure",
                "--raw",
                "--file",
                "release.nix",
                "--argstr",
                "greeting",
                "hi",
                "--arg",
                "number",
                "7",
                "-I",
                "searched=./searched",
                "hello.drvPath",
            ],
            project.dir(),
        );
        assert_eq!(
            Events::of(&run).check("hello")["drv_path"],
            expected,
            "Nix {nix}"
        );
        let run = project.nixci(&["eval", "--file", "release.nix"]);
        assert_eq!(run.code, Some(3), "Nix {nix}: {run}");
        assert!(run.stderr.contains("greeting"), "Nix {nix}: {run}");
        let run = project.nixci(&[&["eval"], &base[..], &["-A", "nope"]].concat());
        assert_eq!(run.code, Some(3), "Nix {nix}: {run}");
        assert!(
            run.stderr.contains("no attribute `nope`"),
            "Nix {nix}: {run}"
        );
        let run = project.nixci(&["eval", "--file", "missing.nix"]);
        assert_eq!(run.code, Some(2), "Nix {nix}: {run}");
    }
}
