//! Takes webhooks: verified on their raw bytes, written down, and answered, in that order.

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use tracing::{debug, info, warn};

use super::{
    app::App,
    client::Client,
    webhook_body::{Unread, read},
};
use crate::{
    config::{ForgeConfig, ForgeSoftware},
    db::server::NewDelivery,
    forge::{HookKind, SignatureError, verify},
};

/// How long the name of an event may be, in bytes.
const EVENT_BYTES: usize = 100;

/// Takes the webhook of a forge, by its name in the configuration.
pub(super) async fn take(
    State(app): State<App>,
    Path(name): Path<String>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let config = app.config();
    let Some(forge) = config.forges.get(&name) else {
        return answer(StatusCode::NOT_FOUND, "no forge of this name is configured");
    };
    let (body, _place) = match read(&app.hooks, client, body).await {
        Ok(read) => read,
        Err(why) => {
            app.metrics.webhook(&name, "refused");
            return leave(&name, why);
        }
    };
    match check(forge, &headers, &body) {
        Ok(delivery) => keep(&app, &name, forge.kind, delivery, &headers, body).await,
        Err(error) => {
            app.metrics.webhook(&name, "refused");
            refuse(&app, &name, error)
        }
    }
}

/// Takes a webhook at the address it had with buildbot-nix: of whichever forge of this kind has its secret.
pub(super) async fn take_as_buildbot(
    State(app): State<App>,
    Path(dialect): Path<String>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let is_meant = |kind: ForgeSoftware| match dialect.as_str() {
        "github" => kind == ForgeSoftware::Github,
        "gitea" => matches!(kind, ForgeSoftware::Gitea | ForgeSoftware::Forgejo),
        "gitlab" => kind == ForgeSoftware::Gitlab,
        _ => false,
    };
    let (body, _place) = match read(&app.hooks, client, body).await {
        Ok(read) => read,
        Err(why) => {
            app.metrics.webhook("change_hook", "refused");
            return leave(&dialect, why);
        }
    };
    let mut last = SignatureError::NoSecret;
    for (name, forge) in &app.config().forges {
        if !is_meant(forge.kind) {
            continue;
        }
        match check(forge, &headers, &body) {
            Ok(delivery) => return keep(&app, name, forge.kind, delivery, &headers, body).await,
            // Of several forges, the one that is nearest says most.
            Err(error) => last = error,
        }
    }
    // What stands in an address is no name for a figure.
    app.metrics.webhook("change_hook", "refused");
    refuse(&app, "change_hook", last)
}

fn check(forge: &ForgeConfig, headers: &HeaderMap, body: &[u8]) -> Result<String, SignatureError> {
    let header = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    verify(
        hook_kind(forge.kind),
        &header,
        body,
        &forge.webhook_secrets,
        Timestamp::now(),
    )
    .map(|id| id.as_str().to_owned())
}

/// Whose form the webhooks of a forge have.
pub(super) fn hook_kind(kind: ForgeSoftware) -> HookKind {
    match kind {
        ForgeSoftware::Github => HookKind::Github,
        ForgeSoftware::Gitea => HookKind::Gitea,
        ForgeSoftware::Forgejo => HookKind::Forgejo,
        ForgeSoftware::Gitlab => HookKind::Gitlab,
        ForgeSoftware::Plain => HookKind::Plain,
    }
}

async fn keep(
    app: &App,
    forge: &str,
    kind: ForgeSoftware,
    delivery: String,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        value.get(..EVENT_BYTES.min(value.len())).map(str::to_owned)
    };
    let names: &[&str] = match kind {
        ForgeSoftware::Github => &["x-github-event"],
        ForgeSoftware::Gitea => &["x-gitea-event"],
        ForgeSoftware::Forgejo => &["x-forgejo-event", "x-gitea-event"],
        ForgeSoftware::Gitlab => &["x-gitlab-event"],
        ForgeSoftware::Plain => &[],
    };
    let new = NewDelivery {
        forge: forge.to_owned(),
        delivery,
        event: names.iter().find_map(|name| text(name)).unwrap_or_default(),
        content_type: text("content-type").unwrap_or_default(),
        body: body.to_vec(),
    };
    match app.db.keep_delivery(new).await {
        Ok(true) => {
            app.metrics.webhook(forge, "taken");
            app.wake.intake.notify_one();
            answer(StatusCode::ACCEPTED, "taken")
        }
        Ok(false) => {
            app.metrics.webhook(forge, "repeated");
            // Whoever brought it first may have gone away before it was known to be on disk.
            app.wake.intake.notify_one();
            answer(StatusCode::OK, "this delivery was taken before")
        }
        Err(error) => {
            app.metrics.webhook(forge, "failed");
            warn!(forge, %error, "a webhook is not taken");
            // The forge shows it, and GitHub's are fetched again.
            answer(
                StatusCode::SERVICE_UNAVAILABLE,
                "it cannot be written down now",
            )
        }
    }
}

fn leave(forge: &str, why: Unread) -> Response {
    // Anybody can have it said as often as he likes; figures count it.
    debug!(forge, %why, "a webhook is not read");
    let mut answer = answer(why.status(), &why.to_string());
    if let Some(seconds) = why.retry_after() {
        let headers = answer.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    answer
}

/// Nobody is kept out for wrong signatures: a forge sends the webhooks of all its users from the same addresses, so anybody
/// there could have those of this server refused by sending it some of his own. What keeps a secret from being guessed is its
/// length, which `nixci serve --check` looks at.
fn refuse(app: &App, forge: &str, error: SignatureError) -> Response {
    if let Some(more) = app.refusals.note(forge, error) {
        info!(forge, %error, more, "a webhook is refused");
    }
    answer(StatusCode::UNAUTHORIZED, &error.to_string())
}

fn answer(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}
