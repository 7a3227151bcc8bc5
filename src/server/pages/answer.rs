//! Answers, and the headers of all of them.

use askama::Template;
use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use tracing::warn;

use crate::{
    db::server::DbError,
    server::{
        app::{App, Server},
        streams::{Full, RETRY_AFTER},
    },
    web::{Page, Site, asset::Asset, trouble::TroublePage},
};

/// What a browser may do with anything that comes from here: load its own files, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// Why there is no page.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is not there, or not for this viewer: the same to whoever asks.
    Missing,
    /// Too many are being served already: to this client, or in all.
    Full(Full),
    /// What is wrong is written to the log and told nobody.
    Broken(String),
}

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<Full> for Trouble {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

impl From<askama::Error> for Trouble {
    fn from(error: askama::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Server {
    /// Where its pages are.
    pub(super) fn site(&self) -> Site {
        Site::at(&self.config().url)
    }
}

/// A number in an address.
pub(super) fn number(text: &str) -> Result<i64, Trouble> {
    text.parse().map_err(|_| Trouble::Missing)
}

/// A page, or what is shown instead of it.
pub(super) fn page<T: Template>(app: &App, page: Result<T, Trouble>) -> Response {
    let html = page.and_then(|page| Ok(page.render()?));
    or_trouble(app, html.map(|html| Html(html).into_response()))
}

/// An answer, or what is shown instead of it.
pub(super) fn or_trouble(app: &App, answer: Result<Response, Trouble>) -> Response {
    let trouble = match answer {
        Ok(answer) => return answer,
        Err(trouble) => trouble,
    };
    let retry_after = match &trouble {
        Trouble::Full(_) => Some([(header::RETRY_AFTER, RETRY_AFTER)]),
        Trouble::Missing | Trouble::Broken(_) => None,
    };
    let (status, title, text) = match trouble {
        Trouble::Missing => (
            StatusCode::NOT_FOUND,
            "Not here",
            "There is nothing at this address, or nothing that you may see.",
        ),
        Trouble::Full(full) => (
            full.status(),
            "Busy",
            "Too many pages are being kept up to date. This one does not update itself.",
        ),
        Trouble::Broken(error) => {
            warn!(error, "a page is not there");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something is wrong",
                "The server cannot read what this page needs. Its log says why.",
            )
        }
    };
    let page = TroublePage {
        page: Page::new(&app.site(), title),
        text,
    };
    let html = page.render().unwrap_or_else(|_| title.to_owned());
    (status, retry_after, Html(html)).into_response()
}

/// What is at no address of the server.
pub(super) async fn nothing_here(State(app): State<App>) -> Response {
    or_trouble(&app, Err(Trouble::Missing))
}

/// A file that goes with pages.
pub(super) async fn asset(State(app): State<App>, Path(name): Path<String>) -> Response {
    let Some(asset) = Asset::named(&name) else {
        return or_trouble(&app, Err(Trouble::Missing));
    };
    let headers = [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.content).into_response()
}

/// Adds what every answer has.
pub(super) async fn with_headers(mut answer: Response<Body>) -> Response<Body> {
    let headers = answer.headers_mut();
    let mut always = |name: &'static str, value: &'static str| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    };
    always("content-security-policy", POLICY);
    always("x-content-type-options", "nosniff");
    always("referrer-policy", "same-origin");
    always("cross-origin-opener-policy", "same-origin");
    // Others may see another page at the same address.
    always("vary", "authorization");
    unless_said(headers, header::CACHE_CONTROL, "private, no-cache");
    answer
}

fn unless_said(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers
        .entry(name)
        .or_insert(HeaderValue::from_static(value));
}
