//! What a repository says about its checks: `nixci.toml`, `buildbot-nix.toml` and `nixci config`.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use crate::{
    Events,
    support::{
        Project, nix,
        project::{FOREIGN_SYSTEM, SYSTEM},
        running::Finished,
    },
};

fn outcomes(run: &Finished) -> Vec<String> {
    let events = Events::of(run);
    let outcomes = events.outcomes();
    let shown = outcomes
        .iter()
        .map(|(name, outcome)| format!("{name} {outcome}"));
    shown.collect()
}

#[test]
fn the_file_decides_what_is_looked_at_unless_the_command_line_does() {
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .check("fmt", "echo > $out")
        .check("slow-a", "echo > $out")
        .expression("broken", "throw \"evaluated\"")
        .check_on(FOREIGN_SYSTEM, "there", "echo > $out")
        .file("nixci.toml", "exclude = [\"slow-*\", \"broken\"]\n")
        .committed();
    let run = |arguments: &[&str]| {
        project.nixci(&[&["check", "--format", "json", "--no-build"], arguments].concat())
    };
    assert_eq!(outcomes(&run(&[])), ["fmt skipped"]);
    assert_eq!(
        outcomes(&run(&[".", "slow-*"])),
        ["slow-a skipped"],
        "what is named is meant"
    );
    assert_eq!(
        outcomes(&run(&["--exclude", "{broken,fmt}"])),
        ["slow-a skipped"]
    );
    assert_eq!(
        outcomes(&run(&["--no-config"])),
        ["broken evaluation_failed", "fmt skipped", "slow-a skipped"]
    );
    project.write(
        "nixci.toml",
        &format!("only = [\"there\", \"fmt\"]\nsystems = [\"{FOREIGN_SYSTEM}\"]\n"),
    );
    assert_eq!(outcomes(&run(&[])), ["there unsupported"]);
    assert_eq!(outcomes(&run(&["--systems", SYSTEM])), ["fmt skipped"]);
    project.write("nixci.toml", "attributes = [\"checks\", \"checks\"]\n");
    assert_eq!(outcomes(&run(&[".", "fmt"])), ["fmt skipped"]);
}

#[test]
fn a_wrong_file_is_an_error_with_its_place() {
    let store = nix::newest().store();
    let project = Project::new(&store)
        .check("fmt", "echo > $out")
        .file("nixci.toml", "# ours\nexclud = [\"a\"]\n")
        .committed();
    for command in ["check", "eval", "config"] {
        let run = project.nixci(&[command]);
        assert_eq!(run.code, Some(2), "{run}");
        assert!(
            run.stderr
                .starts_with("error: nixci.toml:2:1: unknown field `exclud`"),
            "{run}"
        );
        assert!(
            run.stderr.ends_with("2 | exclud = [\"a\"]\n  | ^^^^^^\n"),
            "{run}"
        );
    }
    assert_eq!(project.nixci(&["eval", "--no-config"]).code, Some(0));
}

#[test]
fn a_check_that_may_fail_does_not_fail_the_run() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store)
            .failing("flaky-a")
            .expression("flaky-b", "throw \"on purpose\"")
            .expression("needs-a", "build \"needs\" \"echo > $out\" { dep = bad; }")
            .binding("bad", "build \"bad\" \"exit 1\" { }")
            .check("good", "nap 1; echo > $out")
            .file(
                "nixci.toml",
                "[[check]]\nname = \"{flaky-*,needs-a}\"\nallow_failure = true\n",
            )
            .committed();
        let run = project.nixci(&["check", "--format", "json", "--fail-fast"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let events = Events::of(&run);
        assert_eq!(
            events.outcomes(),
            BTreeMap::from([
                ("flaky-a", "failed"),
                ("flaky-b", "evaluation_failed"),
                ("good", "built"),
                ("needs-a", "dependency_failed"),
            ]),
            "Nix {nix}"
        );
        for (name, allowed) in [("flaky-a", Value::Bool(true)), ("good", Value::Null)] {
            assert_eq!(events.check(name)["allowed"], allowed, "Nix {nix}: {name}");
        }
        assert_eq!(events.one("run_finished")["allowed"], 3, "Nix {nix}");
        assert_eq!(events.one("run_finished")["outcome"], "passed", "Nix {nix}");
        let plain = project.nixci(&["check", "--format", "plain"]);
        assert_eq!(plain.code, Some(0), "Nix {nix}: {plain}");
        assert!(plain.stdout.contains("as it may"), "Nix {nix}: {plain}");
        assert!(!plain.stdout.contains("FAILED"), "Nix {nix}: {plain}");
        let github = project.nixci(&["check", "--format", "github"]);
        assert_eq!(
            github.stdout.matches("\n::warning ").count(),
            3,
            "Nix {nix}: {github}"
        );
        assert!(!github.stdout.contains("::error "), "Nix {nix}: {github}");
    }
    let store = nix::newest().store().with_daemon();
    let project = Project::new(&store)
        .failing("flaky")
        .failing("other")
        .file(
            "nixci.toml",
            "[[check]]\nname = \"flaky\"\nallow_failure = true\n",
        )
        .committed();
    let run = project.nixci(&["check", "--format", "json"]);
    assert_eq!(run.code, Some(1), "{run}");
}

#[test]
fn a_time_limit_may_be_that_of_a_single_check() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let toml = "timeout = 5\n[[check]]\nname = \"slow*\"\ntimeout = \"1m\"\n\
                    [[check]]\nname = \"quick\"\ntimeout = 1\n";
        let project = Project::new(&store)
            .binding("shared", "build \"shared\" \"nap 7; echo > $out\" { }")
            .expression(
                "slow",
                "build \"slow\" \"nap 7; echo > $out\" { dep = shared; }",
            )
            .check("slow-too", "nap 7; echo > $out")
            .check("usual", "nap 60; echo > $out")
            .check("quick", "nap 60; echo > $out")
            .file("nixci.toml", toml)
            .committed();
        // One slot, so that one connection builds with all limits in turn.
        let run = project.nixci(&["check", "--format", "json", "-j", "1"]);
        let events = Events::of(&run);
        assert_eq!(
            events.outcomes(),
            BTreeMap::from([
                ("quick", "timed_out"),
                ("slow", "built"),
                ("slow-too", "built"),
                ("usual", "timed_out"),
            ]),
            "Nix {nix}: {run}"
        );
        let took =
            |name: &str| Duration::from_millis(events.check(name)["duration_ms"].as_u64().unwrap());
        assert!(took("quick") < took("usual"), "Nix {nix}: {run}");
    }
}

#[test]
fn a_local_check_is_not_given_to_other_machines() {
    let store = nix::newest()
        .store()
        .with_setting(
            "builders",
            &format!("ssh-ng://nobody@nowhere.invalid {SYSTEM},{FOREIGN_SYSTEM} - 1 1 - -"),
        )
        .with_daemon();
    let project = Project::new(&store)
        .check("here", "echo > $out")
        .check_on(FOREIGN_SYSTEM, "there", "echo > $out")
        .file("nixci.toml", "[[check]]\nname = \"*\"\nlocal = true\n")
        .committed();
    let run = project.nixci(&["check", "--format", "json", "--all-systems"]);
    assert_eq!(outcomes(&run), ["here built", "there unsupported"], "{run}");
    let events = Events::of(&run);
    let reason = events.check("there")["reason"].as_str().unwrap();
    assert!(reason.contains("on this machine only"), "{reason}");
    let said = format!("{run}");
    assert!(!said.contains("nowhere.invalid"), "{said}");
}

#[test]
fn the_flake_and_its_lock_file_may_lie_elsewhere_in_the_tree() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = Project::new(&store).check("sub", "echo > $out");
        let flake = std::fs::read_to_string(project.dir().join("flake.nix")).unwrap();
        std::fs::remove_file(project.dir().join("flake.nix")).unwrap();
        let project = project
            .file("dev/flake.nix", &flake)
            .file(
                "buildbot-nix.toml",
                "flake_dir = \"dev\"\nattribute = \"checks\"\n",
            )
            .committed();
        for arguments in [&[][..], &["."], &[".#checks"]] {
            let run = project.nixci(&[&["eval"], arguments].concat());
            assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
            assert!(
                run.stdout.contains(&format!("{SYSTEM}.sub")),
                "Nix {nix}: {run}"
            );
        }
        let url = format!("git+file://{}", project.dir().display());
        let run = project.nixci(&["eval", &url]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let run = project.nixci(&["config", "--format", "json", &url]);
        let config: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(config["flake"]["value"], format!("{url}?dir=dev"), "{run}");
        assert_eq!(config["flake"]["origin"], "buildbot-nix.toml:1", "{run}");
        // Nothing is kept in the way of the cache: the second run does not evaluate.
        let run = project.nixci(&["check", "--no-build", "--format", "json"]);
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
        let run = project.nixci(&["check", "--no-build", "--format", "json"]);
        assert_eq!(
            Events::of(&run).one("evaluation_finished")["cached"],
            true,
            "Nix {nix}: {run}"
        );
    }
}

#[test]
fn config_shows_where_each_value_comes_from() {
    let store = nix::newest().store().with_setting("max-silent-time", "77");
    let toml = "systems = [\"x86_64-linux\"]\n\ntimeout = \"10m\"\n\n[upload]\ncachix = [\"ours\"]\n\n\
                [[check]]\nname = \"flaky\"\nallow_failure = true\n\n\
                [serve]\nbranches = [\"release-*\"]\nrequired = [\"checks.x86_64-linux.fmt\"]\n\
                [[serve.schedule]]\nname = \"nightly\"\ncron = \"30 2 * * *\"\n";
    let project = Project::new(&store)
        .check("fmt", "echo > $out")
        .file("nixci.toml", toml)
        .committed();
    let arguments = [
        "config",
        ".",
        "--copy-to",
        "s3://b",
        "nixos-*",
        "-j",
        "3",
        "--eval-workers",
        "2",
        "--eval-memory",
        "1G",
    ];
    let run = project.nixci(&arguments);
    assert_eq!(run.code, Some(0), "{run}");
    insta::assert_snapshot!(run.stdout, @r"
    flake            .                             argument
    lock_file        flake.lock                    default
    attributes       checks                        default
    systems          x86_64-linux                  nixci.toml:1
    only             nixos-*                       argument
    exclude          –                             default
    serve.branches   release-*                     nixci.toml:13
    serve.required   checks.x86_64-linux.fmt       nixci.toml:14
    serve.schedule   cron=30 2 * * * name=nightly  nixci.toml:15
    timeout          600                           nixci.toml:3
    max_silent_time  77                            nix.conf
    jobs             3                             --jobs
    eval_workers     2                             --eval-workers
    eval_memory      1024M                         --eval-memory
    check            allow_failure name=flaky      nixci.toml:8
    upload           to=s3://b                     --copy-to
    upload           to=cachix ours with=--upload  nixci.toml:6
    push_closure     false                         default
    ");
    let run = project.nixci(&[&arguments[..], &["--format", "json", "--timeout", "5"]].concat());
    let config: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(config["timeout"]["value"], 5);
    assert_eq!(config["serve.branches"]["value"][0], "release-*");
    assert_eq!(config["serve.schedule"][0]["value"]["name"], "nightly");
    assert_eq!(config["timeout"]["origin"], "--timeout");
    assert_eq!(config["check"][0]["origin"], "nixci.toml:8");
    assert_eq!(config["upload"][1]["value"]["to"], "cachix ours");
    assert_eq!(config["upload"][1]["value"]["with"], "--upload");
    let run = project.nixci(&["config", "--upload", "--format", "json"]);
    let config: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(config["upload"][0]["value"]["with"], Value::Null);
    assert_eq!(config["upload"][0]["origin"], "nixci.toml:6");
}

#[test]
fn init_writes_what_is_valid_and_overwrites_nothing() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("fmt", "echo > $out");
    let init = |arguments: &[&str]| project.nixci(&[&["init"], arguments].concat());
    let run = init(&["--ci", "github", "--nixci", "github:me/nixci"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(project.nixci(&["config"]).code, Some(0));
    let workflow = project.dir().join(".github/workflows/nixci.yml");
    let text = std::fs::read_to_string(&workflow).unwrap();
    assert!(text.contains("NIXCI_FLAKE: \"github:me/nixci\""), "{text}");
    project.write("nixci.toml", "timeout = 1\n");
    let run = init(&["--ci", "github"]);
    assert_eq!(run.code, Some(2), "{run}");
    assert!(run.stderr.contains("`--force`"), "{run}");
    let kept = || std::fs::read_to_string(project.dir().join("nixci.toml")).unwrap();
    assert_eq!(kept(), "timeout = 1\n");
    let run = init(&["--ci", "gitlab"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(kept(), "timeout = 1\n");
    assert!(run.stderr.contains("set NIXCI_FLAKE there"), "{run}");
    // With --force a link is replaced, and what it leads to stays as it is.
    std::fs::remove_file(&workflow).unwrap();
    std::os::unix::fs::symlink(project.dir().join("flake.nix"), &workflow).unwrap();
    let run = init(&["--ci", "github", "--force"]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(kept().contains("[[check]]"));
    assert!(!workflow.is_symlink());
    for wrong in [
        &["nowhere"][..],
        &["--ci", "jenkins"],
        &["--ci", "github", "--nixci", "a b"],
    ] {
        assert_eq!(init(wrong).code, Some(2), "{wrong:?}");
    }
}
