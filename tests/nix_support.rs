//! Tests of the test support itself, against every installed Nix: private stores are cold and sandboxed, hostile names
//! arrive whole, and what outlives a test is found.

mod support;

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use support::{
    AT_ONCE, Project,
    nix::{self, parse_version},
    project::{FOREIGN_SYSTEM, SYSTEM, nix_string},
    redact::redact,
    running::{Finished, Running},
    store::TestStore,
};

/// Builds a check with `nix build`.
fn nix_build(store: &TestStore, project: &Project<'_>, name: &str) -> Running {
    let attribute = format!(".#checks.{SYSTEM}.{}", nix_string(name));
    let arguments = ["build", "--no-link", "--print-build-logs", &attribute];
    Running::start(
        store
            .command("nix")
            .args(arguments)
            .current_dir(project.dir()),
    )
}

#[test]
fn every_nix_builds_in_a_private_store_in_a_sandbox() {
    // In the sandbox there is neither a home nor a process but the builder's own.
    const SCRIPT: &str = "[ ! -e /home ] && [ $$ -le 2 ]; echo inside; nap 0.2; echo built > $out";
    for nix in nix::all() {
        let without_daemon: fn(&nix::Nix) -> TestStore = |nix| nix.store();
        for store in [without_daemon, |nix| nix.store().with_daemon()] {
            let store = store(&nix);
            let project = Project::new(&store).check("a", SCRIPT).committed();
            let run = nix_build(&store, &project, "a").finish();
            assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
            assert!(run.stderr.contains("> inside"), "Nix {nix}: {run}");
            assert!(
                run.elapsed > Duration::from_millis(200),
                "it did not nap: {run}"
            );
            let out = format!(".#checks.{SYSTEM}.a.outPath");
            let out = store.run_nix(&["eval", "--raw", &out], project.dir());
            assert!(out.starts_with(store.dir().to_str().unwrap()), "{out}");
            assert_eq!(fs::read_to_string(out).unwrap(), "built\n");
        }
    }
}

#[test]
fn every_nix_fails_what_fails() {
    for nix in nix::all() {
        let store = nix.store();
        let project = Project::new(&store)
            .binding("lib", "build \"lib\" \"echo lib > $out\" { }")
            .expression(
                "user",
                "build \"user\" \"read -r x < $lib; echo got $x; exit 3\" { inherit lib; }",
            )
            .failing("clippy")
            .check_on(FOREIGN_SYSTEM, "clippy", "echo > $out")
            .committed();
        let run = nix_build(&store, &project, "clippy").finish();
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        assert!(
            run.stderr.contains("this check fails on purpose"),
            "Nix {nix}: {run}"
        );
        let run = nix_build(&store, &project, "user").finish();
        assert!(run.stderr.contains("> got lib"), "Nix {nix}: {run}");
        let drv_path = project.drv_path(FOREIGN_SYSTEM, "clippy");
        assert!(drv_path.contains("-check-clippy.drv"), "{drv_path}");
    }
}

#[test]
fn hostile_names_and_scripts_arrive_whole() {
    let long = "n".repeat(10_000);
    let names = [
        "a.b",
        "with space",
        "quote\"back\\slash",
        "${self}",
        "\u{1b}[31mred",
        "line\nbreak",
        "ümläut 🦀",
        "",
        &long,
    ];
    for nix in nix::all() {
        let store = nix.store();
        let project = names
            .iter()
            .fold(Project::new(&store), |project, name| {
                project.check(name, "echo \"$out\" '${x}' \\\n > $out")
            })
            .committed();
        let attribute = format!(".#checks.{SYSTEM}");
        let listed = [
            "eval",
            "--json",
            "--apply",
            "builtins.attrNames",
            &attribute,
        ];
        let listed: Vec<String> =
            serde_json::from_str(&store.run_nix(&listed, project.dir())).unwrap();
        let mut expected = names.to_vec();
        expected.sort_unstable();
        assert_eq!(listed, expected, "Nix {nix}");
        let run = nix_build(&store, &project, "a.b").finish();
        assert_eq!(run.code, Some(0), "Nix {nix}: {run}");
    }
}

#[test]
fn git_states_are_what_they_say_and_commits_are_reproducible() {
    let store = nix::newest().store();
    let status = |project: &Project<'_>| project.git(&["status", "--porcelain"]);
    let project = Project::new(&store)
        .check("a", "echo > $out")
        .file("x/y", "z")
        .committed();
    let other = Project::named(&store, "other")
        .check("a", "echo > $out")
        .file("x/y", "z")
        .committed();
    assert_eq!(status(&project), "");
    assert_eq!(
        project.git(&["rev-parse", "HEAD"]),
        other.git(&["rev-parse", "HEAD"])
    );
    let project = project.dirty();
    assert_eq!(status(&project), " A dirty\n");
    let project = project.staged();
    assert_eq!(status(&project), "A  dirty\n");
    project.write("unknown", "");
    assert_eq!(status(&project), "A  dirty\n?? unknown\n");
}

#[test]
fn a_running_build_belongs_to_its_store_and_dies_with_a_killed_daemon() {
    for nix in nix::all() {
        let mut store = nix.store().with_daemon();
        let build = {
            let project = Project::new(&store)
                .check("slow", "echo started; nap 60")
                .committed();
            let mut build = nix_build(&store, &project, "slow");
            build.wait_for("> started");
            build
        };
        let builders = store.builders();
        assert_eq!(builders.len(), 1, "Nix {nix}: {:#?}", store.processes());
        assert!(builders[0].command_line.contains("nap 60"), "{builders:#?}");
        store.kill_daemon();
        let run = build.finish();
        assert_eq!(run.code, Some(1), "Nix {nix}: {run}");
        let left = store.wait_until_idle(AT_ONCE);
        assert!(left.is_empty(), "Nix {nix}: {left:#?}");
        // And it comes back.
        store.start_daemon();
        store.run_nix(&["store", "ping"], store.folder());
    }
}

#[test]
fn a_process_that_outlives_its_test_fails_it() {
    let store = nix::newest().store().with_patience(Duration::from_secs(1));
    let folder = store.folder().to_owned();
    let mut sleep = store.command("sleep").arg("600").spawn().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| drop(store))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("processes outlived their test"),
        "{message}"
    );
    assert!(message.contains("sleep 600"), "{message}");
    assert!(!sleep.wait().unwrap().success());
    assert!(!folder.exists(), "{}", folder.display());
}

#[test]
fn nixci_runs_with_the_environment_of_its_store_alone() {
    let store = nix::oldest().store().with_setting("cores", "3");
    let project = Project::new(&store).committed();
    let Finished { code, .. } = project.nixci(&["--help"]);
    assert_eq!(code, Some(0));
    let command = project.nixci_command(&["check"]);
    let path = command
        .get_envs()
        .find(|(name, _)| *name == "PATH")
        .and_then(|(_, value)| value)
        .unwrap();
    let first = std::env::split_paths(path).next().unwrap();
    assert_eq!(first, store.nix().prefix.join("bin"));
    let config = store.run_nix(&["show-config"], store.folder());
    assert!(config.contains("cores = 3\n"), "{config}");
}

#[test]
fn versions_are_read_as_every_nix_prints_them() {
    assert_eq!(parse_version("nix (Nix) 2.34.8\n"), Some((2, 34, 8)));
    assert_eq!(
        parse_version("nix (Nix) 2.8.0pre20220512_1\n"),
        Some((2, 8, 0))
    );
    assert_eq!(
        parse_version("nix (Lix, like Nix) 2.93\n"),
        Some((2, 93, 0))
    );
    assert_eq!(parse_version("nothing"), None);
}

#[test]
fn redacting_keeps_the_width_of_text_and_folds_figures_of_json() {
    for (text, expected) in [
        (
            "/tmp/nixci-a1B2c3/store/0xipx9cjgb5j8a5lwcqiw4lqwlbyik4k-a.drv",
            "/tmp/nixci-TTTTTT/store/hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-a.drv",
        ),
        (
            "fmt  ✔ 12.4s ✔ 3s, 1m12s of about 3m",
            "fmt  ✔ 00.0s ✔ 0s, 0m00s of about 0m",
        ),
        (
            "4 builds, 31 queued, x86_64-linux",
            "4 builds, 31 queued, x86_64-linux",
        ),
        (
            r#"{"at":"2026-11-20T12:37:00.123Z","elapsed_ms":1204,"checks":24}"#,
            r#"{"at":"2000-01-01T00:00:00Z","elapsed_ms":0,"checks":24}"#,
        ),
        (
            "019a9f3c-5b7e-7c11-8a52-0123456789ab 46b4aca",
            "uuuuuuuu-uuuu-uuuu-uuuu-uuuuuuuuuuuu 46b4aca",
        ),
    ] {
        assert_eq!(redact(text), expected);
    }
}
