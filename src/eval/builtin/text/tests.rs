use proptest::prelude::*;

use super::{list, one_line, string};

#[test]
fn a_file_becomes_one_line() {
    assert_eq!(
        one_line("# about\nlet\n  a = 1;\n\n  # why\nin\na\n"),
        "let a = 1; in a"
    );
    for file in [
        include_str!("../look.nix"),
        include_str!("../call_flake.nix"),
    ] {
        let line = one_line(file);
        assert!(
            line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{line}"
        );
    }
}

#[test]
fn strings_are_written_so_that_nix_reads_the_same() {
    assert_eq!(string("plain 'x'"), r#""plain 'x'""#);
    assert_eq!(string(r#"a"b\c${d}$"#), r#""a\"b\\c\${d}\$""#);
    assert_eq!(string("é\n"), r#"(builtins.fromJSON "\"\\u00e9\\n\"")"#);
    assert_eq!(string("😀"), r#"(builtins.fromJSON "\"\\ud83d\\ude00\"")"#);
    assert_eq!(list(["a", "b c"]), r#"["a" "b c"]"#);
    assert_eq!(list([]), "[]");
}

proptest! {
    #[test]
    fn nothing_but_printable_ascii_is_sent(text in any::<String>()) {
        let written = string(&text);
        prop_assert!(written.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        // Nothing in it ends the literal or begins an interpolation.
        let inner = written
            .strip_prefix("(builtins.fromJSON ")
            .map_or(written.as_str(), |rest| rest.strip_suffix(')').unwrap());
        let inner = inner.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            prop_assert!(c != '"' && c != '$');
            if c == '\\' {
                prop_assert!(chars.next().is_some_and(|c| "\"\\$".contains(c)));
            }
        }
    }
}
