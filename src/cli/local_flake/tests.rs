use std::{fs, path::Path, process::Command};

use super::LocalFlake;

fn git(dir: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-C"])
        .arg(dir)
        .args(arguments)
        .status()
        .unwrap();
    assert!(status.success(), "git {arguments:?}");
}

/// Makes a repository with a flake in `flakes/one`, committed.
fn make_repository(dir: &Path) {
    fs::create_dir_all(dir.join("flakes/one/deep")).unwrap();
    fs::write(dir.join("flakes/one/flake.nix"), "{ }").unwrap();
    git(dir, &["init", "--quiet"]);
    git(dir, &["add", "--all"]);
    git(dir, &["commit", "--quiet", "--message=x"]);
}

fn find(path: &Path) -> Option<LocalFlake> {
    LocalFlake::find(path.to_str().unwrap())
}

#[test]
fn a_flake_is_found_above_a_folder_but_not_above_its_checkout() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fs::write(root.join("flake.nix"), "{ }").unwrap();
    let checkout = root.join("checkout");
    make_repository(&checkout);
    let deep = find(&checkout.join("flakes/one/deep")).unwrap();
    assert_eq!(deep.dir, checkout.join("flakes/one"));
    assert_eq!(deep.dir_in_checkout(), "flakes/one");
    assert_eq!(deep.title(), "one");
    assert_eq!(
        find(&checkout),
        None,
        "the flake above belongs to nobody here"
    );
    assert_eq!(find(&root.join("nowhere")), None);
}

#[test]
fn a_link_to_a_flake_is_that_flake() {
    let dir = tempfile::tempdir().unwrap();
    make_repository(&dir.path().join("checkout"));
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("checkout/flakes/one", &link).unwrap();
    assert_eq!(find(&link), find(&dir.path().join("checkout/flakes/one")));
}

#[test]
fn only_a_committed_checkout_is_a_source_to_be_kept() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("flake.nix"), "{ }").unwrap();
    let bare = find(dir.path()).unwrap();
    assert_eq!(
        (bare.source(), bare.dir_in_checkout()),
        (None, String::new())
    );
    git(dir.path(), &["init", "--quiet"]);
    assert_eq!(find(dir.path()).unwrap().source(), None, "no commit");

    let dir = tempfile::tempdir().unwrap();
    make_repository(dir.path());
    let flake = dir.path().join("flakes/one");
    let clean = find(&flake).unwrap().source().unwrap();
    fs::write(flake.join("flake.nix"), "{ a = 1; }").unwrap();
    let dirty = find(&flake).unwrap().source().unwrap();
    assert_ne!(clean, dirty);
    // The content of a submodule is not looked at.
    let submodule = format!("160000,{},submodule", "1".repeat(40));
    git(
        dir.path(),
        &["update-index", "--add", "--cacheinfo", &submodule],
    );
    assert_eq!(find(&flake).unwrap().source(), None);
}

#[test]
fn references_of_other_kinds_are_no_folders() {
    for reference in [
        "nixpkgs",
        "github:a/b",
        "path:/tmp",
        "git+file:///tmp",
        ".?dir=sub",
        "./sub?ref=main",
        "",
    ] {
        assert_eq!(LocalFlake::find(reference), None, "{reference}");
    }
}

#[test]
fn an_old_nix_is_told_no_age() {
    let age = |reference: &str, version| super::without_age(reference.to_owned(), version);
    let reference = "path:/nix/store/x?rev=a&lastModified=5&dir=b";
    assert_eq!(age(reference, (2, 25)), "path:/nix/store/x?rev=a&dir=b");
    assert_eq!(age(reference, (2, 26)), reference);
    assert_eq!(age("path:/x?lastModified=5", (2, 8)), "path:/x");
    let other = "github:a/b?lastModified=5";
    assert_eq!(age(other, (2, 8)), other);
}
