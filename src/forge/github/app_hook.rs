//! The webhook of an App: one for all repositories that it was let into.
//!
//! <https://docs.github.com/en/rest/apps/webhooks>. Which events it tells is set with the App's rights, in GitHub's pages alone.

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::forge::{
    ForgeError, HookState, HookWish, SeenHook,
    http::{Sender, read},
};

const PATH: &str = "/app/hook/config";

/// What is set of it. GitHub shows no secret.
#[derive(Deserialize)]
struct Config {
    url: Option<String>,
    content_type: Option<String>,
    insecure_ssl: Option<Value>,
}

impl Config {
    /// What about it is not as it should be, if it is to go to `url`.
    fn wrong(&self, url: &str) -> Option<String> {
        let verifies = match &self.insecure_ssl {
            None => true,
            Some(insecure) => *insecure == "0" || *insecure == 0,
        };
        let wrong = if self.url.as_deref() != Some(url) {
            "it goes elsewhere"
        } else if self.content_type.as_deref() != Some("json") {
            "it sends no JSON"
        } else if !verifies {
            "it does not look at the certificate"
        } else {
            return None;
        };
        Some(wrong.to_owned())
    }
}

async fn config(own: &dyn Sender) -> Result<Config, ForgeError> {
    read("the App's webhook", own.get(PATH).await?)
}

/// How it is.
pub(super) async fn see(own: &dyn Sender, url: &str) -> Result<SeenHook, ForgeError> {
    #[derive(Deserialize)]
    struct Delivery {
        status_code: u16,
        status: String,
    }
    let config = config(own).await?;
    let last = own.get("/app/hook/deliveries?per_page=1").await?;
    let last: Vec<Delivery> = read("deliveries", last)?;
    Ok(SeenHook {
        wrong: config.wrong(url),
        url: config.url.unwrap_or_default(),
        last: last.first().map(|last| {
            let arrived = (200..300).contains(&last.status_code);
            (
                arrived,
                format!("HTTP {} {}", last.status_code, last.status),
            )
        }),
    })
}

/// Makes it as it should be.
pub(super) async fn ensure(own: &dyn Sender, hook: &HookWish) -> Result<HookState, ForgeError> {
    let config = config(own).await?;
    let wrong = config.wrong(&hook.url);
    if wrong.is_none() && !hook.is_secret_new {
        return Ok(HookState::Kept);
    }
    if let Some(before) = config.url.filter(|before| *before != hook.url) {
        // Another server may have been told by it until now.
        tracing::warn!(before, url = hook.url, "the App's webhook went elsewhere");
    }
    let body = json!({
        "url": hook.url,
        "content_type": "json",
        "secret": hook.secret.expose_secret(),
        "insecure_ssl": "0",
    });
    own.patch(PATH, &body).await?;
    Ok(HookState::Repaired)
}
