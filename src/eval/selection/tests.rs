use super::{DEPTH_MAX, Selection, Wish, is_too_deep};
use crate::{
    eval::{EvalOptions, EvalRequest, EvalScope},
    nix::{AttrPath, Installable, System},
};

fn selection(installable: &str, systems: Option<&[&str]>) -> Selection {
    let parse = |system: &&str| System::parse(system).unwrap();
    Selection::new(&EvalRequest {
        installable: Installable::parse(installable).unwrap(),
        systems: systems.map(|systems| systems.iter().map(parse).collect()),
        current_system: parse(&"x86_64-linux"),
        workers: 1,
        memory_budget_bytes: 1 << 30,
        scope: EvalScope::default(),
        options: EvalOptions::default(),
        nix: "nix".into(),
        nix_version: (2, 34),
    })
}

fn path(path: &str) -> AttrPath {
    AttrPath::parse(path).unwrap()
}

#[test]
fn the_first_name_that_is_a_system_decides() {
    let one = selection(".#hydraJobs", Some(&["x86_64-linux"]));
    assert_eq!(one.wish(&path(""), "x86_64-linux"), Wish::All);
    assert_eq!(one.wish(&path(""), "aarch64-linux"), Wish::OtherSystem);
    assert_eq!(one.wish(&path(""), "tests"), Wish::All);
    assert_eq!(one.wish(&path("tests"), "aarch64-linux"), Wish::OtherSystem);
    assert_eq!(one.wish(&path("x86_64-linux"), "aarch64-linux"), Wish::All);
    let all = selection(".#checks", None);
    assert_eq!(all.wish(&path(""), "aarch64-linux"), Wish::All);
    let none = selection(".#checks", Some(&[]));
    assert_eq!(none.wish(&path(""), "x86_64-linux"), Wish::OtherSystem);
}

#[test]
fn what_is_asked_for_by_a_system_is_wanted() {
    let asked = selection(".#checks.aarch64-linux", Some(&["x86_64-linux"]));
    assert_eq!(asked.wish(&path(""), "riscv64-linux"), Wish::All);
    let system = System::parse("aarch64-linux").unwrap();
    assert!(asked.wants_derivation(&path("a"), &system));
}

#[test]
fn without_a_system_in_the_path_that_of_the_derivation_decides() {
    let one = selection(".#hydraJobs", Some(&["x86_64-linux"]));
    let (own, other) = (
        System::parse("x86_64-linux").unwrap(),
        System::parse("aarch64-linux").unwrap(),
    );
    assert!(one.wants_derivation(&path("a"), &own));
    assert!(!one.wants_derivation(&path("a"), &other));
    assert!(one.wants_derivation(&path("x86_64-linux.cross"), &other));
    // It was asked for itself.
    assert!(one.wants_derivation(&path(""), &other));
    assert!(selection(".#hydraJobs", None).wants_derivation(&path("a"), &other));
}

#[test]
fn only_sets_inside_may_refuse_to_be_looked_into() {
    let all = selection(".#checks", None);
    assert!(!all.may_refuse(&path("")));
    assert!(!all.may_refuse(&path("x86_64-linux")));
    assert!(all.may_refuse(&path("x86_64-linux.group")));
    assert!(all.may_refuse(&path("group")));
}

#[test]
fn nesting_has_an_end() {
    let deep = AttrPath::new(vec!["a"; DEPTH_MAX]);
    assert!(is_too_deep(&deep));
    assert!(!is_too_deep(&AttrPath::new(vec!["a"; DEPTH_MAX - 1])));
}
