use super::*;

const PATH: &str = "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-a";

fn passed(checks: &[&str]) -> Vec<(String, BTreeMap<String, StorePath>)> {
    let outputs = BTreeMap::from([("out".to_owned(), StorePath::parse(PATH).unwrap())]);
    checks
        .iter()
        .map(|check| ((*check).to_owned(), outputs.clone()))
        .collect()
}

fn name(place: &Place, branch: &str, checks: &[&str]) -> io::Result<()> {
    let known = Known::of(checks.iter().copied(), "checks");
    place.name(branch, passed(checks).into_iter(), &known)
}

fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            let below = tree(&entry.path()).into_iter();
            found.extend(below.map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[test]
fn what_one_repository_leaves_another_whose_name_goes_on_does_not_take_along() {
    let dir = tempfile::tempdir().unwrap();
    let short = Place::of(
        dir.path(),
        "a/b",
        &["a/b/c".to_owned(), "a/b/d/e".to_owned()],
    );
    let long = Place::of(dir.path(), "a/b/c", &[]);
    let deep = Place::of(dir.path(), "a/b/d/e", &[]);
    for branch in ["main", "c", "d"] {
        name(&short, branch, &["x"]).unwrap();
    }
    name(&long, "main", &["y"]).unwrap();
    name(&deep, "main", &["z"]).unwrap();
    // Files of checks are no branches.
    assert_eq!(long.branches(), [dir.path().join("a/b/c/main")]);
    assert_eq!(short.branches().len(), 3);
    for branch in short.branches() {
        short.remove(&branch);
    }
    assert_eq!(tree(dir.path()), ["a/b/c/main/y", "a/b/d/e/main/z"]);
    name(&short, "c", &["x"]).unwrap();
    short.remove_all();
    assert_eq!(tree(dir.path()), ["a/b/c/main/y", "a/b/d/e/main/z"]);
    name(&short, "c", &["x"]).unwrap();
    long.remove_all();
    assert_eq!(tree(dir.path()), ["a/b/c/x", "a/b/d/e/main/z"]);
}

#[test]
fn checks_that_are_gone_are_named_no_more_and_one_that_cannot_be_named_hinders_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::of(dir.path(), "a/b", &[]);
    let long = "x".repeat(300);
    name(&place, "main", &["first", &long, "gone", "in-the-way"]).unwrap();
    assert_eq!(tree(dir.path()).len(), 4);
    fs::remove_file(dir.path().join("a/b/main/in-the-way")).unwrap();
    fs::create_dir_all(dir.path().join("a/b/main/in-the-way/x")).unwrap();
    name(&place, "main", &["in-the-way", "second", &long]).unwrap_err();
    let names = tree(&dir.path().join("a/b/main"));
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0] == "second" && names[1].len() <= 255);
}
