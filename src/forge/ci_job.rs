//! Which commit a CI job works on, and how its forge is reached: by what the CI says in the environment.
//!
//! Pure: the environment and files come as functions.

use secrecy::SecretString;

/// A kind of forge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForgeKind {
    /// GitHub, or GitHub Enterprise.
    Github,
    /// Gitea or Forgejo.
    Gitea,
    /// GitLab.
    Gitlab,
}

/// A job of a CI.
#[derive(Clone, Debug)]
pub struct CiJob {
    /// Where the forge's interface is.
    pub api_url: String,
    /// The repository: `owner/name`, on GitLab its number.
    pub repository: String,
    /// The commit, in hexadecimal digits: of a pull request its head, not the merge that is tested.
    pub revision: String,
    /// The branch, where the forge wants to know it.
    pub branch: Option<String>,
    /// The pipeline, where the forge wants to know it.
    pub pipeline: Option<u64>,
    /// The page of the job.
    pub target_url: Option<String>,
    /// What gives the right to set statuses.
    pub token: SecretString,
}

/// Why nothing can be reported.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CiJobError {
    /// A variable that every job of that CI has is not set.
    #[error("`--report {forge}` works in a job of its CI: the variable {variable} is not set")]
    Missing {
        /// The forge, as on the command line.
        forge: &'static str,
        /// The variable.
        variable: &'static str,
    },
    /// A variable says nonsense.
    #[error("the variable {variable} is no {what}")]
    Malformed {
        /// The variable.
        variable: &'static str,
        /// What it should be.
        what: &'static str,
    },
    /// There is no token.
    #[error(
        "`--report {forge}` needs a token: set {variables} for the job, with the right to write commit statuses"
    )]
    NoToken {
        /// The forge, as on the command line.
        forge: &'static str,
        /// The variables that may hold it.
        variables: &'static str,
    },
}

impl ForgeKind {
    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitea => "gitea",
            Self::Gitlab => "gitlab",
        }
    }
}

impl CiJob {
    /// Reads the environment of a job. `env` gives a variable, `read` the content of a small file.
    pub fn from_env(
        kind: ForgeKind,
        env: &dyn Fn(&str) -> Option<String>,
        read: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, CiJobError> {
        let env = |name: &str| env(name).filter(|value| !value.is_empty());
        let job = match kind {
            ForgeKind::Github => {
                let token = token(kind, &env, &["GITHUB_TOKEN", "GH_TOKEN"], "GITHUB_TOKEN");
                actions(kind, &env, read, token?)?
            }
            ForgeKind::Gitea => gitea(&env, read)?,
            ForgeKind::Gitlab => gitlab(&env)?,
        };
        let is_commit = matches!(job.revision.len(), 40 | 64)
            && job.revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_commit {
            return Err(CiJobError::Malformed {
                variable: if kind == ForgeKind::Gitlab {
                    "CI_COMMIT_SHA"
                } else {
                    "GITHUB_SHA"
                },
                what: "commit",
            });
        }
        Ok(job)
    }
}

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

fn wanted(kind: ForgeKind, env: Env<'_>, variable: &'static str) -> Result<String, CiJobError> {
    env(variable).ok_or(CiJobError::Missing {
        forge: kind.as_str(),
        variable,
    })
}

fn token(
    kind: ForgeKind,
    env: Env<'_>,
    names: &[&str],
    variables: &'static str,
) -> Result<SecretString, CiJobError> {
    let token = names.iter().find_map(|name| env(name));
    token
        .map(|token| SecretString::from(token.trim().to_owned()))
        .ok_or(CiJobError::NoToken {
            forge: kind.as_str(),
            variables,
        })
}

/// GitHub Actions: <https://docs.github.com/en/actions/reference/workflows-and-actions/variables>.
fn actions(
    kind: ForgeKind,
    env: Env<'_>,
    read: &dyn Fn(&str) -> Option<Vec<u8>>,
    token: SecretString,
) -> Result<CiJob, CiJobError> {
    let repository = wanted(kind, env, "GITHUB_REPOSITORY")?;
    let is_name = |name: &str| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !name.is_empty() && name != "." && name != ".." && name.chars().all(is_plain)
    };
    if !repository
        .split_once('/')
        .is_some_and(|(owner, name)| is_name(owner) && is_name(name))
    {
        return Err(CiJobError::Malformed {
            variable: "GITHUB_REPOSITORY",
            what: "repository (owner/name)",
        });
    }
    let event = env("GITHUB_EVENT_PATH").and_then(|path| read(&path));
    let head = event
        .and_then(|event| serde_json::from_slice::<serde_json::Value>(&event).ok())
        .and_then(|event| {
            Some(
                event
                    .pointer("/pull_request/head/sha")?
                    .as_str()?
                    .to_owned(),
            )
        });
    let revision = match head {
        Some(head) => head,
        None => wanted(kind, env, "GITHUB_SHA")?,
    };
    let target_url = env("GITHUB_SERVER_URL")
        .zip(env("GITHUB_RUN_ID"))
        .map(|(server, run)| format!("{server}/{repository}/actions/runs/{run}"));
    Ok(CiJob {
        api_url: env("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned()),
        repository,
        revision,
        branch: None,
        pipeline: None,
        target_url,
        token,
    })
}

/// Gitea's and Forgejo's actions, which have GitHub's variables.
fn gitea(env: Env<'_>, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Result<CiJob, CiJobError> {
    let kind = ForgeKind::Gitea;
    let names = ["GITEA_TOKEN", "FORGEJO_TOKEN", "GITHUB_TOKEN"];
    let found = token(
        kind,
        env,
        &names,
        "GITEA_TOKEN, FORGEJO_TOKEN or GITHUB_TOKEN",
    )?;
    let api_url = match env("GITHUB_API_URL") {
        Some(url) => url,
        None => format!("{}/api/v1", wanted(kind, env, "GITHUB_SERVER_URL")?),
    };
    // The page of a run goes by its number in the repository, not by its id.
    let by_number = |name: &str| match name {
        "GITHUB_RUN_ID" => env("GITHUB_RUN_NUMBER"),
        _ => env(name),
    };
    Ok(CiJob {
        api_url,
        ..actions(kind, &by_number, read, found)?
    })
}

/// GitLab CI: <https://docs.gitlab.com/ci/variables/predefined_variables/>.
fn gitlab(env: Env<'_>) -> Result<CiJob, CiJobError> {
    let kind = ForgeKind::Gitlab;
    let repository = wanted(kind, env, "CI_PROJECT_ID")?;
    if !repository.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CiJobError::Malformed {
            variable: "CI_PROJECT_ID",
            what: "number",
        });
    }
    let revision = match env("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") {
        Some(head) => head,
        None => wanted(kind, env, "CI_COMMIT_SHA")?,
    };
    Ok(CiJob {
        api_url: wanted(kind, env, "CI_API_V4_URL")?,
        repository,
        revision,
        branch: env("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME").or_else(|| env("CI_COMMIT_REF_NAME")),
        pipeline: env("CI_PIPELINE_ID").and_then(|id| id.parse().ok()),
        target_url: env("CI_JOB_URL"),
        // The job's own token, CI_JOB_TOKEN, may not set statuses.
        token: token(
            kind,
            env,
            &["GITLAB_TOKEN"],
            "GITLAB_TOKEN (a project access token with the scope `api`; CI_JOB_TOKEN may not set statuses)",
        )?,
    })
}

#[cfg(test)]
mod tests;
