use std::process::Command;

use super::{build_derivation, evaluate_check, quote, run_check, show_log};
use crate::{
    nix::StorePath,
    report::{Again, options::tests::options},
};

#[test]
fn words_are_quoted_only_where_they_have_to_be() {
    for (word, quoted) in [
        ("x86_64-linux.fmt", "x86_64-linux.fmt"),
        ("", "''"),
        ("a b", "'a b'"),
        (".#checks", "'.#checks'"),
        ("it's", r"'it'\''s'"),
        ("$(rm)", "'$(rm)'"),
        ("ü", "'ü'"),
        ("a\u{1b}'\\b", r"$'a\x1b\'\\b'"),
        ("\u{202e}x", r"$'\U0000202ex'"),
    ] {
        assert_eq!(quote(word), quoted);
    }
}

#[test]
fn a_shell_reads_the_word_that_was_meant() {
    for word in [
        "",
        "a b",
        "it's",
        "$HOME `x` \"y\" \\",
        "\u{1b}[31m'\n\t",
        "日本\u{202e}",
        "!x",
    ] {
        let script = format!("printf %s {}", quote(word));
        let output = Command::new("bash")
            .env("LC_ALL", "C.UTF-8")
            .args(["-c", &script])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), word, "{script}");
    }
}

#[test]
fn a_derivation_is_named_as_its_nix_takes_it() {
    let drv = StorePath::parse("/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-a?b.drv").unwrap();
    let mut options = options();
    for (version, outputs) in [((2, 8), ""), ((2, 12), ""), ((2, 13), "^*"), ((3, 0), "^*")] {
        options.nix_version = version;
        let expected = format!("nix build '{drv}{outputs}' -L");
        assert_eq!(build_derivation(&options, &drv), expected);
    }
    assert_eq!(show_log(&options, &drv), format!("nix log '{drv}'"));
}

#[test]
fn what_reached_the_run_is_said_again() {
    let drv = StorePath::parse("/nix/store/sbmgrpkpqw7n9q6xg30k28gz54jbzxh6-a.drv").unwrap();
    let mut options = options();
    options.again = Again {
        check: ["--impure", "--option", "a b", "c"]
            .map(str::to_owned)
            .into(),
        build: ["--option", "a b", "c"].map(str::to_owned).into(),
        host: None,
    };
    assert_eq!(
        run_check(&options, "x.fmt"),
        "nixci check '.#checks.x.fmt' --impure --option 'a b' c"
    );
    let build = format!("nix build '{drv}^*' -L --option 'a b' c");
    assert_eq!(build_derivation(&options, &drv), build);
    options.flake_check = true;
    assert_eq!(
        evaluate_check(&options, "x.fmt"),
        "nixci check --flake-check --no-build . --impure --option 'a b' c"
    );
    options.again.host = Some("me@h".into());
    assert_eq!(
        build_derivation(&options, &drv),
        format!("ssh me@h {}", quote(&build))
    );
    assert_eq!(
        show_log(&options, &drv),
        format!("ssh me@h 'nix log {drv}'")
    );
}

#[test]
fn a_check_is_named_from_the_flake_on() {
    let mut options = options();
    assert_eq!(
        run_check(&options, "x86_64-linux.fmt"),
        "nixci check '.#checks.x86_64-linux.fmt'"
    );
    assert_eq!(
        run_check(&options, r#"x86_64-linux."it's""#),
        r#"nixci check '.#checks.x86_64-linux."it'\''s"'"#
    );
    options.attribute = "packages.x86_64-linux.default".into();
    assert_eq!(
        run_check(&options, ""),
        "nixci check '.#packages.x86_64-linux.default'"
    );
    options.attribute = String::new();
    assert_eq!(run_check(&options, "a.b"), "nixci check '.#a.b'");
    assert_eq!(evaluate_check(&options, "a.b"), "nixci check '.#a.b'");
    options.flake_check = true;
    assert_eq!(
        evaluate_check(&options, "overlays.default"),
        "nixci check --flake-check --no-build ."
    );
    options.flake_check = false;
    let scope = [".#checks", "--select", "c: { inherit (c) a; }"];
    options.scope = Some(scope.map(str::to_owned).to_vec());
    assert_eq!(
        run_check(&options, "a.b"),
        "nixci check '.#checks' --select 'c: { inherit (c) a; }' a.b"
    );
}
