use super::{GROUPS_MAX, NAMES_MAX, Passed};

fn lines<'p>(paths: impl IntoIterator<Item = &'p str>) -> Vec<String> {
    let mut passed = Passed::default();
    for path in paths {
        passed.add(path);
    }
    passed.lines()
}

#[test]
fn names_stand_behind_their_sets() {
    let paths = [
        "packages.x86_64-linux.b",
        "overlay",
        "packages.x86_64-linux.\"a.b\"",
        "overlays.default",
        "formatter.x86_64-linux",
        "packages.x86_64-linux.\"\u{1b}[2J\"",
    ];
    assert_eq!(
        lines(paths),
        [
            "overlay",
            "formatter: x86_64-linux",
            "overlays: default",
            "packages.x86_64-linux: \"\\u{1b}[2J\", \"a.b\", b",
        ]
    );
}

#[test]
fn much_is_counted() {
    let many: Vec<String> = (0..NAMES_MAX + 3)
        .map(|n| format!("apps.s.n{n:03}"))
        .collect();
    let all = lines(many.iter().map(String::as_str));
    assert_eq!(all.len(), 1);
    assert!(all[0].ends_with(", n049 and 3 more"), "{all:?}");
    let many: Vec<String> = (0..GROUPS_MAX + 2).map(|n| format!("a{n}.x")).collect();
    let all = lines(many.iter().map(String::as_str));
    assert_eq!(all.len(), GROUPS_MAX + 1);
    assert_eq!(all[GROUPS_MAX], "and 2 more");
}
