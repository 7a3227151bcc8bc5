//! GitLab's commit statuses: `POST /projects/ID/statuses/SHA`.
//!
//! <https://docs.gitlab.com/api/commits/#set-commit-pipeline-status>. A state machine: what is said twice is answered
//! with 400. `ref` and `pipeline_id` keep GitLab from making another pipeline for the status.

use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};

use super::{
    BoxFuture, CiJob, CommitStatus, Forge, ForgeError, Http, StatusState, github::failing_in,
    status::cut,
};

/// How long a description may be.
const DESCRIPTION_CHARS: usize = 255;

/// One commit on GitLab.
#[derive(Debug)]
pub struct Gitlab {
    http: Http,
    project: String,
    revision: String,
    branch: Option<String>,
    pipeline: Option<u64>,
    target_url: Option<String>,
}

impl Gitlab {
    /// Prepares statuses for the commit of this job.
    pub fn new(job: &CiJob) -> Result<Self, ForgeError> {
        Ok(Self {
            http: Http::new(&job.api_url, "private-token", "", &job.token)?,
            project: job.repository.clone(),
            revision: job.revision.clone(),
            branch: job.branch.clone(),
            pipeline: job.pipeline,
            target_url: job.target_url.clone(),
        })
    }
}

impl Forge for Gitlab {
    fn set_status<'a>(&'a self, status: &'a CommitStatus) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let path = format!("/projects/{}/statuses/{}", self.project, self.revision);
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
                ("target_url", self.target_url.as_ref().map(|url| json!(url))),
                ("ref", self.branch.as_ref().map(|branch| json!(branch))),
                ("pipeline_id", self.pipeline.map(|id| json!(id))),
            ];
            for (field, value) in optional {
                if let Some(value) = value {
                    body[field] = value;
                }
            }
            match self.http.post(&path, &body).await {
                Err(ForgeError::Refused(what)) if what.contains("Cannot transition status") => {
                    Ok(())
                }
                answer => answer.map(drop),
            }
        })
    }

    fn failing<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, HashSet<String>> {
        Box::pin(async move {
            let (project, revision) = (&self.project, &self.revision);
            let path =
                format!("/projects/{project}/repository/commits/{revision}/statuses?per_page=100");
            let answer: Value = self.http.get(&path).await?;
            Ok(failing_in(Some(&answer), prefix, ["name", "status"]))
        })
    }

    fn pace(&self) -> Duration {
        Duration::ZERO
    }
}
