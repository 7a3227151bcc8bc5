//! GitHub's interface: <https://docs.github.com/en/rest>.
//!
//! A status' description has at most 140 characters; a commit takes at most 1,000 statuses a context; writes should be a
//! second apart. With an App each request is made with a token for the repository it is about, and no other.

mod app;
mod app_hook;
mod deliveries;
mod manifest;
mod standing;

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use self::app::{App, AppSession, Scope};
pub use self::{
    app::AppKey,
    manifest::{AppWish, MadeApp, make_app},
};
use super::{
    BoxFuture, CheckRun, CommentNow, CommitStatus, FailedDelivery, ForgeApi, ForgeError, HookOwner,
    HookState, HookWish, KnownCheckRun, KnownHook, KnownRepositories, KnownRepository, Permission,
    PullRequestNow, Repository, RepositoryKey, SeenHook, Selection, Standing, StatusPlace, User,
    github_shape::{
        HookShape, comment, ensure_hook, hook, known, name, permission, pull_request,
        pull_requests, repository_path, statuses,
    },
    hook::payload,
    http::{Credential, Sender, Session, read},
    listing::Listing,
    status::cut,
};
use crate::git::Credentials;

/// How long a description may be.
const DESCRIPTION_CHARS: usize = 140;
/// The commit that no repository has.
const NO_COMMIT: &str = "0000000000000000000000000000000000000000";
/// The events that a repository's webhook has to tell.
const EVENTS: [&str; 5] = [
    "push",
    "pull_request",
    "merge_group",
    "issue_comment",
    "repository",
];

/// How the webhook of a repository is.
const HOOK_SHAPE: HookShape<'static> = HookShape {
    events: &EVENTS,
    made: ("name", "web"),
    query: "per_page=100",
    takes_secret: true,
};

/// GitHub, or GitHub Enterprise.
#[derive(Debug)]
pub struct Github {
    access: Access,
    listing: Listing,
}

/// What requests are made with.
#[derive(Debug)]
enum Access {
    Token {
        session: Session,
        token: SecretString,
    },
    App(App),
}

impl Github {
    /// Asks the interface at `base` with a person's token, or that of a job.
    pub fn with_token(base: &str, token: SecretString) -> Result<Self, ForgeError> {
        let credential = Credential::new("authorization", "Bearer ", &token)?;
        let session = Session::new(base, credential)?;
        Ok(Self {
            access: Access::Token { session, token },
            listing: Listing::default(),
        })
    }

    /// Asks the interface at `base` as an App.
    pub fn with_app(base: &str, key: AppKey) -> Result<Self, ForgeError> {
        Ok(Self {
            access: Access::App(App::new(base, key)?),
            listing: Listing::default(),
        })
    }

    /// What sends requests about a repository.
    async fn session(&self, repository: &Repository) -> Result<Box<dyn Sender + '_>, ForgeError> {
        Ok(match &self.access {
            Access::Token { session, .. } => Box::new(session.clone()),
            Access::App(app) => Box::new(AppSession {
                app,
                scope: app.scope_of(repository).await?,
            }),
        })
    }
}

impl ForgeApi for Github {
    fn repository<'a>(&'a self, which: &'a RepositoryKey) -> BoxFuture<'a, KnownRepository> {
        Box::pin(async move {
            match (&self.access, which) {
                (Access::Token { session, .. }, RepositoryKey::Id(id)) => {
                    let session: &dyn Sender = session;
                    known(session.get(&format!("/repositories/{id}")).await?, None)
                }
                (Access::Token { session, .. }, RepositoryKey::Name(name)) => {
                    let session: &dyn Sender = session;
                    known(session.get(&repository_path(name)?).await?, None)
                }
                (Access::App(app), _) => {
                    let path = match which {
                        RepositoryKey::Id(id) => format!("/repositories/{id}"),
                        RepositoryKey::Name(name) => repository_path(name)?,
                    };
                    let installation = app.installation_of(&path).await?;
                    let scope = Scope::Installation(installation);
                    let session: &dyn Sender = &AppSession { app, scope };
                    known(session.get(&path).await?, Some(installation))
                }
            }
        })
    }

    fn repositories<'a>(&'a self, selection: &'a Selection) -> BoxFuture<'a, KnownRepositories> {
        Box::pin(async move {
            let mut is_all = true;
            let mut all = match &self.access {
                Access::Token { session, .. } => {
                    let path = "/user/repos?per_page=100";
                    self.listing.collect(session, path, None, known).await?
                }
                Access::App(app) => {
                    let mut all = Vec::new();
                    for installation in app.installations().await? {
                        let scope = Scope::Installation(installation);
                        let session = AppSession { app, scope };
                        let path = "/installation/repositories?per_page=100";
                        match self
                            .listing
                            .collect(&session, path, Some(installation), known)
                            .await
                        {
                            Ok(some) => all.extend(some),
                            // Just suspended or taken away, or not: the others go on.
                            Err(error) if error.is_of_token() => {
                                is_all = false;
                                tracing::warn!(installation, %error, "cannot list the repositories of an installation");
                            }
                            Err(error) => return Err(error),
                        }
                    }
                    all
                }
            };
            all.retain(|known| selection.takes(known));
            Ok(KnownRepositories {
                repositories: all,
                is_all,
            })
        })
    }

    fn pull_request<'a>(
        &'a self,
        repository: &'a Repository,
        number: u64,
    ) -> BoxFuture<'a, PullRequestNow> {
        Box::pin(async move {
            let path = repository_path(&repository.full_name)?;
            let session = self.session(repository).await?;
            pull_request(session.get(&format!("{path}/pulls/{number}")).await?)
        })
    }

    fn pull_requests<'a>(
        &'a self,
        repository: &'a Repository,
        since: Timestamp,
    ) -> BoxFuture<'a, Vec<PullRequestNow>> {
        Box::pin(async move {
            let path = repository_path(&repository.full_name)?;
            let session = self.session(repository).await?;
            let query = "state=open&sort=updated&direction=desc&per_page=100";
            pull_requests(&*session, &format!("{path}/pulls?{query}"), since).await
        })
    }

    fn comment<'a>(
        &'a self,
        repository: &'a Repository,
        _pull_request: u64,
        id: u64,
    ) -> BoxFuture<'a, CommentNow> {
        Box::pin(async move {
            let session = self.session(repository).await?;
            comment(&*session, repository, id).await
        })
    }

    fn permission<'a>(
        &'a self,
        repository: &'a Repository,
        user: &'a User,
    ) -> BoxFuture<'a, Permission> {
        Box::pin(async move {
            let session = self.session(repository).await?;
            permission(&*session, repository, user).await
        })
    }

    fn set_status<'a>(
        &'a self,
        place: &'a StatusPlace,
        status: &'a CommitStatus,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let path = repository_path(&place.repository.full_name)?;
            let mut body = json!({
                "state": name(status.state),
                "context": status.context,
                "description": cut(&status.description, DESCRIPTION_CHARS),
            });
            if let Some(url) = &place.target_url {
                body["target_url"] = json!(url);
            }
            let session = self.session(&place.repository).await?;
            let path = format!("{path}/statuses/{}", place.commit);
            session.post(&path, &body).await.map(drop)
        })
    }

    fn statuses<'a>(
        &'a self,
        place: &'a StatusPlace,
        prefix: &'a str,
    ) -> BoxFuture<'a, Vec<CommitStatus>> {
        Box::pin(async move {
            let path = repository_path(&place.repository.full_name)?;
            let session = self.session(&place.repository).await?;
            let path = format!("{path}/commits/{}/status?per_page=100", place.commit);
            statuses(&*session, &path, prefix).await
        })
    }

    fn ensure_hook<'a>(
        &'a self,
        repository: &'a Repository,
        hook: &'a HookWish,
    ) -> BoxFuture<'a, KnownHook> {
        Box::pin(async move {
            let session = self.session(repository).await?;
            ensure_hook(&*session, repository, hook, &HOOK_SHAPE).await
        })
    }

    fn ensure_app_hook<'a>(&'a self, hook: &'a HookWish) -> BoxFuture<'a, Option<HookState>> {
        Box::pin(async move {
            match &self.access {
                Access::Token { .. } => Ok(None),
                Access::App(app) => app_hook::ensure(&*app.own(), hook).await.map(Some),
            }
        })
    }

    fn clone_credentials<'a>(&'a self, repository: &'a Repository) -> BoxFuture<'a, Credentials> {
        Box::pin(async move {
            let token = match &self.access {
                Access::Token { token, .. } => token.clone(),
                Access::App(app) => app.clone_token(repository).await?,
            };
            Ok(Credentials {
                user: "x-access-token".to_owned(),
                token,
            })
        })
    }

    fn clock(&self) -> BoxFuture<'_, Option<Timestamp>> {
        Box::pin(async move {
            match &self.access {
                Access::Token { session, .. } => session.clock("/").await,
                Access::App(app) => app.clock().await,
            }
        })
    }

    fn may_set_status<'a>(&'a self, repository: &'a Repository) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async move {
            // An App's rights are told.
            let Access::Token { session, .. } = &self.access else {
                return Ok(None);
            };
            // GitHub looks at the token before it finds that there is no such commit.
            let path = repository_path(&repository.full_name)?;
            let path = format!("{path}/statuses/{NO_COMMIT}");
            let body = json!({ "state": "pending", "context": "nixci" });
            let session: &dyn Sender = session;
            match session.post(&path, &body).await {
                Ok(_) | Err(ForgeError::Refused(_)) => Ok(Some(true)),
                Err(ForgeError::Forbidden(_) | ForgeError::Missing(_)) => Ok(Some(false)),
                Err(error @ (ForgeError::Later { .. } | ForgeError::Unauthorized(_))) => Err(error),
            }
        })
    }

    fn standing(&self) -> BoxFuture<'_, Standing> {
        Box::pin(async move {
            match &self.access {
                Access::Token { session, .. } => standing::of_token(session).await,
                Access::App(app) => standing::of_app(&*app.own()).await,
            }
        })
    }

    fn hook<'a>(
        &'a self,
        repository: Option<&'a Repository>,
        url: &'a str,
    ) -> BoxFuture<'a, Option<SeenHook>> {
        Box::pin(async move {
            match (repository, &self.access) {
                (Some(repository), _) => {
                    let session = self.session(repository).await?;
                    hook(&*session, repository, url, &HOOK_SHAPE).await
                }
                (None, Access::App(app)) => app_hook::see(&*app.own(), url).await.map(Some),
                (None, Access::Token { .. }) => Ok(None),
            }
        })
    }

    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn has_check_runs(&self) -> bool {
        match self.access {
            Access::App(_) => true,
            Access::Token { .. } => false,
        }
    }

    fn create_check_run<'a>(
        &'a self,
        repository: &'a Repository,
        run: &'a CheckRun,
    ) -> BoxFuture<'a, u64> {
        Box::pin(async move {
            let path = format!("{}/check-runs", repository_path(&repository.full_name)?);
            let session = self.session(repository).await?;
            let mut bodies = run.bodies().into_iter();
            let mut first = bodies.next().unwrap_or_default();
            first["head_sha"] = json!(run.commit.as_str());
            let made: payload::Numbered = read("a check run", session.post(&path, &first).await?)?;
            for body in bodies {
                session.patch(&format!("{path}/{}", made.id), &body).await?;
            }
            Ok(made.id)
        })
    }

    fn update_check_run<'a>(
        &'a self,
        repository: &'a Repository,
        id: u64,
        run: &'a CheckRun,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let path = format!(
                "{}/check-runs/{id}",
                repository_path(&repository.full_name)?
            );
            let session = self.session(repository).await?;
            for body in run.bodies() {
                session.patch(&path, &body).await?;
            }
            Ok(())
        })
    }

    fn check_runs<'a>(&'a self, place: &'a StatusPlace) -> BoxFuture<'a, Vec<KnownCheckRun>> {
        #[derive(Deserialize)]
        struct Listed {
            id: u64,
            name: String,
            external_id: Option<String>,
            conclusion: Option<String>,
        }
        Box::pin(async move {
            let path = repository_path(&place.repository.full_name)?;
            let session = self.session(&place.repository).await?;
            let commit = &place.commit;
            let path = format!("{path}/commits/{commit}/check-runs?filter=latest&per_page=100");
            let all: Vec<Listed> = session.list("check runs", &path).await?;
            let known = all.into_iter().map(|listed| KnownCheckRun {
                id: listed.id,
                name: listed.name,
                external_id: listed.external_id.unwrap_or_default(),
                is_completed: listed.conclusion.is_some(),
                is_failed: listed.conclusion.is_some_and(|conclusion| {
                    matches!(
                        conclusion.as_str(),
                        "action_required" | "cancelled" | "failure" | "timed_out"
                    )
                }),
            });
            Ok(known.collect())
        })
    }

    fn failed_deliveries<'a>(
        &'a self,
        of: HookOwner<'a>,
        since: Timestamp,
    ) -> BoxFuture<'a, Vec<FailedDelivery>> {
        Box::pin(async move {
            match self.deliveries(of).await? {
                Some((session, path)) => deliveries::failed(&*session, &path, since).await,
                None => Ok(Vec::new()),
            }
        })
    }

    fn redeliver<'a>(&'a self, of: HookOwner<'a>, id: u64) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            match self.deliveries(of).await? {
                Some((session, path)) => deliveries::redeliver(&*session, &path, id).await,
                None => Err(ForgeError::Refused(
                    "a token is no App, and has no webhook of its own".to_owned(),
                )),
            }
        })
    }
}

impl Github {
    /// Where the deliveries of a webhook are, and what asks there.
    async fn deliveries(
        &self,
        of: HookOwner<'_>,
    ) -> Result<Option<(Box<dyn Sender + '_>, String)>, ForgeError> {
        Ok(match (of, &self.access) {
            (HookOwner::App, Access::App(app)) => {
                Some((app.own(), "/app/hook/deliveries".to_owned()))
            }
            (HookOwner::App, Access::Token { .. }) => None,
            (HookOwner::Repository(repository, hook), _) => {
                let path = repository_path(&repository.full_name)?;
                let session = self.session(repository).await?;
                Some((session, format!("{path}/hooks/{hook}/deliveries")))
            }
        })
    }
}
