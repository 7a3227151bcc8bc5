use std::{fs, path::Path};

use git2::{IndexAddOption, Repository, Signature};

use super::Checkout;

fn commit_all(repository: &Repository) {
    let mut index = repository.index().unwrap();
    index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
    index.write().unwrap();
    let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
    let who = Signature::now("a", "a@example.org").unwrap();
    let parent = repository
        .head()
        .ok()
        .map(|head| head.peel_to_commit().unwrap());
    let parents: Vec<&git2::Commit<'_>> = parent.iter().collect();
    repository
        .commit(Some("HEAD"), &who, &who, "x", &tree, &parents)
        .unwrap();
}

fn look(path: &Path) -> Checkout {
    Checkout::find(path).unwrap().unwrap()
}

#[test]
fn the_fingerprint_follows_what_a_flake_sees() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::init(dir.path()).unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("flake.nix"), "1").unwrap();
    let unborn = look(dir.path());
    assert_eq!((unborn.revision, unborn.is_dirty), (None, false));
    commit_all(&repository);
    let clean = look(&dir.path().join("sub"));
    assert!(!clean.is_dirty && !clean.has_blind_spots && !clean.is_shallow);
    assert_eq!(clean.revision.as_ref().map(String::len), Some(40));

    fs::write(dir.path().join("untracked"), "x").unwrap();
    assert_eq!(look(dir.path()), clean, "an untracked file is not seen");

    fs::write(dir.path().join("flake.nix"), "22").unwrap();
    let dirty = look(dir.path());
    assert!(dirty.is_dirty);
    assert_ne!(dirty.fingerprint, clean.fingerprint);
    assert_eq!(
        dirty.short_revision(),
        Some(format!("{} +dirty", &clean.revision.clone().unwrap()[..7]))
    );

    fs::write(dir.path().join("flake.nix"), "33").unwrap();
    let other = look(dir.path());
    assert_ne!(other.fingerprint, dirty.fingerprint);

    let mut index = repository.index().unwrap();
    index.add_path(Path::new("flake.nix")).unwrap();
    index.write().unwrap();
    assert_eq!(
        look(dir.path()).fingerprint,
        other.fingerprint,
        "staging changes nothing that Nix sees"
    );

    index.add_path(Path::new("untracked")).unwrap();
    index.write().unwrap();
    assert_ne!(
        look(dir.path()).fingerprint,
        other.fingerprint,
        "a staged new file is seen"
    );

    fs::remove_file(dir.path().join("flake.nix")).unwrap();
    assert!(look(dir.path()).is_dirty);
}

#[test]
fn a_file_that_git_was_told_to_forget_is_not_the_same_as_one_that_was_changed() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::init(dir.path()).unwrap();
    fs::write(dir.path().join("flake.nix"), "1").unwrap();
    commit_all(&repository);
    fs::write(dir.path().join("flake.nix"), "2").unwrap();
    let changed = look(dir.path());
    let mut index = repository.index().unwrap();
    index.remove_path(Path::new("flake.nix")).unwrap();
    index.write().unwrap();
    assert_ne!(look(dir.path()).fingerprint, changed.fingerprint);
}

#[test]
fn files_that_git_does_not_look_at_are_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let repository = Repository::init(dir.path()).unwrap();
    fs::write(dir.path().join("flake.nix"), "1").unwrap();
    commit_all(&repository);
    assert!(!look(dir.path()).has_blind_spots);
    let mut index = repository.index().unwrap();
    let mut entry = index.get_path(Path::new("flake.nix"), 0).unwrap();
    entry.flags |= git2::IndexEntryFlag::VALID.bits();
    index.add(&entry).unwrap();
    index.write().unwrap();
    assert!(look(dir.path()).has_blind_spots, "--assume-unchanged");
    entry.flags &= !git2::IndexEntryFlag::VALID.bits();
    entry.flags_extended |= git2::IndexEntryExtendedFlag::SKIP_WORKTREE.bits();
    index.add(&entry).unwrap();
    index.write().unwrap();
    assert!(look(dir.path()).has_blind_spots, "--skip-worktree");
}

#[test]
fn no_checkout_is_no_error() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Checkout::find(dir.path()).unwrap(), None);
}
