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
    Ok(token_name(app, client, headers)?.is_some())
}

/// What the token of this server is called that a request shows.
pub(super) fn token_name(
    app: &App,
    client: Client,
    headers: &HeaderMap,
) -> Result<Option<String>, Unheard> {
    let config = app.config();
    let tokens = &config.ctl_tokens;
    // Where there is nothing to guess, nothing is a guess.
    let Some(token) = bearer(headers).filter(|_| !tokens.is_empty()) else {
        return Ok(None);
    };
    let mut found = None;
    let is_right = || {
        found = find(token, tokens.iter().map(|token| &token.token));
        found.is_some()
    };
    match app.guesses.judge(client, token, is_right) {
        Worth::Right => Ok(found.map(|index| tokens[index].name.clone())),
        Worth::Wrong => {
            app.metrics.wrong_token("wrong");
            Ok(None)
        }
        Worth::WrongTooOften(pause) => {
            app.metrics.wrong_token("wrong");
            // Once for each time: what is not heard says nothing here.
            warn!(%client, seconds = pause.as_secs(), "somebody guesses tokens, and is not heard for a while");
            Ok(None)
        }
        Worth::Unheard(pause) => {
            app.metrics.wrong_token("unheard");
            Err(Unheard(pause))
        }
    }
}

/// Whether a request shows one of these tokens.
pub(super) fn shows_one_of(headers: &HeaderMap, tokens: &[SecretString]) -> bool {
    bearer(headers).is_some_and(|token| find(token, tokens.iter()).is_some())
}

/// The token of a request (RFC 6750, §2.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Which of these a token is, in a time that does not tell how much of it is right.
fn find<'t>(shown: &[u8], tokens: impl Iterator<Item = &'t SecretString>) -> Option<usize> {
    let mut found = None;
    for (index, token) in tokens.enumerate() {
        let token = token.expose_secret().as_bytes();
        if !token.is_empty() && bool::from(token.ct_eq(shown)) {
            found = Some(index);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_token_counts() {
        let tokens = ["s3cret", "", "other"].map(|token| SecretString::from(token.to_owned()));
        for (header, which) in [
            ("Bearer s3cret", Some(0)),
            ("bearer other", Some(2)),
            ("Bearer  s3cret ", Some(0)),
            ("Bearer s3cre", None),
            ("Bearer s3crett", None),
            ("Bearer ", None),
            ("Basic s3cret", None),
            ("s3cret", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, header.parse().unwrap());
            let shown = bearer(&headers);
            assert_eq!(
                shown.and_then(|token| find(token, tokens.iter())),
                which,
                "{header:?}"
            );
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
        assert_eq!(find(b"s3cret", [].iter()), None);
    }
}
