//! Commit statuses of Gitea and Forgejo: `POST /repos/OWNER/REPO/statuses/SHA` below `/api/v1`.

use std::{collections::HashSet, time::Duration};

use serde_json::json;

use super::{
    BoxFuture, CiJob, CommitStatus, Forge, ForgeError, Http,
    github::{failing_in, name},
    status::cut,
};

/// How long a description may be: Gitea sets no limit, but shows a line.
const DESCRIPTION_CHARS: usize = 255;

/// One commit on Gitea or Forgejo.
#[derive(Debug)]
pub struct Gitea {
    http: Http,
    repository: String,
    revision: String,
    target_url: Option<String>,
}

impl Gitea {
    /// Prepares statuses for the commit of this job.
    pub fn new(job: &CiJob) -> Result<Self, ForgeError> {
        Ok(Self {
            http: Http::new(&job.api_url, "authorization", "token ", &job.token)?,
            repository: job.repository.clone(),
            revision: job.revision.clone(),
            target_url: job.target_url.clone(),
        })
    }
}

impl Forge for Gitea {
    fn set_status<'a>(&'a self, status: &'a CommitStatus) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let path = format!("/repos/{}/statuses/{}", self.repository, self.revision);
            let body = json!({
                "state": name(status.state),
                "context": status.context,
                "description": cut(&status.description, DESCRIPTION_CHARS),
                "target_url": self.target_url.as_deref().unwrap_or_default(),
            });
            self.http.post(&path, &body).await.map(drop)
        })
    }

    fn failing<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, HashSet<String>> {
        Box::pin(async move {
            let (repository, revision) = (&self.repository, &self.revision);
            let path = format!("/repos/{repository}/commits/{revision}/status?limit=100");
            let answer = self.http.get(&path).await?;
            Ok(failing_in(
                answer.get("statuses"),
                prefix,
                ["context", "status"],
            ))
        })
    }

    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}
