use super::{Destination, NixCopy};
use crate::nix::{StorePath, StoreUrl};

fn url(text: &str) -> StoreUrl {
    StoreUrl::parse(text).unwrap()
}

fn nix() -> NixCopy {
    NixCopy {
        program: "/bin/nix".into(),
        source: None,
        default_source: url("daemon"),
        config: "cores = 1".into(),
    }
}

fn paths() -> Vec<StorePath> {
    ["a", "b"]
        .map(|name| {
            StorePath::parse(&format!(
                "/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-{name}"
            ))
            .unwrap()
        })
        .into()
}

/// A command as one text: arguments, variables and what it reads.
fn command(destination: &Destination, nix: &NixCopy) -> String {
    let run = destination.push(nix, &paths());
    let env: Vec<String> = run
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    let text = format!(
        "{} {}\n{}\n{}",
        run.program.display(),
        run.args.join(" "),
        env.join(" "),
        run.stdin
    );
    text.replace("/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-", "")
}

#[test]
fn each_destination_has_its_command() {
    let nix = nix();
    assert_eq!(
        command(&Destination::Nix(url("file:///c")), &nix),
        "/bin/nix --extra-experimental-features nix-command copy --verbose --no-check-sigs --to file:///c a b\n\
         NIX_CONFIG=\"cores = 1\"\n"
    );
    let from = NixCopy {
        source: Some(url("local?root=/x")),
        ..nix.clone()
    };
    assert!(
        command(&Destination::Nix(url("file:///c")), &from)
            .contains(" --from local?root=/x --to file:///c a b\n")
    );
    assert_eq!(
        command(&Destination::cachix("mine").unwrap(), &nix),
        "cachix push mine\n\na\nb\n"
    );
    assert_eq!(
        command(&Destination::attic("server:mine").unwrap(), &nix),
        "attic push server:mine --stdin\n\na\nb\n"
    );
    assert_eq!(
        command(&Destination::niks3(url("https://h")).unwrap(), &nix),
        "niks3 push a b\nNIKS3_SERVER_URL=\"https://h\"\n"
    );
}

#[test]
fn secrets_are_no_arguments_and_not_shown() {
    let nix = nix();
    let destination = Destination::Nix(url("https://me:geheim@h"));
    let run = destination.push(&nix, &paths());
    assert!(!run.args.join(" ").contains("geheim"), "{run:?}");
    assert!(run.args.join(" ").contains("--from daemon"), "{run:?}");
    assert!(!run.args.contains(&"--to".to_owned()));
    assert_eq!(
        run.env,
        [(
            "NIX_CONFIG",
            "cores = 1\nstore = https://me:geheim@h".to_owned()
        )]
    );
    assert_eq!(destination.to_string(), "https://me:***@h");
    assert_eq!(
        destination.without_secrets("no route to me:geheim@h"),
        "no route to me:***@h"
    );
}

#[test]
fn names_that_are_none_are_refused() {
    for name in ["", "-x", "a b", "a\n", "a/b", "--help"] {
        assert!(Destination::cachix(name).is_err(), "{name:?}");
        assert!(Destination::attic(name).is_err(), "{name:?}");
    }
    assert!(Destination::niks3(url("file:///x")).is_err());
}
