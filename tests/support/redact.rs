//! Makes output the same in every run, for snapshots: hashes, paths, times and ids.
//!
//! On text for people each character gives way to one other, so that a table stays aligned; a duration that may gain a
//! digit has to be folded further by the snapshot's own filter. Figures in JSON become `0`.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// How a match gives way.
enum Rule {
    /// Every letter and digit of the first group becomes this character.
    Each(char),
    /// Every digit of the first group becomes `0`.
    Digits,
    /// The match becomes this, with `$1` for its first group.
    Whole(&'static str),
}

static RULES: LazyLock<Vec<(Regex, Rule)>> = LazyLock::new(|| {
    [
        // The temporary folder of a `TestStore`.
        (r"/tmp/nixci-(\w{6})", Rule::Each('T')),
        // The hash of a store path, in Nix's alphabet.
        (r"\b([0-9abcdfghijklmnpqrsvwxyz]{32})-", Rule::Each('h')),
        // A commit, or a NAR hash.
        (r"\b([0-9a-f]{40}|[0-9a-f]{64})\b", Rule::Each('c')),
        (r"sha256-([A-Za-z0-9+/]{43})=", Rule::Each('h')),
        // The id of a run.
        (
            r"\b([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b",
            Rule::Each('u'),
        ),
        (r#"("\w+_ms":)\d+"#, Rule::Whole("${1}0")),
        (
            r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z",
            Rule::Whole("2000-01-01T00:00:00Z"),
        ),
        // 1h02m, 2m03s, 12.4s, 120ms, 3m.
        (
            r"(?:^|[^\w.])((?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:ms|s|m|h))\b",
            Rule::Digits,
        ),
    ]
    .map(|(pattern, rule)| (Regex::new(pattern).expect("it is written above"), rule))
    .into()
});

/// Replaces what differs between two runs of the same thing.
pub(crate) fn redact(text: &str) -> String {
    RULES
        .iter()
        .fold(text.to_owned(), |text, (pattern, rule)| match rule {
            Rule::Each(blank) => blank_group(pattern, &text, char::is_alphanumeric, *blank),
            Rule::Digits => blank_group(pattern, &text, char::is_numeric, '0'),
            Rule::Whole(replacement) => pattern.replace_all(&text, *replacement).into_owned(),
        })
}

/// Replaces some characters of every match's first group, which must not occur earlier in the match.
fn blank_group(pattern: &Regex, text: &str, is_blanked: fn(char) -> bool, blank: char) -> String {
    let blanked = |found: &Captures<'_>| {
        let group: String = found[1]
            .chars()
            .map(|c| if is_blanked(c) { blank } else { c })
            .collect();
        found[0].replacen(&found[1], &group, 1)
    };
    pattern.replace_all(text, blanked).into_owned()
}
