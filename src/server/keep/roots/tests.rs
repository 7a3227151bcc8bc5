use std::os::unix::fs::symlink;

use super::*;

const A: &str = "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-a";
const B: &str = "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-b";

fn folder(links: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, target) in links {
        symlink(target, dir.path().join(name)).unwrap();
    }
    dir
}

fn outputs(all: &[(&str, &str)]) -> BTreeMap<String, StorePath> {
    all.iter()
        .map(|(name, path)| ((*name).to_owned(), StorePath::parse(path).unwrap()))
        .collect()
}

#[test]
fn the_newest_runs_are_kept() {
    let dir = folder(&[
        ("000000001-out", A),
        ("000000001-dev", A),
        ("000000002-out", B),
        ("000000010-out", A),
    ]);
    thin_out(dir.path(), 2).unwrap();
    let mut left: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["000000002-out", "000000010-out"]);
}

#[test]
fn what_fails_as_one_keeps_what_is_below_it() {
    let known = |paths: &[&str]| Known::of(paths.iter().copied(), "checks");
    let some = known(&["x86_64-linux.good", "aarch64-linux", "b c"]);
    for name in ["x86_64-linux.good", "aarch64-linux.a.b", "b+c"] {
        assert!(some.has(name), "{name}");
    }
    for name in ["x86_64-linux.gone", "x86_64-linux", "aarch64-linux-2.a"] {
        assert!(!some.has(name), "{name}");
    }
    assert!(known(&["checks"]).has("x86_64-linux.good"));
    assert!(!known(&[]).has("x86_64-linux.good"));
}

#[test]
fn the_same_outputs_are_held_already() {
    let dir = folder(&[
        ("000000007-out", B),
        ("000000008-out", A),
        ("000000008-dev", B),
    ]);
    let same = outputs(&[("out", A), ("dev", B)]);
    assert!(holds(dir.path(), RunId(9), &same));
    for (run, outputs, why) in [
        (8, same.clone(), "it may have been cut short"),
        (7, same, "it is older"),
        (9, outputs(&[("out", A)]), "there was another"),
        (9, outputs(&[("out", A), ("dev", A)]), "it leads elsewhere"),
        (9, outputs(&[("out", B)]), "that was before"),
    ] {
        assert!(!holds(dir.path(), RunId(run), &outputs), "{why}");
    }
    assert!(!holds(
        &dir.path().join("new"),
        RunId(9),
        &outputs(&[("out", A)])
    ));
}
