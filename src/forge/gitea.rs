//! Gitea's and Forgejo's interface, below `/api/v1`: GitHub's shapes in most places.
//!
//! No limits of its own. A page of a list has at most 50 entries unless its owner says otherwise.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::{
    BoxFuture, CommentNow, CommitStatus, ForgeApi, ForgeError, HookWish, KnownHook,
    KnownRepositories, KnownRepository, Permission, PullRequestNow, Repository, RepositoryKey,
    SeenHook, Selection, Standing, StatusPlace, User,
    github_shape::{self, HookShape, repository_path},
    http::{Credential, Sender, Session, read},
    listing::Listing,
    status::cut,
};
use crate::git::Credentials;

/// How long a description may be: Gitea sets no limit, but shows a line.
const DESCRIPTION_CHARS: usize = 255;
/// The events that a repository's webhook has to tell. To ask for `pull_request` is to ask for all of its family; somebody
/// may have taken out of it what tells of new commits.
const EVENTS: [&str; 5] = [
    "push",
    "delete",
    "pull_request",
    "pull_request_sync",
    "issue_comment",
];

/// Gitea or Forgejo.
#[derive(Debug)]
pub struct Gitea {
    session: Session,
    token: SecretString,
    hook_type: &'static str,
    listing: Listing,
}

impl Gitea {
    /// Asks Gitea's interface at `base`, which ends in `/api/v1`.
    pub fn new(base: &str, token: SecretString) -> Result<Self, ForgeError> {
        let credential = Credential::new("authorization", "token ", &token)?;
        Ok(Self {
            session: Session::new(base, credential)?,
            token,
            hook_type: "gitea",
            listing: Listing::default(),
        })
    }

    /// Asks Forgejo's, which differs in the name of its webhooks.
    pub fn forgejo(base: &str, token: SecretString) -> Result<Self, ForgeError> {
        let gitea = Self::new(base, token)?;
        Ok(Self {
            hook_type: "forgejo",
            ..gitea
        })
    }

    fn session(&self) -> &dyn Sender {
        &self.session
    }
}

impl ForgeApi for Gitea {
    fn repository<'a>(&'a self, which: &'a RepositoryKey) -> BoxFuture<'a, KnownRepository> {
        Box::pin(async move {
            let path = match which {
                RepositoryKey::Id(id) => format!("/repositories/{id}"),
                RepositoryKey::Name(name) => repository_path(name)?,
            };
            github_shape::known(self.session().get(&path).await?, None)
        })
    }

    fn repositories<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, KnownRepositories> {
        Box::pin(async move {
            let searches: Vec<String> = if selection.topics.is_empty() {
                vec!["/user/repos?limit=50".to_owned()]
            } else {
                let search = |topic: &String| {
                    let topic: String =
                        url::form_urlencoded::byte_serialize(topic.as_bytes()).collect();
                    format!("/repos/search?topic=true&q={topic}&limit=50")
                };
                selection.topics.iter().map(search).collect()
            };
            let mut all: Vec<KnownRepository> = Vec::new();
            for search in searches {
                for mut known in self
                    .listing
                    .collect(self.session(), &search, None, github_shape::known)
                    .await?
                {
                    if all
                        .iter()
                        .any(|other| other.repository.id == known.repository.id)
                    {
                        continue;
                    }
                    // A search also finds parts of topics, and old versions do not list them.
                    if known.topics.is_empty() && !selection.topics.is_empty() {
                        known.topics = self.topics(&known.repository).await?;
                    }
                    all.push(known);
                }
            }
            all.retain(|known| selection.takes(known));
            Ok(KnownRepositories::all(all))
        })
    }

    fn pull_request<'a>(
        &'a self,
        repository: &'a Repository,
        number: u64,
    ) -> BoxFuture<'a, PullRequestNow> {
        Box::pin(async move {
            let path = repository_path(&repository.full_name)?;
            let answer = self
                .session()
                .get(&format!("{path}/pulls/{number}"))
                .await?;
            github_shape::pull_request(answer)
        })
    }

    fn pull_requests<'a>(
        &'a self,
        repository: &'a Repository,
        since: Timestamp,
    ) -> BoxFuture<'a, Vec<PullRequestNow>> {
        Box::pin(async move {
            let path = repository_path(&repository.full_name)?;
            let path = format!("{path}/pulls?state=open&sort=recentupdate&limit=50");
            github_shape::pull_requests(self.session(), &path, since).await
        })
    }

    fn comment<'a>(
        &'a self,
        repository: &'a Repository,
        _pull_request: u64,
        id: u64,
    ) -> BoxFuture<'a, CommentNow> {
        Box::pin(github_shape::comment(self.session(), repository, id))
    }

    fn permission<'a>(
        &'a self,
        repository: &'a Repository,
        user: &'a User,
    ) -> BoxFuture<'a, Permission> {
        Box::pin(github_shape::permission(self.session(), repository, user))
    }

    fn set_status<'a>(
        &'a self,
        place: &'a StatusPlace,
        status: &'a CommitStatus,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let path = repository_path(&place.repository.full_name)?;
            let body = json!({
                "state": github_shape::name(status.state),
                "context": status.context,
                "description": cut(&status.description, DESCRIPTION_CHARS),
                "target_url": place.target_url.as_deref().unwrap_or_default(),
            });
            let path = format!("{path}/statuses/{}", place.commit);
            self.session().post(&path, &body).await.map(drop)
        })
    }

    fn statuses<'a>(
        &'a self,
        place: &'a StatusPlace,
        prefix: &'a str,
    ) -> BoxFuture<'a, Vec<CommitStatus>> {
        Box::pin(async move {
            let path = repository_path(&place.repository.full_name)?;
            let path = format!("{path}/commits/{}/status?limit=50", place.commit);
            github_shape::statuses(self.session(), &path, prefix).await
        })
    }

    fn ensure_hook<'a>(
        &'a self,
        repository: &'a Repository,
        hook: &'a HookWish,
    ) -> BoxFuture<'a, KnownHook> {
        Box::pin(async move {
            github_shape::ensure_hook(self.session(), repository, hook, &self.hook_shape()).await
        })
    }

    fn clock(&self) -> BoxFuture<'_, Option<Timestamp>> {
        Box::pin(self.session.clock("/version"))
    }

    fn standing(&self) -> BoxFuture<'_, Standing> {
        #[derive(serde::Deserialize)]
        struct Answer {
            login: String,
        }
        Box::pin(async move {
            // It tells no scopes; without this one it says so here, and without the other at the webhooks.
            let answer: Answer = read("the user", self.session().get("/user").await?)?;
            Ok(Standing {
                who: answer.login,
                missing: Vec::new(),
                is_told: false,
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
            github_shape::hook(self.session(), repository, url, &self.hook_shape()).await
        })
    }

    fn clone_credentials<'a>(&'a self, _repository: &'a Repository) -> BoxFuture<'a, Credentials> {
        Box::pin(async {
            Ok(Credentials {
                user: "nixci".to_owned(),
                token: self.token.clone(),
            })
        })
    }

    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}

impl Gitea {
    fn hook_shape(&self) -> HookShape<'static> {
        HookShape {
            events: &EVENTS,
            made: ("type", self.hook_type),
            query: "limit=50",
            takes_secret: false,
        }
    }

    async fn topics(&self, repository: &Repository) -> Result<Vec<String>, ForgeError> {
        #[derive(serde::Deserialize)]
        struct Answer {
            topics: Option<Vec<String>>,
        }
        let path = format!(
            "{}/topics?limit=50",
            repository_path(&repository.full_name)?
        );
        let answer = match self.session().get(&path).await {
            // One repository that went away meanwhile is none that stops the others.
            Err(error) if error.is_of_token() => return Ok(Vec::new()),
            answer => answer?,
        };
        let answer: Answer = read("topics", answer)?;
        Ok(answer.topics.unwrap_or_default())
    }
}
