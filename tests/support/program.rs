//! Executables that tests write and run.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Writes an executable file.
///
/// Another process does it: a file that this one has open for writing cannot be run, and a child that some other
/// thread starts meanwhile may keep it open for a moment.
pub(crate) fn write_program(path: &Path, text: &str) -> PathBuf {
    let mut shell = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(shell.wait().unwrap().success());
    path.to_owned()
}
