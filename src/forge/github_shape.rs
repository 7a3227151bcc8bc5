//! What GitHub's interface and Gitea's have in common: shapes of answers, and requests that are the same.

use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CommitStatus, ForgeError, GitRef, HookState, HookWish, IdentError, KnownRepository, Permission,
    PullRequestNow, Repository, RepositoryName, StatusState, User,
    hook::payload,
    http::{Sender, read},
    status::cut,
};

/// The path of a repository, which has an owner and a name.
pub(super) fn repository_path(name: &RepositoryName) -> Result<String, ForgeError> {
    if name.as_str().split('/').count() == 2 {
        Ok(format!("/repos/{name}"))
    } else {
        Err(ForgeError::Refused(format!(
            "`{name}` is no repository: that is `owner/name`"
        )))
    }
}

/// The name of a state.
pub(super) fn name(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Failure => "failure",
        StatusState::Error => "error",
    }
}

/// A repository in an answer.
#[derive(Deserialize)]
struct Listed {
    #[serde(flatten)]
    repository: payload::Repository,
    topics: Option<Vec<String>>,
    archived: Option<bool>,
}

/// Reads a repository of an answer.
pub(super) fn known(
    answer: Value,
    installation: Option<u64>,
) -> Result<KnownRepository, ForgeError> {
    let listed: Listed = read("a repository", answer)?;
    Ok(KnownRepository {
        repository: listed.repository.into_event(installation),
        topics: listed.topics.unwrap_or_default(),
        is_archived: listed.archived.unwrap_or_default(),
    })
}

/// A pull request in an answer.
#[derive(Deserialize)]
struct PullRequestAnswer {
    number: u64,
    state: String,
    mergeable: Option<bool>,
    #[serde(flatten)]
    told: payload::PullRequest,
}

/// Reads a pull request of an answer.
pub(super) fn pull_request(answer: Value) -> Result<PullRequestNow, ForgeError> {
    let answer: PullRequestAnswer = read("a pull request", answer)?;
    let told = answer.told;
    let refused = |error: IdentError| ForgeError::Refused(error.to_string());
    let git_ref: GitRef = format!("refs/pull/{}/head", answer.number)
        .parse()
        .map_err(refused)?;
    Ok(PullRequestNow {
        number: answer.number,
        is_agit: told.head.is_agit(&git_ref),
        head_commit: told.head.sha,
        head_repository: told.head.repo.map(|repository| repository.id.to_string()),
        git_ref,
        base_ref: GitRef::of_branch(&told.base.name).map_err(refused)?,
        base_commit: Some(told.base.sha),
        author: told.user.and_then(payload::User::known),
        is_open: answer.state == "open",
        is_draft: told.draft.unwrap_or_default(),
        is_mergeable: answer.mergeable,
        title: cut(&told.title.unwrap_or_default(), 1024),
    })
}

/// The newest status of each context; Gitea names one field otherwise.
pub(super) async fn statuses(
    session: &dyn Sender,
    path: &str,
    prefix: &str,
) -> Result<Vec<CommitStatus>, ForgeError> {
    #[derive(Deserialize)]
    struct Listed {
        context: String,
        state: Option<String>,
        status: Option<String>,
        description: Option<String>,
    }
    let all: Vec<Listed> = session.list("statuses", path).await?;
    Ok(all
        .into_iter()
        .filter(|listed| listed.context.starts_with(prefix))
        .map(|listed| CommitStatus {
            context: listed.context,
            state: StatusState::named(&listed.state.or(listed.status).unwrap_or_default()),
            description: listed.description.unwrap_or_default(),
        })
        .collect())
}

/// Asks what a user may do.
pub(super) async fn permission(
    session: &dyn Sender,
    repository: &Repository,
    user: &User,
) -> Result<Permission, ForgeError> {
    #[derive(Deserialize)]
    struct Answer {
        permission: String,
        user: Option<payload::Numbered>,
    }
    let Some(login) = &user.login else {
        return Ok(Permission::None);
    };
    let login: String = url::form_urlencoded::byte_serialize(login.as_str().as_bytes()).collect();
    let path = repository_path(&repository.full_name)?;
    let path = format!("{path}/collaborators/{login}/permission");
    let answer: Answer = match session.get(&path).await {
        Err(ForgeError::Missing(_)) => return Ok(Permission::None),
        answer => read("a user's rights", answer?)?,
    };
    // The name may belong to somebody else by now.
    if answer.user.map(|user| user.id) != Some(user.id) {
        return Ok(Permission::None);
    }
    Ok(match answer.permission.as_str() {
        "owner" | "admin" => Permission::Admin,
        "write" => Permission::Write,
        "read" => Permission::Read,
        _ => Permission::None,
    })
}

/// A webhook in an answer.
#[derive(Deserialize)]
struct ListedHook {
    id: u64,
    active: bool,
    events: Vec<String>,
    config: HookConfig,
}

#[derive(Deserialize)]
struct HookConfig {
    url: Option<String>,
    content_type: Option<String>,
    insecure_ssl: Option<Value>,
}

/// Makes or repairs a webhook; `made` is what a new one has besides.
pub(super) async fn ensure_hook(
    session: &dyn Sender,
    repository: &Repository,
    hook: &HookWish,
    events: &[&str],
    made: (&str, &str),
    query: &str,
) -> Result<HookState, ForgeError> {
    let path = format!("{}/hooks", repository_path(&repository.full_name)?);
    let all: Vec<ListedHook> = session.list("webhooks", &format!("{path}?{query}")).await?;
    let found = all
        .into_iter()
        .find(|listed| listed.config.url.as_deref() == Some(&hook.url));
    let mut body = json!({
        "active": true,
        "events": events,
        "config": {
            "url": hook.url,
            "content_type": "json",
            "insecure_ssl": "0",
            "secret": hook.secret.expose_secret(),
        },
    });
    let Some(found) = found else {
        body[made.0] = json!(made.1);
        session.post(&path, &body).await?;
        return Ok(HookState::Made);
    };
    let has = |event: &&str| found.events.iter().any(|has| has == event || has == "*");
    let verifies = match &found.config.insecure_ssl {
        None => true,
        Some(value) => value == "0" || value == 0,
    };
    let is_right = found.active
        && verifies
        && found.config.content_type.as_deref() == Some("json")
        && events.iter().all(has);
    if is_right && !hook.is_secret_new {
        return Ok(HookState::Kept);
    }
    session
        .patch(&format!("{path}/{}", found.id), &body)
        .await?;
    Ok(HookState::Repaired)
}
