//! The forges, as the server uses them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use crate::{
    config::{Access, ForgeConfig, ForgeSoftware, ServerConfig},
    db::server::{DueStatus, Repository},
    forge::{
        self, AppKey, CommitStatus, ForgeApi, ForgeError, Gitea, Github, Gitlab, IdentError,
        StatusPlace,
    },
};

/// The forges of a configuration, each spoken to through one client, which keeps its tokens.
#[derive(Debug, Default)]
pub(super) struct Connections {
    clients: Mutex<HashMap<String, Arc<dyn ForgeApi>>>,
}

impl Connections {
    /// The client of a forge; none where the server has no access.
    pub(super) fn client(
        &self,
        config: &ServerConfig,
        name: &str,
    ) -> Result<Option<Arc<dyn ForgeApi>>, ForgeError> {
        let Some(forge) = config.forges.get(name) else {
            return Err(ForgeError::Refused(
                "the forge is no longer configured".into(),
            ));
        };
        let mut clients = self
            .clients
            .lock()
            .expect("nothing panics while it is held");
        if let Some(client) = clients.get(name) {
            return Ok(Some(Arc::clone(client)));
        }
        let client = open(forge)?;
        if let Some(client) = &client {
            clients.insert(name.to_owned(), Arc::clone(client));
        }
        Ok(client)
    }

    /// Tells a forge the state of a context.
    pub(super) async fn set_status(
        &self,
        config: &ServerConfig,
        repository: &Repository,
        due: &DueStatus,
    ) -> Result<(), ForgeError> {
        let Some(client) = self.client(config, &due.forge)? else {
            return Ok(());
        };
        let refused = |error: IdentError| ForgeError::Refused(error.to_string());
        let place = StatusPlace {
            repository: known(repository).map_err(refused)?,
            commit: due.commit.parse().map_err(refused)?,
            branch: None,
            pipeline: None,
            target_url: Some(due.row.target_url.clone()),
        };
        let status = CommitStatus {
            context: due.row.context.clone(),
            state: super::texts::state_of(&due.row.state),
            description: due.row.description.clone(),
        };
        client.set_status(&place, &status).await
    }
}

/// Prepares to speak with a forge.
fn open(forge: &ForgeConfig) -> Result<Option<Arc<dyn ForgeApi>>, ForgeError> {
    let base = forge.api_url.as_str();
    Ok(Some(match (&forge.access, forge.kind) {
        (Access::None, _) | (_, ForgeSoftware::Plain) => return Ok(None),
        (Access::App { id, key }, _) => {
            let key = AppKey::new(&id.to_string(), key)?;
            Arc::new(Github::with_app(base, key)?)
        }
        (Access::Token(token), ForgeSoftware::Github) => {
            Arc::new(Github::with_token(base, token.clone())?)
        }
        (Access::Token(token), ForgeSoftware::Gitea) => Arc::new(Gitea::new(base, token.clone())?),
        (Access::Token(token), ForgeSoftware::Forgejo) => {
            Arc::new(Gitea::forgejo(base, token.clone())?)
        }
        (Access::Token(token), ForgeSoftware::Gitlab) => {
            Arc::new(Gitlab::new(base, token.clone())?)
        }
    }))
}

/// A repository as its forge knows it.
fn known(repository: &Repository) -> Result<forge::Repository, IdentError> {
    let seen = &repository.seen;
    Ok(forge::Repository {
        id: seen.forge_id.clone(),
        full_name: seen.full_name.parse()?,
        default_branch: Some(seen.default_branch.clone()),
        is_private: seen.private,
        installation: seen.installation.as_ref().and_then(|id| id.parse().ok()),
    })
}
