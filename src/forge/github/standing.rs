//! What GitHub says of whoever asks: who that is, and which rights are missing.

use std::collections::HashMap;

use reqwest::Method;
use serde::Deserialize;

use super::{
    EVENTS,
    manifest::{APP_EVENTS, PERMISSIONS},
};
use crate::forge::{
    ForgeError, Standing,
    http::{Call, Sender, Session, read},
};

/// Who a token belongs to. GitHub tells the scopes of the older ones only.
pub(super) async fn of_token(session: &Session) -> Result<Standing, ForgeError> {
    #[derive(Deserialize)]
    struct Answer {
        login: String,
    }
    let call = Call {
        method: Method::GET,
        path: "/user",
        body: None,
        etag: None,
    };
    let answer = session.send(call).await?;
    let user: Answer = read("the user", answer.body)?;
    let told = answer.scopes.filter(|scopes| !scopes.is_empty());
    let has = |scope: &str| {
        let scopes = told.as_deref().unwrap_or_default();
        scopes.split(',').any(|has| has.trim() == scope)
    };
    let may_tell = has("repo") || has("repo:status") || has("public_repo");
    let may_hook = has("repo") || has("admin:repo_hook") || has("write:repo_hook");
    let mut missing = Vec::new();
    if told.is_some() {
        let wanted = [(may_tell, "repo:status"), (may_hook, "admin:repo_hook")];
        let wanted = wanted.into_iter().filter(|(has, _)| !has);
        missing.extend(wanted.map(|(_, scope)| scope.to_owned()));
    }
    Ok(Standing {
        who: user.login,
        missing,
        is_told: told.is_some(),
    })
}

/// What an App may do and is told of.
pub(super) async fn of_app(own: &dyn Sender) -> Result<Standing, ForgeError> {
    #[derive(Deserialize)]
    struct Answer {
        name: String,
        permissions: HashMap<String, String>,
        events: Vec<String>,
    }
    let app: Answer = read("the App", own.get("/app").await?)?;
    let may = |what: &str, right: &str| {
        let has = app.permissions.get(what).map(String::as_str);
        has == Some("admin") || has == Some("write") || has == Some(right)
    };
    let rights = PERMISSIONS
        .into_iter()
        .filter(|(what, right)| !may(what, right))
        .map(|(what, right)| format!("{what}: {right}"));
    let events = EVENTS
        .into_iter()
        .chain(APP_EVENTS)
        .filter(|event| !app.events.iter().any(|has| has == event))
        .map(|event| format!("the event {event}"));
    Ok(Standing {
        who: app.name.clone(),
        missing: rights.chain(events).collect(),
        is_told: true,
    })
}
