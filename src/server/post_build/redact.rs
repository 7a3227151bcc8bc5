//! Takes secrets out of what a step says, wherever a piece of it ends.

use secrecy::{ExposeSecret as _, SecretString};

/// What stands in the place of a secret.
const HIDDEN: &[u8] = b"***";

/// Takes secrets out of a text that comes in pieces.
pub(super) struct Redactor {
    secrets: Vec<SecretString>,
    /// What may be the beginning of a secret whose rest is to come.
    waiting: Vec<u8>,
}

impl Redactor {
    /// Takes out these secrets, and each line of those that have several.
    pub(super) fn new<'s>(secrets: impl Iterator<Item = &'s SecretString>) -> Self {
        let mut own: Vec<SecretString> = Vec::new();
        for secret in secrets {
            let text = secret.expose_secret();
            own.push(text.into());
            let lines = text.lines().map(str::trim).filter(|line| line.len() >= 8);
            own.extend(lines.filter(|line| *line != text).map(SecretString::from));
        }
        own.retain(|secret| !secret.expose_secret().is_empty());
        // The longest first: one may begin with another.
        own.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        Self {
            secrets: own,
            waiting: Vec::new(),
        }
    }

    /// Takes a piece; returns what can be shown so far.
    pub(super) fn feed(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.waiting);
        text.extend_from_slice(piece);
        let (shown, at) = self.show(&text, false);
        self.waiting = text.split_off(at);
        shown
    }

    /// Returns what waited for more.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let text = std::mem::take(&mut self.waiting);
        self.show(&text, true).0
    }

    /// What can be shown of a text, and how much of it that is.
    fn show(&self, text: &[u8], is_end: bool) -> (Vec<u8>, usize) {
        let mut shown = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            if !is_end && self.may_begin(rest) {
                break;
            }
            if let Some(secret) = self.at_start(rest) {
                shown.extend_from_slice(HIDDEN);
                at += secret;
            } else {
                shown.push(text[at]);
                at += 1;
            }
        }
        (shown, at)
    }

    /// How long the secret is that a text begins with.
    fn at_start(&self, text: &[u8]) -> Option<usize> {
        let mut secrets = self.secrets.iter().map(SecretString::expose_secret);
        secrets
            .find(|secret| text.starts_with(secret.as_bytes()))
            .map(str::len)
    }

    /// Whether a text is the beginning of a secret.
    fn may_begin(&self, text: &[u8]) -> bool {
        self.secrets.iter().any(|secret| {
            let secret = secret.expose_secret().as_bytes();
            secret.len() > text.len() && secret.starts_with(text)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::Redactor;

    fn redacted(secrets: &[&str], pieces: &[&[u8]]) -> String {
        let secrets: Vec<SecretString> = secrets.iter().map(|text| (*text).into()).collect();
        let mut redactor = Redactor::new(secrets.iter());
        let mut shown: Vec<u8> = Vec::new();
        for piece in pieces {
            shown.extend(redactor.feed(piece));
        }
        shown.extend(redactor.finish());
        String::from_utf8(shown).unwrap()
    }

    #[test]
    fn secrets_are_hidden_across_pieces() {
        assert_eq!(redacted(&["s3cret"], &[b"a s3c", b"ret b"]), "a *** b");
        assert_eq!(redacted(&["s3cret"], &[b"s3s3cret s3c"]), "s3*** s3c");
        assert_eq!(redacted(&["abab", "ab"], &[b"aba", b"b ab a"]), "*** *** a");
        assert_eq!(redacted(&["abab", "ab"], &[b"x ab"]), "x ***");
        assert_eq!(redacted(&[], &[b"all"]), "all");
        let key = "-----BEGIN-----\nabcdefghij\n-----END-----";
        assert_eq!(redacted(&[key], &[b"x abcdefghij y"]), "x *** y");
    }

    proptest! {
        #[test]
        fn no_cut_shows_a_secret(before in "[abc]{0,6}", behind in "[abc]{0,6}", cuts in prop::collection::vec(0_usize..20, 0..4)) {
            let text = format!("{before}abcab{behind}");
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut from = 0;
            let mut pieces = Vec::new();
            for cut in cuts.into_iter().chain([text.len()]) {
                pieces.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            let shown = redacted(&["abcab"], &pieces);
            prop_assert!(!shown.contains("abcab"), "{shown}");
            prop_assert_eq!(shown, redacted(&["abcab"], &[text.as_bytes()]));
        }
    }
}
