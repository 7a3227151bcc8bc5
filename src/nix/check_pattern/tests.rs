use proptest::prelude::*;

use super::{CheckPattern, Reach};
use crate::nix::AttrPath;

fn reach_below(asked: &str, pattern: &str, path: &str) -> Reach {
    let parse = |path| AttrPath::parse(path).unwrap();
    let pattern = CheckPattern::parse(pattern).unwrap();
    pattern.reach(&parse(asked), &parse(path))
}

fn reach(pattern: &str, path: &str) -> Reach {
    reach_below("checks", pattern, path)
}

#[test]
fn a_check_is_named_with_or_without_its_system_and_attribute() {
    for pattern in [
        "fmt",
        "x86_64-linux.fmt",
        "checks.x86_64-linux.fmt",
        "checks.fmt",
        "*.fmt",
        "f*",
        "f?t",
        "[a-f]mt",
        "{fmt,clippy}",
        "x86_64-*.f*",
        "**.fmt",
        "**",
        "*",
        "\"fmt\"",
        "f\\mt",
    ] {
        assert_eq!(
            reach(pattern, "x86_64-linux.fmt"),
            Reach::Inside,
            "{pattern}"
        );
    }
    for pattern in [
        "clippy",
        "aarch64-linux.fmt",
        "packages.x86_64-linux.fmt",
        "fm",
        "\"f*\"",
        "f\\*",
        "check*",
        "fmt.x86_64-linux",
    ] {
        assert_ne!(
            reach(pattern, "x86_64-linux.fmt"),
            Reach::Inside,
            "{pattern}"
        );
    }
}

#[test]
fn what_matches_a_set_matches_all_in_it() {
    for pattern in ["group", "x86_64-linux.group", "x86_64-linux", "g*"] {
        assert_eq!(
            reach(pattern, "x86_64-linux.group.a"),
            Reach::Inside,
            "{pattern}"
        );
    }
    // What was asked for itself is no choice, or `check*` would choose everything.
    assert_eq!(reach("checks", "x86_64-linux"), Reach::Above);
    assert_eq!(reach("**.a", "x86_64-linux.group.b.a"), Reach::Inside);
    assert_eq!(reach("group.**.a", "x86_64-linux.group.a"), Reach::Inside);
}

#[test]
fn it_is_known_before_whether_something_below_can_match() {
    for (pattern, path, expected) in [
        ("fmt", "x86_64-linux", Reach::Above),
        ("x86_64-linux.fmt", "x86_64-linux", Reach::Above),
        ("x86_64-linux.fmt", "aarch64-linux.fmt", Reach::Outside),
        ("fmt", "x86_64-linux.clippy", Reach::Outside),
        ("group.a", "x86_64-linux.group", Reach::Above),
        ("group.a", "x86_64-linux.other", Reach::Outside),
        ("**.a", "x86_64-linux.other", Reach::Above),
    ] {
        assert_eq!(reach(pattern, path), expected, "{pattern} {path}");
    }
}

#[test]
fn the_system_may_be_part_of_what_is_asked_for_or_come_last() {
    let asked = "checks.x86_64-linux";
    for pattern in [
        "fmt",
        "x86_64-linux.fmt",
        "checks.x86_64-linux.fmt",
        "checks.fmt",
    ] {
        assert_eq!(
            reach_below(asked, pattern, "fmt"),
            Reach::Inside,
            "{pattern}"
        );
    }
    assert_eq!(
        reach_below("hydraJobs", "hello", "hello.x86_64-linux"),
        Reach::Inside
    );
    assert_ne!(
        reach_below("hydraJobs", "hello.aarch64-linux", "hello.x86_64-linux"),
        Reach::Inside
    );
    assert_eq!(
        reach_below("", "checks.fmt", "checks.x86_64-linux.fmt"),
        Reach::Inside
    );
}

#[test]
fn names_are_compared_and_not_their_written_form() {
    assert_eq!(reach("a*", "x86_64-linux.\"a.b\""), Reach::Inside);
    assert_eq!(reach("\"a.b\"", "x86_64-linux.\"a.b\""), Reach::Inside);
    assert_eq!(reach("a.b", "x86_64-linux.\"a.b\""), Reach::Outside);
    assert_eq!(reach("a/*", "x86_64-linux.\"a/b\""), Reach::Inside);
    assert_eq!(reach("\"\"", "x86_64-linux.\"\""), Reach::Inside);
}

#[test]
fn mistakes_are_named() {
    let error = |text: &str| CheckPattern::parse(text).unwrap_err().to_string();
    insta::assert_snapshot!(
        ["", "a..b", "\"a", "[a", "{a", "a\\", "[z-a]"].map(error).join("\n"),
        @r#"
    empty name in the pattern `` (write `""` if it is meant)
    empty name in the pattern `a..b` (write `""` if it is meant)
    missing closing quote in the pattern `\"a`
    `[a` is no pattern: unclosed character class; missing ']'
    `{a` is no pattern: unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)
    `a\\` is no pattern: nothing follows `\`
    `[z-a]` is no pattern: invalid range; 'z' > 'a'
    "#
    );
    assert!(error(&"a".repeat(1001)).contains("at most 1000 bytes"));
}

proptest! {
    /// The written form of a path, quoted as Nix does, chooses that path.
    #[test]
    fn a_path_chooses_itself(names in prop::collection::vec("[ -~äß]{0,8}", 1..4)) {
        let path = AttrPath::new(names);
        let pattern = CheckPattern::parse(&path.to_string()).unwrap();
        prop_assert_eq!(pattern.reach(&AttrPath::new(["checks"]), &path), Reach::Inside);
    }

    /// If something matches, everything above it says that something may.
    #[test]
    fn nothing_is_left_out_too_early(
        pattern in "([ab*?]{1,2}|\\*\\*)(\\.([ab*?]{1,2}|\\*\\*)){0,3}",
        path in prop::collection::vec(prop_oneof!["[ab]{1,2}", Just("x86_64-linux".to_owned())], 1..5),
    ) {
        let pattern = CheckPattern::parse(&pattern).unwrap();
        let asked = AttrPath::new(["checks"]);
        if pattern.reach(&asked, &AttrPath::new(&path)) == Reach::Inside {
            for length in 0..path.len() {
                let above = AttrPath::new(&path[..length]);
                prop_assert_ne!(pattern.reach(&asked, &above), Reach::Outside, "{}", above);
            }
        }
    }
}
