//! The URL of a Nix store, such as `ssh-ng://builder` or `s3://cache?region=eu-west-1`.
//!
//! Apart because a store is named on the command line, shown to people and given to programs, and may hold a password:
//! what is shown comes from [`StoreUrl`]'s `Display` alone. Opens nothing.
//!
//! Format: the chapter "Store Types" of the Nix manual.

use std::fmt;

/// The kinds of stores Nix opens by a URL.
const SCHEMES: [&str; 12] = [
    "file",
    "http",
    "https",
    "s3",
    "ssh",
    "ssh-ng",
    "mounted-ssh-ng",
    "unix",
    "daemon",
    "local",
    "local-overlay",
    "dummy",
];
/// Kinds of stores that have a name without a URL.
const NAMES: [&str; 3] = ["auto", "daemon", "local"];
/// What stands for a secret.
const HIDDEN: &str = "***";

/// The URL of a store, or its short name, or the folder of one.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(String);

/// Why a text names no store. Shows no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// No such kind.
    #[error("`{url}` names no store that Nix knows: it has no `{scheme}://`, but {}", SCHEMES.map(|scheme| format!("{scheme}://")).join(", "))]
    Scheme {
        /// The text.
        url: String,
        /// The kind.
        scheme: String,
    },
    /// It is no URL at all.
    #[error("`{url}` names no store: write a URL such as `ssh-ng://host` or `file:///folder`")]
    NoUrl {
        /// The text.
        url: String,
    },
    /// The host could be taken for an option of `ssh`, or for something else than a host.
    #[error("`{url}` names no host that ssh can be given")]
    Host {
        /// The text.
        url: String,
    },
}

impl StoreUrl {
    /// Takes a text that names a store. The kind must be known; all else is for Nix to judge.
    pub fn parse(text: &str) -> Result<Self, StoreUrlError> {
        let url = || redacted(text);
        if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(StoreUrlError::NoUrl {
                url: url().escape_debug().to_string(),
            });
        }
        let before_query = text.split('?').next().unwrap_or(text);
        let Some((scheme, _)) = before_query.split_once("://") else {
            let is_folder = ["/", "./", "../"].iter().any(|dir| text.starts_with(dir));
            return if is_folder || NAMES.contains(&before_query) {
                Ok(Self(text.to_owned()))
            } else {
                Err(StoreUrlError::NoUrl { url: url() })
            };
        };
        if !SCHEMES.contains(&scheme) {
            return Err(StoreUrlError::Scheme {
                url: url(),
                scheme: scheme.to_owned(),
            });
        }
        let parsed = Self(text.to_owned());
        match parsed.ssh_host() {
            Some(host) if !is_ssh_host(host) => Err(StoreUrlError::Host { url: url() }),
            Some(_) | None => Ok(parsed),
        }
    }

    /// The text, passwords included: for programs, never for people.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `ssh-ng` of `ssh-ng://host`; a short name, or nothing for a folder.
    pub fn scheme(&self) -> &str {
        let before_query = self.0.split('?').next().unwrap_or_default();
        match before_query.split_once("://") {
            Some((scheme, _)) => scheme,
            None if NAMES.contains(&before_query) => before_query,
            None => "",
        }
    }

    /// `user@host` of a store behind ssh.
    pub fn ssh_host(&self) -> Option<&str> {
        let is_ssh = ["ssh", "ssh-ng", "mounted-ssh-ng"].contains(&self.scheme());
        is_ssh.then(|| authority(&self.0))
    }

    /// The value of a parameter behind the `?`, with its `%XX` replaced.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.0.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        Some(percent_decoded(value))
    }

    /// What must not be shown: passwords and tokens in it.
    pub fn secrets(&self) -> Vec<&str> {
        secrets(&self.0)
    }
}

/// Without what must not be shown.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.0))
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// Whether `ssh` takes this for a host, possibly with a user, and for nothing else.
pub fn is_ssh_host(host: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-:[]%".contains(c);
    let is_name =
        |name: &str| !name.is_empty() && !name.starts_with('-') && name.chars().all(allowed);
    match host.rsplit_once('@') {
        Some((user, host)) => is_name(user) && is_name(host),
        None => is_name(host),
    }
}

/// Replaces each of these secrets in a text.
pub fn without_secrets(text: &str, secrets: &[&str]) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

/// The value of a setting of Nix for people: without a secret, as far as its name and its URLs tell.
pub fn hidden(name: &str, value: &str) -> String {
    if is_secret(name) {
        HIDDEN.to_owned()
    } else {
        without_passwords(value)
    }
}

/// A text without the passwords of the URLs in it, which stand apart.
pub fn without_passwords(text: &str) -> String {
    let words = text.split(' ').map(redacted);
    words.collect::<Vec<_>>().join(" ")
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Those are names of files.
    if name.starts_with("secret-key") {
        return false;
    }
    ["token", "secret", "password", "credential"]
        .iter()
        .any(|word| name.contains(word))
}

fn redacted(text: &str) -> String {
    without_secrets(text, &secrets(text))
}

/// What stands between `://` and the path or the parameters.
fn authority(text: &str) -> &str {
    let (_, rest) = text.split_once("://").unwrap_or(("", ""));
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

fn secrets(text: &str) -> Vec<&str> {
    let mut secrets = Vec::new();
    if let Some((user, _)) = authority(text).rsplit_once('@') {
        match user.split_once(':') {
            Some((_, password)) => secrets.push(password),
            // Where no user is named, a token stands in its place.
            None if !text.starts_with("ssh") && !text.starts_with("mounted-ssh") => {
                secrets.push(user);
            }
            None => {}
        }
    }
    let query = text.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pairs = pairs.filter(|(key, _)| is_secret(key));
    secrets.extend(pairs.map(|(_, value)| value));
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| byte == b'%');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{StoreUrl, StoreUrlError, is_ssh_host};

    #[test]
    fn what_nix_opens_is_taken_as_it_is() {
        for text in [
            "auto",
            "daemon",
            "local?root=/mnt",
            "/mnt",
            "./store",
            "file:///cache?compression=zstd",
            "s3://bucket?endpoint=localhost:9000&scheme=http",
            "ssh-ng://root@[::1]:22?remote-program=/x",
            "ssh://user@host",
            "unix:///run/socket",
            "https://cache.example",
        ] {
            let url = StoreUrl::parse(text).unwrap();
            assert_eq!(url.as_str(), text);
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_store_says_why() {
        for text in ["", "cache", "a b", "x\u{1b}[2J", "-o://x", "nope"] {
            assert!(StoreUrl::parse(text).is_err(), "{text:?}");
        }
        let error = StoreUrl::parse("htps://u:geheim@host").unwrap_err();
        assert!(matches!(error, StoreUrlError::Scheme { .. }));
        assert!(!error.to_string().contains("geheim"), "{error}");
        for host in [
            "",
            "-oProxyCommand=x",
            "a@-x",
            "-x@a",
            "a;b",
            "a$(b)",
            "a'b",
        ] {
            let url = format!("ssh-ng://{host}");
            assert!(
                matches!(StoreUrl::parse(&url), Err(StoreUrlError::Host { .. })),
                "{url}"
            );
            assert!(!is_ssh_host(host));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for (text, shown) in [
            ("https://u:geheim@h/x", "https://u:***@h/x"),
            ("https://geheim@h/x", "https://***@h/x"),
            ("https://h/x?token=geheim&a=b", "https://h/x?token=***&a=b"),
            ("ssh-ng://geheim@h", "ssh-ng://geheim@h"),
            (
                "s3://b?secret-key=/f&region=x",
                "s3://b?secret-key=/f&region=x",
            ),
        ] {
            let url = StoreUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("StoreUrl({shown})"));
        }
    }

    #[test]
    fn hosts_and_parameters_are_found() {
        let url = StoreUrl::parse("ssh-ng://me@h?ssh-key=%2fa%20b&compress=true&odd=%zz").unwrap();
        assert_eq!((url.scheme(), url.ssh_host()), ("ssh-ng", Some("me@h")));
        assert_eq!(url.parameter("ssh-key").as_deref(), Some("/a b"));
        assert_eq!(url.parameter("odd").as_deref(), Some("%zz"));
        assert_eq!(url.parameter("none"), None);
        let url = StoreUrl::parse("local?root=/x").unwrap();
        assert_eq!((url.scheme(), url.ssh_host()), ("local", None));
    }
}
