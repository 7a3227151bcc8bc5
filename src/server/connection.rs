//! The forges, as the server uses them.

use crate::{
    config::{Access, ForgeSoftware, ServerConfig},
    db::server::{DueStatus, Repository},
    forge::{CiJob, CommitStatus, Forge, ForgeError, Gitea, Github, Gitlab},
};

/// The forges of a configuration.
#[derive(Debug, Default)]
pub(super) struct Connections;

impl Connections {
    /// Tells a forge the state of a context.
    pub(super) async fn set_status(
        &self,
        config: &ServerConfig,
        repository: &Repository,
        due: &DueStatus,
    ) -> Result<(), ForgeError> {
        let Some(forge) = config.forges.get(&due.forge) else {
            return Err(ForgeError::Refused(
                "the forge is no longer configured".into(),
            ));
        };
        let Access::Token(token) = &forge.access else {
            return Ok(());
        };
        let job = CiJob {
            api_url: forge.api_url.as_str().trim_end_matches('/').to_owned(),
            repository: if forge.kind == ForgeSoftware::Gitlab {
                repository.seen.forge_id.clone()
            } else {
                repository.seen.full_name.clone()
            },
            revision: due.commit.clone(),
            branch: None,
            pipeline: None,
            target_url: Some(due.row.target_url.clone()),
            token: token.clone(),
        };
        let client: Box<dyn Forge> = match forge.kind {
            ForgeSoftware::Github => Box::new(Github::new(&job)?),
            ForgeSoftware::Gitea | ForgeSoftware::Forgejo => Box::new(Gitea::new(&job)?),
            ForgeSoftware::Gitlab => Box::new(Gitlab::new(&job)?),
            ForgeSoftware::Plain => return Ok(()),
        };
        let status = CommitStatus {
            context: due.row.context.clone(),
            state: super::texts::state_of(&due.row.state),
            description: due.row.description.clone(),
        };
        client.set_status(&status).await
    }
}
