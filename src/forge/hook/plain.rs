//! nixci's own webhook, for whatever is none of the forges: `{"repository": …, "revision": …, "ref": …}`.
//!
//! `repository` is its name in the server's configuration, `revision` a commit, `ref` the branch or tag it is on, in full;
//! without `ref` it counts as the default branch.

use serde::Deserialize;

use super::{Asked, CommitId, GitRef, HookError, HookEvent, Repository, RepositoryName, read};

pub(super) fn parse(payload: &[u8]) -> Result<HookEvent, HookError> {
    let told: Told = read("plain", payload)?;
    Ok(HookEvent::Asked(Asked {
        repository: Repository {
            id: told.repository.to_string(),
            full_name: told.repository,
            default_branch: None,
            is_private: true,
            installation: None,
        },
        commit: told.revision,
        git_ref: told.git_ref,
    }))
}

/// Unlike a forge's, a misspelt field is worth an error here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    repository: RepositoryName,
    revision: CommitId,
    #[serde(rename = "ref")]
    git_ref: Option<GitRef>,
}
