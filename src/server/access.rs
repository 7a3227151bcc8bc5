//! Who may do everything.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use super::app::App;

/// Whether a request shows a token of this server, in a time that does not tell how much of it is right.
pub(super) fn is_authorized(app: &App, headers: &HeaderMap) -> bool {
    let shown = headers
        .get(AUTHORIZATION)
        .map(axum::http::HeaderValue::as_bytes);
    let Some(shown) = shown.and_then(|value| value.strip_prefix(b"Bearer ")) else {
        return false;
    };
    let tokens = app
        .config
        .ctl_tokens
        .iter()
        .map(|token| token.expose_secret().as_bytes());
    tokens.fold(false, |is_known, token| {
        is_known | (!token.is_empty() && bool::from(token.ct_eq(shown)))
    })
}
