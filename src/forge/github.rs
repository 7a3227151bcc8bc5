//! GitHub's commit statuses: `POST /repos/OWNER/REPO/statuses/SHA`.
//!
//! <https://docs.github.com/en/rest/commits/statuses>. A description has at most 140 characters; a commit takes at most
//! 1,000 statuses a context; writes should be a second apart.

use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};

use super::{BoxFuture, CiJob, CommitStatus, Forge, ForgeError, Http, StatusState, status::cut};

/// How long a description may be.
const DESCRIPTION_CHARS: usize = 140;

/// One commit on GitHub.
#[derive(Debug)]
pub struct Github {
    http: Http,
    repository: String,
    revision: String,
    target_url: Option<String>,
}

impl Github {
    /// Prepares statuses for the commit of this job.
    pub fn new(job: &CiJob) -> Result<Self, ForgeError> {
        Ok(Self {
            http: Http::new(&job.api_url, "authorization", "Bearer ", &job.token)?,
            repository: job.repository.clone(),
            revision: job.revision.clone(),
            target_url: job.target_url.clone(),
        })
    }
}

/// The name of a state, the same in Gitea's interface.
pub(super) fn name(state: StatusState) -> &'static str {
    match state {
        StatusState::Pending => "pending",
        StatusState::Success => "success",
        StatusState::Failure => "failure",
        StatusState::Error => "error",
    }
}

/// The contexts of a list of statuses that say that something failed; `name` and `state` are the fields' names.
pub(super) fn failing_in(
    statuses: Option<&Value>,
    prefix: &str,
    [name, state]: [&str; 2],
) -> HashSet<String> {
    let all = statuses.and_then(Value::as_array).into_iter().flatten();
    all.filter(|status| {
        let state = status.get(state).and_then(Value::as_str);
        matches!(state, Some("failure" | "failed" | "error" | "canceled"))
    })
    .filter_map(|status| status.get(name)?.as_str())
    .filter(|context| context.starts_with(prefix))
    .map(str::to_owned)
    .collect()
}

impl Forge for Github {
    fn set_status<'a>(&'a self, status: &'a CommitStatus) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let path = format!("/repos/{}/statuses/{}", self.repository, self.revision);
            let mut body = json!({
                "state": name(status.state),
                "context": status.context,
                "description": cut(&status.description, DESCRIPTION_CHARS),
            });
            if let Some(url) = &self.target_url {
                body["target_url"] = json!(url);
            }
            self.http.post(&path, &body).await.map(drop)
        })
    }

    fn failing<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, HashSet<String>> {
        Box::pin(async move {
            let (repository, revision) = (&self.repository, &self.revision);
            let path = format!("/repos/{repository}/commits/{revision}/status?per_page=100");
            let answer = self.http.get(&path).await?;
            Ok(failing_in(
                answer.get("statuses"),
                prefix,
                ["context", "state"],
            ))
        })
    }

    fn pace(&self) -> Duration {
        Duration::from_secs(1)
    }
}
