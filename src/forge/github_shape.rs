//! What GitHub's interface and Gitea's have in common: shapes of answers, and requests that are the same.

use jiff::Timestamp;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CommentNow, CommitStatus, ForgeError, GitRef, HookState, HookWish, IdentError, KnownHook,
    KnownRepository, Permission, PullRequestNow, Repository, RepositoryName, SeenHook, StatusState,
    User,
    hook::payload::{self, comment_text},
    http::{Sender, entries, read},
    status::cut,
};

/// How much of what a webhook was answered with is shown.
const MESSAGE_CHARS: usize = 100;

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
    permissions: Option<Rights>,
}

/// What whoever asks may do with a repository.
#[derive(Deserialize)]
struct Rights {
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    push: bool,
}

impl Rights {
    fn permission(&self) -> Permission {
        match (self.admin, self.push) {
            (true, _) => Permission::Admin,
            (false, true) => Permission::Write,
            (false, false) => Permission::Read,
        }
    }
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
        right: listed
            .permissions
            .filter(|_| installation.is_none())
            .map(|rights| rights.permission()),
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
        head_owner: told
            .head
            .repo
            .as_ref()
            .and_then(|repository| Some(repository.owner.as_ref()?.id)),
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

/// Reads a comment below a pull request. Its number stands at the end of an address: GitHub has pull requests among the issues,
/// Gitea apart.
pub(super) async fn comment(
    session: &dyn Sender,
    repository: &Repository,
    id: u64,
) -> Result<CommentNow, ForgeError> {
    #[derive(Deserialize)]
    struct Answer {
        body: Option<String>,
        user: Option<payload::User>,
        issue_url: Option<String>,
        pull_request_url: Option<String>,
    }
    let path = repository_path(&repository.full_name)?;
    let path = format!("{path}/issues/comments/{id}");
    let answer: Answer = read("a comment", session.get(&path).await?)?;
    let is_said = |url: &String| !url.is_empty();
    let below = answer.pull_request_url.filter(is_said);
    let below = below.or(answer.issue_url.filter(is_said));
    let number = below.and_then(|url| url.rsplit_once('/')?.1.parse().ok());
    Ok(CommentNow {
        pull_request: number
            .ok_or_else(|| ForgeError::Refused(format!("comment {id} is below no pull request")))?,
        author: answer.user.and_then(payload::User::known),
        body: comment_text(answer.body.unwrap_or_default()),
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

/// The pull requests of a list that is sorted by when they changed, newest first.
pub(super) async fn pull_requests(
    session: &dyn Sender,
    path: &str,
    since: Timestamp,
) -> Result<Vec<PullRequestNow>, ForgeError> {
    #[derive(Deserialize)]
    struct Changed {
        updated_at: Timestamp,
    }
    let mut all = Vec::new();
    session
        .pages(path, |answer| {
            for entry in entries("pull requests", answer)? {
                let changed: Changed = read("a pull request", entry.clone())?;
                if changed.updated_at < since {
                    return Ok(false);
                }
                match pull_request(entry) {
                    Ok(known) => all.push(known),
                    Err(error) => tracing::warn!(%error, "a pull request is left out"),
                }
            }
            Ok(true)
        })
        .await?;
    Ok(all)
}

/// A webhook in an answer.
#[derive(Deserialize)]
struct ListedHook {
    id: u64,
    active: bool,
    events: Vec<String>,
    config: HookConfig,
    /// Of which branches it tells, on Gitea; empty: of all.
    branch_filter: Option<String>,
    /// What its last delivery was answered with, on GitHub.
    last_response: Option<LastResponse>,
}

#[derive(Deserialize)]
struct LastResponse {
    code: Option<u16>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct HookConfig {
    url: Option<String>,
    content_type: Option<String>,
    insecure_ssl: Option<Value>,
}

/// How the webhooks of a forge are, besides what all have.
pub(super) struct HookShape<'a> {
    /// What they have to tell of.
    pub(super) events: &'a [&'a str],
    /// What a new one has.
    pub(super) made: (&'a str, &'a str),
    /// The query of a list of them.
    pub(super) query: &'a str,
    /// Whether one that is there can get another secret. Gitea and Forgejo take it without an error, and keep the old one.
    pub(super) takes_secret: bool,
}

/// Makes or repairs a webhook.
pub(super) async fn ensure_hook(
    session: &dyn Sender,
    repository: &Repository,
    hook: &HookWish,
    shape: &HookShape<'_>,
) -> Result<KnownHook, ForgeError> {
    let path = format!("{}/hooks", repository_path(&repository.full_name)?);
    let all: Vec<ListedHook> = session
        .list("webhooks", &format!("{path}?{}", shape.query))
        .await?;
    let goes_here = |listed: &&ListedHook| listed.config.url.as_deref() == Some(&hook.url);
    let is_ours = |listed: &&ListedHook| Some(listed.id) == hook.id;
    let found = all
        .iter()
        .find(|listed| goes_here(listed) && is_ours(listed))
        .or_else(|| all.iter().find(goes_here))
        .or_else(|| all.iter().find(is_ours));
    let mut body = json!({
        "active": true,
        "events": shape.events,
        "config": {
            "url": hook.url,
            "content_type": "json",
            "insecure_ssl": "0",
            "secret": hook.secret.expose_secret(),
        },
    });
    if let Some(found) = found
        && (shape.takes_secret || !hook.is_secret_new)
    {
        let known = |state| KnownHook {
            id: found.id,
            state,
        };
        if found.wrong(&hook.url, shape.events).is_none() && !hook.is_secret_new {
            return Ok(known(HookState::Kept));
        }
        session
            .patch(&format!("{path}/{}", found.id), &body)
            .await?;
        return Ok(known(HookState::Repaired));
    }
    body[shape.made.0] = json!(shape.made.1);
    let made: payload::Numbered = read("a webhook", session.post(&path, &body).await?)?;
    // The new one first: what happens in between is told twice rather than not at all.
    for old in all
        .iter()
        .filter(|listed| goes_here(listed) || is_ours(listed))
    {
        let path = format!("{path}/{}", old.id);
        match session.request(Method::DELETE, &path, None).await {
            Ok(_) | Err(ForgeError::Missing(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(KnownHook {
        id: made.id,
        state: if found.is_some() {
            HookState::Repaired
        } else {
            HookState::Made
        },
    })
}

/// The webhook that goes to this address.
pub(super) async fn hook(
    session: &dyn Sender,
    repository: &Repository,
    url: &str,
    shape: &HookShape<'_>,
) -> Result<Option<SeenHook>, ForgeError> {
    let path = format!("{}/hooks", repository_path(&repository.full_name)?);
    let all: Vec<ListedHook> = session
        .list("webhooks", &format!("{path}?{}", shape.query))
        .await?;
    let mut all = all.into_iter();
    let found = all.find(|listed| listed.config.url.as_deref() == Some(url));
    Ok(found.map(|listed| SeenHook {
        url: url.to_owned(),
        wrong: listed.wrong(url, shape.events),
        last: listed.last_response.and_then(|last| {
            let code = last.code?;
            let message = cut(&last.message.unwrap_or_default(), MESSAGE_CHARS);
            let text = format!("HTTP {code} {message}");
            Some(((200..300).contains(&code), text.trim_end().to_owned()))
        }),
    }))
}

impl ListedHook {
    /// What about it is not as it should be.
    fn wrong(&self, url: &str, events: &[&str]) -> Option<String> {
        let has = |event: &&str| self.events.iter().any(|has| has == event || has == "*");
        let verifies = match &self.config.insecure_ssl {
            None => true,
            Some(value) => value == "0" || value == 0,
        };
        let tells_of_all = match self.branch_filter.as_deref() {
            None | Some("" | "*") => true,
            Some(_) => false,
        };
        let silent: Vec<&str> = events.iter().copied().filter(|event| !has(event)).collect();
        let wrong = if !self.active {
            "it is switched off".to_owned()
        } else if self.config.url.as_deref() != Some(url) {
            "it goes elsewhere".to_owned()
        } else if self.config.content_type.as_deref() != Some("json") {
            "it sends no JSON".to_owned()
        } else if !verifies {
            "it does not look at the certificate".to_owned()
        } else if !tells_of_all {
            "it tells of some branches only".to_owned()
        } else if !silent.is_empty() {
            format!("it does not tell of {}", silent.join(", "))
        } else {
            return None;
        };
        Some(wrong)
    }
}
