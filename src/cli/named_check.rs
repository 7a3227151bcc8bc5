//! Which check a user means by a word: any end of its attribute path, with or without the system.

use anyhow::anyhow;

use super::Failure;
use crate::{nix::AttrPath, report::harmless};

/// How many checks are listed in an error.
const LISTED_MAX: usize = 10;

/// Finds the check among the attribute paths of those that are known of earlier runs. Several of the same name for
/// different systems mean the one for this machine.
pub(super) fn find_check(paths: &[String], wanted: &str, here: &str) -> Result<String, Failure> {
    find_check_or(paths, wanted, here, || {
        Failure::usage(anyhow!(
            "no check `{}` is known of earlier runs; `nixci history` lists the runs",
            harmless(wanted)
        ))
    })
}

/// Finds the check among these attribute paths, as [`find_check`] does; fails with `unknown` where there is none.
pub(super) fn find_check_or(
    paths: &[String],
    wanted: &str,
    here: &str,
    unknown: impl FnOnce() -> Failure,
) -> Result<String, Failure> {
    if let Some(path) = paths.iter().find(|path| *path == wanted) {
        return Ok(path.clone());
    }
    let mut found: Vec<&String> = paths
        .iter()
        .filter(|path| ends_with(path, wanted))
        .collect();
    if found.is_empty() {
        found = paths
            .iter()
            .filter(|path| ends_with(&without_system(path), wanted))
            .collect();
    }
    if found.len() > 1 {
        let is_here = |path: &&&String| split(path).split_system().1 == Some(here);
        let mut for_here = found.iter().filter(is_here);
        if let (Some(only), None) = (for_here.next(), for_here.next()) {
            return Ok((*only).clone());
        }
    }
    match found.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(unknown()),
        many => {
            let listed: Vec<String> = many
                .iter()
                .take(LISTED_MAX)
                .map(|path| harmless(path))
                .collect();
            let more = if many.len() > LISTED_MAX { ", …" } else { "" };
            Err(Failure::usage(anyhow!(
                "`{}` may be any of {}{more}: name one",
                harmless(wanted),
                listed.join(", ")
            )))
        }
    }
}

/// This machine's system, as Nix calls it.
pub(super) fn system_here() -> String {
    let kernel = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    format!("{}-{kernel}", std::env::consts::ARCH)
}

/// Whether the last names of a path are these.
fn ends_with(path: &str, wanted: &str) -> bool {
    let (path, wanted) = (split(path), split(wanted));
    !wanted.is_empty() && path.names().ends_with(wanted.names())
}

fn without_system(path: &str) -> String {
    split(path).split_system().0.to_string()
}

/// The names of a path; what is none is a single name.
fn split(path: &str) -> AttrPath {
    AttrPath::parse(path).unwrap_or_else(|_| AttrPath::new([path]))
}

#[cfg(test)]
mod tests {
    use super::find_check;

    fn find(wanted: &str) -> Result<String, String> {
        let paths = [
            "checks.x86_64-linux.fmt",
            "checks.aarch64-linux.fmt",
            "checks.x86_64-linux.\"a.b\"",
            "checks.aarch64-linux.only-arm",
            "checks.x86_64-linux.deep.fmt-all",
            "checks.i686-linux.two",
            "checks.aarch64-linux.two",
        ]
        .map(str::to_owned);
        find_check(&paths, wanted, "x86_64-linux").map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn any_end_of_the_path_names_a_check() {
        for (wanted, expected) in [
            ("checks.aarch64-linux.fmt", "checks.aarch64-linux.fmt"),
            ("aarch64-linux.fmt", "checks.aarch64-linux.fmt"),
            ("fmt", "checks.x86_64-linux.fmt"),
            ("checks.fmt", "checks.x86_64-linux.fmt"),
            ("only-arm", "checks.aarch64-linux.only-arm"),
            ("\"a.b\"", "checks.x86_64-linux.\"a.b\""),
            ("deep.fmt-all", "checks.x86_64-linux.deep.fmt-all"),
        ] {
            assert_eq!(find(wanted), Ok(expected.to_owned()), "{wanted}");
        }
    }

    #[test]
    fn what_is_unknown_or_ambiguous_is_said() {
        assert!(find("mt").unwrap_err().contains("no check `mt` is known"));
        assert!(find("").unwrap_err().contains("no check"));
        let error = find("two").unwrap_err();
        assert!(
            error.contains("checks.i686-linux.two, checks.aarch64-linux.two"),
            "{error}"
        );
    }
}
