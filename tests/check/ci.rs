//! What each CI is shown, under the environment that it makes.

use crate::support::{
    Project, nix,
    redact::redact,
    running::{Finished, Running},
    store::TestStore,
};

/// The options that make two runs of the same flake look the same.
const STEADY: [&str; 8] = [
    "check",
    "--no-history",
    "-j",
    "1",
    "--eval-workers",
    "1",
    "--evaluator",
    "builtin",
];

/// A hash that no file of a test has.
const WRONG_HASH: &str = "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

/// A flake with a check of each kind that teaches something. A build writes what a CI must not take for a command.
fn everything(store: &TestStore) -> Project<'_> {
    Project::new(store)
        .file(
            "sources.json",
            &format!("{{\n  \"hash\": \"{WRONG_HASH}\"\n}}\n"),
        )
        .expression("a-throws", r#"throw "on purpose""#)
        .expression("b-text", r#""a string""#)
        .check(
            "c-fails",
            "echo 'Running phase: checkPhase'; echo '::error::no command'; echo '##[group]'; echo gone wrong; exit 1",
        )
        .expression(
            "d-hash",
            r#"build "d-hash" "echo -n other > $out" {
                 outputHashMode = "flat"; outputHashAlgo = "sha256";
                 outputHash = (builtins.fromJSON (builtins.readFile ./sources.json)).hash; }"#,
        )
        .check("e-passes", "echo one; echo two; echo > $out")
        .committed()
}

fn in_ci(project: &Project<'_>, variables: &[(&str, &str)], more: &[&str]) -> Finished {
    let arguments: Vec<_> = STEADY.iter().chain(more).copied().collect();
    let mut command = project.nixci_command(&arguments);
    Running::start(command.envs(variables.iter().copied())).finish()
}

/// The output without what differs between two runs: the order of the builds and the moments of the sections.
fn steady(text: &str) -> String {
    // A long second makes a longer text.
    let duration = regex::Regex::new(r"\d+\.\ds").unwrap();
    let text = redact(text);
    let text = duration
        .replace_all(&text, "0.0s")
        .replace('\u{1b}', "<ESC>")
        .replace('\r', "<CR>");
    let moment = regex::Regex::new(r"(section_(?:start|end)):\d+:").unwrap();
    let text = moment.replace_all(&text, "$1:0:");
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| line.contains("Evaluated "));
    lines.join("\n")
}

#[test]
fn each_ci_gets_what_it_understands() {
    let store = nix::newest().store().with_daemon();
    let project = everything(&store);
    for (name, variables) in [
        (
            "github",
            &[("GITHUB_ACTIONS", "true"), ("NO_COLOR", "1")][..],
        ),
        (
            "gitea",
            &[
                ("GITHUB_ACTIONS", "true"),
                ("GITEA_ACTIONS", "true"),
                ("NO_COLOR", "1"),
            ],
        ),
        (
            "forgejo",
            &[
                ("GITHUB_ACTIONS", "true"),
                ("FORGEJO_ACTIONS", "true"),
                ("NO_COLOR", "1"),
            ],
        ),
        ("gitlab", &[("GITLAB_CI", "true"), ("NO_COLOR", "1")]),
        ("elsewhere", &[("CI", "true"), ("LANG", "C.UTF-8")]),
    ] {
        let run = in_ci(&project, variables, &[]);
        assert_eq!(run.code, Some(1), "{name}: {run}");
        assert_eq!(run.stderr, "", "{name}: {run}");
        insta::assert_snapshot!(name, steady(&run.stdout));
    }
    let colored = in_ci(&project, &[("GITLAB_CI", "true")], &[]);
    assert!(colored.stdout.contains("\u{1b}[31m"), "{colored}");
}

#[test]
fn every_nix_leads_to_the_wrong_hash() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let project = everything(&store);
        let run = in_ci(
            &project,
            &[("GITHUB_ACTIONS", "true"), ("NO_COLOR", "1")],
            &[],
        );
        for text in [
            "             at sources.json:2:12",
            "::error file=sources.json,line=2,col=12,title=d-hash failed",
        ] {
            assert!(run.stdout.contains(text), "Nix {nix}: no {text}: {run}");
        }
        // The second one is the hash of the text `other`.
        let fix = format!("{WRONG_HASH} → sha256-2SmKENGwc1g33EvYXaxkGw887yekfl1TpU8vP1svz/o=");
        assert!(run.stdout.contains(&fix), "Nix {nix}: {run}");
    }
}

#[test]
fn a_wrong_hash_in_the_evaluation_is_told_as_one_in_a_build() {
    for nix in nix::all() {
        let store = nix.store().with_daemon();
        let file = store.folder().join("fetched");
        std::fs::write(&file, "other").unwrap();
        let fetch = format!(
            "builtins.fetchurl {{ url = \"file://{}\"; sha256 = import ./hash.nix; }}",
            file.display()
        );
        let project = Project::new(&store)
            .file(
                "hash.nix",
                "# Of something else.\n\"094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic\"\n",
            )
            .expression(
                "a",
                &format!("build \"a\" \"echo > $out\" {{ src = {fetch}; }}"),
            )
            .committed();
        let run = in_ci(&project, &[("GITHUB_ACTIONS", "true")], &["--impure"]);
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        // By `nix hash to-base32` of the hash of the text `other`.
        let right = "1yng5xdkybsglm9mszm44zpkq3qvcjn5vn2bvhvmhwxhs488lafr";
        let fix = format!("094qif9n4cq4fdg459qzbhg1c6wywawwaaivx0k0x8xhbyx4vwic → {right}");
        assert!(run.stdout.contains(&fix), "Nix {nix}: {run}");
        assert!(run.stdout.contains("at hash.nix:2:2"), "Nix {nix}: {run}");
        let annotation = "::error file=hash.nix,line=2,col=2,title=";
        assert!(run.stdout.contains(annotation), "Nix {nix}: {run}");
        assert!(!run.stdout.contains("specified:"), "Nix {nix}: {run}");
        // What was typed is part of the command that shows it again.
        assert!(run.stdout.contains("a' --impure"), "Nix {nix}: {run}");
    }
}
