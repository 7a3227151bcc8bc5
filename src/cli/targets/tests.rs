use super::{Targets, outermost};
use crate::{cli::scope_args::ScopeArgs, nix::AttrPath};

fn sorted(targets: &[&str], is_flake_here: bool) -> String {
    let args = ScopeArgs {
        targets: targets.iter().map(ToString::to_string).collect(),
        ..ScopeArgs::default()
    };
    match Targets::sort(&args, || is_flake_here) {
        Ok(targets) => {
            let attributes: Vec<_> = targets.attributes.iter().map(AttrPath::to_string).collect();
            format!(
                "{} # {} / {:?}",
                targets.flake.unwrap_or_default(),
                attributes.join(" "),
                targets.patterns
            )
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn flakes_and_patterns_are_told_apart() {
    let lines: Vec<String> = [
        &[][..],
        &["."],
        &[".", "fmt"],
        &["fmt"],
        &["nixos-*"],
        &["x86_64-linux.fmt"],
        &[".#packages", ".#checks", "{lint,fmt}"],
        &[".", "#packages"],
        &["fmt", ".#checks"],
        &["github:a/b?dir=c#x.y", "x*"],
        &["path:/a?dir=b"],
        &["./sub", "\"a/b\""],
        &[".", " github:a/b"],
        &[".#a^out"],
        &[".", "[a"],
        &[".", ""],
    ]
    .iter()
    .map(|targets| format!("{targets:?}: {}", sorted(targets, false)))
    .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_word_beside_a_flake_is_a_check() {
    for (targets, elsewhere, here) in [
        (&["fmt"][..], "fmt #  / []", r#" #  / ["fmt"]"#),
        (
            &["fmt", "lint"],
            r#"fmt #  / ["lint"]"#,
            r#" #  / ["fmt", "lint"]"#,
        ),
        (&["flake:fmt"], "flake:fmt #  / []", "flake:fmt #  / []"),
        (&["fmt#a"], "fmt # a / []", "fmt # a / []"),
        (&[".", "fmt"], r#". #  / ["fmt"]"#, r#". #  / ["fmt"]"#),
    ] {
        assert_eq!(sorted(targets, false), elsewhere);
        assert_eq!(sorted(targets, true), here);
    }
}

#[test]
fn what_is_part_of_another_attribute_is_looked_at_once() {
    let parse = |paths: &[&str]| -> Vec<AttrPath> {
        let paths = paths.iter().map(|path| AttrPath::parse(path).unwrap());
        paths.collect()
    };
    let kept = |paths| outermost(&parse(paths));
    assert_eq!(
        kept(&["checks.a", "packages", "checks", "checks", "checksum"]),
        parse(&["packages", "checks", "checksum"])
    );
    assert_eq!(kept(&["a", "a"]), parse(&["a"]));
}
