use std::process::{Child, Command, Stdio};

use super::*;

/// A program that waits for good, as bubblewrap's inner process does when its outer one is gone.
fn waiting(arguments: &[&str], home: &str) -> Child {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "read -r line"])
        .args(arguments)
        .env("HOME", home)
        .stdin(Stdio::piped());
    let child = command.spawn().unwrap();
    // Until it is a shell it has the words of this test.
    while !fs::read(format!("/proc/{}/cmdline", child.id()))
        .unwrap()
        .starts_with(b"/bin/sh\0")
    {}
    child
}

#[test]
fn what_has_a_home_there_ends_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let homes = dir.path().join("homes");
    let home = homes.join("7-trusted");
    let (all_homes, home_text) = (homes.to_str().unwrap(), home.to_str().unwrap());
    let gone = [
        waiting(&[], home_text),
        waiting(&["bwrap", "--bind", home_text, HOME, "--", "nix"], "/root"),
    ];
    let others = [
        waiting(&[], all_homes),
        waiting(&[home_text], "/root"),
        waiting(&[], &format!("{all_homes}-of-another/7-trusted")),
        waiting(&["--bind", all_homes, HOME], "/root"),
    ];
    assert_eq!(end_leftovers(&homes), gone.len());
    for mut child in gone {
        assert!(!child.wait().unwrap().success());
    }
    for mut child in others {
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(end_leftovers(&homes), 0);
}
