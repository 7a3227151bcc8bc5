//! HTTP with a token, as forges want it: bounded answers, no redirects elsewhere, lists page by page.

use std::time::Duration;

use jiff::{Timestamp, fmt::rfc2822};
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{HeaderName, HeaderValue},
    redirect::Policy,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    BoxFuture, ForgeError,
    error::{judge, sentence, unexpected},
};

/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How many bytes of an answer are read.
const ANSWER_BYTES: usize = 4 << 20;

/// How often a request is sent on to another address.
const REDIRECTS_MAX: usize = 3;
/// How many pages of a list are read.
pub(super) const PAGES_MAX: usize = 1000;

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
    /// The scopes of the token, where GitHub tells them.
    pub(super) scopes: Option<String>,
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

impl Session {
    /// What time it is by the server's clock.
    pub(super) async fn clock(&self, path: &str) -> Result<Option<Timestamp>, ForgeError> {
        self.http.clock(path).await
    }
}

impl Sender for Session {
    fn send<'a>(&'a self, call: Call<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move { self.http.send(call, Some(&self.credential)).await })
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
        credential: Option<&Credential>,
    ) -> Result<Answer, ForgeError> {
        let address = format!("{}{}", self.base, call.path);
        let mut url = Url::parse(&address).map_err(|error| {
            ForgeError::Refused(format!("the forge's address cannot be used: {error}"))
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
            "the forge redirects the request too often".to_owned(),
        ))
    }

    /// What time it is by the server's clock, as any answer of it says.
    pub(super) async fn clock(&self, path: &str) -> Result<Option<Timestamp>, ForgeError> {
        let request = self.client.get(format!("{}{path}", self.base));
        let answer = request.send().await.map_err(|error| ForgeError::Later {
            what: sentence(&error),
            wait: None,
        })?;
        let date = answer.headers().get("date");
        let date = date.and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| rfc2822::parse(date).ok().map(|time| time.timestamp())))
    }

    async fn send_to(
        &self,
        url: Url,
        call: &Call<'_>,
        credential: Option<&Credential>,
    ) -> Result<Response, ForgeError> {
        let mut request = self
            .client
            .request(call.method.clone(), url)
            .header("accept", "application/json");
        if let Some(credential) = credential {
            request = request.header(credential.name.clone(), credential.value.clone());
        }
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
        scopes: text("x-oauth-scopes").map(str::to_owned),
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
    serde_json::from_value(answer).map_err(|error| unexpected(what, &error))
}

#[cfg(test)]
mod tests;
