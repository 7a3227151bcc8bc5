use std::path::Path;

use tempfile::TempDir;

use super::{JobEvent, Jobs, NixEvalJobs, Outcome, apply_function, is_nested, select};
use crate::{
    eval::{EvalOptions, EvalRequest, EvalScope},
    nix::{AttrPath, CheckPattern, Installable, System},
};

fn request(installable: &str) -> EvalRequest {
    EvalRequest {
        installable: Installable::parse(installable).unwrap(),
        systems: Some(vec![System::parse("x86_64-linux").unwrap()]),
        current_system: System::parse("x86_64-linux").unwrap(),
        workers: 4,
        memory_budget_bytes: 8 << 30,
        scope: EvalScope::default(),
        options: EvalOptions {
            impure: true,
            nix_options: vec![("a".into(), "b".into())],
            override_inputs: vec![("x".into(), "path:/y".into())],
            reference_lock_file: Some("/z.lock".into()),
            accept_flake_config: true,
            show_trace: false,
            isolation: None,
        },
        nix: "nix".into(),
        nix_version: (2, 34),
    }
}

#[test]
fn options_are_those_that_each_version_has() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = |version| -> String {
        let jobs = NixEvalJobs::new("nix-eval-jobs".into(), version);
        let arguments = jobs.arguments(&request("github:a/b?dir=c#checks"), &folder);
        let arguments: Vec<_> = arguments
            .into_iter()
            .map(|a| a.into_string().unwrap())
            .collect();
        arguments
            .join(" ")
            .replace(folder.path().to_str().unwrap(), "DIR")
    };
    let old = arguments((2, 30));
    assert_eq!(
        old,
        "--option a b --option extra-experimental-features nix-command flakes --force-recurse --show-trace --workers 4 \
         --max-memory-size 2048 --gc-roots-dir DIR --option eval-cache false --impure --override-input x path:/y \
         --reference-lock-file /z.lock --option accept-flake-config true --flake github:a/b?dir=c#checks"
    );
    let new = arguments((2, 31));
    let (before, after) = old.split_once(" --flake").unwrap();
    assert!(
        new.starts_with(&format!("{before} --select (wanted: system: root:")),
        "{new}"
    );
    assert!(new.ends_with(&format!(" --flake{after}")), "{new}");
}

#[test]
fn the_wanted_systems_are_selected() {
    assert!(select(&request(".")).contains(") [\"x86_64-linux\"] \"(aarch64|"));
    assert!(select(&request(".#checks.aarch64-linux")).contains(") null \"("));
    let mut all = request(".");
    all.systems = None;
    assert!(select(&all).contains(") null \"("));
}

#[test]
fn functions_of_the_command_line_are_lines_of_their_own() {
    let mut asked = request(".");
    asked.scope.select = Some("cs: cs # all".into());
    asked.scope.apply = Some("drv: { } # none".into());
    assert!(select(&asked).starts_with("root: (wanted: system: root:"));
    assert!(select(&asked).ends_with(" ((\ncs: cs # all\n) root)"));
    let apply = apply_function(&asked).unwrap();
    assert!(
        apply.starts_with("drv: let extra = (\ndrv: { } # none\n) drv; in "),
        "{apply}"
    );
    let can = |version| NixEvalJobs::new("nix-eval-jobs".into(), version).can(&asked);
    assert!(can((2, 31)) && !can((2, 30)));
    asked.scope.select = None;
    let can = |version| NixEvalJobs::new("nix-eval-jobs".into(), version).can(&asked);
    assert!(can((2, 26)) && !can((2, 25)));
    asked.scope.exclude = vec![CheckPattern::parse("a").unwrap()];
    assert!(!NixEvalJobs::new("nix-eval-jobs".into(), (2, 34)).can(&asked));
}

#[test]
fn what_it_cannot_do_is_known() {
    let jobs = |version| NixEvalJobs::new("nix-eval-jobs".into(), version);
    assert!(jobs((2, 31)).can(&request(".#checks.x86_64-linux")));
    assert!(!jobs((2, 31)).can(&request(".#checks.\"a b\"")));
    assert!(!jobs((2, 31)).can(&request(".#checks.\"a.b\"")));
    assert!(!jobs((2, 24)).can(&request(".")));
    assert!(is_nested(&AttrPath::new(["x86_64-linux", "group", "a"])));
    assert!(!is_nested(&AttrPath::new(["x86_64-linux", "a"])));
}

/// Starts a shell script in place of nix-eval-jobs.
fn script(script: &str) -> Jobs {
    jobs_within(script, u64::MAX)
}

async fn events(mut jobs: Jobs) -> (Vec<String>, Vec<String>, Option<String>) {
    let (mut found, mut warnings) = (Vec::new(), Vec::new());
    loop {
        match jobs.next().await {
            JobEvent::Job(job) => {
                let is_check = matches!(job.outcome, Outcome::Check(_));
                found.push(format!(
                    "{}{}",
                    job.path,
                    if is_check { "" } else { " failed" }
                ));
            }
            JobEvent::Warning(text) => warnings.push(text),
            JobEvent::Ended(why) => return (found, warnings, why),
        }
    }
}

fn data(file: &str) -> String {
    format!(
        "{}/tests/data/nix-eval-jobs-2.34/{file}",
        env!("CARGO_MANIFEST_DIR")
    )
}

#[tokio::test]
async fn a_recorded_run_is_replayed() {
    let replay = format!(
        "cat {} >&2; cat {}",
        data("without-recursion.stderr"),
        data("without-recursion.jsonl")
    );
    let (found, mut warnings, why) = events(script(&replay)).await;
    assert_eq!(found.len(), 20);
    assert_eq!(
        found
            .iter()
            .filter(|found| found.ends_with(" failed"))
            .count(),
        6
    );
    warnings.sort();
    assert_eq!(warnings, ["a deprecated option is used", "a trace line"]);
    assert_eq!(why, None);
}

#[tokio::test]
async fn an_early_end_says_why() {
    let early = format!("cat {} >&2; exit 1", data("root-failure.stderr"));
    let (found, _, why) = events(script(&early)).await;
    assert!(found.is_empty());
    assert_eq!(
        why.as_deref(),
        Some(
            "nix-eval-jobs ended early (exit status: 1): worker error: error: flake 'git+file:///src/demo' does not \
             provide attribute 'nope'; the built-in evaluator does the rest"
        )
    );
    let (_, _, why) = events(script("kill -9 $$")).await;
    assert!(
        why.unwrap()
            .starts_with("nix-eval-jobs ended early (signal: 9 (SIGKILL));")
    );
}

#[tokio::test]
async fn nonsense_costs_its_line() {
    let line = r#"{"attr":"a","attrPath":["a"],"error":"error: x"}"#;
    let (found, warnings, why) = events(script(&format!(
        "echo nonsense; echo; echo '{line}'; printf '{{'"
    )))
    .await;
    assert_eq!(found, ["a failed"]);
    assert_eq!(warnings.len(), 3);
    assert!(warnings[0].starts_with("cannot understand a line of nix-eval-jobs: "));
    assert_eq!(why, None);
}

#[tokio::test]
async fn a_line_may_be_very_long() {
    let long = r#"printf '{"attr":"a","attrPath":["a"],"error":"'; head -c 60000000 /dev/zero | tr '\0' x; echo '"}'"#;
    let (found, warnings, _) = events(script(long)).await;
    assert_eq!((found.len(), warnings.len()), (1, 0));
    let longer = long.replace("60000000", "80000000");
    let (found, warnings, _) = events(script(&format!(
        "{longer}; echo '{{\"attrPath\":[\"b\"],\"error\":\"x\"}}'"
    )))
    .await;
    assert_eq!((found, warnings.len()), (vec!["b failed".to_owned()], 1));
}

#[tokio::test]
async fn stopping_ends_its_workers_too() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pid");
    let mut jobs = script(&format!(
        "sleep 1000 & echo $! > {}; echo '{{\"attrPath\":[\"a\"],\"error\":\"x\"}}'; wait",
        file.display()
    ));
    assert!(matches!(jobs.next().await, JobEvent::Job(_)));
    let worker = std::fs::read_to_string(&file).unwrap();
    jobs.stop().await;
    let is_running = || {
        // The state stands behind the name, which is in parentheses: `proc_pid_stat(5)`.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.trim()));
        stat.is_ok_and(|stat| !stat.rsplit(')').next().unwrap().starts_with(" Z"))
    };
    for _ in 0..200 {
        if !is_running() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("its worker lives on");
}

/// A shell that stands for nix-eval-jobs and may have so much memory.
fn jobs_within(script: &str, memory_budget_bytes: u64) -> Jobs {
    let arguments = ["-c".into(), script.into()];
    let request = EvalRequest {
        memory_budget_bytes,
        ..request(".#checks")
    };
    Jobs::start(
        Path::new("/bin/sh"),
        &arguments,
        true,
        &request,
        Path::new("/"),
    )
    .unwrap()
}

#[tokio::test]
async fn one_that_needs_more_memory_than_it_may_is_ended() {
    let eats = "x=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21; do x=$x$x; done";
    let mut jobs = jobs_within(&format!("{eats}; sleep 60"), 20 << 20);
    let JobEvent::Ended(Some(why)) = jobs.next().await else {
        panic!("it goes on");
    };
    assert!(
        why.contains("more than the 20 MiB of `--eval-memory`"),
        "{why}"
    );
}
