//! Mirrors against real git: over HTTP from `git http-backend`, and from a folder.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "whatever a test does not name fails it"
)]

#[path = "../support/mod.rs"]
mod support;

mod fetching;
mod hostile;
mod measuring;
mod merging;
mod misbehaviour;

use std::path::Path;

use nixci::git::{
    Advertisement, CommitId, Credentials, FetchLimits, GitHttp, Mirror, MirrorError, Remote,
    Wanted, ls_remote,
};
use secrecy::SecretString;
use support::git_server::{GitRepository, GitServer};
use tempfile::TempDir;

/// A repository `work`, served as `/work/.git`, and a mirror of it.
struct World {
    folder: TempDir,
    repository: GitRepository,
    server: GitServer,
    mirror: Mirror,
    http: GitHttp,
    limits: FetchLimits,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = GitRepository::init(&folder.path().join("work"));
        let server = GitServer::start(folder.path(), "http://127.0.0.1:9");
        let mirror = Mirror::open(folder.path(), 7).unwrap();
        let http = GitHttp::new().unwrap();
        Self {
            folder,
            repository,
            server,
            mirror,
            http,
            limits: FetchLimits::default(),
        }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The repository, as the server deals with it that is named by the first part of the path.
    fn remote(&self, manner: &str) -> Remote {
        self.remote_with(manner, None)
    }

    fn remote_with(&self, manner: &str, token: Option<&str>) -> Remote {
        let home = self.server.address().parse().unwrap();
        let url = format!("{}/{manner}work/.git", self.server.address());
        let credentials = token.map(|token| Credentials {
            user: "x-access-token".to_owned(),
            token: SecretString::from(token),
        });
        Remote::of_forge(&home, &url, credentials.as_ref()).unwrap()
    }

    async fn refs(&self, remote: &Remote) -> Result<Advertisement, MirrorError> {
        ls_remote(&self.http, remote, &self.limits).await
    }

    async fn fetch_from(
        &self,
        remote: &Remote,
        wanted: &[Wanted],
    ) -> Result<Vec<CommitId>, MirrorError> {
        self.mirror
            .fetch(&self.http, remote, wanted, &self.limits)
            .await
    }

    /// Fetches a branch the ordinary way.
    async fn fetch(&self, name: &str) -> Result<CommitId, MirrorError> {
        let wanted = Wanted::Ref(name.to_owned());
        Ok(self.fetch_from(&self.remote(""), &[wanted]).await?[0])
    }

    /// The mirror, as git sees it.
    fn inside(&self) -> GitRepository {
        GitRepository::at(&self.mirror.folder().join(".git"))
    }
}

/// A name that must be right.
fn id(text: &str) -> CommitId {
    text.parse().unwrap()
}
