//! Why a forge did not do what it was asked to, and whether to try again.

use std::time::Duration;

use reqwest::{StatusCode, header::HeaderMap};
use serde_json::Value;

use super::status::cut;

/// How much of an error text is shown.
const DETAIL_CHARS: usize = 200;
/// How long to wait where a forge says that it is enough and not for how long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a forge did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// It may work later.
    #[error("{what}")]
    Later {
        /// What happened.
        what: String,
        /// When, if the forge says.
        wait: Option<Duration>,
    },
    /// This request will never work, others may.
    #[error("{0}")]
    Refused(String),
    /// The token is not valid, or not any longer.
    #[error("{0}")]
    Unauthorized(String),
    /// The token has no right to this.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing, or the token may not know of it.
    #[error("{0}")]
    Missing(String),
}

impl ForgeError {
    /// How long the forge wants to be left alone, where it says so.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Later { wait, .. } => *wait,
            Self::Unauthorized(_) | Self::Forbidden(_) | Self::Missing(_) | Self::Refused(_) => {
                None
            }
        }
    }

    /// Whether it is the token that is at fault, and not what was asked for.
    pub fn is_of_token(&self) -> bool {
        match self {
            Self::Unauthorized(_) | Self::Forbidden(_) | Self::Missing(_) => true,
            Self::Later { .. } | Self::Refused(_) => false,
        }
    }
}

/// An answer that is not what it should be.
pub(super) fn unexpected(what: &str, error: &serde_json::Error) -> ForgeError {
    let error = cut(&error.to_string(), DETAIL_CHARS);
    ForgeError::Refused(format!(
        "the forge's answer about {what} is not as expected: {error}"
    ))
}

/// An error of the network, without the address, which may hold what is nobody's business.
pub(super) fn sentence(error: &reqwest::Error) -> String {
    let host = error
        .url()
        .and_then(|url| url.host_str())
        .unwrap_or("the forge");
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if error.is_timeout() {
        format!("{host} does not answer")
    } else {
        format!("cannot reach {host}: {cause}")
    }
}

/// What an answer that is no success means. GitHub says with 403 both that there are no rights and that it is enough.
pub(super) fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    answer: &[u8],
    now: jiff::Timestamp,
) -> ForgeError {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let what = format!("HTTP {}{}", status.as_u16(), detail(answer));
    let is_used_up = number("x-ratelimit-remaining") == Some(0);
    let wait = number("retry-after").or_else(|| {
        let reset = number("x-ratelimit-reset").filter(|_| is_used_up)?;
        Some(reset.saturating_sub(now.as_second()))
    });
    let wait = wait.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
    let says_enough = wait.is_some()
        || status == StatusCode::TOO_MANY_REQUESTS
        || String::from_utf8_lossy(answer)
            .to_lowercase()
            .contains("rate limit");
    match status.as_u16() {
        403 | 429 if says_enough => ForgeError::Later {
            what,
            wait: Some(wait.unwrap_or(PATIENCE)),
        },
        401 => ForgeError::Unauthorized(what),
        403 => ForgeError::Forbidden(what),
        404 | 410 => ForgeError::Missing(what),
        408 | 409 | 425 | 500.. => ForgeError::Later { what, wait },
        _ => ForgeError::Refused(what),
    }
}

/// What an error answer says, if it says it in JSON.
fn detail(answer: &[u8]) -> String {
    let answer = serde_json::from_slice::<Value>(answer).unwrap_or_default();
    let text = ["message", "error", "error_description"]
        .iter()
        .filter_map(|name| answer.get(name))
        .find(|value| !value.is_null())
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        });
    match text {
        Some(text) => format!(" ({})", cut(&text, DETAIL_CHARS)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
