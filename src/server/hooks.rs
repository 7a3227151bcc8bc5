//! The webhooks of the repositories, and of the App: made, repaired, and what never arrived by them asked for again.
//!
//! No forge tells the secret of a webhook. So which one each was given is remembered, as a digest, beside the database: a
//! secret that was changed while the server was down comes to the forge, too.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tracing::{info, warn};

use super::{app::App, connection::as_forge};
use crate::{
    config::{Access, ForgeConfig, write_file},
    db::server::Repository,
    forge::{ForgeApi, ForgeError, HookOwner, HookState, HookWish},
    nix::hex,
};

/// For how long GitHub delivers again what it could not.
pub(super) const REDELIVERED_FOR: SignedDuration = SignedDuration::from_hours(72);
/// The name of the file.
const FILE: &str = "webhooks.json";
/// What the App's webhook is called there: no forge calls a repository so.
const APP: &str = "app";
/// What makes the digest of a secret one of this file's.
const DOMAIN: &[u8] = b"nixci webhook";

/// What a webhook was given last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    /// What the forge calls the webhook.
    hook: u64,
    /// The digest of its secret.
    secret: String,
}

/// By forge, and by what that calls a repository.
type AllGiven = BTreeMap<String, BTreeMap<String, Given>>;

/// What the webhooks of all repositories were given last.
#[derive(Debug)]
pub(super) struct Hooks {
    file: PathBuf,
    given: Mutex<AllGiven>,
}

impl Hooks {
    /// Reads the file. Without it all webhooks are given their secret once more.
    pub(super) fn load(state_dir: &Path) -> Self {
        let file = state_dir.join(FILE);
        let read = fs::read(&file).and_then(|text| Ok(serde_json::from_slice(&text)?));
        let given = read.unwrap_or_else(|error: io::Error| {
            if error.kind() != io::ErrorKind::NotFound {
                let file = file.display();
                warn!(%file, %error, "which webhooks there are is not known; they are made sure of");
            }
            BTreeMap::new()
        });
        let given = Mutex::new(given);
        Self { file, given }
    }

    fn lock(&self) -> MutexGuard<'_, AllGiven> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a webhook was given; of the repository that the forge calls `of`, or the App's.
    fn get(&self, forge: &str, of: &str) -> Option<Given> {
        self.lock().get(forge)?.get(of).cloned()
    }

    /// Remembers what a webhook was given.
    fn set(&self, forge: &str, of: &str, given: Given) {
        let mut all = self.lock();
        let of_forge = all.entry(forge.to_owned()).or_default();
        let before = of_forge.insert(of.to_owned(), given);
        if before.as_ref() == of_forge.get(of) {
            return;
        }
        let text = serde_json::to_vec(&*all).unwrap_or_default();
        if let Err(error) = write_file(&self.file, &text) {
            // After the next start the webhooks are given the same once more.
            let file = self.file.display();
            warn!(%file, %error, "which webhooks there are is not written down");
        }
    }
}

/// The digest of a secret, which does not tell it.
fn digest(secret: &SecretString) -> String {
    let key = secret.expose_secret().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key has any length");
    mac.update(DOMAIN);
    hex(&mac.finalize().into_bytes())
}

/// Sees to the webhook of an App, by which all its repositories tell.
pub(super) async fn see_to_app(
    app: &App,
    name: &str,
    forge: &ForgeConfig,
    hooks: &Hooks,
) -> Result<(), ForgeError> {
    let (Access::App { .. }, Some(secret)) = (&forge.access, forge.webhook_secrets.first()) else {
        return Ok(());
    };
    let Some(api) = app.connections().get(name) else {
        return Ok(());
    };
    let digest = digest(secret);
    let given = hooks.get(name, APP);
    let wish = wish(app, name, secret, given.as_ref(), &digest);
    let Some(state) = api.ensure_app_hook(&wish).await? else {
        return Ok(());
    };
    if state != HookState::Kept {
        info!(forge = name, ?state, "the App's webhook");
    }
    // It has no number, since there is but one.
    let given = Given {
        hook: 0,
        secret: digest,
    };
    hooks.set(name, APP, given);
    Ok(())
}

/// How a webhook of a forge should be.
fn wish(
    app: &App,
    forge: &str,
    secret: &SecretString,
    given: Option<&Given>,
    digest: &str,
) -> HookWish {
    HookWish {
        url: format!("{}webhook/{forge}", app.config().url),
        secret: secret.clone(),
        is_secret_new: given.is_none_or(|given| given.secret != digest),
        id: given.map(|given| given.hook),
    }
}

/// Sees to the webhook of a repository, if it has one of its own, and to what did not arrive by it.
pub(super) async fn see_to(
    app: &App,
    forge: &ForgeConfig,
    repository: &Repository,
    hooks: &Hooks,
) -> Result<(), ForgeError> {
    let name = &repository.seen.forge;
    let api = app.connections().get(name);
    // An app of GitHub's has one webhook for all.
    let has_own = repository.seen.installation.is_none();
    let (Some(api), Some(secret), true) = (api, forge.webhook_secrets.first(), has_own) else {
        return Ok(());
    };
    let of = &repository.seen.forge_id;
    let digest = digest(secret);
    let wish = wish(app, name, secret, hooks.get(name, of).as_ref(), &digest);
    let known = as_forge(&repository.seen)?;
    let hook = api.ensure_hook(&known, &wish).await?;
    if hook.state != HookState::Kept {
        info!(repository = repository.seen.full_name, state = ?hook.state, "webhook");
    }
    let given = Given {
        hook: hook.id,
        secret: digest,
    };
    hooks.set(name, of, given);
    // What is new has nothing that did not arrive.
    if hook.state != HookState::Made {
        let of = HookOwner::Repository(&known, hook.id);
        if let Err(error) = redeliver(app, name, &*api, of).await {
            warn!(repository = repository.seen.full_name, %error, "failed deliveries are not looked for");
        }
    }
    Ok(())
}

/// Has delivered again what the forge could not deliver and what is not known here.
pub(super) async fn redeliver(
    app: &App,
    name: &str,
    api: &dyn ForgeApi,
    of: HookOwner<'_>,
) -> Result<(), ForgeError> {
    let since = Timestamp::now().saturating_sub(REDELIVERED_FOR);
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
    for failed in api.failed_deliveries(of, since).await? {
        let is_known = app
            .db
            .knows_delivery(name.to_owned(), failed.guid.clone())
            .await;
        if !matches!(is_known, Ok(false)) {
            continue;
        }
        let (delivery, event) = (&failed.guid, &failed.event);
        match api.redeliver(of, failed.id).await {
            Ok(()) => info!(forge = name, delivery, event, "asked for once more"),
            Err(error @ ForgeError::Later { .. }) => return Err(error),
            Err(error) => {
                warn!(forge = name, delivery, event, %error, "cannot be had once more");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Given, Hooks};

    #[test]
    fn what_was_given_is_known_after_a_restart_and_no_secret_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let given = Given {
            hook: 3,
            secret: super::digest(&"a secret".into()),
        };
        Hooks::load(dir.path()).set("work", "12", given.clone());
        let again = Hooks::load(dir.path());
        assert_eq!(again.get("work", "12"), Some(given));
        assert_eq!(again.get("work", "13"), None);
        assert_eq!(again.get("hub", "12"), None);
        let text = std::fs::read_to_string(dir.path().join(super::FILE)).unwrap();
        assert!(!text.contains("a secret"), "{text}");
    }

    #[test]
    fn a_file_that_is_none_is_as_good_as_no_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(super::FILE), "{\"work\": 3").unwrap();
        assert_eq!(Hooks::load(dir.path()).get("work", "12"), None);
    }
}
