//! Completions and man pages are those of the code.

use std::{fs, path::Path, process::Command};

/// Every file below a folder with its text, by its path in it.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = ["completions", "man"]
        .iter()
        .flat_map(|folder| fs::read_dir(dir.join(folder)).expect("the folder is there"))
        .map(|entry| {
            let path = entry.expect("it can be read").path();
            let name = path
                .strip_prefix(dir)
                .expect("it is below")
                .display()
                .to_string();
            (name, fs::read_to_string(&path).expect("it is text"))
        })
        .collect();
    files.sort();
    files
}

#[test]
fn completions_and_man_pages_are_up_to_date() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let status = Command::new(env!("CARGO_BIN_EXE_nixci"))
        .arg("generate")
        .arg(dir.path())
        .status();
    assert!(status.expect("it starts").success());
    let made = files(dir.path());
    let committed = files(Path::new(env!("CARGO_MANIFEST_DIR")));
    let names = |files: &[(String, String)]| {
        files
            .iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&made), names(&committed), "run `make completions`");
    for ((name, made), (_, committed)) in made.iter().zip(&committed) {
        assert_eq!(
            made, committed,
            "{name} is out of date: run `make completions`"
        );
    }
}
