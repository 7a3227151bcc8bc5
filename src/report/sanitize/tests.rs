use console::measure_text_width;
use proptest::prelude::*;

use super::{columns, fit, harmless, log_line, without_commands};

/// Any text, with the troublesome kinds far more often than chance would have them.
pub(in crate::report) fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[ -~]{0,8}",
        "\u{1b}\\[[0-9;:?]{0,6}[a-zA-Z]",
        "\u{1b}[\\]P_X^][a-z0-9;]{0,6}(\u{7}|\u{1b}\\\\)?",
        "[\u{0}-\u{1f}\u{7f}-\u{9f}]{1,3}",
        "[\u{202a}-\u{202e}\u{2066}-\u{2069}\u{200b}-\u{200f}\u{feff}\u{fe0f}]",
        "[\u{300}-\u{36f}]{0,20}",
        "[日本語한국🙂👨‍👩‍👧🇩🇪❤️]{0,4}",
        "(::error::|##\\[group\\]|##vso\\[x\\]|\r|\t|::add-mask::)",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// Fails if anything but plain text and whole colour sequences is in there.
pub(in crate::report) fn assert_harmless(text: &str, colors: bool) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\u{1b}' {
            assert!(colors, "{text:?}");
            let parameters = rest.strip_prefix("\u{1b}[").expect("only CSI");
            let end = parameters
                .find(|c: char| !"0123456789;:".contains(c))
                .expect("an end");
            assert!(parameters[end..].starts_with('m'), "{text:?}");
            rest = &parameters[end + 1..];
            continue;
        }
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(
            !c.is_control() && !turns && !"\u{2028}\u{2029}\u{61c}".contains(c),
            "{c:?} in {text:?}"
        );
        rest = &rest[c.len_utf8()..];
    }
}

/// The text without its colour sequences, those with colons too, which `console` does not know.
fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |out, part| out + part.split_once('m').unwrap().1)
}

#[test]
fn what_is_no_plain_text_is_shown_escaped() {
    for (text, shown) in [
        ("", ""),
        ("fmt", "fmt"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\u{0}"),
        ("\u{1b}[31mred", r"\u{1b}[31mred"),
        ("\u{9b}31m\u{7f}", r"\u{9b}31m\u{7f}"),
        ("a\u{202e}b", r"a\u{202e}b"),
        ("日本 e\u{301}", "日本 e\u{301}"),
        ("✔\u{fe0f}", "✔"),
    ] {
        assert_eq!(harmless(text), shown);
    }
    assert_eq!(
        harmless(&format!("a{}", "\u{301}".repeat(1000)))
            .chars()
            .count(),
        9
    );
}

#[test]
fn text_is_cut_by_the_columns_it_takes() {
    for (text, width, shown) in [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("abcdef", 1, "…"),
        ("abcdef", 0, ""),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("日本語", 2, "…"),
        ("e\u{301}e\u{301}", 2, "e\u{301}e\u{301}"),
        ("\u{1b}x", 5, r"\u{1…"),
    ] {
        assert_eq!(fit(text, width, "…"), shown, "{text} in {width}");
    }
    assert_eq!(fit("abcdef", 5, "..."), "ab...");
    assert_eq!(fit("abcdef", 2, "..."), "ab");
    assert_eq!(fit(&"x".repeat(10_000), 10, "…"), "xxxxxxxxx…");
}

#[test]
fn log_lines_keep_their_colours_and_nothing_else() {
    let line = |text: &str, color| log_line(text, color, 80, "…");
    for (text, colored, plain) in [
        (
            "\u{1b}[1;31merror\u{1b}[0m: x",
            "\u{1b}[1;31merror\u{1b}[0m: x\u{1b}[0m",
            "error: x",
        ),
        ("\u{1b}[38:2::1:2:3mx", "\u{1b}[38:2::1:2:3mx\u{1b}[0m", "x"),
        ("\u{1b}[2K\u{1b}[1A\u{1b}[?25lx", "x", "x"),
        (
            "\u{1b}]8;;http://x\u{7}link\u{1b}]8;;\u{1b}\\",
            "link",
            "link",
        ),
        ("\u{1b}(B\u{1b}cx\u{1b}7", "x", "x"),
        ("\u{1b}Pq#\u{1b}\\x", "x", "x"),
        (
            "\u{1b}]0;never ends",
            r"\u{1b}]0;never ends",
            r"\u{1b}]0;never ends",
        ),
        ("x\u{1b}", r"x\u{1b}", r"x\u{1b}"),
        ("\u{1b}[3", r"\u{1b}[3", r"\u{1b}[3"),
        ("\u{1b}[>4;1mx\u{1b}[1 mx", "xx", "xx"),
        (" 10%\r 50%\r100%\r", "100%", "100%"),
        ("a\tb\tc", "a       b       c", "a       b       c"),
        (
            "nul\0 bell\u{7}",
            r"nul\u{0} bell\u{7}",
            r"nul\u{0} bell\u{7}",
        ),
        ("", "", ""),
    ] {
        assert_eq!(line(text, true), colored, "{text:?}");
        assert_eq!(line(text, false), plain, "{text:?}");
    }
    assert_eq!(
        log_line("\u{1b}[32mabcdef", true, 4, "…"),
        "\u{1b}[32mabc…\u{1b}[0m"
    );
    let long = format!("\u{1b}]{}\u{7}x", "y".repeat(1_000_000));
    assert!(log_line(&long, true, 80, "…").starts_with(r"\u{1b}]yyy"));
}

#[test]
fn commands_of_ci_systems_are_broken_up() {
    for (line, shown) in [
        ("##[error]x", "# #[error]x"),
        (
            "  | a ##vso[task.x]y ##[group]",
            "  | a # #vso[task.x]y # #[group]",
        ),
        ("###teamcity[x]", "## #teamcity[x]"),
        ("## heading #1 ##", "## heading #1 ##"),
        ("#[test]", "#[test]"),
        ("", ""),
    ] {
        assert_eq!(without_commands(line), shown);
    }
}

proptest! {
    #[test]
    fn nothing_harmful_comes_out(text in hostile(), width in 0_usize..60, unicode: bool) {
        let ellipsis = if unicode { "…" } else { "..." };
        assert_harmless(&harmless(&text), false);
        let cut = fit(&text, width, ellipsis);
        assert_harmless(&cut, false);
        prop_assert!(columns(&cut) <= width);
        prop_assert!(measure_text_width(&cut) <= columns(&cut), "{cut:?}");
        let plain = log_line(&text, false, width, ellipsis);
        assert_harmless(&plain, false);
        prop_assert!(measure_text_width(&plain) <= width);
        let colored = log_line(&text, true, width, ellipsis);
        assert_harmless(&colored, true);
        prop_assert!(measure_text_width(&without_colors(&colored)) <= width);
        let is_plain_at_end = colored.ends_with("\u{1b}[0m") || !colored.contains('\u{1b}');
        prop_assert!(is_plain_at_end);
    }

    #[test]
    fn no_command_is_left(text in hostile()) {
        let line = without_commands(&harmless(&text));
        for command in ["##[", "##vso[", "##teamcity["] {
            prop_assert!(!line.contains(command));
        }
    }
}
