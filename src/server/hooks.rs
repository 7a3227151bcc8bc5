//! The webhooks of the repositories: made, repaired, and what never arrived by them asked for again.
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
    config::{ForgeConfig, write_file},
    db::server::{Repository, SeenRepository},
    forge::{ForgeApi, ForgeError, HookOwner, HookState, HookWish},
    nix::hex,
};

/// For how long GitHub delivers again what it could not.
pub(super) const REDELIVERED_FOR: SignedDuration = SignedDuration::from_hours(72);
/// The name of the file.
const FILE: &str = "webhooks.json";
/// What makes the digest of a secret one of this file's.
const DOMAIN: &[u8] = b"nixci webhook";

/// What the webhook of a repository was given last.
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

    /// What the webhook of a repository was given.
    fn get(&self, repository: &SeenRepository) -> Option<Given> {
        let all = self.lock();
        all.get(&repository.forge)?
            .get(&repository.forge_id)
            .cloned()
    }

    /// Remembers what the webhook of a repository was given.
    fn set(&self, repository: &SeenRepository, given: Given) {
        let mut all = self.lock();
        let of_forge = all.entry(repository.forge.clone()).or_default();
        let before = of_forge.insert(repository.forge_id.clone(), given);
        if before.as_ref() == of_forge.get(&repository.forge_id) {
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
    let given = hooks.get(&repository.seen);
    let digest = digest(secret);
    let wish = HookWish {
        url: format!("{}webhook/{name}", app.config().url),
        secret: secret.clone(),
        is_secret_new: given.as_ref().is_none_or(|given| given.secret != digest),
        id: given.as_ref().map(|given| given.hook),
    };
    let known = as_forge(&repository.seen)?;
    let hook = api.ensure_hook(&known, &wish).await?;
    if hook.state != HookState::Kept {
        info!(repository = repository.seen.full_name, state = ?hook.state, "webhook");
    }
    let given = Given {
        hook: hook.id,
        secret: digest,
    };
    hooks.set(&repository.seen, given);
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
    use crate::db::server::SeenRepository;

    fn repository(id: &str) -> SeenRepository {
        SeenRepository {
            forge: "work".to_owned(),
            forge_id: id.to_owned(),
            full_name: "acme/demo".to_owned(),
            default_branch: "main".to_owned(),
            private: false,
            installation: None,
        }
    }

    #[test]
    fn what_was_given_is_known_after_a_restart_and_no_secret_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let given = Given {
            hook: 3,
            secret: super::digest(&"a secret".into()),
        };
        Hooks::load(dir.path()).set(&repository("12"), given.clone());
        let again = Hooks::load(dir.path());
        assert_eq!(again.get(&repository("12")), Some(given));
        assert_eq!(again.get(&repository("13")), None);
        let text = std::fs::read_to_string(dir.path().join(super::FILE)).unwrap();
        assert!(!text.contains("a secret"), "{text}");
    }

    #[test]
    fn a_file_that_is_none_is_as_good_as_no_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(super::FILE), "{\"work\": 3").unwrap();
        assert_eq!(Hooks::load(dir.path()).get(&repository("12")), None);
    }
}
