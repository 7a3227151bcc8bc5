//! Making a GitHub App by one click: what it is to be is handed to GitHub, and its keys are had for a code.
//!
//! <https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest>

use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::EVENTS;
use crate::forge::{
    ForgeError,
    http::{Call, Http, read},
};

/// How long the name of an App may be, in characters.
const NAME_CHARS: usize = 34;
/// How long a code may be.
const CODE_CHARS: usize = 100;
/// The events that only an App is told of, besides those of a webhook.
pub(super) const APP_EVENTS: [&str; 3] = ["check_run", "check_suite", "public"];
/// What an App may do, and no more.
pub(super) const PERMISSIONS: [(&str, &str); 7] = [
    ("checks", "write"),
    ("contents", "read"),
    // Commands in comments.
    ("issues", "read"),
    ("merge_queues", "read"),
    ("metadata", "read"),
    ("pull_requests", "read"),
    ("statuses", "write"),
];

/// An App as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppWish {
    /// What it is called; cut to what GitHub takes. Whoever makes it can change that.
    pub name: String,
    /// The page of the server that it belongs to.
    pub url: String,
    /// Where its webhooks go.
    pub hook_url: String,
    /// Where GitHub sends whoever has made it, with a code.
    pub redirect_url: String,
}

impl AppWish {
    /// The manifest, as JSON.
    pub fn manifest(&self) -> Value {
        let events: Vec<&str> = EVENTS.into_iter().chain(APP_EVENTS).collect();
        let permissions: serde_json::Map<String, Value> = PERMISSIONS
            .into_iter()
            .map(|(what, right)| (what.to_owned(), json!(right)))
            .collect();
        json!({
            "name": self.name.chars().take(NAME_CHARS).collect::<String>(),
            "description": "Builds the checks of flakes",
            "url": self.url,
            "hook_attributes": { "url": self.hook_url, "active": true },
            "redirect_url": self.redirect_url,
            "public": false,
            "default_events": events,
            "default_permissions": permissions,
        })
    }
}

/// An App that was made.
#[derive(Clone, Debug)]
pub struct MadeApp {
    /// Its number.
    pub id: u64,
    /// Its name in addresses.
    pub slug: String,
    /// Its private key, in PEM.
    pub key: SecretString,
    /// What it is called where people log in by it.
    pub client_id: SecretString,
    /// What proves there that it is this App.
    pub client_secret: SecretString,
    /// What its webhooks are signed with.
    pub webhook_secret: SecretString,
}

/// Takes an App over from the interface at `base`, for the code that came with whoever made it. GitHub gives it once, within
/// an hour.
pub async fn make_app(base: &str, code: &str) -> Result<MadeApp, ForgeError> {
    #[derive(Deserialize)]
    struct Made {
        id: u64,
        slug: Option<String>,
        pem: String,
        client_id: String,
        client_secret: String,
        webhook_secret: Option<String>,
    }
    let is_code = !code.is_empty()
        && code.len() <= CODE_CHARS
        && code
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if !is_code {
        return Err(ForgeError::Refused(
            "this is no code of GitHub's".to_owned(),
        ));
    }
    let call = Call {
        method: Method::POST,
        path: &format!("/app-manifests/{code}/conversions"),
        body: None,
        etag: None,
    };
    let answer = Http::new(base)?.send(call, None).await?;
    let made: Made = read("the App that was made", answer.body)?;
    let is_slug = |slug: &String| slug.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let missing = || ForgeError::Refused("GitHub gave the App no webhook secret".to_owned());
    Ok(MadeApp {
        id: made.id,
        slug: made.slug.filter(is_slug).unwrap_or_default(),
        key: made.pem.into(),
        client_id: made.client_id.into(),
        client_secret: made.client_secret.into(),
        webhook_secret: made.webhook_secret.ok_or_else(missing)?.into(),
    })
}
