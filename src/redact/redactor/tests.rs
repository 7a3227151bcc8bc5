use std::time::Instant;

use proptest::prelude::*;
use secrecy::SecretString;

use super::{LINE_MAX, Redactor, TOKEN_MAX};
use crate::redact::Redaction;

const TOKEN: &str = "ghp_abcdefghijklmnopqrstuvwxyz0123456789";
const KEY: &str =
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nabc+/==\n-----END RSA PRIVATE KEY-----";

fn redactor(secrets: &[&str]) -> Redactor {
    let redaction = Redaction::default();
    let secrets: Vec<SecretString> = secrets.iter().map(|text| (*text).into()).collect();
    redaction.add(&secrets);
    redaction.redactor()
}

fn redacted(secrets: &[&str], pieces: &[&[u8]]) -> String {
    let mut redactor = redactor(secrets);
    let mut shown: Vec<u8> = Vec::new();
    for piece in pieces {
        shown.extend(redactor.feed(piece));
    }
    shown.extend(redactor.finish());
    String::from_utf8(shown).unwrap()
}

#[test]
fn known_secrets_are_hidden_across_pieces() {
    assert_eq!(redacted(&["s3cret"], &[b"a s3c", b"ret b"]), "a *** b");
    assert_eq!(redacted(&["s3cret"], &[b"s3s3cret s3c"]), "s3*** s3c");
    assert_eq!(
        redacted(&["abababab", "abab"], &[b"ababab", b"ab abab a"]),
        "*** *** a"
    );
    assert_eq!(redacted(&[], &[b"all"]), "all");
    // Less is in every other word.
    assert_eq!(redacted(&["abc"], &[b"abc"]), "abc");
    let key = "-----BEGIN-----\nabcdefghij\n-----END-----";
    assert_eq!(redacted(&[key], &[b"x abcdefghij y"]), "x *** y");
    assert_eq!(
        redacted(
            &["p@ss \"word\""],
            &[b"p%40ss%20%22word%22 {\"a\": \"p@ss \\\"word\\\"\"}"]
        ),
        "*** {\"a\": \"***\"}"
    );
}

#[test]
fn what_looks_like_a_secret_is_hidden() {
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxIn0.c2lnbmF0dXJl-_x";
    for (text, shown) in [
        (format!("a {TOKEN} b"), "a *** b"),
        (format!("\x1b[31m{TOKEN}\x1b[m"), "\x1b[31m***\x1b[m"),
        (format!("ghs_12345_{jwt},"), "***,"),
        ("github_pat_11AAAAAAA0123456789_abc".into(), "***"),
        ("t=glpat-abcdefghij0123456789!".into(), "t=***!"),
        (format!("got {jwt}."), "got ***."),
        (
            format!("fatal: 'https://x-access-token:{TOKEN}@github.com/a/b.git/'"),
            "fatal: 'https://***@github.com/a/b.git/'",
        ),
        (
            "git+https://0123456789abcdef@host/x".into(),
            "git+https://***@host/x",
        ),
        ("postgres://me:pa@host/db".into(), "postgres://***@host/db"),
        ("x-access-token:abc@".into(), "***@"),
        (
            "> authorization: Basic eDp5".into(),
            "> authorization: Basic ***",
        ),
        (
            "machine a login me password pass-word".into(),
            "machine a login me password ***",
        ),
        (
            format!("{{\"key\": \"{}\"}}", KEY.replace('\n', "\\n")),
            "{\"key\": \"***\"}",
        ),
    ] {
        assert_eq!(redacted(&[], &[text.as_bytes()]), shown);
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "the highs_and_lows_of_the_year, lengths_of_all_of_them",
        "git+ssh://git@github.com/a/b and ssh://git@host:22/x, https://host/@scope/a:b@1.2",
        "copying path '/nix/store/0c0vzd3aaaaaaaaaaaaaaaaaaaaaaaaa-source' from 'https://cache.nixos.org'...",
        "-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA7\n-----END CERTIFICATE-----",
        "eyJ.eyJ. login failed: password",
        "\u{e4}\u{20ac} done\r\n\n",
    ] {
        assert_eq!(redacted(&["unknown"], &[text.as_bytes()]), text);
    }
}

#[test]
fn all_lines_of_a_private_key_are_hidden_and_no_others() {
    let text = format!("a\n{KEY}\nb c\n");
    let expected = "a\n***\n***\n***\n***\nb c\n";
    assert_eq!(redacted(&[], &[text.as_bytes()]), expected);
    let mut lines = redactor(&[]);
    let shown: Vec<String> = text
        .lines()
        .map(|line| lines.line(line.to_owned()))
        .collect();
    assert_eq!(shown.join("\n") + "\n", expected);
    // Behind what stands before each line; and one that is cut short hides nothing that is no key.
    let prefixed = text.replace('\n', "\n> ");
    assert_eq!(
        redacted(&[], &[prefixed.as_bytes()]),
        "a\n> ***\n***\n***\n***\n> b c\n> "
    );
    let short = "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKC\nerror: no more\nword\n";
    assert_eq!(
        redacted(&[], &[short.as_bytes()]),
        "***\n***\nerror: no more\nword\n"
    );
}

#[test]
fn a_line_without_an_end_is_shown_in_bounded_memory() {
    let long = format!("{} {TOKEN} a secret of mine ", "x".repeat(LINE_MAX - 20));
    let text = long.repeat(8);
    for size in [1 << 10, 60 << 10, 1 << 20] {
        let mut redactor = redactor(&["a secret of mine"]);
        let mut shown: Vec<u8> = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            shown.extend(redactor.feed(piece));
            assert!(redactor.waiting.len() <= LINE_MAX + 2 * TOKEN_MAX);
        }
        shown.extend(redactor.finish());
        let expected = text
            .replace(TOKEN, "***")
            .replace("a secret of mine", "***");
        assert_eq!(String::from_utf8(shown).unwrap(), expected, "{size}");
    }
    // What looks like one token without an end is not kept for ever.
    let text = format!("{TOKEN}{}", "a".repeat(4 * LINE_MAX));
    assert!(redacted(&[], &[text.as_bytes()]).starts_with("***"));
}

/// A text that nearly has a secret everywhere takes as long for each byte as a short one: twice the text, twice the time.
#[test]
fn the_time_is_linear() {
    let secrets = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "eyJeyJeyJ.eyJeyJeyJ!"];
    let time = |count: usize| {
        let texts = [
            "aaaaaaaaaaa",
            "eyJeyJeyJ.eyJ",
            "https://a:",
            "login a ",
            "-----BEGIN ",
        ];
        let began = Instant::now();
        for text in texts {
            let text = text.repeat(count);
            let mut redactor = redactor(&secrets);
            for piece in text.as_bytes().chunks(7) {
                redactor.feed(piece);
            }
            redactor.finish();
        }
        began.elapsed()
    };
    time(2_000);
    // Sixteen times as much, with room for a busy machine; a quadratic one takes 256 times as long. Whoever else uses this
    // machine may slow one of them down, but not each time.
    let mut measured = Vec::new();
    let is_linear = (0..5).any(|_| {
        let (short, long) = (time(4_000), time(64_000));
        measured.push((short, long));
        long < short * 80
    });
    assert!(is_linear, "{measured:?}");
}

proptest! {
    #[test]
    fn no_cut_shows_a_secret(before in "[abc\n]{0,6}", behind in "[abc\n]{0,6}", cuts in prop::collection::vec(0_usize..60, 0..4)) {
        let text = format!("{before}abcab{behind} {TOKEN} {KEY}");
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        let mut from = 0;
        let mut pieces = Vec::new();
        for cut in cuts.into_iter().chain([text.len()]) {
            pieces.push(&text.as_bytes()[from..cut]);
            from = cut;
        }
        let shown = redacted(&["abcab"], &pieces);
        prop_assert!(!shown.contains("abcab") && !shown.contains("ghp_a") && !shown.contains("MII"), "{shown}");
        prop_assert_eq!(shown, redacted(&["abcab"], &[text.as_bytes()]));
    }
}
