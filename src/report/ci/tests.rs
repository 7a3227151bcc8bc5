use std::path::PathBuf;

use super::{Ci, step_summary};

fn lookup(variables: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    move |name| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    }
}

#[test]
fn the_one_that_says_most_about_itself_is_meant() {
    for (variables, ci) in [
        (&[][..], None),
        (&[("CI", "true")], None),
        (&[("GITHUB_ACTIONS", "")], None),
        (&[("GITHUB_ACTIONS", "false")], None),
        (&[("GITHUB_ACTIONS", "true")], Some(Ci::Github)),
        (
            &[("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true")],
            Some(Ci::Gitea),
        ),
        (
            &[
                ("GITHUB_ACTIONS", "true"),
                ("GITEA_ACTIONS", "true"),
                ("FORGEJO_ACTIONS", "true"),
            ],
            Some(Ci::Forgejo),
        ),
        (&[("GITLAB_CI", "true")], Some(Ci::Gitlab)),
    ] {
        assert_eq!(Ci::detect(lookup(variables)), ci, "{variables:?}");
    }
}

#[test]
fn a_summary_is_written_where_a_ci_asks_for_it() {
    let path = |variables| step_summary(lookup(variables));
    assert_eq!(path(&[]), None);
    assert_eq!(path(&[("GITHUB_STEP_SUMMARY", "/tmp/s")]), None);
    assert_eq!(
        path(&[("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "")]),
        None
    );
    assert_eq!(
        path(&[("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "/a/b")]),
        Some(PathBuf::from("/a/b"))
    );
    assert_eq!(
        path(&[
            ("GITEA_ACTIONS", "true"),
            ("GITHUB_STEP_SUMMARY", "/github"),
            ("GITEA_STEP_SUMMARY", "/gitea"),
        ]),
        Some(PathBuf::from("/gitea"))
    );
}
