use super::{auto_call, expression};
use crate::eval::FileSource;

#[test]
fn an_expression_is_always_one_line_of_ascii() {
    assert_eq!(expression("x: ./. + 1"), "x: ./. + 1");
    assert_eq!(
        expression("x: # all\n\"ä\""),
        "import (builtins.toFile \"expression.nix\" (builtins.fromJSON \"\\\"x: # all\\\\n\\\\\\\"\\\\u00e4\\\\\\\"\\\"\"))"
    );
}

#[test]
fn arguments_are_lines_and_strings_are_quoted() {
    let file = FileSource {
        file: "/x".into(),
        args: vec![("a".into(), "1 + 1".into())],
        strings: vec![("b".into(), "${\"".into())],
        include: Vec::new(),
    };
    let lines = auto_call(&file);
    assert!(lines.starts_with("e0 = 1 + 1\nk = (args: let "), "{lines}");
    assert!(
        lines.ends_with(") { \"a\" = e0; \"b\" = \"\\${\\\"\"; }\n"),
        "{lines}"
    );
    assert_eq!(lines.lines().count(), 2);
}
