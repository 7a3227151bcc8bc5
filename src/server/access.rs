//! Who may see what.
//!
//! The one place that decides: every page, stream of events, badge and list asks for a [`Viewer`], and reads the database
//! only as far as that one sees. What may not be seen is not there: nobody learns that it exists.

use std::time::Duration;

use axum::{
    extract::FromRequestParts,
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, RETRY_AFTER},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tracing::warn;

use super::{app::App, client::Client, guesses::Worth};
use crate::db::server::Sight;

/// Who asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Viewer {
    /// What may be seen.
    pub(super) sight: Sight,
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Unheard;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Unheard> {
        let client = Client::of_request(parts, app);
        let sight = if is_authorized(app, client, &parts.headers)? {
            Sight::Everything
        } else {
            Sight::Public
        };
        Ok(Self { sight })
    }
}

/// A token was shown and not looked at: its client has shown too many wrong ones. A page of what is public is no answer
/// either, since the lack of more would say that the token is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unheard(Duration);

impl Unheard {
    /// The answer, with this text as its body.
    pub(super) fn answer(self, body: impl IntoResponse) -> Response {
        let seconds = self.0.as_secs() + 1;
        let retry_after = [(RETRY_AFTER, seconds.to_string())];
        (StatusCode::TOO_MANY_REQUESTS, retry_after, body).into_response()
    }
}

impl std::fmt::Display for Unheard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minutes = self.0.as_secs() / 60 + 1;
        write!(
            f,
            "too many wrong tokens came from this address: none is looked at for the next {minutes} min"
        )
    }
}

impl IntoResponse for Unheard {
    fn into_response(self) -> Response {
        self.answer(format!("{self}\n"))
    }
}

/// Whether a request shows a token of this server: then it may do everything.
pub(super) fn is_authorized(
    app: &App,
    client: Client,
    headers: &HeaderMap,
) -> Result<bool, Unheard> {
    let config = app.config();
    let tokens = &config.ctl_tokens;
    // Where there is nothing to guess, nothing is a guess.
    let Some(token) = bearer(headers).filter(|_| !tokens.is_empty()) else {
        return Ok(false);
    };
    match app
        .guesses
        .judge(client, token, || is_one_of(token, tokens))
    {
        Worth::Right => Ok(true),
        Worth::Wrong => {
            app.metrics.wrong_token("wrong");
            Ok(false)
        }
        Worth::WrongTooOften(pause) => {
            app.metrics.wrong_token("wrong");
            // Once for each time: what is not heard says nothing here.
            warn!(%client, seconds = pause.as_secs(), "somebody guesses tokens, and is not heard for a while");
            Ok(false)
        }
        Worth::Unheard(pause) => {
            app.metrics.wrong_token("unheard");
            Err(Unheard(pause))
        }
    }
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
