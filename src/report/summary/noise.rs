//! Leaves out of the end of a log what stdenv and make say of themselves, so that what matters stands there.
//!
//! Pure. What is not known for certain to be noise stays: better a line too many than the one that explains it.

/// Lines that stdenv writes, as a whole.
const WHOLE: &[&str] = &[
    "auto-patchelf",
    "building",
    "configuring",
    "installing",
    "no Makefile or custom buildPhase, doing nothing",
    "no Makefile or custom installPhase, doing nothing",
    "no configure script, doing nothing",
    "patching sources",
    "post-installation fixup",
    "running install tests",
    "running tests",
    "unpacking sources",
    "updateAutotoolsGnuConfigScriptsPhase",
];

/// How lines begin that stdenv and make write.
const BEGINNINGS: &[&str] = &[
    "@nix {",
    "Running phase: ",
    "build flags: ",
    "check flags: ",
    "checking for references to /",
    "configure flags: ",
    "gzipping man pages under /",
    "install flags: ",
    "installcheck flags: ",
    "mesonConfigurePhase: ",
    "patching script interpreter paths in /",
    "setting SOURCE_DATE_EPOCH to timestamp ",
    "shrinking /",
    "shrinking RPATHs of ELF executables and libraries in /",
    "source root is ",
    "stripping (with command ",
    "unpacking source archive /",
];

/// The lines of a log's end that matter, and how many were left out. The last line stays in any case: it says what went
/// on when the build failed.
pub(super) fn relevant(lines: &[String]) -> (Vec<&str>, usize) {
    let kept: Vec<&str> = lines
        .iter()
        .enumerate()
        .filter(|(at, line)| at + 1 == lines.len() || !is_noise(line))
        .map(|(_, line)| line.as_str())
        .collect();
    let left_out = lines.len() - kept.len();
    (kept, left_out)
}

fn is_noise(line: &str) -> bool {
    let line = console::strip_ansi_codes(line);
    let line = line.trim_end();
    WHOLE.contains(&line)
        || BEGINNINGS
            .iter()
            .any(|beginning| line.starts_with(beginning))
        || is_phase_time(line)
        || is_folder_of_make(line)
        || line.contains(": interpreter directive changed from ")
}

/// `buildPhase completed in 2 minutes 3 seconds`.
fn is_phase_time(line: &str) -> bool {
    line.split_once(" completed in ")
        .is_some_and(|(phase, time)| {
            phase.ends_with("Phase") && !phase.contains(' ') && time.ends_with(" seconds")
        })
}

/// `make[1]: Entering directory '/build/x'`. That a target failed (`make: *** …`) is told by other lines.
fn is_folder_of_make(line: &str) -> bool {
    line.strip_prefix("make")
        .and_then(|rest| rest.split_once(": "))
        .is_some_and(|(level, rest)| {
            let is_level = level
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '[' | ']'));
            let what = ["Entering directory ", "Leaving directory "];
            is_level && what.iter().any(|what| rest.starts_with(what))
        })
}

#[cfg(test)]
mod tests;
