//! What has to be said besides the name of a check to see its failure again. Pure.

use super::args::{CheckArgs, SourceArgs};
use crate::{
    nix::{hidden, without_passwords},
    report::Again,
};

/// The options of this command line that decide what is evaluated, and where; nothing secret is in them.
pub(super) fn again(args: &CheckArgs) -> Again {
    let nix_options = nix_options(&args.source);
    let mut check = of_evaluation(&args.source);
    check.extend(nix_options.iter().cloned());
    let mut build = nix_options;
    if let Some(store) = &args.building.store {
        let store = ["--store".to_owned(), without_passwords(store)];
        check.extend(store.clone());
        build.extend(store);
    }
    let remote = &args.remote;
    if let Some(host) = &remote.remote {
        check.extend(["--remote".to_owned(), host.clone()]);
        if remote.remote_nixci != DEFAULT_NIXCI {
            check.extend(["--remote-nixci".to_owned(), remote.remote_nixci.clone()]);
        }
    }
    Again {
        check,
        build,
        host: remote.remote.clone(),
    }
}

/// What nixci is called on another machine, unless somebody says.
pub(super) const DEFAULT_NIXCI: &str = "nixci";

fn of_evaluation(source: &SourceArgs) -> Vec<String> {
    let mut words = Vec::new();
    for (is_set, option) in [
        (source.scope.no_config, "--no-config"),
        (source.impure, "--impure"),
        (source.accept_flake_config, "--accept-flake-config"),
    ] {
        if is_set {
            words.push(option.to_owned());
        }
    }
    for (input, flake) in source.override_inputs() {
        words.extend([
            "--override-input".to_owned(),
            input,
            without_passwords(&flake),
        ]);
    }
    if let Some(file) = &source.reference_lock_file {
        words.extend([
            "--reference-lock-file".to_owned(),
            file.display().to_string(),
        ]);
    }
    words
}

fn nix_options(source: &SourceArgs) -> Vec<String> {
    let options = source.nix_options().into_iter();
    options
        .flat_map(|(name, value)| {
            let value = hidden(&name, &value);
            ["--option".to_owned(), name, value]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::again;
    use crate::cli::args::{Cli, Command};

    fn words(line: &[&str]) -> (String, String) {
        let cli = Cli::parse_from([&["nixci", "check"], line].concat());
        let Command::Check(args) = cli.command else {
            panic!("{line:?}");
        };
        let again = again(&args);
        (again.check.join(" "), again.build.join(" "))
    }

    #[test]
    fn what_reaches_the_evaluation_is_said_again() {
        assert_eq!(words(&[".", "--fail-fast", "-v"]), Default::default());
        let (check, build) = words(&[
            "--impure",
            "--override-input",
            "a",
            "./b",
            "--reference-lock-file",
            "l",
            "--accept-flake-config",
            "--no-config",
            "--option",
            "sandbox",
            "false",
        ]);
        assert_eq!(
            check,
            "--no-config --impure --accept-flake-config --override-input a ./b --reference-lock-file l --option \
             sandbox false"
        );
        assert_eq!(build, "--option sandbox false");
    }

    #[test]
    fn where_it_was_built_is_said_again() {
        let (check, build) = words(&["--store", "ssh-ng://h"]);
        assert_eq!(check, "--store ssh-ng://h");
        assert_eq!(build, check);
        let (check, build) = words(&["--remote=h", "--remote-nixci=/x/nixci"]);
        assert_eq!(check, "--remote h --remote-nixci /x/nixci");
        assert_eq!(build, "");
    }

    #[test]
    fn nothing_secret_is_said_again() {
        let (check, build) = words(&[
            "--option",
            "access-tokens",
            "github.com=geheim",
            "--option",
            "extra-substituters",
            "https://a https://u:geheim@b?x=1",
            "--override-input",
            "a",
            "git+https://geheim@h/r",
            "--store",
            "ssh-ng://u:geheim@h",
        ]);
        for said in [check, build] {
            assert!(!said.contains("geheim"), "{said}");
            assert!(said.contains("--option access-tokens ***"), "{said}");
            assert!(said.contains("https://a https://u:***@b?x=1"), "{said}");
        }
    }
}
