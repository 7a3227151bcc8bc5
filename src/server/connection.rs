//! The forges, as the server uses them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::check_runs::{Facts, check_run, is_cancel};
use crate::{
    config::{Access, ForgeConfig, ForgeSoftware, ServerConfig},
    db::server::{DueStatus, Remote, Repository, SeenRepository},
    forge::{
        self, AppKey, CommitStatus, ForgeApi, ForgeError, Gitea, Github, Gitlab, IdentError,
        Permission, StatusPlace, User,
    },
};

/// The forges of a configuration that have an interface, by name.
#[derive(Debug, Default)]
pub(super) struct Connections {
    apis: HashMap<String, Arc<dyn ForgeApi>>,
    /// Why others cannot be asked anything, by their names.
    broken: BTreeMap<String, ForgeError>,
}

impl Connections {
    /// Prepares all; asks nothing yet. An error has the name of the forge.
    pub(super) fn new(config: &ServerConfig) -> Result<Self, (String, ForgeError)> {
        let mut connections = Self::of_what_works(config);
        match connections.broken.pop_first() {
            Some(broken) => Err(broken),
            None => Ok(connections),
        }
    }

    /// Prepares those that can be.
    pub(super) fn of_what_works(config: &ServerConfig) -> Self {
        let (mut apis, mut broken) = (HashMap::new(), BTreeMap::new());
        for (name, forge) in &config.forges {
            match connect(forge) {
                Ok(api) => {
                    apis.extend(api.map(|api| (name.clone(), api)));
                }
                Err(error) => {
                    broken.insert(name.clone(), error);
                }
            }
        }
        Self { apis, broken }
    }

    /// The forge of this name, if it has an interface.
    pub(super) fn get(&self, forge: &str) -> Option<Arc<dyn ForgeApi>> {
        self.apis.get(forge).cloned()
    }

    /// Why a forge cannot be asked anything.
    pub(super) fn broken(&self, forge: &str) -> Option<&ForgeError> {
        self.broken.get(forge)
    }

    /// Whether a forge shows check runs, which say more than a status.
    pub(super) fn has_check_runs(&self, forge: &str) -> bool {
        self.get(forge).is_some_and(|api| api.has_check_runs())
    }

    /// Tells a forge the state of a context; `facts` are for a check run. Returns that.
    pub(super) async fn set_status(
        &self,
        repository: &Repository,
        due: &DueStatus,
        facts: &Facts,
    ) -> Result<Option<Remote>, ForgeError> {
        let Some(api) = self.get(&due.forge) else {
            return Ok(None);
        };
        let place = StatusPlace {
            repository: as_forge(&repository.seen)?,
            commit: due.commit.parse().map_err(refused)?,
            branch: None,
            pipeline: None,
            target_url: Some(due.row.target_url.clone()),
        };
        if api.has_check_runs() {
            return tell_check_run(&*api, &place, due, facts).await.map(Some);
        }
        let status = CommitStatus {
            context: due.row.context.clone(),
            state: super::texts::state_of(&due.row.state),
            description: due.row.description.clone(),
        };
        if due.is_uncertain {
            // The forge may have it: the server died just then, or the answer was lost. It keeps each that it is told.
            let known = api.statuses(&place, &status.context).await?;
            let is_known = known.iter().any(|known| {
                known.context == status.context
                    && known.state == status.state
                    && known.description == status.description
            });
            if is_known {
                return Ok(None);
            }
        }
        api.set_status(&place, &status).await.map(|()| None)
    }

    /// What a user may do with a repository now; nothing where the forge has no interface to ask.
    pub(super) async fn permission(
        &self,
        repository: &Repository,
        user: &User,
    ) -> Result<Permission, ForgeError> {
        match self.get(&repository.seen.forge) {
            Some(api) => api.permission(&as_forge(&repository.seen)?, user).await,
            None => Ok(Permission::None),
        }
    }
}

/// Makes a check run, or changes the one that is there. Annotations are only ever added to those that a check run has, so
/// one that has those of another run is followed by another one of the same name, which counts instead of it.
async fn tell_check_run(
    api: &dyn ForgeApi,
    place: &StatusPlace,
    due: &DueStatus,
    facts: &Facts,
) -> Result<Remote, ForgeError> {
    let mut run = check_run(due, place.commit.clone(), facts);
    let is_cancellable = run.buttons.iter().any(is_cancel);
    let are_there = due.annotated_by.is_some() && due.annotated_by == due.run;
    let new = run.output.as_mut().map(|output| &mut output.annotations);
    let new = new.filter(|new| !new.is_empty());
    let annotated_by = due.run.filter(|_| are_there || new.is_some());
    let may_have_others =
        !are_there && (due.annotated_by.is_some() || (due.is_uncertain && new.is_some()));
    if let Some(new) = new
        && are_there
    {
        new.clear();
    }
    let id = match due.remote {
        _ if may_have_others => None,
        Some(id) => Some(id),
        // It may be there: the server died just then, or the answer was lost.
        None if due.is_uncertain => {
            let known = api.check_runs(place).await?;
            let same = known.into_iter().find(|known| known.name == run.name);
            same.map(|known| known.id)
        }
        None => None,
    };
    let id = match id {
        Some(id) => {
            api.update_check_run(&place.repository, id, &run).await?;
            id
        }
        None => api.create_check_run(&place.repository, &run).await?,
    };
    Ok(Remote {
        id,
        annotated_by,
        is_cancellable,
    })
}

fn connect(forge: &ForgeConfig) -> Result<Option<Arc<dyn ForgeApi>>, ForgeError> {
    let url = forge.api_url.as_str().trim_end_matches('/');
    Ok(match (forge.kind, &forge.access) {
        // Only GitHub knows apps; the configuration has no other.
        (ForgeSoftware::Plain, _)
        | (_, Access::None)
        | (
            ForgeSoftware::Gitea | ForgeSoftware::Forgejo | ForgeSoftware::Gitlab,
            Access::App { .. },
        ) => None,
        (ForgeSoftware::Github, Access::Token(token)) => {
            Some(Arc::new(Github::with_token(url, token.clone())?))
        }
        (ForgeSoftware::Github, Access::App { id, key }) => {
            let key = AppKey::new(&id.to_string(), key)?;
            Some(Arc::new(Github::with_app(url, key)?))
        }
        (ForgeSoftware::Gitea, Access::Token(token)) => {
            Some(Arc::new(Gitea::new(url, token.clone())?))
        }
        (ForgeSoftware::Forgejo, Access::Token(token)) => {
            Some(Arc::new(Gitea::forgejo(url, token.clone())?))
        }
        (ForgeSoftware::Gitlab, Access::Token(token)) => {
            Some(Arc::new(Gitlab::new(url, token.clone())?))
        }
    })
}

/// A repository as its forge is asked about it.
pub(super) fn as_forge(seen: &SeenRepository) -> Result<forge::Repository, ForgeError> {
    Ok(forge::Repository {
        id: seen.forge_id.clone(),
        full_name: seen.full_name.parse().map_err(refused)?,
        default_branch: Some(seen.default_branch.clone()),
        is_private: seen.private,
        installation: seen.installation.as_ref().and_then(|id| id.parse().ok()),
    })
}

/// A repository as it is kept.
pub(super) fn as_row(
    forge: &str,
    repository: &forge::Repository,
    default_branch: String,
) -> SeenRepository {
    SeenRepository {
        forge: forge.to_owned(),
        forge_id: repository.id.clone(),
        full_name: repository.full_name.to_string(),
        default_branch,
        private: repository.is_private,
        installation: repository.installation.map(|id| id.to_string()),
    }
}

fn refused(error: IdentError) -> ForgeError {
    ForgeError::Refused(error.to_string())
}
