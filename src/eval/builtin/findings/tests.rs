use serde_json::json;
use tokio::sync::mpsc;

use super::{Findings, Task};
use crate::{
    eval::{
        ATTRIBUTES_MAX, BoxFuture, EvalError, EvalOptions, EvalRequest, EvalScope, Evaluated,
        RootKeeper, delivery::Delivery, nix_eval_jobs::Job,
    },
    nix::{AttrPath, Installable, StorePath, System},
};

pub(super) struct Roots;

impl RootKeeper for Roots {
    fn hold(&self, _: Vec<StorePath>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

pub(super) fn request(installable: &str) -> EvalRequest {
    let system = System::parse("x86_64-linux").unwrap();
    EvalRequest {
        installable: Installable::parse(installable).unwrap(),
        systems: Some(vec![system.clone()]),
        current_system: system,
        workers: 1,
        memory_budget_bytes: 1 << 30,
        scope: EvalScope::default(),
        options: EvalOptions::default(),
        nix: "nix".into(),
        nix_version: (2, 34),
    }
}

/// All that arrives when all is found.
pub(super) fn delivered(
    delivery: &mut Delivery<'_>,
    found_rx: &mut mpsc::Receiver<Evaluated>,
) -> Vec<Evaluated> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(delivery.finish()).unwrap();
    std::iter::from_fn(|| found_rx.try_recv().ok()).collect()
}

/// What is to be looked at next, what was sent, and the systems.
type Outcome = (Vec<String>, Vec<String>, Vec<String>);

/// An answer, or an error text.
type Given = Result<Vec<u8>, String>;

#[expect(
    clippy::unnecessary_wraps,
    reason = "answers stand beside errors in tables"
)]
fn set(names: &[&str]) -> Given {
    let answer = json!({ "kind": "set", "count": names.len(), "names": names, "recurse": true });
    Ok(answer.to_string().into_bytes())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "answers stand beside errors in tables"
)]
fn derivation(system: &str) -> Given {
    let drv_path = "/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-ok.drv";
    let answer = json!({ "kind": "derivation", "drvPath": drv_path, "name": "ok", "system": system, "outputs": {} });
    Ok(answer.to_string().into_bytes())
}

fn path(path: &str) -> AttrPath {
    AttrPath::parse(path).unwrap()
}

fn take(findings: &mut Findings<'_, '_>, at: &str, given: &Given) -> Result<Vec<Task>, EvalError> {
    let answer = given.as_deref().map_err(String::as_str);
    findings.take(Task::evaluate(path(at)), answer)
}

/// Gives answers for paths, and returns what is to be looked at next and what was sent.
struct Answers<'a> {
    request: &'a EvalRequest,
}

impl Answers<'_> {
    fn give(&self, answers: Vec<(&str, Given)>) -> Result<Outcome, EvalError> {
        let (found_tx, mut found_rx) = mpsc::channel(1000);
        let mut delivery = Delivery::new(&Roots, found_tx);
        let mut findings = Findings::new(self.request, &mut delivery, false);
        findings.begin();
        let mut next = Vec::new();
        for (at, answer) in answers {
            next.extend(take(&mut findings, at, &answer)?);
        }
        let survey = findings.survey();
        let systems = findings.systems();
        let mut sent = Vec::new();
        for evaluated in delivered(&mut delivery, &mut found_rx) {
            match evaluated {
                Evaluated::Check(check) => sent.push(check.path.to_string()),
                Evaluated::Output(output) => sent.push(format!("{} fits", output.path)),
                Evaluated::Failed { path, error } => {
                    sent.push(format!("{path}: {}", error.message));
                }
                Evaluated::Warning { .. } | Evaluated::Progress { .. } => {}
            }
        }
        let next = next
            .into_iter()
            .chain(survey)
            .map(|task| task.path.to_string())
            .collect();
        let systems = systems.iter().map(System::to_string).collect();
        Ok((next, sent, systems))
    }
}

fn give(installable: &str, answers: Vec<(&str, Given)>) -> Outcome {
    let request = request(installable);
    Answers { request: &request }.give(answers).unwrap()
}

#[test]
fn sets_lead_to_their_wanted_attributes() {
    let (next, sent, systems) = give(
        ".#checks",
        vec![
            ("", set(&["aarch64-linux", "x86_64-linux"])),
            ("x86_64-linux", set(&["a", "a b", "recurseForDerivations"])),
            ("x86_64-linux.a", derivation("aarch64-linux")),
        ],
    );
    assert_eq!(
        next,
        ["x86_64-linux", "x86_64-linux.a", "x86_64-linux.\"a b\""]
    );
    assert_eq!(sent, ["x86_64-linux.a"]);
    assert_eq!(systems, ["aarch64-linux", "x86_64-linux"]);
}

#[test]
fn other_systems_are_surveyed_if_the_wanted_ones_have_nothing() {
    let (next, sent, systems) = give(
        ".#checks",
        vec![
            ("", set(&["aarch64-linux", "x86_64-linux", "riscv64-linux"])),
            ("x86_64-linux", set(&[])),
        ],
    );
    assert_eq!(next, ["x86_64-linux", "aarch64-linux", "riscv64-linux"]);
    assert!(sent.is_empty());
    assert!(systems.is_empty());
}

#[test]
fn derivations_of_other_systems_are_left_out_where_no_name_says_so() {
    let (_, sent, systems) = give(
        ".#hydraJobs",
        vec![
            ("", set(&["a", "b"])),
            ("a", derivation("x86_64-linux")),
            ("b", derivation("aarch64-linux")),
        ],
    );
    assert_eq!(sent, ["a"]);
    assert_eq!(systems, ["aarch64-linux", "x86_64-linux"]);
}

#[test]
fn what_refuses_is_left_alone_and_what_is_too_deep_fails() {
    let refusing = json!({ "kind": "set", "count": 1, "names": ["x"], "recurse": false })
        .to_string()
        .into_bytes();
    let deep = vec!["x"; 40].join(".");
    let (next, sent, _) = give(
        ".#checks",
        vec![
            ("group", Ok(refusing.clone())),
            ("x86_64-linux", Ok(refusing)),
            (&deep, set(&["y"])),
        ],
    );
    assert_eq!(next, ["x86_64-linux.x"]);
    assert!(sent[0].contains("is nested too deeply"), "{sent:?}");
}

#[test]
fn what_nix_eval_jobs_evaluates_is_not_evaluated_again() {
    let request = request(".#checks");
    let (found_tx, mut found_rx) = mpsc::channel(1000);
    let mut delivery = Delivery::new(&Roots, found_tx);
    let mut findings = Findings::new(&request, &mut delivery, true);
    findings.begin();
    let job = |path: &str, error: &str| {
        let path = AttrPath::parse(path).unwrap();
        let line = json!({ "attrPath": path, "error": error, "warnings": ["warning: old"] });
        Job::parse(line.to_string().as_bytes()).unwrap()
    };
    let paths = |tasks: Vec<Task>| -> Vec<String> {
        tasks.iter().map(|task| task.path.to_string()).collect()
    };
    findings
        .take_job(job("x86_64-linux.before", "error: 1"), true)
        .unwrap();
    findings
        .take_job(job("x86_64-linux.before", "error: again"), true)
        .unwrap();
    let root = take(&mut findings, "", &set(&["x86_64-linux", "aarch64-linux"]));
    assert_eq!(
        paths(root.unwrap()),
        ["x86_64-linux"],
        "names of systems are found out at once"
    );
    let names = ["after", "before", "group", "null", "quoted"];
    let system = take(&mut findings, "x86_64-linux", &set(&names));
    assert!(
        system.unwrap().is_empty(),
        "what is below waits for nix-eval-jobs"
    );
    findings
        .take_job(job("x86_64-linux.after", "error: 2"), true)
        .unwrap();
    findings
        .take_job(job("x86_64-linux.group.x", "error: 3"), true)
        .unwrap();
    // One that is not wanted, one that could not be looked up, and one that an old version may not look at.
    findings
        .take_job(job("aarch64-linux.x", "error: unwanted"), true)
        .unwrap();
    let lookup = "error: attribute 'quoted' in selection path 'x86_64-linux.quoted' not found";
    findings
        .take_job(job("x86_64-linux.quoted", lookup), true)
        .unwrap();
    findings
        .take_job(job("x86_64-linux.group.y", "error: nested"), false)
        .unwrap();
    let rest = findings.stop_deferring();
    assert_eq!(
        paths(rest),
        [
            "x86_64-linux.group",
            "x86_64-linux.null",
            "x86_64-linux.quoted"
        ]
    );
    let group = take(&mut findings, "x86_64-linux.group", &set(&["x", "y"]));
    assert_eq!(paths(group.unwrap()), ["x86_64-linux.group.y"]);
    for (at, answer) in [
        ("null", derivation("x86_64-linux")),
        ("quoted", derivation("x86_64-linux")),
    ] {
        let at = format!("x86_64-linux.{at}");
        assert!(take(&mut findings, &at, &answer).unwrap().is_empty());
    }
    take(
        &mut findings,
        "x86_64-linux.group.y",
        &Err("error: 4".to_owned()),
    )
    .unwrap();
    let (mut failed, mut warned, mut last) = (Vec::new(), 0, (0, 1));
    for evaluated in delivered(&mut delivery, &mut found_rx) {
        match evaluated {
            Evaluated::Failed { error, .. } => failed.push(error.message),
            Evaluated::Warning { .. } => warned += 1,
            Evaluated::Progress {
                evaluated,
                attributes,
            } => last = (evaluated, attributes),
            Evaluated::Check(_) | Evaluated::Output(_) => {}
        }
    }
    assert_eq!(failed, ["1", "2", "3", "4"]);
    assert_eq!(warned, 1);
    assert_eq!(last.0, last.1, "all that is known is evaluated");
}

#[test]
fn errors_and_nonsense_cost_one_attribute() {
    let (_, sent, _) = give(
        ".#checks",
        vec![
            ("x86_64-linux.a", Err("error: no".to_owned())),
            ("x86_64-linux.b", Ok(b"{\"kind\":\"new\"}".to_vec())),
            (
                "x86_64-linux.c",
                Ok(br#"{"kind":"other","is":"null","position":null}"#.to_vec()),
            ),
            (
                "x86_64-linux.d",
                Ok(br#"{"kind":"missing","names":[]}"#.to_vec()),
            ),
            (
                "x86_64-linux.e",
                Ok(br#"{"kind":"blocked","at":2,"is":"int"}"#.to_vec()),
            ),
        ],
    );
    assert_eq!(sent[0], "x86_64-linux.a: no");
    assert!(
        sent[1].starts_with(
            "x86_64-linux.b: cannot understand what Nix says about it: unknown variant"
        )
    );
    assert_eq!(
        sent[2],
        "x86_64-linux.c: `checks.x86_64-linux.c` is null, not a derivation"
    );
    assert_eq!(
        sent[3],
        "x86_64-linux.d: `checks.x86_64-linux.d` was there and is not any more"
    );
    assert_eq!(
        sent[4],
        "x86_64-linux.e: `checks.x86_64-linux` is an integer, so there is no `checks.x86_64-linux.e`"
    );
}

#[test]
fn if_what_was_asked_for_fails_all_has_failed() {
    let request = request(".#checks.a");
    let answers = Answers { request: &request };
    let error = |answer| answers.give(vec![("", answer)]).unwrap_err();
    assert!(
        matches!(error(Err("error: x".to_owned())), EvalError::Flake(failure) if failure.message == "x")
    );
    let missing = error(Ok(br#"{"kind":"missing","names":["b","c"]}"#.to_vec()));
    assert_eq!(
        missing.to_string(),
        "the flake has no attribute `checks.a`; it has b, c"
    );
    let blocked = error(Ok(br#"{"kind":"blocked","at":1,"is":"string"}"#.to_vec()));
    assert_eq!(
        blocked.to_string(),
        "`checks` is a string, so there is no `checks.a`"
    );
}

#[test]
fn there_may_not_be_too_many_attributes() {
    let request = request(".#checks");
    let answers = Answers { request: &request };
    let names: Vec<String> = (0..ATTRIBUTES_MAX).map(|i| i.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let error = answers
        .give(vec![("x86_64-linux", set(&names))])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("there are more than 100000 attributes"),
        "{error}"
    );
}
