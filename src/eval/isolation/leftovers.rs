//! Evaluations that have outlived whoever started them.
//!
//! Each ends with its server by what it is started with. What is left is a moment that belongs to bubblewrap: killed
//! between making its inner process and letting it run, it leaves that waiting for good.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};

use super::bubblewrap::HOME;

/// Kills what still evaluates with a home below this folder, and returns how many processes that were.
///
/// For whoever alone may start such evaluations, and has started none yet. Where there is no `/proc`, none is found.
pub fn end_leftovers(homes: &Path) -> usize {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|&id| is_of(id, homes))
        .filter_map(Pid::from_raw)
        // It fails only if it has ended.
        .filter(|&id| kill_process(id, Signal::KILL).is_ok())
        .count()
}

/// Whether a process has such a home: as its own, or as what bubblewrap is to show as one.
///
/// Source: `/proc/PID/environ` and `/proc/PID/cmdline` in `proc(5)`, words that end with a NUL.
fn is_of(id: i32, homes: &Path) -> bool {
    let words = |file: &str| -> Vec<PathBuf> {
        let all = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        let words = all.split(|byte| *byte == 0);
        words.map(|word| OsStr::from_bytes(word).into()).collect()
    };
    let is_home = |path: &Path| path.starts_with(homes) && path != homes;
    let own = words("environ").iter().any(|word| {
        let path = word.as_os_str().as_bytes().strip_prefix(b"HOME=");
        path.is_some_and(|path| is_home(Path::new(OsStr::from_bytes(path))))
    });
    own || words("cmdline")
        .windows(2)
        .any(|pair| is_home(&pair[0]) && pair[1] == Path::new(HOME))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
