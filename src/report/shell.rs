//! Commands that a reader can copy into a shell.

use std::fmt::Write as _;

use super::{ReportOptions, sanitize::harmless};
use crate::{event::Outcome, nix::StorePath};

/// A word of a POSIX shell, quoted where it has to be. What cannot be shown is written in `$'…'`, which bash, zsh and
/// most others know.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if harmless(word) == word {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut out = String::from("$'");
    for c in word.chars() {
        let shown = c.to_string();
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            _ if harmless(&shown) == shown => out.push(c),
            _ if c.is_ascii() => _ = write!(out, "\\x{:02x}", u32::from(c)),
            _ => _ = write!(out, "\\U{:08x}", u32::from(c)),
        }
    }
    out.push('\'');
    out
}

/// Words as a command.
fn command<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// A command for the machine that has the derivations.
fn beside_derivations(options: &ReportOptions, command: String) -> String {
    match &options.again.host {
        Some(host) => format!("ssh {} {}", quote(host), quote(&command)),
        None => command,
    }
}

/// Builds one derivation with its log shown. `^*` stands for all outputs from Nix 2.13 on; before, the bare path does.
pub(super) fn build_derivation(options: &ReportOptions, drv_path: &StorePath) -> String {
    let outputs = if options.nix_version < (2, 13) {
        ""
    } else {
        "^*"
    };
    let installable = format!("{drv_path}{outputs}");
    let besides = options.again.build.iter().map(String::as_str);
    let words = ["nix", "build", &installable, "-L"]
        .into_iter()
        .chain(besides);
    beside_derivations(options, command(words))
}

/// Shows the whole log of a derivation.
pub(super) fn show_log(options: &ReportOptions, drv_path: &StorePath) -> String {
    beside_derivations(options, command(["nix", "log", drv_path.as_str()]))
}

/// What to do to see a failure again: building the derivation, running the first check that fails by it or evaluating
/// it.
pub(super) fn reproduce(
    options: &ReportOptions,
    outcome: Outcome,
    drv_path: Option<&StorePath>,
    check: Option<&str>,
) -> Vec<String> {
    let build = drv_path.map(|drv_path| build_derivation(options, drv_path));
    let again = if outcome == Outcome::EvaluationFailed {
        evaluate_check
    } else {
        run_check
    };
    let run = check.map(|check| again(options, check));
    build.into_iter().chain(run).collect()
}

/// Shows the whole log of a check, from what this run keeps. `check` as in [`run_check`].
pub(super) fn show_check_log(options: &ReportOptions, check: &str) -> String {
    let path = path_of(options, check);
    let flake = match options.flake.as_str() {
        "." => String::new(),
        flake => format!(" --flake {}", quote(flake)),
    };
    format!("nixci log {}{flake}", quote(&path))
}

/// The attribute path of a check below the flake's outputs.
fn path_of(options: &ReportOptions, check: &str) -> String {
    let dot = if check.is_empty() || options.attribute.is_empty() {
        ""
    } else {
        "."
    };
    format!("{}{dot}{check}", options.attribute)
}

fn nixci_check(options: &ReportOptions, arguments: &[&str]) -> String {
    let besides = options.again.check.iter().map(String::as_str);
    let arguments = arguments.iter().copied().chain(besides);
    command(["nixci", "check"].into_iter().chain(arguments))
}

/// Runs one check again. `check` is the attribute path below the attribute asked for, as events have it.
pub(super) fn run_check(options: &ReportOptions, check: &str) -> String {
    let wanted = format!("{}#{}", options.flake, path_of(options, check));
    let arguments: Vec<&str> = match &options.scope {
        None => vec![&wanted],
        // As a pattern: written as Nix does it, a path means itself.
        Some(scope) => {
            let check = (!check.is_empty()).then_some(check);
            scope.iter().map(String::as_str).chain(check).collect()
        }
    };
    nixci_check(options, &arguments)
}

/// Looks at a check again without building it: at all outputs, where they were looked at.
pub(super) fn evaluate_check(options: &ReportOptions, check: &str) -> String {
    if options.flake_check {
        nixci_check(options, &["--flake-check", "--no-build", &options.flake])
    } else {
        run_check(options, check)
    }
}

#[cfg(test)]
mod tests;
