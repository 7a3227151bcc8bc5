//! The webhooks of a project: made, repaired, and what GitLab could not deliver by them.
//!
//! <https://docs.gitlab.com/api/project_webhooks/>. What was sent in the last seven days GitLab tells since 17.3, and sends it
//! again since 17.4, five times a minute at most. While it has a webhook switched off it sends nothing and notes nothing.

use std::collections::HashSet;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::forge::{
    FailedDelivery, ForgeError, HookState, HookWish, KnownHook, SeenHook,
    hook::payload::Numbered,
    http::{Sender, read},
    signature::SIGNING_TOKEN,
};

/// What a webhook has to tell.
const EVENTS: [&str; 4] = [
    "push_events",
    "tag_push_events",
    "merge_requests_events",
    "note_events",
];
/// What did not arrive: refused, broken here, or no answer at all. Each has its whole body with it, so there are few on a page.
const FAILED: &str = "status=client_failure,server_failure&per_page=10";

/// What about a webhook is not as it should be.
fn wrong(listed: &Value, url: &str) -> Option<String> {
    let is_told = |event: &&str| listed[event] == true;
    let silent: Vec<&str> = EVENTS.into_iter().filter(|event| !is_told(event)).collect();
    let filter = listed["push_events_branch_filter"].as_str();
    let template = listed["custom_webhook_template"].as_str();
    let status = listed.get("alert_status").and_then(Value::as_str);
    let wrong = if listed["url"] != url {
        "it goes elsewhere".to_owned()
    } else if status.is_some_and(|status| status != "executable") {
        // Until somebody saves it.
        "GitLab has switched it off, as it failed too often".to_owned()
    } else if listed["enable_ssl_verification"] == false {
        "it does not look at the certificate".to_owned()
    } else if filter.is_some_and(|filter| !filter.is_empty()) {
        "it tells of some branches only".to_owned()
    } else if template.is_some_and(|template| !template.is_empty()) {
        "it sends a body of its own form".to_owned()
    } else if !silent.is_empty() {
        format!("it does not tell of {}", silent.join(", "))
    } else {
        return None;
    };
    Some(wrong)
}

/// Makes a project send its webhooks to where they should go, or repairs that. `path` is that of all its webhooks.
pub(super) async fn ensure(
    session: &dyn Sender,
    path: &str,
    hook: &HookWish,
) -> Result<KnownHook, ForgeError> {
    let all: Vec<Value> = session
        .list("webhooks", &format!("{path}?per_page=100"))
        .await?;
    let find = |field: &str, value: Value| all.iter().find(|listed| listed[field] == value);
    let found = find("url", json!(hook.url)).or_else(|| find("id", json!(hook.id?)));
    // GitLab makes signing tokens itself, so that such a webhook begins in its pages.
    let is_signed = hook.secret.expose_secret().starts_with(SIGNING_TOKEN);
    let mut body = json!({ "url": hook.url, "enable_ssl_verification": true });
    if !is_signed {
        body["token"] = json!(hook.secret.expose_secret());
    }
    for event in EVENTS {
        body[event] = json!(true);
    }
    let Some(found) = found else {
        if is_signed {
            return Err(ForgeError::Refused(format!(
                "GitLab makes signing tokens itself: add a webhook to {} there, and put its token in the first \
                `webhook_secret_file`",
                hook.url
            )));
        }
        let made: Numbered = read("a webhook", session.post(path, &body).await?)?;
        return Ok(KnownHook {
            id: made.id,
            state: HookState::Made,
        });
    };
    let is_right = wrong(found, &hook.url).is_none();
    let Numbered { id } = read("a webhook", found.clone())?;
    if is_right && (is_signed || !hook.is_secret_new) {
        let state = HookState::Kept;
        return Ok(KnownHook { id, state });
    }
    body["push_events_branch_filter"] = json!("");
    if found.get("custom_webhook_template").is_some() {
        // Older versions know no such thing.
        body["custom_webhook_template"] = json!("");
    }
    session.put(&format!("{path}/{id}"), &body).await?;
    let state = HookState::Repaired;
    Ok(KnownHook { id, state })
}

/// The webhook that goes to an address.
pub(super) async fn see(
    session: &dyn Sender,
    path: &str,
    url: &str,
) -> Result<Option<SeenHook>, ForgeError> {
    let all: Vec<Value> = session
        .list("webhooks", &format!("{path}?per_page=100"))
        .await?;
    let Some(found) = all.iter().find(|listed| listed["url"] == url) else {
        return Ok(None);
    };
    let Numbered { id } = read("a webhook", found.clone())?;
    let sent = session.get(&format!("{path}/{id}/events?per_page=1")).await;
    let sent: Vec<Sent> = match sent {
        Ok(answer) => read("deliveries", answer)?,
        // An older version.
        Err(ForgeError::Missing(_)) => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Some(SeenHook {
        url: url.to_owned(),
        wrong: wrong(found, url),
        last: sent.first().map(|last| {
            let status = &last.response_status;
            let arrived = status.len() == 3 && status.starts_with('2');
            let number = status.parse::<u16>();
            let text = number.map_or_else(|_| status.clone(), |number| format!("HTTP {number}"));
            (arrived, text)
        }),
    }))
}

/// What GitLab has sent.
#[derive(Deserialize)]
struct Sent {
    id: u64,
    /// A number, or `internal error` where there was no answer.
    response_status: String,
    request_headers: Headers,
    /// Some versions do not tell it.
    created_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Headers {
    /// What it is called each time it is sent; see [`crate::forge::verify`].
    #[serde(rename = "Idempotency-Key")]
    key: Option<String>,
    #[serde(rename = "X-Gitlab-Event")]
    event: Option<String>,
}

/// The deliveries below this path since then of which no attempt arrived, oldest first.
pub(super) async fn failed(
    session: &dyn Sender,
    path: &str,
    since: Timestamp,
) -> Result<Vec<FailedDelivery>, ForgeError> {
    let mut failed: Vec<FailedDelivery> = Vec::new();
    let mut seen = HashSet::new();
    let path = format!("{path}?{FAILED}");
    let looked = session.pages(&path, |answer| {
        let page: Vec<Sent> = read("deliveries", answer)?;
        let mut is_recent = !page.is_empty();
        // Newest first. One that arrived later is known here, and not asked for.
        for sent in page {
            is_recent = sent.created_at.is_none_or(|at| at >= since);
            if let Some(guid) = sent.request_headers.key
                && is_recent
                && seen.insert(guid.clone())
            {
                failed.push(FailedDelivery {
                    id: sent.id,
                    guid,
                    event: sent.request_headers.event.unwrap_or_default(),
                });
            }
        }
        Ok(is_recent)
    });
    match looked.await {
        // An older version: what moved is found without.
        Err(ForgeError::Missing(_)) => return Ok(Vec::new()),
        looked => looked?,
    }
    failed.reverse();
    Ok(failed)
}
