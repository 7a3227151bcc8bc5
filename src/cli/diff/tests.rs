use super::{Checks, Kind, StorePath, compare, lines};

fn checks(all: &[(&str, Result<&str, &str>)]) -> Checks {
    let derivation = |name: &str| {
        StorePath::parse(&format!(
            "/nix/store/qyxcm6jl3gdw98f5s0hds14v2inqyqsm-{name}.drv"
        ))
        .unwrap()
    };
    all.iter()
        .map(|(check, found)| {
            let found = found.map(derivation).map_err(str::to_owned);
            ((*check).to_owned(), found)
        })
        .collect()
}

#[test]
fn every_kind_of_difference_is_told_and_counted() {
    let old = checks(&[
        ("a.same", Ok("1")),
        ("a.changed", Ok("1")),
        ("a.gone", Ok("1")),
        ("a.breaks", Ok("1")),
        ("a.heals", Err("no")),
        ("a.ill", Err("no")),
        ("a.forgotten", Err("no")),
    ]);
    let new = checks(&[
        ("a.same", Ok("1")),
        ("a.changed", Ok("2")),
        ("a.breaks", Err("attribute 'x' missing\nat \u{1b}[31m/y")),
        ("a.heals", Ok("1")),
        ("a.ill", Err("another text")),
        ("a.\"new \u{7}\"", Ok("1")),
        ("a.new", Err("\u{1b}[2Jthrown")),
    ]);
    let changes = compare(&old, &new);
    insta::assert_snapshot!(lines(&changes, new.len(), false).join("\n"), @r#"
    + a."new \u{7}"
    ! a.breaks  cannot be evaluated: attribute 'x' missing
    ~ a.changed
    - a.forgotten
    - a.gone
    ~ a.heals  can be evaluated again
    ! a.new  cannot be evaluated: \u{1b}[2Jthrown
    1 added, 2 gone, 2 changed, 2 the same, 2 broken
    "#);
    assert_eq!(changes[2].kind, Kind::Changed);
    assert_ne!(changes[2].old_drv_path, changes[2].drv_path);
}

#[test]
fn nothing_differs_from_itself() {
    let all = checks(&[("a.b", Ok("1")), ("a.c", Err("no"))]);
    assert_eq!(compare(&all, &all), []);
    assert_eq!(
        lines(&[], 2, false),
        ["0 added, 0 gone, 0 changed, 2 the same"]
    );
}
