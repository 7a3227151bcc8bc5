use proptest::prelude::*;

use super::{Job, LineError, Outcome};
use crate::eval::fuzz_evaluation;

macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!(
            "../../../../tests/data/nix-eval-jobs-2.34/",
            $name,
            ".jsonl"
        ))
    };
}

fn jobs(lines: &str) -> Vec<Job> {
    lines
        .lines()
        .map(|line| Job::parse(line.as_bytes()).unwrap())
        .collect()
}

fn shown(jobs: &[Job]) -> Vec<String> {
    let mut shown: Vec<String> = jobs
        .iter()
        .map(|job| {
            let what = match &job.outcome {
                Outcome::Check(check) => {
                    let outputs: Vec<_> = check
                        .outputs
                        .iter()
                        .map(|(name, path)| {
                            format!("{name}{}", if path.is_some() { "" } else { "?" })
                        })
                        .collect();
                    format!("{} {} {}", check.name, check.system, outputs.join(","))
                }
                Outcome::Failed(text) => {
                    format!("failed {}", text.lines().last().unwrap_or_default().trim())
                }
                Outcome::NotLookedUp => "not looked up".to_owned(),
            };
            format!("{}: {what}", job.path)
        })
        .collect();
    shown.sort();
    shown
}

#[test]
fn recorded_lines_are_read() {
    insta::assert_snapshot!(shown(&jobs(recorded!("all"))).join("\n"));
}

#[test]
fn fields_that_other_options_add_change_nothing() {
    let plain = jobs(recorded!("no-recurse"));
    for other in [
        recorded!("cache-status"),
        recorded!("input-drvs-meta"),
        recorded!("apply"),
    ] {
        let other = shown(&jobs(other));
        for line in shown(&plain) {
            assert!(other.contains(&line), "{line}");
        }
    }
    assert_eq!(
        shown(&jobs(recorded!("select"))),
        ["aarch64-linux.ok: ok aarch64-linux out"]
    );
}

#[test]
fn fields_of_newer_versions_are_read() {
    let job = Job::parse(
        br#"{"attr":"a","attrPath":["a"],"drvPath":"/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-ok.drv","constituents":[],
        "storeDir":"/nix/store","stats":{"wallMs":1.5,"allocBytes":12},"warnings":["evaluation warning: old","warning: x"],
        "traces":["trace: t","plain"],"meta":{"deep":[{"x":null}]},"unheardOf":{}}"#,
    )
    .unwrap();
    assert_eq!(job.warnings, ["old", "x", "t", "plain"]);
    let Outcome::Check(check) = job.outcome else {
        panic!("a check")
    };
    assert_eq!(
        (check.name.as_str(), check.system.as_str()),
        ("ok", "unknown")
    );
    let fatal = Job::parse(
        br#"{"attr":"a","attrPath":["a"],"error":"error: stack overflow","fatal":true}"#,
    )
    .unwrap();
    assert!(matches!(fatal.outcome, Outcome::Failed(_)));
}

#[test]
fn other_lines_are_refused() {
    for line in [
        "",
        "{}",
        "null",
        "hello",
        r#"{"attr":"a"}"#,
        r#"{"attrPath":"a","error":"x"}"#,
        r#"{"attrPath":["a"],"drvPath":"/etc/passwd"}"#,
        r#"{"attrPath":["a"],"error":12}"#,
    ] {
        assert!(
            matches!(Job::parse(line.as_bytes()), Err(LineError::Json(_))),
            "{line}"
        );
    }
    for line in [
        r#"{"attrPath":["a"]}"#,
        r#"{"attrPath":["a"],"drvPath":"/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-ok"}"#,
    ] {
        let error = Job::parse(line.as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`a` has neither an error nor a derivation"
        );
    }
    // Nesting without end is refused, not followed.
    let deep = format!(r#"{{"attrPath":["a"],"meta":{}"#, "[".repeat(1_000_000));
    assert!(Job::parse(deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_taken(line in any::<Vec<u8>>()) {
        fuzz_evaluation(&line);
    }

    #[test]
    fn any_path_and_text_come_through(path in proptest::collection::vec(any::<String>(), 0..5), error in any::<String>()) {
        let line = serde_json::json!({ "attr": "x", "attrPath": path, "error": error }).to_string();
        let job = Job::parse(line.as_bytes()).unwrap();
        prop_assert_eq!(job.path.names(), &path);
        fuzz_evaluation(line.as_bytes());
    }

    #[test]
    fn a_line_that_is_cut_is_refused(cut in 1usize..200) {
        let line = recorded!("all").lines().next().unwrap();
        let cut = line.len().saturating_sub(cut);
        prop_assert!(Job::parse(&line.as_bytes()[..cut]).is_err());
    }
}
