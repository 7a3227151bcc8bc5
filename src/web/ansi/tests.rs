use proptest::prelude::*;

use super::*;

fn lines(pieces: &[&[u8]]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut html = LogHtml::default();
    for piece in pieces {
        html.feed(piece, &mut |line| lines.push(line.to_owned()));
    }
    html.finish(&mut |line| lines.push(line.to_owned()));
    lines
}

fn one(line: &str) -> String {
    lines(&[line.as_bytes()]).join("\n")
}

#[test]
fn colours_become_classes() {
    for (line, html) in [
        ("plain", "plain"),
        (
            "\x1b[31mred\x1b[0m plain",
            r#"<span class="f1">red</span> plain"#,
        ),
        (
            "\x1b[1;4;92;44mall",
            r#"<span class="b u f10 g4">all</span>"#,
        ),
        (
            "\x1b[1mbold\x1b[22mnot",
            r#"<span class="b">bold</span>not"#,
        ),
        ("\x1b[38;5;9mx", r#"<span class="f9">x</span>"#),
        ("\x1b[38;5;196mx", r#"<span class="f9">x</span>"#),
        ("\x1b[38;2;250;1;1mx", r#"<span class="f9">x</span>"#),
        ("\x1b[38:2::250:1:1mx", r#"<span class="f9">x</span>"#),
        ("\x1b[48;2;0;0;0;1mx", r#"<span class="b g0">x</span>"#),
        ("\x1b[mx", "x"),
        ("\x1b[999mx\x1b[38;5;999my\x1b[38mz", "xyz"),
    ] {
        assert_eq!(one(line), html, "{line:?}");
    }
}

#[test]
fn a_colour_goes_on_in_the_next_line_and_the_next_piece() {
    assert_eq!(
        lines(&[b"\x1b[3", b"2mgre", b"en\nstill\n\x1b[", b"0mnot"]),
        [
            r#"<span class="f2">green</span>"#,
            r#"<span class="f2">still</span>"#,
            "not"
        ]
    );
    // A character may be cut, too.
    assert_eq!(
        lines(&["ä".as_bytes().split_at(1).0, "ä".as_bytes().split_at(1).1]),
        ["ä"]
    );
}

#[test]
fn what_a_terminal_would_obey_is_gone() {
    for (line, html) in [
        (
            "\x1b]8;;javascript:alert(1)\x1b\\link\x1b]8;;\x1b\\",
            "link",
        ),
        ("\x1b]0;title\x07text", "text"),
        ("\x1bP1;2|dcs\x1b\\text", "text"),
        ("up\x1b[2A\x1b[2Jdown\x1b[?25l", "updown"),
        ("10%\r100%", "100%"),
        ("whole\r", "whole"),
        ("a\x07\x08\x00b", "ab"),
        ("a\tb", "a       b"),
        ("<script>'\"&", "&lt;script&gt;&#39;&quot;&amp;"),
        ("\x1b[31m<b>", r#"<span class="f1">&lt;b&gt;</span>"#),
        // The reading order is not turned.
        ("a\u{202e}b\u{2066}c", r"a\u{202e}b\u{2066}c"),
    ] {
        assert_eq!(one(line), html, "{line:?}");
    }
}

#[test]
fn a_control_character_in_two_pieces_is_gone_too() {
    assert_eq!(lines(&[b"a\xc2", b"\x80b"]), ["ab"]);
    assert_eq!(lines(&[b"a\xc2\x80b"]), ["ab"]);
}

#[test]
fn an_open_sequence_hides_no_more_than_its_line() {
    for open in ["\x1b]8;;x", "\x1bP", "\x1b[31", "\x1b", "\x1b_"] {
        assert_eq!(one(&format!("{open}\nnext")), "\nnext", "{open:?}");
    }
}

#[test]
fn a_long_line_is_cut() {
    let long = "x".repeat(LINE_BYTES_MAX + 5);
    let html = one(&format!("{long}\nnext"));
    assert!(html.ends_with("xx<i class=\"cut\">… 5 bytes more of this line</i>\nnext"));
}

/// Takes away what this module itself writes; what is left must be nothing but text.
fn without_own_tags(html: &str) -> String {
    let own =
        regex::Regex::new(r#"<span class="([a-z][0-9]{0,2} ?)+">|</span>|<i class="cut">|</i>"#);
    own.unwrap().replace_all(html, "").into_owned()
}

proptest! {
    #[test]
    fn nothing_comes_out_unescaped(pieces in prop::collection::vec(
        prop_oneof![
            any::<Vec<u8>>(),
            "(\x1b\\[[0-9;:]{0,12}[mHJK]|[<>&\"']|\x1b\\]8;;[a-z:<>\"]{0,9}(\x07|\x1b\\\\)?|\r|\n|[a-z]{1,4}|\u{202e}){0,12}"
                .prop_map(String::into_bytes),
        ], 0..8)) {
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let whole = pieces.concat();
        for line in lines(&pieces) {
            let text = without_own_tags(&line);
            prop_assert!(!text.contains(['<', '>', '"', '\'', '\x1b', '\r', '\n', '\u{202e}']), "{line:?}");
            prop_assert!(!text.chars().any(char::is_control), "{line:?}");
            prop_assert_eq!(line.matches("<span").count(), line.matches("</span>").count());
        }
        // However it is cut, it says the same.
        prop_assert_eq!(lines(&pieces), lines(&[&whole]));
    }
}
