use super::{check_name, for_checks, headline, list_of_systems, place, step_name, text};
use crate::{nix::System, report::script::drv};

#[test]
fn the_headline_of_an_error_says_what_happened() {
    for (error, line) in [
        ("", "no reason given"),
        ("\n  \n", "no reason given"),
        (
            "builder for '/nix/store/x.drv' failed with exit code 1;\n last 10 log lines:",
            "builder for '/nix/store/x.drv' failed with exit code 1;",
        ),
        (
            "Cannot build '/nix/store/x.drv'.\n  Reason: builder failed with exit code 1.\nOutput paths:",
            "builder failed with exit code 1.",
        ),
    ] {
        assert_eq!(headline(error), line);
    }
}

#[test]
fn a_place_is_as_exact_as_it_is_known() {
    assert_eq!(place(None, Some(1), Some(2)), None);
    assert_eq!(
        place(Some("flake.nix"), None, Some(2)).unwrap(),
        "flake.nix"
    );
    assert_eq!(
        place(Some("flake.nix"), Some(12), None).unwrap(),
        "flake.nix:12"
    );
    assert_eq!(
        place(Some("a\u{1b}b"), Some(12), Some(3)).unwrap(),
        r"a\u{1b}b:12:3"
    );
}

#[test]
fn names_are_harmless_and_bounded() {
    assert_eq!(check_name(""), "the attribute itself");
    assert_eq!(check_name("a\nb"), r"a\nb");
    assert_eq!(step_name(&drv("clippy-0.3")), "clippy-0.3");
    assert!(text(&"x".repeat(10_000)).len() <= 400);
    assert_eq!(list_of_systems(&[]), "all systems");
    let systems = ["a-linux", "b\u{7}"].map(System::of_derivation);
    assert_eq!(list_of_systems(&systems), r"a-linux, b\u{7}");
    assert_eq!(for_checks(&[String::new()]), "");
    let checks: Vec<String> = ["a", "b", "c"].map(String::from).into();
    assert_eq!(for_checks(&checks[..0]), "");
    assert_eq!(for_checks(&checks[..1]), " for a");
    assert_eq!(for_checks(&checks[..2]), " for a and 1 other check");
    assert_eq!(for_checks(&checks), " for a and 2 other checks");
}
