use serde_json::Value;

use super::{
    Job, TooManyJobs, github_matrix, github_matrix_by_system, gitlab_pipeline,
    gitlab_pipeline_by_system,
};
use crate::nix::AttrPath;

fn job(path: &[&str]) -> Job {
    let checks = AttrPath::new(["checks"]);
    Job::new(".", &checks, &AttrPath::new(path.iter().copied()), None)
}

fn jobs() -> Vec<Job> {
    vec![
        job(&["x86_64-linux", "fmt"]),
        job(&["aarch64-linux", "fmt"]),
        job(&["x86_64-linux", "it's $(id)\n", "b.c"]),
        job(&["riscv64-linux", "fmt"]),
    ]
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn a_matrix_has_what_a_job_needs() {
    insta::assert_snapshot!(pretty(&github_matrix(&jobs()).unwrap()));
    insta::assert_snapshot!(pretty(&github_matrix_by_system(&jobs()).unwrap()));
}

#[test]
fn a_pipeline_has_a_job_a_check_and_names_that_mean_nothing_else() {
    insta::assert_snapshot!(pretty(&gitlab_pipeline(&jobs())));
    let targets = [".#a b".to_owned(), "x*".to_owned()];
    insta::assert_snapshot!(pretty(&gitlab_pipeline_by_system(&jobs(), &targets)));
    insta::assert_snapshot!(gitlab_pipeline(&[]).to_string(), @r#"{"nothing to check":{"script":["true"]}}"#);
}

#[test]
fn github_takes_no_more_than_256() {
    let many: Vec<Job> = (0..257)
        .map(|n| job(&["x86_64-linux", &n.to_string()]))
        .collect();
    assert!(github_matrix(&many[..256]).is_ok());
    assert_eq!(github_matrix(&many), Err(TooManyJobs(257)));
    assert!(github_matrix_by_system(&many).is_ok());
}
