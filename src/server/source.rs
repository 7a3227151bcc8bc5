//! Where the source of a run comes from.

use std::sync::Arc;

use url::Url;

use super::{app::App, connection::as_forge};
use crate::{
    config::{Access, ForgeConfig, ForgeSoftware, RepositoryConfig, Tree, TreeFiles},
    db::server::Repository,
    forge::ForgeError,
    git::{
        Advertisement, CommitId, Credentials, FetchLimits, Mirror, MirrorError, Remote, ls_remote,
    },
};

/// The largest file of settings that is read, in bytes.
const CONFIG_BYTES: usize = 1 << 20;

/// Where a repository is fetched from, with what opens it. The forge is asked for that.
pub(super) async fn remote(app: &App, repository: &Repository) -> Result<Remote, MirrorError> {
    let seen = &repository.seen;
    let gone = || MirrorError::Address(format!("{} is no longer configured", seen.full_name));
    let config = app.config();
    let forge = config.forges.get(&seen.forge).ok_or_else(gone)?;
    let url = app
        .config()
        .clone_url(&seen.forge, &seen.full_name)
        .ok_or_else(gone)?;
    if forge.kind == ForgeSoftware::Plain {
        return plain(forge, &url);
    }
    let Some(api) = app.connections().get(&seen.forge) else {
        return Remote::of_forge(&forge.url, url.as_str(), None);
    };
    let refused = |error: ForgeError| match error {
        ForgeError::Later { what, .. } => MirrorError::Unreachable(what),
        error @ (ForgeError::Refused(_)
        | ForgeError::Unauthorized(_)
        | ForgeError::Forbidden(_)
        | ForgeError::Missing(_)) => MirrorError::Refused(error.to_string()),
    };
    let known = as_forge(seen).map_err(refused)?;
    let credentials = api.clone_credentials(&known).await.map_err(refused)?;
    Remote::of_forge(&forge.url, url.as_str(), Some(&credentials))
}

/// What a repository has now.
pub(super) async fn refs(app: &App, repository: &Repository) -> Result<Advertisement, MirrorError> {
    let remote = remote(app, repository).await?;
    let limits = FetchLimits::default();
    ls_remote(&app.engine.http, &remote, &limits).await
}

/// Where a repository of a forge that has no interface is, with what opens it.
pub(super) fn plain(forge: &ForgeConfig, url: &Url) -> Result<Remote, MirrorError> {
    if url.scheme() == "file" {
        let folder = url.to_file_path();
        let folder = folder.map_err(|()| MirrorError::Address(url.to_string()))?;
        return Ok(Remote::in_folder(&folder));
    }
    Remote::of_forge(url, url.as_str(), plain_credentials(&forge.access).as_ref())
}

/// What opens a repository of a forge that has no interface.
fn plain_credentials(access: &Access) -> Option<Credentials> {
    match access {
        Access::Token(token) => Some(Credentials {
            user: "nixci".to_owned(),
            token: token.clone(),
        }),
        Access::None | Access::App { .. } => None,
    }
}

/// The settings that a commit has for itself.
pub(super) fn settings_of(mirror: &Mirror, commit: CommitId) -> Result<RepositoryConfig, String> {
    let files = CommitFiles {
        mirror: mirror.clone(),
        commit,
    };
    RepositoryConfig::read(&Tree::of_files(Arc::new(files))).map_err(|error| error.to_string())
}

/// The files of a commit.
#[derive(Debug)]
struct CommitFiles {
    mirror: Mirror,
    commit: CommitId,
}

impl TreeFiles for CommitFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        self.mirror
            .read_blob(self.commit, path, CONFIG_BYTES)
            .map_err(|error| error.to_string())
    }

    fn has(&self, path: &str) -> bool {
        // What is no file is a folder, or else Nix says what it is.
        !matches!(
            self.mirror.read_blob(self.commit, path, CONFIG_BYTES),
            Ok(None)
        )
    }
}
