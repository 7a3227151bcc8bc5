//! What check runs say of made-up runs.

use super::{Facts, summary};
use crate::db::server::{CheckRow, DueStatus, RepositoryId, RunId, StatusId, StatusRow};

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
