//! GitLab's interface, below `/api/v4`: <https://docs.gitlab.com/api/rest/>.
//!
//! A status is a state machine: what is said twice is answered with 400. `ref` and `pipeline_id` keep GitLab from making
//! another pipeline for the status.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    BoxFuture, CommitId, CommitStatus, ForgeApi, ForgeError, GitRef, HookState, HookWish,
    KnownHook, KnownRepository, Login, Permission, PullRequestNow, Repository, RepositoryKey,
    RepositoryName, SeenHook, Selection, Standing, StatusPlace, StatusState, User,
    hook::{gitlab::Project, payload::Numbered},
    http::{Credential, Sender, Session, read},
    listing::Listing,
    signature::SIGNING_TOKEN,
    status::cut,
};
use crate::git::Credentials;

/// How long a description may be.
const DESCRIPTION_CHARS: usize = 255;
/// What a webhook has to tell.
const EVENTS: [&str; 4] = [
    "push_events",
    "tag_push_events",
    "merge_requests_events",
    "note_events",
];

/// GitLab.
#[derive(Debug)]
pub struct Gitlab {
    session: Session,
    token: SecretString,
    listing: Listing,
}

impl Gitlab {
    /// Asks the interface at `base`, which ends in `/api/v4`.
    pub fn new(base: &str, token: SecretString) -> Result<Self, ForgeError> {
        let credential = Credential::new("private-token", "", &token)?;
        Ok(Self {
            session: Session::new(base, credential)?,
            token,
            listing: Listing::default(),
        })
    }

    fn session(&self) -> &dyn Sender {
        &self.session
    }
}

/// The path of a project: by its number where that is known.
fn project_path(repository: &Repository) -> String {
    match repository.id.parse::<u64>() {
        Ok(id) => format!("/projects/{id}"),
        Err(_) => named_path(&repository.full_name),
    }
}

fn named_path(name: &RepositoryName) -> String {
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
fn permission(level: u64) -> Permission {
    match level {
        40.. => Permission::Admin,
        30..40 => Permission::Write,
        10..30 => Permission::Read,
        _ => Permission::None,
    }
}

fn known(answer: Value, _installation: Option<u64>) -> Result<KnownRepository, ForgeError> {
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
struct MergeRequest {
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
struct Author {
    id: u64,
    username: Option<Login>,
}

#[derive(Deserialize)]
struct ListedStatus {
    name: String,
    status: String,
    description: Option<String>,
}

/// What about a webhook is not as it should be.
fn wrong(listed: &Value, url: &str) -> Option<String> {
    let is_told = |event: &&str| listed[event] == true;
    let silent: Vec<&str> = EVENTS.into_iter().filter(|event| !is_told(event)).collect();
    let filter = listed["push_events_branch_filter"].as_str();
    let status = listed.get("alert_status").and_then(Value::as_str);
    let wrong = if listed["url"] != url {
        "it goes elsewhere".to_owned()
    } else if status.is_some_and(|status| status != "executable") {
        // Until somebody saves it.
        "GitLab has switched it off, as it failed too often".to_owned()
    } else if listed["enable_ssl_verification"] == false {
        "it does not look at the certificate".to_owned()
    } else if filter.is_some_and(|filter| !filter.is_empty()) {
        "it tells of some branches only".to_owned()
    } else if !silent.is_empty() {
        format!("it does not tell of {}", silent.join(", "))
    } else {
        return None;
    };
    Some(wrong)
}

/// Reads a merge request of an answer.
fn merge_request(answer: Value) -> Result<PullRequestNow, ForgeError> {
    let answer: MergeRequest = read("a merge request", answer)?;
    let refused = |error: super::IdentError| ForgeError::Refused(error.to_string());
    Ok(PullRequestNow {
        number: answer.iid,
        git_ref: format!("refs/merge-requests/{}/head", answer.iid)
            .parse()
            .map_err(refused)?,
        head_commit: answer.sha,
        head_repository: answer.source_project_id.map(|id| id.to_string()),
        is_agit: false,
        base_ref: GitRef::of_branch(&answer.target_branch).map_err(refused)?,
        base_commit: None,
        author: answer.author.map(|author| User {
            id: author.id,
            login: author.username,
        }),
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

impl ForgeApi for Gitlab {
    fn repository<'a>(&'a self, which: &'a RepositoryKey) -> BoxFuture<'a, KnownRepository> {
        Box::pin(async move {
            let path = match which {
                RepositoryKey::Id(id) => format!("/projects/{id}"),
                RepositoryKey::Name(name) => named_path(name),
            };
            known(self.session().get(&path).await?, None)
        })
    }

    fn repositories<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, Vec<KnownRepository>> {
        Box::pin(async move {
            // The topics are compared here: a list of them means all at once to GitLab.
            let path = "/projects?membership=true&archived=false&per_page=100";
            let mut all = self
                .listing
                .collect(self.session(), path, None, known)
                .await?;
            all.retain(|known| selection.takes(known));
            Ok(all)
        })
    }

    fn pull_request<'a>(
        &'a self,
        repository: &'a Repository,
        number: u64,
    ) -> BoxFuture<'a, PullRequestNow> {
        Box::pin(async move {
            let path = format!("{}/merge_requests/{number}", project_path(repository));
            merge_request(self.session().get(&path).await?)
        })
    }

    fn pull_requests<'a>(
        &'a self,
        repository: &'a Repository,
        since: Timestamp,
    ) -> BoxFuture<'a, Vec<PullRequestNow>> {
        Box::pin(async move {
            let project = project_path(repository);
            let query = "state=opened&order_by=updated_at&sort=desc&per_page=100";
            let path = format!("{project}/merge_requests?{query}&updated_after={since:.0}");
            let all: Vec<Value> = self.session().list("merge requests", &path).await?;
            let known = all.into_iter().filter_map(|entry| {
                let read = merge_request(entry);
                read.inspect_err(|error| tracing::warn!(%error, "a merge request is left out"))
                    .ok()
            });
            Ok(known.collect())
        })
    }

    fn permission<'a>(
        &'a self,
        repository: &'a Repository,
        user: &'a User,
    ) -> BoxFuture<'a, Permission> {
        #[derive(Deserialize)]
        struct Member {
            id: u64,
            access_level: u64,
            state: Option<String>,
        }
        Box::pin(async move {
            let path = format!("{}/members/all/{}", project_path(repository), user.id);
            let member: Member = match self.session().get(&path).await {
                Err(ForgeError::Missing(_)) => return Ok(Permission::None),
                answer => read("a member", answer?)?,
            };
            let is_active = member
                .state
                .as_deref()
                .is_none_or(|state| state == "active");
            if member.id != user.id || !is_active {
                return Ok(Permission::None);
            }
            Ok(permission(member.access_level))
        })
    }

    fn set_status<'a>(
        &'a self,
        place: &'a StatusPlace,
        status: &'a CommitStatus,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let path = format!(
                "{}/statuses/{}",
                project_path(&place.repository),
                place.commit
            );
            let mut body = json!({
                "state": match status.state {
                    StatusState::Pending => "running",
                    StatusState::Success => "success",
                    StatusState::Failure | StatusState::Error => "failed",
                },
                "name": status.context,
                "description": cut(&status.description, DESCRIPTION_CHARS),
            });
            let optional = [
                (
                    "target_url",
                    place.target_url.as_ref().map(|url| json!(url)),
                ),
                ("ref", place.branch.as_ref().map(|branch| json!(branch))),
                ("pipeline_id", place.pipeline.map(|id| json!(id))),
            ];
            for (field, value) in optional {
                if let Some(value) = value {
                    body[field] = value;
                }
            }
            match self.session().post(&path, &body).await {
                Err(ForgeError::Refused(what)) if what.contains("Cannot transition status") => {
                    Ok(())
                }
                answer => answer.map(drop),
            }
        })
    }

    fn statuses<'a>(
        &'a self,
        place: &'a StatusPlace,
        prefix: &'a str,
    ) -> BoxFuture<'a, Vec<CommitStatus>> {
        Box::pin(async move {
            let project = project_path(&place.repository);
            let path = format!(
                "{project}/repository/commits/{}/statuses?per_page=100",
                place.commit
            );
            let all: Vec<ListedStatus> = self.session().list("statuses", &path).await?;
            let wanted = all
                .into_iter()
                .filter(|status| status.name.starts_with(prefix));
            let statuses = wanted.map(|status| CommitStatus {
                state: StatusState::named(&status.status),
                context: status.name,
                description: status.description.unwrap_or_default(),
            });
            Ok(statuses.collect())
        })
    }

    fn ensure_hook<'a>(
        &'a self,
        repository: &'a Repository,
        hook: &'a HookWish,
    ) -> BoxFuture<'a, KnownHook> {
        Box::pin(async move {
            let path = format!("{}/hooks", project_path(repository));
            let all: Vec<Value> = self
                .session()
                .list("webhooks", &format!("{path}?per_page=100"))
                .await?;
            let find = |field: &str, value: Value| all.iter().find(|listed| listed[field] == value);
            let found = find("url", json!(hook.url)).or_else(|| find("id", json!(hook.id?)));
            // GitLab makes signing tokens itself, so that such a webhook begins in its pages.
            let is_signed = hook.secret.expose_secret().starts_with(SIGNING_TOKEN);
            let mut body = json!({ "url": hook.url, "enable_ssl_verification": true });
            if !is_signed {
                body["token"] = json!(hook.secret.expose_secret());
            }
            for event in EVENTS {
                body[event] = json!(true);
            }
            let Some(found) = found else {
                if is_signed {
                    return Err(ForgeError::Refused(format!(
                        "GitLab makes signing tokens itself: add a webhook to {} there, and put its token in the first \
                        `webhook_secret_file`",
                        hook.url
                    )));
                }
                let made = self.session().post(&path, &body).await?;
                let made: Numbered = read("a webhook", made)?;
                return Ok(KnownHook {
                    id: made.id,
                    state: HookState::Made,
                });
            };
            let is_right = wrong(found, &hook.url).is_none();
            let Numbered { id } = read("a webhook", found.clone())?;
            if is_right && (is_signed || !hook.is_secret_new) {
                let state = HookState::Kept;
                return Ok(KnownHook { id, state });
            }
            body["push_events_branch_filter"] = json!("");
            self.session().put(&format!("{path}/{id}"), &body).await?;
            let state = HookState::Repaired;
            Ok(KnownHook { id, state })
        })
    }

    fn clone_credentials<'a>(&'a self, _repository: &'a Repository) -> BoxFuture<'a, Credentials> {
        Box::pin(async {
            Ok(Credentials {
                user: "oauth2".to_owned(),
                token: self.token.clone(),
            })
        })
    }

    fn clock(&self) -> BoxFuture<'_, Option<Timestamp>> {
        Box::pin(self.session.clock("/version"))
    }

    fn standing(&self) -> BoxFuture<'_, Standing> {
        #[derive(Deserialize)]
        struct Answer {
            username: String,
        }
        #[derive(Deserialize)]
        struct Token {
            scopes: Vec<String>,
        }
        Box::pin(async move {
            let user: Answer = read("the user", self.session().get("/user").await?)?;
            // Tokens of old versions do not know themselves.
            let token = match self.session().get("/personal_access_tokens/self").await {
                Ok(answer) => Some(read::<Token>("the token", answer)?),
                Err(error) if error.is_of_token() => None,
                Err(error) => return Err(error),
            };
            let lacks = |token: &Token| !token.scopes.iter().any(|scope| scope == "api");
            Ok(Standing {
                who: user.username,
                missing: token
                    .as_ref()
                    .filter(|token| lacks(token))
                    .map_or_else(Vec::new, |_| vec!["api".to_owned()]),
                is_told: token.is_some(),
            })
        })
    }

    fn hook<'a>(
        &'a self,
        repository: Option<&'a Repository>,
        url: &'a str,
    ) -> BoxFuture<'a, Option<SeenHook>> {
        Box::pin(async move {
            let Some(repository) = repository else {
                return Ok(None);
            };
            let path = format!("{}/hooks?per_page=100", project_path(repository));
            let all: Vec<Value> = self.session().list("webhooks", &path).await?;
            let found = all.iter().find(|listed| listed["url"] == url);
            Ok(found.map(|listed| SeenHook {
                url: url.to_owned(),
                wrong: wrong(listed, url),
                last: None,
            }))
        })
    }

    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}
