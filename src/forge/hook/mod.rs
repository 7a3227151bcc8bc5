//! Reads webhooks: the bytes of any forge become one [`HookEvent`].
//!
//! Pure. Takes only what [`super::verify`] believed, and believes it no further than that: names are checked, texts are
//! bounded, unknown fields are passed over, and an event that nobody asked for is [`HookEvent::Ignored`], no error.

mod event;
mod gitea;
mod github;
pub(super) mod gitlab;
mod ident;
pub(super) mod payload;
mod plain;

use std::borrow::Cow;

pub use event::{
    Asked, CheckAction, CheckName, Comment, HookEvent, InstallationChange, MergeGroup, PullRequest,
    PullRequestAction, Push, Repository, RepositoryChange, Rerun, User,
};
pub(super) use ident::bounded;
pub use ident::{CommitId, GitRef, IdentError, Login, RepositoryName};
use serde::de::DeserializeOwned;

use super::{
    signature::{Headers, HookKind},
    status::cut,
};

/// How large a webhook may be, in bytes: GitHub sends no larger ones.
pub const HOOK_BYTES: usize = 25 << 20;
/// How much of the reader's complaint is told, in characters: it quotes the payload.
const COMPLAINT_CHARS: usize = 200;

/// Why a webhook cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// It does not say what it is about.
    #[error("the header {header} is missing: is this the webhook of another kind of forge?")]
    NoEvent {
        /// Where that should be.
        header: &'static str,
    },
    /// It is a form without the field `payload`.
    #[error("the form has no field `payload`: set the webhook's content type to JSON")]
    NoPayload,
    /// It is not what such an event should be.
    #[error("the payload of the event `{event}` is not as expected: {complaint}")]
    Malformed {
        /// Which event.
        event: String,
        /// What the reader says.
        complaint: String,
    },
}

/// Reads a webhook whose signature was verified.
pub fn parse_hook(
    kind: HookKind,
    headers: Headers<'_>,
    body: &[u8],
) -> Result<HookEvent, HookError> {
    let payload = payload_of(headers, body)?;
    match kind {
        HookKind::Github => github::parse(event_of(headers, &["X-GitHub-Event"])?, &payload),
        HookKind::Gitea => gitea::parse(event_of(headers, &["X-Gitea-Event"])?, &payload),
        HookKind::Forgejo => {
            let names = ["X-Forgejo-Event", "X-Gitea-Event"];
            gitea::parse(event_of(headers, &names)?, &payload)
        }
        HookKind::Gitlab => gitlab::parse(&payload),
        HookKind::Plain => plain::parse(&payload),
    }
}

/// The JSON of a body, which may be in a form.
fn payload_of<'a>(headers: Headers<'_>, body: &'a [u8]) -> Result<Cow<'a, [u8]>, HookError> {
    let form = b"application/x-www-form-urlencoded";
    let content_type = headers("content-type").unwrap_or_default();
    let is_form = content_type
        .get(..form.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(form));
    if !is_form {
        return Ok(Cow::Borrowed(body));
    }
    url::form_urlencoded::parse(body)
        .find(|(name, _)| name == "payload")
        .map(|(_, payload)| Cow::Owned(payload.into_owned().into_bytes()))
        .ok_or(HookError::NoPayload)
}

/// The event, from the first of these headers that is there.
fn event_of<'a>(headers: Headers<'a>, names: &[&'static str]) -> Result<&'a str, HookError> {
    names
        .iter()
        .find_map(|name| headers(&name.to_ascii_lowercase()))
        .and_then(|event| std::str::from_utf8(event).ok())
        .filter(|event| !event.is_empty())
        .ok_or(HookError::NoEvent { header: names[0] })
}

/// Reads the payload of an event.
fn read<T: DeserializeOwned>(event: &str, payload: &[u8]) -> Result<T, HookError> {
    serde_json::from_slice(payload).map_err(|error| malformed(event, &error.to_string()))
}

fn malformed(event: &str, complaint: &str) -> HookError {
    HookError::Malformed {
        event: cut(event, COMPLAINT_CHARS),
        complaint: cut(complaint, COMPLAINT_CHARS),
    }
}

/// An event that leads to nothing; `action` may be empty.
fn ignored(event: &str, action: &str) -> HookEvent {
    let why = format!("nothing is to be done for the event {event} {action}");
    HookEvent::Ignored {
        why: cut(why.trim_end(), COMPLAINT_CHARS),
    }
}

/// Takes whatever a stranger may send, for `fuzz/`: the first byte chooses the forge, the first line the event.
#[doc(hidden)]
pub fn fuzz_hook(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    let kinds = [
        HookKind::Github,
        HookKind::Gitea,
        HookKind::Forgejo,
        HookKind::Gitlab,
        HookKind::Plain,
    ];
    let kind = kinds[usize::from(*choice) % kinds.len()];
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (event, body) = rest.split_at(end.unwrap_or(rest.len()));
    let form = b"application/x-www-form-urlencoded".as_slice();
    let headers = |name: &str| match name {
        "content-type" => Some(form).filter(|_| *choice >= 128),
        _ => Some(event),
    };
    match parse_hook(kind, &headers, body) {
        Ok(event) => {
            let repository = event.repository();
            assert!(repository.is_none_or(|repository| !repository.id.is_empty()));
        }
        Err(error) => assert!(error.to_string().chars().count() <= 500),
    }
}

#[cfg(test)]
mod tests;
