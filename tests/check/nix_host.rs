//! What is known of the Nix of this machine follows what it is set to.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use crate::{
    Events,
    support::{Project, nix, store::TestStore},
};

fn slots(project: &Project<'_>, arguments: &[&str]) -> u64 {
    let run = project.nixci(&[&["check", "--format", "json"], arguments].concat());
    assert_eq!(run.code, Some(0), "{run}");
    Events::of(&run).one("run_started")["slots"]
        .as_u64()
        .unwrap()
}

/// The files in which answers of Nix are kept.
fn kept(store: &TestStore) -> Vec<PathBuf> {
    fs::read_dir(store.folder().join("cache/nixci"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn the_number_of_builds_is_what_was_asked_for_else_what_nix_is_set_to() {
    for nix in nix::all() {
        let store = nix.store();
        let project = Project::new(&store).check("a", "echo > $out").committed();
        let conf = store.folder().join("conf/nix.conf");
        let own = fs::read_to_string(&conf).unwrap();
        for (line, expected) in [
            ("max-jobs = 3", 3),
            ("max-jobs = 5", 5),
            ("max-jobs = 3", 3),
        ] {
            fs::write(&conf, format!("{own}{line}\n")).unwrap();
            assert_eq!(slots(&project, &[]), expected, "Nix {nix}, {line}");
        }
        assert_eq!(
            slots(&project, &["--option", "max-jobs", "7"]),
            7,
            "Nix {nix}"
        );
        assert_eq!(
            slots(&project, &["--option", "max-jobs", "7", "-j", "2"]),
            2,
            "Nix {nix}"
        );
    }
}

#[test]
fn what_is_kept_of_nix_is_for_its_owner_and_a_broken_file_is_not_believed() {
    let store = nix::newest().store();
    let project = Project::new(&store).check("a", "echo > $out").committed();
    let before = slots(&project, &[]);
    let files = kept(&store);
    assert_eq!(files.len(), 1);
    // Nix's settings may hold access tokens.
    let mode = fs::metadata(&files[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
    fs::write(&files[0], "{\"program\":").unwrap();
    assert_eq!(slots(&project, &[]), before);
    assert_ne!(fs::read_to_string(&files[0]).unwrap(), "{\"program\":");
}
