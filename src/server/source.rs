//! Where the source of a run comes from.

use std::sync::Arc;

use crate::{
    config::{Access, ForgeSoftware, RepositoryConfig, ServerConfig, Tree, TreeFiles},
    db::server::Repository,
    git::{CommitId, Credentials, Mirror, MirrorError, Remote},
};

/// The largest file of settings that is read, in bytes.
const CONFIG_BYTES: usize = 1 << 20;

/// Where a repository is fetched from.
pub(super) fn remote(
    config: &ServerConfig,
    repository: &Repository,
) -> Result<Remote, MirrorError> {
    let seen = &repository.seen;
    let gone = || MirrorError::Address(format!("{} is no longer configured", seen.full_name));
    let forge = config.forges.get(&seen.forge).ok_or_else(gone)?;
    let url = config
        .clone_url(&seen.forge, &seen.full_name)
        .ok_or_else(gone)?;
    if forge.kind == ForgeSoftware::Plain {
        if url.scheme() == "file" {
            let folder = url.to_file_path().map_err(|()| gone())?;
            return Ok(Remote::in_folder(&folder));
        }
        return Remote::of_forge(
            &url,
            url.as_str(),
            credentials(&forge.access, forge.kind).as_ref(),
        );
    }
    Remote::of_forge(
        &forge.url,
        url.as_str(),
        credentials(&forge.access, forge.kind).as_ref(),
    )
}

fn credentials(access: &Access, kind: ForgeSoftware) -> Option<Credentials> {
    let Access::Token(token) = access else {
        return None;
    };
    let user = match kind {
        ForgeSoftware::Github => "x-access-token",
        ForgeSoftware::Gitlab => "oauth2",
        ForgeSoftware::Gitea | ForgeSoftware::Forgejo | ForgeSoftware::Plain => "nixci",
    };
    Some(Credentials {
        user: user.to_owned(),
        token: token.clone(),
    })
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
