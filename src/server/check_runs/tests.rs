//! What check runs say of made-up runs.

use super::{Facts, buttons, check_run, summary};
use crate::{
    db::server::{AnnotationRow, CheckRow, DueStatus, RepositoryId, RunId, StatusId, StatusRow},
    forge::AnnotationLevel,
};

fn due(context: &str, state: &str) -> DueStatus {
    DueStatus {
        id: StatusId(1),
        repository: RepositoryId(1),
        forge: "hub".to_owned(),
        account: None,
        is_of_check: context.contains(' '),
        commit: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        run: Some(RunId(3)),
        row: StatusRow {
            context: context.to_owned(),
            state: state.to_owned(),
            description: "what happened".to_owned(),
            target_url: "https://ci.example.org/runs/3".to_owned(),
        },
        version: 1,
        attempts: 0,
        is_uncertain: false,
        remote: None,
        annotated_by: None,
        needs_approval: false,
    }
}

fn failed(path: &str) -> CheckRow {
    CheckRow {
        path: path.to_owned(),
        name: path.to_owned(),
        system: "x86_64-linux".to_owned(),
        drv_path: None,
        outputs: None,
        outcome: Some("failed".to_owned()),
        duration: None,
        cause: None,
        reason: Some(format!("why {path}")),
        allowed: false,
    }
}

#[test]
fn each_check_run_says_what_failed_of_what_it_is_about() {
    let paths = ["checks.x.eval", "checks.x.a#b", "checks.x.b"];
    let facts = Facts {
        checks: paths.map(failed).into(),
        ..Facts::default()
    };
    let told = |context: &str| {
        let text = summary(&due(context, "failure"), &facts);
        let told = paths
            .iter()
            .filter(|path| text.contains(&format!("why {path}")));
        told.copied().collect::<Vec<_>>()
    };
    assert_eq!(told("nixci/build"), paths);
    assert_eq!(told("nixci/eval"), [""; 0]);
    assert_eq!(told("buildbot/nix-eval"), [""; 0]);
    for path in paths {
        let context = format!("nixci/build github:acme/demo#{path}");
        assert_eq!(told(&context), [path]);
    }
}

#[test]
fn buttons_are_offered_where_they_do_something() {
    let check = "nixci/build github:acme/demo#checks.x.a";
    let offered = |context: &str, state: &str, is_over: bool| {
        let facts = Facts {
            is_over,
            ..Facts::default()
        };
        let buttons = buttons(&due(context, state), &facts);
        for button in &buttons {
            let chars = |text: &str| text.chars().count();
            assert!(chars(&button.label) <= 20 && chars(&button.description) <= 40);
            assert!(chars(&button.identifier) <= 20);
        }
        let name = buttons.first().map(|button| button.identifier.clone());
        name.unwrap_or_else(|| "-".to_owned())
    };
    let table: Vec<String> = ["nixci/eval", "nixci/build", check]
        .into_iter()
        .flat_map(|context| {
            ["pending", "success", "failure", "error"].map(|state| (context, state))
        })
        .map(|(context, state)| {
            let (going_on, over) = (
                offered(context, state, false),
                offered(context, state, true),
            );
            format!("{context} {state}: {going_on} | {over}")
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    nixci/eval pending: - | -
    nixci/eval success: cancel | -
    nixci/eval failure: cancel | rebuild
    nixci/eval error: cancel | rebuild
    nixci/build pending: - | -
    nixci/build success: cancel | -
    nixci/build failure: cancel | rebuild
    nixci/build error: cancel | rebuild
    nixci/build github:acme/demo#checks.x.a pending: - | -
    nixci/build github:acme/demo#checks.x.a success: - | -
    nixci/build github:acme/demo#checks.x.a failure: rebuild | rebuild
    nixci/build github:acme/demo#checks.x.a error: rebuild | rebuild
    ");
    let mut waits = due("nixci/build", "pending");
    waits.needs_approval = true;
    assert_eq!(buttons(&waits, &Facts::default())[0].identifier, "approve");
}

#[test]
fn what_may_fail_is_pointed_at_as_a_warning() {
    let annotations = [false, true].map(|allowed| AnnotationRow {
        file: "flake.nix".to_owned(),
        line: 3,
        allowed,
        title: "x: cannot be evaluated".to_owned(),
        message: "why".to_owned(),
    });
    let facts = Facts {
        annotations: annotations.into(),
        ..Facts::default()
    };
    let due = due("nixci/eval", "failure");
    let run = check_run(&due, due.commit.parse().expect("it is one"), &facts);
    let told = run.output.expect("it says something").annotations;
    let levels: Vec<_> = told.iter().map(|annotation| annotation.level).collect();
    assert_eq!(levels, [AnnotationLevel::Failure, AnnotationLevel::Warning]);
    assert_eq!((told[0].path.as_str(), told[0].line), ("flake.nix", 3));
}
