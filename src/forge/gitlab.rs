//! GitLab's interface, below `/api/v4`: <https://docs.gitlab.com/api/rest/>.
//!
//! A status is a state machine: what it is already it cannot become, and is refused with 400. `ref` and `pipeline_id` keep GitLab from making
//! another pipeline for the status.

mod hooks;
mod shape;

use std::{collections::HashSet, time::Duration};

use jiff::Timestamp;
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use self::shape::{
    Author, ListedStatus, known, merge_request, named_path, permission, project_path, stands_at,
};
use super::{
    BoxFuture, CommentNow, CommitStatus, FailedDelivery, ForgeApi, ForgeError, HookOwner, HookWish,
    KnownHook, KnownRepositories, KnownRepository, Permission, PullRequestNow, Repository,
    RepositoryKey, SeenHook, Selection, Standing, StatusPlace, StatusState, User,
    hook::payload::comment_text,
    http::{Credential, Sender, Session, read},
    listing::Listing,
    status::cut,
};
use crate::git::Credentials;

/// How long a description may be, and the address of the page that says more.
const TEXT_CHARS: usize = 255;

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

impl Gitlab {
    /// The projects that whoever asks is a member of, narrowed by more parameters.
    async fn projects(&self, more: &str) -> Result<Vec<KnownRepository>, ForgeError> {
        let path = format!("/projects?membership=true&archived=false{more}&per_page=100");
        self.listing
            .collect(self.session(), &path, None, known)
            .await
    }

    /// Whom a project belongs to, where that is a user and the token may see it.
    async fn owner(&self, project: &str) -> Result<Option<u64>, ForgeError> {
        #[derive(Deserialize)]
        struct Project {
            owner: Option<Owner>,
        }
        #[derive(Deserialize)]
        struct Owner {
            id: u64,
        }
        match self.session().get(&format!("/projects/{project}")).await {
            Err(ForgeError::Missing(_) | ForgeError::Forbidden(_)) => Ok(None),
            answer => {
                let project: Project = read("a project", answer?)?;
                Ok(project.owner.map(|owner| owner.id))
            }
        }
    }
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

    fn repositories<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, KnownRepositories> {
        Box::pin(async move {
            // The topics are compared here: a list of them means all at once to GitLab.
            let mut all = self.projects("").await?;
            all.retain(|known| selection.takes(known));
            let is_admin = |known: &KnownRepository| known.right == Some(Permission::Admin);
            if !all.iter().all(is_admin) {
                // A list does not show rights that come from a group above that of a project.
                let administered = self.projects("&min_access_level=40").await?;
                let ids: HashSet<&str> = administered
                    .iter()
                    .map(|known| known.repository.id.as_str())
                    .collect();
                for known in &mut all {
                    if ids.contains(known.repository.id.as_str()) {
                        known.right = Some(Permission::Admin);
                    }
                }
            }
            Ok(KnownRepositories::all(all))
        })
    }

    fn pull_request<'a>(
        &'a self,
        repository: &'a Repository,
        number: u64,
    ) -> BoxFuture<'a, PullRequestNow> {
        Box::pin(async move {
            let path = format!("{}/merge_requests/{number}", project_path(repository));
            let mut request = merge_request(self.session().get(&path).await?)?;
            if let Some(head) = &request.head_repository
                && *head != repository.id
            {
                request.head_owner = self.owner(head).await?;
            }
            Ok(request)
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

    fn comment<'a>(
        &'a self,
        repository: &'a Repository,
        pull_request: u64,
        id: u64,
    ) -> BoxFuture<'a, CommentNow> {
        #[derive(Deserialize)]
        struct Note {
            body: String,
            author: Option<Author>,
            /// Whether GitLab itself says it, of what somebody did.
            system: bool,
            noteable_type: String,
            noteable_iid: Option<u64>,
        }
        Box::pin(async move {
            let project = project_path(repository);
            let path = format!("{project}/merge_requests/{pull_request}/notes/{id}");
            let note: Note = read("a comment", self.session().get(&path).await?)?;
            match note.noteable_iid {
                Some(number) if note.noteable_type == "MergeRequest" && !note.system => {
                    Ok(CommentNow {
                        pull_request: number,
                        author: note.author.map(Author::user),
                        body: comment_text(note.body),
                    })
                }
                _ => Err(ForgeError::Refused(format!(
                    "note {id} is no comment below a merge request"
                ))),
            }
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
                "name": status.context,
                "description": cut(&status.description, TEXT_CHARS),
            });
            // With a longer one the whole status would be refused.
            let target_url = place
                .target_url
                .as_ref()
                .filter(|url| url.chars().count() <= TEXT_CHARS);
            let optional = [
                ("target_url", target_url.map(|url| json!(url))),
                ("ref", place.branch.as_ref().map(|branch| json!(branch))),
                ("pipeline_id", place.pipeline.map(|id| json!(id))),
            ];
            for (field, value) in optional {
                if let Some(value) = value {
                    body[field] = value;
                }
            }
            let accepted: &[&str] = match status.state {
                // The text changes only with the state. So what is said first is `pending`, and what is said next `running`.
                StatusState::Pending => &["pending", "running"],
                StatusState::Success => &["success"],
                StatusState::Failure | StatusState::Error => &["failed"],
            };
            for state in accepted {
                body["state"] = json!(state);
                let Err(error) = self.session().post(&path, &body).await else {
                    return Ok(());
                };
                let from = if let ForgeError::Refused(why) = &error {
                    stands_at(why)
                } else {
                    None
                };
                if !from.is_some_and(|from| accepted.contains(&from)) {
                    return Err(error);
                }
            }
            // It is told already.
            Ok(())
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
        let path = format!("{}/hooks", project_path(repository));
        Box::pin(async move { hooks::ensure(self.session(), &path, hook).await })
    }

    fn failed_deliveries<'a>(
        &'a self,
        of: HookOwner<'a>,
        since: Timestamp,
    ) -> BoxFuture<'a, Vec<FailedDelivery>> {
        Box::pin(async move {
            match of {
                HookOwner::App => Ok(Vec::new()),
                HookOwner::Repository(repository, hook) => {
                    let path = format!("{}/hooks/{hook}/events", project_path(repository));
                    hooks::failed(self.session(), &path, since).await
                }
            }
        })
    }

    fn redeliver<'a>(&'a self, of: HookOwner<'a>, id: u64) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let HookOwner::Repository(repository, hook) = of else {
                return Err(ForgeError::Refused("GitLab knows no Apps".to_owned()));
            };
            let project = project_path(repository);
            let path = format!("{project}/hooks/{hook}/events/{id}/resend");
            let sent = self.session().request(Method::POST, &path, None).await;
            sent.map(drop)
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
            let path = format!("{}/hooks", project_path(repository));
            hooks::see(self.session(), &path, url).await
        })
    }

    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}
