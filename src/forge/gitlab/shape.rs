//! What GitLab's answers look like.

use serde::Deserialize;
use serde_json::Value;

use crate::forge::{
    CommitId, ForgeError, GitRef, IdentError, KnownRepository, Login, Permission, PullRequestNow,
    Repository, RepositoryName, User, hook::gitlab::Project, http::read, status::cut,
};

/// The path of a project: by its number where that is known.
pub(super) fn project_path(repository: &Repository) -> String {
    match repository.id.parse::<u64>() {
        Ok(id) => format!("/projects/{id}"),
        Err(_) => named_path(&repository.full_name),
    }
}

pub(super) fn named_path(name: &RepositoryName) -> String {
    format!("/projects/{}", name.as_str().replace('/', "%2F"))
}

/// A project in an answer.
#[derive(Deserialize)]
struct Listed {
    visibility: Option<String>,
    topics: Option<Vec<String>>,
    archived: Option<bool>,
    permissions: Option<Access>,
    #[serde(flatten)]
    project: Project,
}

/// What whoever asks may do with a project: by itself, or by its group.
#[derive(Deserialize)]
struct Access {
    project_access: Option<Level>,
    group_access: Option<Level>,
}

#[derive(Deserialize)]
struct Level {
    access_level: u64,
}

impl Access {
    fn permission(&self) -> Permission {
        let levels = [&self.project_access, &self.group_access]
            .into_iter()
            .flatten();
        permission(levels.map(|level| level.access_level).max().unwrap_or(0))
    }
}

/// <https://docs.gitlab.com/api/members/#roles>
pub(super) fn permission(level: u64) -> Permission {
    match level {
        40.. => Permission::Admin,
        30..40 => Permission::Write,
        10..30 => Permission::Read,
        _ => Permission::None,
    }
}

/// Where a status stands that is not taken there: `Cannot transition status via :run from :running`.
pub(super) fn stands_at(refusal: &str) -> Option<&str> {
    let (_, event) = refusal.split_once("Cannot transition status via :")?;
    let (_, from) = event.split_once(" from :")?;
    from.split(|c: char| !c.is_ascii_lowercase() && c != '_')
        .next()
}

pub(super) fn known(
    answer: Value,
    _installation: Option<u64>,
) -> Result<KnownRepository, ForgeError> {
    let listed: Listed = read("a project", answer)?;
    let repository = Repository {
        is_private: listed.visibility.as_deref() != Some("public"),
        ..listed.project.into()
    };
    Ok(KnownRepository {
        repository,
        topics: listed.topics.unwrap_or_default(),
        is_archived: listed.archived.unwrap_or_default(),
        right: listed.permissions.map(|access| access.permission()),
    })
}

#[derive(Deserialize)]
pub(super) struct MergeRequest {
    iid: u64,
    sha: CommitId,
    source_project_id: Option<u64>,
    target_branch: String,
    author: Option<Author>,
    state: String,
    draft: Option<bool>,
    merge_status: Option<String>,
    title: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Author {
    id: u64,
    username: Option<Login>,
}

impl Author {
    pub(super) fn user(self) -> User {
        User {
            id: self.id,
            login: self.username,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ListedStatus {
    pub(super) name: String,
    pub(super) status: String,
    pub(super) description: Option<String>,
}

/// Reads a merge request of an answer.
pub(super) fn merge_request(answer: Value) -> Result<PullRequestNow, ForgeError> {
    let answer: MergeRequest = read("a merge request", answer)?;
    let refused = |error: IdentError| ForgeError::Refused(error.to_string());
    Ok(PullRequestNow {
        number: answer.iid,
        git_ref: format!("refs/merge-requests/{}/head", answer.iid)
            .parse()
            .map_err(refused)?,
        head_commit: answer.sha,
        head_repository: answer.source_project_id.map(|id| id.to_string()),
        head_owner: None,
        is_agit: false,
        base_ref: GitRef::of_branch(&answer.target_branch).map_err(refused)?,
        base_commit: None,
        author: answer.author.map(Author::user),
        is_open: answer.state == "opened",
        is_draft: answer.draft.unwrap_or_default(),
        is_mergeable: match answer.merge_status.as_deref() {
            Some("can_be_merged") => Some(true),
            Some("cannot_be_merged") => Some(false),
            _ => None,
        },
        title: cut(&answer.title.unwrap_or_default(), 1024),
    })
}
