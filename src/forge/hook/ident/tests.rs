use proptest::prelude::*;

use super::{CommitId, GitRef, Login, RepositoryName, bounded};

#[test]
fn names_are_what_git_and_forges_take() {
    for name in ["owner/repo", "group/sub/.dot-_~", "repo", "a/b.git"] {
        assert!(name.parse::<RepositoryName>().is_ok(), "{name}");
    }
    for name in [
        "", "/", "a/", "/a", "a//b", "a/..", "./b", "a/b?x", "a/b#", "a b/c", "a%2fb/c", "é/a",
        "a/\n",
    ] {
        assert!(name.parse::<RepositoryName>().is_err(), "{name}");
    }
    for name in [
        "refs/heads/main",
        "refs/heads/a/ü",
        "refs/pull/7/head",
        "refs/tags/v1.0",
        "refs/heads/-x",
    ] {
        assert!(name.parse::<GitRef>().is_ok(), "{name}");
    }
    for name in [
        "main",
        "refs/",
        "refs/heads",
        "refs/heads/",
        "refs/heads//a",
        "refs/heads/../x",
        "refs/heads/a..b",
        "refs/heads/.a",
        "refs/heads/a.lock",
        "refs/heads/a b",
        "refs/heads/a:b",
        "refs/heads/a^",
        "refs/heads/*",
        "refs/heads/a\u{1b}",
        "refs/heads/a@{1}",
        "refs/heads/a\\b",
        "refs/heads/a.",
        "--upload-pack=x",
    ] {
        assert!(name.parse::<GitRef>().is_err(), "{name}");
    }
    for login in ["octocat", "dependabot[bot]", "ü"] {
        assert!(login.parse::<Login>().is_ok(), "{login}");
    }
    for login in ["", "a b", "a\u{7}", &"x".repeat(256)] {
        assert!(login.parse::<Login>().is_err(), "{login}");
    }
}

#[test]
fn only_whole_ids_are_commits() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(id.parse::<CommitId>().unwrap().as_str(), id);
    assert!("a".repeat(64).parse::<CommitId>().is_ok());
    for wrong in [
        "",
        &id[1..],
        &id.to_uppercase(),
        &"0".repeat(40),
        &"g".repeat(40),
        &"a".repeat(41),
    ] {
        assert!(wrong.parse::<CommitId>().is_err(), "{wrong}");
    }
}

#[test]
fn a_ref_knows_its_branch_or_tag() {
    let branch = GitRef::of_branch("a/b").unwrap();
    assert_eq!((branch.branch(), branch.tag()), (Some("a/b"), None));
    let tag = GitRef::of_tag("v1").unwrap();
    assert_eq!((tag.branch(), tag.tag()), (None, Some("v1")));
}

proptest! {
    #[test]
    fn a_cut_text_is_its_beginning(text in "\\PC{0,40}", max in 0_usize..50) {
        let cut = bounded(text.clone(), max);
        prop_assert!(cut.len() <= max && text.starts_with(&cut));
        prop_assert!(text.len() > max || cut == text);
        prop_assert!(max.saturating_sub(cut.len()) < 4 || cut == text);
    }
}
