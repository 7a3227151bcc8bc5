//! Makes a GitHub App by one link and one click: a page that hands its manifest to GitHub, and what GitHub sends back.
//!
//! Answers for as long as that takes, and nothing else. The link has a key, so that nobody else makes an App here; what comes
//! back has to have the state that went out.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    config::{Listen, make_secret},
    forge::{AppWish, ForgeError, MadeApp, make_app},
    web::escape::push_escaped,
};

/// How long to wait: GitHub's codes are good for an hour.
const LIMIT: Duration = Duration::from_secs(60 * 60);
/// How long the last answer may take.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// An App that is to be made.
#[derive(Clone, Debug)]
pub struct AppSetup {
    /// Where the server will listen; here it is listened at meanwhile, unless that is no address.
    pub listen: Listen,
    /// Where people and forges reach the server; ends with `/`.
    pub url: Url,
    /// The name of the forge in the settings.
    pub name: String,
    /// GitHub's address; ends with `/`.
    pub forge_url: Url,
    /// The address of GitHub's interface.
    pub api_url: Url,
    /// The organization that the App is to belong to; `None`: whoever makes it.
    pub organization: Option<String>,
}

/// A setup that waits for somebody.
#[derive(Debug)]
pub struct OpenSetup {
    setup: Arc<Waiting>,
    listener: TcpListener,
    made: mpsc::Receiver<MadeApp>,
}

#[derive(Debug)]
struct Waiting {
    wish: AppSetup,
    /// Where the page can be reached: by the server's address, and on this machine.
    bases: Vec<Url>,
    /// What the link has.
    key: SecretString,
    /// What has to come back.
    state: SecretString,
    made_tx: mpsc::Sender<MadeApp>,
}

impl AppSetup {
    /// Begins to listen.
    pub async fn open(self) -> io::Result<OpenSetup> {
        let address = match &self.listen {
            Listen::Tcp(address) => *address,
            Listen::Unix(_) | Listen::Systemd => (Ipv4Addr::LOCALHOST, 0).into(),
        };
        let listener = TcpListener::bind(address).await?;
        let mut bases = vec![self.url.clone()];
        let local = local_url(listener.local_addr()?);
        bases.extend(local.filter(|local| *local != self.url));
        let (made_tx, made) = mpsc::channel(1);
        let setup = Arc::new(Waiting {
            wish: self,
            bases,
            key: make_secret()?,
            state: make_secret()?,
            made_tx,
        });
        Ok(OpenSetup {
            setup,
            listener,
            made,
        })
    }
}

/// Where something that listens there is found on this machine.
fn local_url(address: SocketAddr) -> Option<Url> {
    let host = match address.ip() {
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    Url::parse(&format!(
        "http://{}/",
        SocketAddr::new(host, address.port())
    ))
    .ok()
}

impl OpenSetup {
    /// The links that lead to the page: by the server's address, if requests to that come here, and on this machine.
    pub fn links(&self) -> Vec<Url> {
        let link = |base: &Url| {
            let mut link = self.setup.page(base);
            link.query_pairs_mut()
                .append_pair("key", self.setup.key.expose_secret());
            link
        };
        self.setup.bases.iter().map(link).collect()
    }

    /// Waits until the App is made. `None`: nobody made it within an hour.
    pub async fn wait(mut self) -> Option<MadeApp> {
        let path = self.setup.wish.path();
        let router = Router::new()
            .route(&format!("/{path}"), get(page))
            .route(&format!("/{path}/made"), get(made))
            .with_state(Arc::clone(&self.setup));
        let over = CancellationToken::new();
        let done = over.clone();
        let answering = tokio::spawn(async move {
            let until = async move { done.cancelled().await };
            axum::serve(self.listener, router)
                .with_graceful_shutdown(until)
                .await
        });
        let app = tokio::time::timeout(LIMIT, self.made.recv()).await;
        over.cancel();
        let _ = tokio::time::timeout(LAST_ANSWER, answering).await;
        app.ok().flatten()
    }
}

impl AppSetup {
    fn path(&self) -> String {
        format!("setup/github/{}", self.name)
    }

    /// Where the App is made.
    fn making(&self, state: &str) -> Option<Url> {
        let path = match &self.organization {
            Some(organization) => format!("organizations/{organization}/settings/apps/new"),
            None => "settings/apps/new".to_owned(),
        };
        let mut url = self.forge_url.join(&path).ok()?;
        url.query_pairs_mut().append_pair("state", state);
        Some(url)
    }

    /// Where an App is let into repositories.
    pub fn installation(&self, app: &MadeApp) -> Url {
        // GitHub Enterprise has them elsewhere.
        let folder = if self.forge_url.host_str() == Some("github.com") {
            "apps"
        } else {
            "github-apps"
        };
        let page = self
            .forge_url
            .join(&format!("{folder}/{}/installations/new", app.slug));
        page.unwrap_or_else(|_| self.forge_url.clone())
    }
}

impl Waiting {
    fn page(&self, base: &Url) -> Url {
        base.join(&self.wish.path())
            .unwrap_or_else(|_| base.clone())
    }

    /// The address by which a request came, if it is one of ours: others could be somebody's who has a name point here.
    fn base_of(&self, headers: &HeaderMap) -> Option<&Url> {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        self.bases
            .iter()
            .find(|base| host.eq_ignore_ascii_case(base.authority()))
    }

    fn manifest(&self, base: &Url) -> String {
        let host = self.wish.url.host_str().unwrap_or_default();
        let wish = AppWish {
            name: format!("nixci {host}"),
            url: self.wish.url.to_string(),
            hook_url: format!("{}webhook/{}", self.wish.url, self.wish.name),
            redirect_url: format!("{}/made", self.page(base)),
        };
        wish.manifest().to_string()
    }
}

fn is_same(given: &str, wanted: &SecretString) -> bool {
    let wanted = wanted.expose_secret().as_bytes();
    given.as_bytes().ct_eq(wanted).into()
}

#[derive(Deserialize)]
struct PageQuery {
    #[serde(default)]
    key: String,
}

async fn page(
    State(setup): State<Arc<Waiting>>,
    Query(query): Query<PageQuery>,
    headers: HeaderMap,
) -> Response {
    let Some(base) = setup.base_of(&headers) else {
        return refuse(StatusCode::MISDIRECTED_REQUEST, "open the link as it is");
    };
    if !is_same(&query.key, &setup.key) {
        return refuse(StatusCode::FORBIDDEN, "open the whole link, with its key");
    }
    let Some(making) = setup.wish.making(setup.state.expose_secret()) else {
        return refuse(StatusCode::NOT_FOUND, "GitHub has no such organization");
    };
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>nixci: a GitHub App</title></head>\
        <body><h1>A GitHub App for this server</h1><p>GitHub shows what it will be called; its keys come here by themselves.</p>\
        <form method=\"post\" action=\"",
    );
    push_escaped(&mut html, making.as_str());
    html.push_str("\"><input type=\"hidden\" name=\"manifest\" value=\"");
    push_escaped(&mut html, &setup.manifest(base));
    html.push_str("\"><button>Make the App at ");
    push_escaped(&mut html, making.host_str().unwrap_or("GitHub"));
    html.push_str("</button></form></body></html>\n");
    let policy = format!(
        "default-src 'none'; form-action {}; frame-ancestors 'none'; base-uri 'none'",
        making.origin().ascii_serialization()
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        // The key stays here.
        (header::REFERRER_POLICY, "origin".to_owned()),
    ];
    (headers, Html(html)).into_response()
}

#[derive(Deserialize)]
struct MadeQuery {
    #[serde(default)]
    code: String,
    #[serde(default)]
    state: String,
}

async fn made(
    State(setup): State<Arc<Waiting>>,
    Query(query): Query<MadeQuery>,
    headers: HeaderMap,
) -> Response {
    if setup.base_of(&headers).is_none() {
        return refuse(StatusCode::MISDIRECTED_REQUEST, "open the link as it is");
    }
    if !is_same(&query.state, &setup.state) {
        let text = "this was not begun here, or with an older link: open the link once more";
        return refuse(StatusCode::FORBIDDEN, text);
    }
    // One at a time: a code is good for one App.
    let Ok(room) = setup.made_tx.try_reserve() else {
        return refuse(StatusCode::CONFLICT, "the App is made already");
    };
    let api_url = setup.wish.api_url.as_str().trim_end_matches('/');
    match make_app(api_url, &query.code).await {
        Ok(app) => {
            let next = setup.wish.installation(&app);
            room.send(app);
            Redirect::to(next.as_str()).into_response()
        }
        Err(error) => {
            let why = if let ForgeError::Missing(_) = error {
                "GitHub does not know this code: it is good for an hour, and once".to_owned()
            } else {
                error.to_string()
            };
            let text = format!("the App's keys are not to be had: {why}; open the link once more");
            refuse(StatusCode::BAD_GATEWAY, &text)
        }
    }
}

fn refuse(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}
