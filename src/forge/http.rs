//! HTTP with a token, as forges want it: bounded answers, no redirects elsewhere, and errors that say whether to try again.

use std::time::Duration;

use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::Policy,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::BoxFuture;

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

/// How often a request is sent on to another address.
const REDIRECTS_MAX: usize = 3;
/// How many pages of a list are read.
pub(super) const PAGES_MAX: usize = 1000;

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
    /// Whether it is the token that is at fault, and not what was asked for.
    pub fn is_of_token(&self) -> bool {
        match self {
            Self::Unauthorized(_) | Self::Forbidden(_) | Self::Missing(_) => true,
            Self::Later { .. } | Self::Refused(_) => false,
        }
    }
}

/// What proves to a forge who asks: one header.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    name: HeaderName,
    value: HeaderValue,
}

impl Credential {
    /// The header `name: {prefix}{token}`.
    pub(super) fn new(
        name: &'static str,
        prefix: &str,
        token: &SecretString,
    ) -> Result<Self, ForgeError> {
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", token.expose_secret()))
            .map_err(|_| {
                ForgeError::Unauthorized("the token has characters that no token has".to_owned())
            })?;
        // It stays out of `Debug`.
        value.set_sensitive(true);
        let name = HeaderName::from_static(name);
        Ok(Self { name, value })
    }
}

/// A request, as far as it is the same for every forge.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// The path below the interface's address, with the query.
    pub(super) path: &'a str,
    pub(super) body: Option<&'a Value>,
    /// What the same request was answered with before: then an unchanged answer has no body.
    pub(super) etag: Option<&'a str>,
}

/// What a forge answers where it did what it was asked to.
#[derive(Debug)]
pub(super) struct Answer {
    /// Nothing changed since the answer with the `etag` of the request.
    pub(super) is_unchanged: bool,
    pub(super) etag: Option<String>,
    /// The query with which the list goes on.
    pub(super) next: Option<String>,
    /// The JSON; `Null` if it is none.
    pub(super) body: Value,
}

/// Something that sends requests with the right credentials.
pub(super) trait Sender: Send + Sync {
    /// Sends a request.
    fn send<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Answer>;
}

impl dyn Sender + '_ {
    /// Gets JSON.
    pub(super) async fn get(&self, path: &str) -> Result<Value, ForgeError> {
        self.request(Method::GET, path, None).await
    }

    /// Posts JSON.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, ForgeError> {
        self.request(Method::POST, path, Some(body)).await
    }

    /// Patches JSON.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> Result<Value, ForgeError> {
        self.request(Method::PATCH, path, Some(body)).await
    }

    /// Puts JSON.
    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Value, ForgeError> {
        self.request(Method::PUT, path, Some(body)).await
    }

    /// Sends JSON, or nothing.
    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ForgeError> {
        let call = Call {
            method,
            path,
            body,
            etag: None,
        };
        Ok(self.send(call).await?.body)
    }

    /// Gets a list, all pages of it.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        what: &str,
        path: &str,
    ) -> Result<Vec<T>, ForgeError> {
        let mut all = Vec::new();
        let take = |answer| {
            all.append(&mut entries(what, answer)?);
            Ok(true)
        };
        self.pages(path, take).await?;
        read(what, Value::Array(all))
    }

    /// Gets a list, page by page, as long as `take` wants more of it.
    pub(super) async fn pages(
        &self,
        path: &str,
        mut take: impl FnMut(Value) -> Result<bool, ForgeError> + Send,
    ) -> Result<(), ForgeError> {
        let mut page = path.to_owned();
        for _ in 0..PAGES_MAX {
            let call = Call {
                method: Method::GET,
                path: &page,
                body: None,
                etag: None,
            };
            let answer = self.send(call).await?;
            let goes_on = take(answer.body)?;
            let Some(next) = answer.next.filter(|_| goes_on) else {
                return Ok(());
            };
            page = next_page(path, &next);
        }
        Ok(())
    }
}

/// The entries of a page: a list, or the list in a field.
pub(super) fn entries(what: &str, mut answer: Value) -> Result<Vec<Value>, ForgeError> {
    let field = ["repositories", "data", "statuses", "check_runs"]
        .into_iter()
        .find_map(|name| Some(answer.get_mut(name)?.take()));
    read(what, field.unwrap_or(answer))
}

/// The path of the next page: only the query is the forge's.
pub(super) fn next_page(path: &str, query: &str) -> String {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    format!("{path}?{query}")
}

/// A forge's HTTP interface.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
    base: String,
}

/// The interface with one token for everything.
#[derive(Clone, Debug)]
pub(super) struct Session {
    http: Http,
    credential: Credential,
}

impl Session {
    /// Sends everything below `base` with this header.
    pub(super) fn new(base: &str, credential: Credential) -> Result<Self, ForgeError> {
        let http = Http::new(base)?;
        Ok(Self { http, credential })
    }
}

impl Sender for Session {
    fn send<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move { self.http.send(call, &self.credential).await })
    }
}

impl Http {
    /// Prepares requests below `base`.
    pub(super) fn new(base: &str) -> Result<Self, ForgeError> {
        let client = Client::builder()
            .user_agent(concat!("nixci/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(CONNECT_LIMIT)
            .timeout(REQUEST_LIMIT)
            .build()
            .map_err(|error| ForgeError::Refused(format!("cannot prepare HTTPS: {error}")))?;
        Ok(Self {
            client,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// Sends a request; what is read is followed to another address of the same server, such as that of a repository
    /// that was renamed. What is written only where it stays the same request.
    pub(super) async fn send(
        &self,
        call: Call<'_>,
        credential: &Credential,
    ) -> Result<Answer, ForgeError> {
        let address = format!("{}{}", self.base, call.path);
        let mut url = Url::parse(&address).map_err(|error| {
            ForgeError::Refused(format!("the forge's address is none: {error}"))
        })?;
        for _ in 0..=REDIRECTS_MAX {
            let response = self.send_to(url.clone(), &call, credential).await?;
            let follows = match response.status().as_u16() {
                301 | 302 => call.method == Method::GET,
                307 | 308 => true,
                _ => false,
            };
            let location = response.headers().get("location").filter(|_| follows);
            let next = location.and_then(|location| url.join(location.to_str().ok()?).ok());
            match next.filter(|next| next.origin() == url.origin()) {
                Some(next) => url = next,
                None => return answer_of(response).await,
            }
        }
        Err(ForgeError::Refused(
            "the forge sends the request around in circles".to_owned(),
        ))
    }

    async fn send_to(
        &self,
        url: Url,
        call: &Call<'_>,
        credential: &Credential,
    ) -> Result<Response, ForgeError> {
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .header("accept", "application/json")
            .header(credential.name.clone(), credential.value.clone());
        if let Some(body) = call.body {
            request = request.json(body);
        }
        if let Some(etag) = call.etag {
            request = request.header("if-none-match", etag);
        }
        request.send().await.map_err(|error| ForgeError::Later {
            what: sentence(&error),
            wait: None,
        })
    }
}

async fn answer_of(mut response: Response) -> Result<Answer, ForgeError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut answer = Vec::new();
    let problem = loop {
        match response.chunk().await {
            Ok(Some(_)) if answer.len() >= ANSWER_BYTES => {
                break Some(ForgeError::Refused(format!(
                    "the forge's answer is longer than {} MiB",
                    ANSWER_BYTES >> 20
                )));
            }
            Ok(Some(chunk)) => answer.extend_from_slice(&chunk),
            Ok(None) => break None,
            Err(error) => {
                let (what, wait) = (sentence(&error), None);
                break Some(ForgeError::Later { what, wait });
            }
        }
    };
    let is_unchanged = status == StatusCode::NOT_MODIFIED;
    if !status.is_success() && !is_unchanged {
        return Err(judge(status, &headers, &answer, jiff::Timestamp::now()));
    }
    if let Some(problem) = problem {
        return Err(problem);
    }
    let text = |name: &str| headers.get(name)?.to_str().ok();
    Ok(Answer {
        is_unchanged,
        etag: text("etag").map(str::to_owned),
        next: text("link").and_then(next_query),
        body: serde_json::from_slice(&answer).unwrap_or_default(),
    })
}

/// The query of the link to the next page (RFC 8288): `<https://…?page=2>; rel="next", …`.
fn next_query(links: &str) -> Option<String> {
    links.split(',').find_map(|link| {
        let (target, relation) = link.trim().strip_prefix('<')?.split_once('>')?;
        let (_, query) = target
            .split_once('?')
            .filter(|_| relation.contains("rel=\"next\""))?;
        Some(query.to_owned())
    })
}

/// Reads a part of an answer.
pub(super) fn read<T: DeserializeOwned>(what: &str, answer: Value) -> Result<T, ForgeError> {
    serde_json::from_value(answer).map_err(|error| {
        let error = super::status::cut(&error.to_string(), DETAIL_CHARS);
        ForgeError::Refused(format!(
            "the forge's answer about {what} is not as expected: {error}"
        ))
    })
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
        Some(text) => format!(" ({})", super::status::cut(&text, DETAIL_CHARS)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
