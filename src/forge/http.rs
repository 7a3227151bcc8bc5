//! HTTP with a token, as forges want it: bounded answers, no redirects elsewhere, and errors that say whether to try again.

use std::time::Duration;

use reqwest::{
    Client, Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How many bytes of an answer are read.
const ANSWER_BYTES: usize = 4 << 20;
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
    /// No request will work: the token is wrong, or has no rights.
    #[error("{0}")]
    Forbidden(String),
}

/// A forge's HTTP interface.
#[derive(Debug)]
pub struct Http {
    client: Client,
    base: String,
}

impl Http {
    /// Prepares requests below `base`, each with the header `name: {prefix}{token}`.
    pub fn new(
        base: &str,
        name: &'static str,
        prefix: &str,
        token: &SecretString,
    ) -> Result<Self, ForgeError> {
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", token.expose_secret()))
            .map_err(|_| {
                ForgeError::Forbidden("the token has characters that no token has".to_owned())
            })?;
        // It stays out of `Debug`.
        value.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(name), value);
        let policy = Policy::custom(|attempt| {
            let first = attempt.previous().first().map(origin);
            if attempt.previous().len() > 3 || first != Some(origin(attempt.url())) {
                attempt.stop()
            } else {
                attempt.follow()
            }
        });
        let client = Client::builder()
            .user_agent(concat!("nixci/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(policy)
            .connect_timeout(CONNECT_LIMIT)
            .timeout(REQUEST_LIMIT)
            .build()
            .map_err(|error| ForgeError::Refused(format!("cannot prepare HTTPS: {error}")))?;
        Ok(Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, ForgeError> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Gets JSON.
    pub async fn get(&self, path: &str) -> Result<Value, ForgeError> {
        self.send(Method::GET, path, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ForgeError> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| ForgeError::Later {
            what: sentence(&error),
            wait: None,
        })?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = Vec::new();
        // What is too long, or breaks off, is no JSON then.
        while answer.len() < ANSWER_BYTES
            && let Ok(Some(chunk)) = response.chunk().await
        {
            answer.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null));
        }
        Err(judge(status, &headers, &answer, jiff::Timestamp::now()))
    }
}

fn origin(url: &reqwest::Url) -> (String, Option<String>, Option<u16>) {
    (
        url.scheme().to_owned(),
        url.host_str().map(str::to_owned),
        url.port_or_known_default(),
    )
}

/// An error of the network, without the address, which may hold what is nobody's business.
fn sentence(error: &reqwest::Error) -> String {
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
fn judge(
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
        401 | 403 | 404 => ForgeError::Forbidden(what),
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
        Some(text) => format!(" ({})", super::status::cut(&text, DETAIL_CHARS)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
