//! HTTP and HTTPS as git speaks it over them.
//!
//! One operation is one [`Session`]: it counts bytes, looks at the clock and listens to its cancellation, and it shows its
//! credentials to nobody but the configured origin. Knows nothing of repositories on this machine.
//!
//! Source: `gitprotocol-http(5)`.

use std::{
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, CONTENT_TYPE, HeaderMap},
    redirect::Policy,
};
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    Advertisement, FetchLimits, MirrorError, address,
    mirror_error::one_line,
    remote::{Credentials, private},
};

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// How often a first request may be sent elsewhere.
const REDIRECTS_MAX: usize = 3;
/// The longest answer to `info/refs`, in bytes.
const ADVERTISEMENT_BYTES: u64 = 256 << 20;

/// HTTP clients for git, which keep their connections. Cheap to clone; make one for a process.
#[derive(Clone, Debug)]
pub struct GitHttp {
    /// For the configured forges, wherever they are.
    home: Client,
    /// For what others name: public addresses alone.
    public: Client,
}

impl GitHttp {
    /// Prepares the clients. Takes the proxy of the environment, as `curl` does; then the proxy decides what is reached.
    pub fn new() -> Result<Self, MirrorError> {
        let build = |client: reqwest::ClientBuilder| {
            client
                .user_agent(concat!("git/2 nixci/", env!("CARGO_PKG_VERSION")))
                .redirect(same_origin())
                .connect_timeout(CONNECT_LIMIT)
                .build()
                .map_err(|error| MirrorError::Unreachable(format!("cannot prepare HTTPS: {error}")))
        };
        let mut public = Client::builder();
        if !has_proxy() {
            public = public.dns_resolver(Arc::new(PublicAddresses));
        }
        Ok(Self {
            home: build(Client::builder())?,
            public: build(public)?,
        })
    }
}

/// Whether the environment names a proxy. It then decides what can be reached.
pub fn has_proxy() -> bool {
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
        .iter()
        .any(|name| {
            [(*name).to_owned(), name.to_lowercase()]
                .iter()
                .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
        })
}

/// Follows to other paths of the same scheme, host and port.
fn same_origin() -> Policy {
    Policy::custom(|attempt| {
        let is_same = attempt.previous().first().map(Url::origin) == Some(attempt.url().origin());
        if is_same && attempt.previous().len() <= REDIRECTS_MAX {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}

/// Looks up names, and forgets the addresses that are not public: what is connected to is what was looked at.
struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<_> = found.filter(|it| address::is_public(it.ip())).collect();
            if public.is_empty() {
                return Err(private(name.as_str()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// One operation on one repository behind HTTP.
pub(super) struct Session {
    client: Client,
    credentials: Option<Credentials>,
    /// Where the repository was found, behind redirections.
    url: Option<Url>,
    host: String,
    limits: FetchLimits,
    deadline: Instant,
    cancel: CancellationToken,
    received: AtomicU64,
    /// What went wrong first. libgit2 passes on no more than a text.
    failure: Mutex<Option<MirrorError>>,
}

impl Session {
    /// Begins; the time runs from here.
    pub(super) fn new(
        http: &GitHttp,
        is_home: bool,
        credentials: Option<Credentials>,
        limits: FetchLimits,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            client: if is_home { &http.home } else { &http.public }.clone(),
            credentials,
            url: None,
            host: String::new(),
            deadline: Instant::now() + limits.time,
            limits,
            cancel,
            received: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    /// Asks what the repository has.
    pub(super) async fn advertisement(&mut self, url: &Url) -> Result<Advertisement, MirrorError> {
        url.host_str()
            .unwrap_or_default()
            .clone_into(&mut self.host);
        let asked = Url::parse(&format!("{url}/info/refs?service=git-upload-pack"))
            .map_err(|error| MirrorError::Address(error.to_string()))?;
        let mut response = self.send(self.client.get(asked)).await?;
        let found = response.url().clone();
        let path = found.path().strip_suffix("/info/refs").map(str::to_owned);
        let path = path.ok_or_else(|| self.broken("it leads elsewhere"))?;
        check_type(&response, "application/x-git-upload-pack-advertisement")
            .map_err(|what| self.broken(&what))?;
        let mut answer = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            answer.extend_from_slice(chunk.as_ref());
            if answer.len() as u64 > ADVERTISEMENT_BYTES.min(self.limits.bytes) {
                return Err(MirrorError::TooMuch(format!(
                    "the list of refs of {url} has no end"
                )));
            }
        }
        let mut advertisement =
            Advertisement::parse(&answer, self.limits.refs).map_err(|what| self.broken(&what))?;
        let mut base = found;
        base.set_query(None);
        base.set_path(&path);
        advertisement.moved_to = (base != *url).then(|| base.to_string());
        self.url = Some(base);
        Ok(advertisement)
    }

    /// Where the repository was found, once it was asked.
    pub(super) fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }

    fn broken(&self, what: &str) -> MirrorError {
        MirrorError::Broken(format!(
            "{} does not answer as a git server does: {what}",
            self.host
        ))
    }

    /// What it means that git says this instead of sending objects.
    pub(super) fn refused(&self, said: &str) -> MirrorError {
        match said.split_once("not our ref ") {
            Some((_, what)) => MirrorError::Missing {
                url: self.url().map(Url::to_string).unwrap_or_default(),
                what: what.to_owned(),
            },
            None => MirrorError::Refused(format!("{} says: {said}", self.host)),
        }
    }

    /// Asks for objects.
    pub(super) async fn post(&self, request: Vec<u8>) -> Result<Response, MirrorError> {
        let url = self.url().map(Url::as_str).unwrap_or_default();
        let sent = self
            .client
            .post(format!("{url}/git-upload-pack"))
            .header(CONTENT_TYPE, "application/x-git-upload-pack-request")
            .header(ACCEPT, "application/x-git-upload-pack-result")
            .body(request);
        let answer = self.send(sent).await?;
        check_type(&answer, "application/x-git-upload-pack-result")
            .map_err(|what| self.broken(&what))?;
        Ok(answer)
    }

    /// Sends a request and returns an answer that is a success.
    async fn send(&self, request: RequestBuilder) -> Result<Response, MirrorError> {
        let request = match &self.credentials {
            Some(it) => request.basic_auth(&it.user, Some(it.token.expose_secret())),
            None => request,
        };
        let response = self.in_time(request.send()).await?;
        let status = response.status();
        if status == StatusCode::OK {
            return Ok(response);
        }
        let code = status.as_u16();
        let host = &self.host;
        Err(match code {
            300..=399 => MirrorError::Refused(format!(
                "{host} sends elsewhere, to {}: it is not followed",
                location(response.headers())
            )),
            401 | 403 if self.credentials.is_some() => MirrorError::Refused(format!(
                "{host} refuses the token (HTTP {code}): is it right, and may it read?"
            )),
            401 | 403 | 404 | 410 => MirrorError::Refused(format!(
                "{host} has no such repository, or does not show it (HTTP {code})"
            )),
            408 | 425 | 429 | 500.. => {
                MirrorError::Unreachable(format!("{host} is in trouble: HTTP {code}"))
            }
            _ => self.broken(&format!("HTTP {code}")),
        })
    }

    /// Returns the next piece of an answer.
    pub(super) async fn chunk(
        &self,
        response: &mut Response,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, MirrorError> {
        let chunk = self.in_time(response.chunk()).await?;
        let more = chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        let received = self.received.fetch_add(more, Ordering::Relaxed) + more;
        if received > self.limits.bytes {
            return Err(MirrorError::TooMuch(format!(
                "{} sends more than {} MiB, which is the limit",
                self.host,
                self.limits.bytes >> 20
            )));
        }
        Ok(chunk)
    }

    /// Waits for an answer, within all limits.
    async fn in_time<T>(
        &self,
        answer: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, MirrorError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let limit = left.min(self.limits.silence);
        let too_slow = || MirrorError::TooSlow {
            host: self.host.clone(),
            limit: if left <= self.limits.silence {
                self.limits.time
            } else {
                self.limits.silence
            },
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(MirrorError::Cancelled),
            answer = tokio::time::timeout(limit, answer) => match answer {
                Ok(answer) => answer.map_err(|error| self.network(&error)),
                Err(_) => Err(too_slow()),
            },
        }
    }

    fn network(&self, error: &reqwest::Error) -> MirrorError {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
            if let Some(MirrorError::Address(why)) = cause.downcast_ref() {
                return MirrorError::Address(why.clone());
            }
        }
        MirrorError::Unreachable(format!(
            "cannot reach {}: {}",
            self.host,
            one_line(&cause.to_string())
        ))
    }

    /// Whether it must end now, and why.
    pub(super) fn is_over(&self) -> bool {
        let failure = if self.cancel.is_cancelled() {
            MirrorError::Cancelled
        } else if Instant::now() > self.deadline {
            MirrorError::TooSlow {
                host: self.host.clone(),
                limit: self.limits.time,
            }
        } else {
            return false;
        };
        self.fail(failure);
        true
    }

    /// Notes what went wrong, unless something did before.
    pub(super) fn fail(&self, failure: MirrorError) {
        if let Ok(mut first) = self.failure.lock() {
            first.get_or_insert(failure);
        }
    }

    /// Takes what went wrong first.
    pub(super) fn failure(&self) -> Option<MirrorError> {
        self.failure.lock().ok()?.take()
    }
}

fn location(headers: &HeaderMap) -> String {
    let location = headers
        .get("location")
        .and_then(|value| value.to_str().ok());
    one_line(location.unwrap_or("nowhere"))
}

fn check_type(response: &Response, expected: &str) -> Result<(), String> {
    let found = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if found == Some(expected) {
        return Ok(());
    }
    Err(format!(
        "it answers with {}",
        one_line(found.unwrap_or("something without a type"))
    ))
}
