//! Who may see what.
//!
//! The one place that decides: every page, stream of events, badge and list asks for a [`Viewer`], and reads the database
//! only as far as that one sees. What may not be seen is not there: nobody learns that it exists.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header::AUTHORIZATION, request::Parts},
};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::app::App;
use crate::db::server::Sight;

/// Who asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Viewer {
    /// What may be seen.
    pub(super) sight: Sight,
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let sight = if is_authorized(app, &parts.headers) {
            Sight::Everything
        } else {
            Sight::Public
        };
        Ok(Self { sight })
    }
}

/// Whether a request shows a token of this server: then it may do everything.
pub(super) fn is_authorized(app: &App, headers: &HeaderMap) -> bool {
    shows_one_of(headers, &app.config().ctl_tokens)
}

/// Whether a request shows one of these tokens.
pub(super) fn shows_one_of(headers: &HeaderMap, tokens: &[SecretString]) -> bool {
    bearer(headers).is_some_and(|token| is_one_of(token, tokens))
}

/// The token of a request (RFC 6750, §2.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Whether a token is one of these, in a time that does not tell how much of it is right.
fn is_one_of(shown: &[u8], tokens: &[SecretString]) -> bool {
    let mut is_known = false;
    for token in tokens {
        let token = token.expose_secret().as_bytes();
        is_known |= !token.is_empty() && bool::from(token.ct_eq(shown));
    }
    is_known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_token_counts() {
        let tokens = ["s3cret", "", "other"].map(|token| SecretString::from(token.to_owned()));
        for (header, is_known) in [
            ("Bearer s3cret", true),
            ("bearer other", true),
            ("Bearer  s3cret ", true),
            ("Bearer s3cre", false),
            ("Bearer s3crett", false),
            ("Bearer ", false),
            ("Basic s3cret", false),
            ("s3cret", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, header.parse().unwrap());
            let shown = bearer(&headers);
            assert_eq!(
                shown.is_some_and(|token| is_one_of(token, &tokens)),
                is_known,
                "{header:?}"
            );
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
        assert!(!is_one_of(b"s3cret", &[]));
    }
}
