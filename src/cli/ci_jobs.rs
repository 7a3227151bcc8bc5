//! Checks as jobs of a CI: the matrix of GitHub Actions, and a child pipeline of GitLab. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{nix::AttrPath, store::shell_word};

/// How many jobs a matrix of GitHub may have:
/// <https://docs.github.com/en/actions/reference/limits>.
const GITHUB_JOBS_MAX: usize = 256;

/// One check, as a job that a CI runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Job {
    /// The attribute path below the attribute asked for.
    pub(super) check: String,
    /// The same without its system.
    pub(super) name: String,
    /// Its system; empty where that is not known.
    pub(super) system: String,
    /// What `nixci check` takes: the flake and the whole attribute path.
    pub(super) installable: String,
}

/// More jobs than GitHub takes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a matrix of GitHub has at most {GITHUB_JOBS_MAX} jobs, and these are {0}: choose fewer by a pattern or by \
    `--uncached`, or make one job a system by `--by system`"
)]
pub(super) struct TooManyJobs(usize);

impl Job {
    /// The job of the check at `path` below `attribute` of a flake.
    pub(super) fn new(
        flake: &str,
        attribute: &AttrPath,
        path: &AttrPath,
        system: Option<&str>,
    ) -> Self {
        let (name, in_path) = path.split_system();
        Self {
            check: path.to_string(),
            name: name.to_string(),
            system: system.or(in_path).unwrap_or_default().to_owned(),
            installable: format!("{flake}#{}", attribute.join(path)),
        }
    }
}

/// A matrix for `strategy.matrix: ${{ fromJSON(…) }}`, with an entry for each job.
pub(super) fn github_matrix(jobs: &[Job]) -> Result<Value, TooManyJobs> {
    let entry = |job: &Job| {
        let mut entry = json!(job);
        entry["os"] = json!(github_runner(&job.system));
        entry
    };
    matrix(&jobs.iter().map(entry).collect::<Vec<_>>())
}

/// The same with an entry for each system.
pub(super) fn github_matrix_by_system(jobs: &[Job]) -> Result<Value, TooManyJobs> {
    let entry = |(system, checks): (&str, usize)| json!({ "system": system, "os": github_runner(system), "checks": checks });
    matrix(&by_system(jobs).into_iter().map(entry).collect::<Vec<_>>())
}

fn matrix(entries: &[Value]) -> Result<Value, TooManyJobs> {
    if entries.len() > GITHUB_JOBS_MAX {
        return Err(TooManyJobs(entries.len()));
    }
    Ok(json!({ "include": entries }))
}

/// A pipeline for `trigger: include: artifact`, as JSON, which is YAML too. `command` is what starts nixci.
pub(super) fn gitlab_pipeline(jobs: &[Job]) -> Value {
    let entry = |job: &Job| {
        let script = format!("nixci check {}", shell_word(&job.installable));
        (
            format!("check {}", job.check),
            gitlab_job(&job.system, &script),
        )
    };
    pipeline(jobs.iter().map(entry))
}

/// The same with a job for each system; `targets` are the arguments that name what is checked.
pub(super) fn gitlab_pipeline_by_system(jobs: &[Job], targets: &[String]) -> Value {
    let words: Vec<String> = targets.iter().map(|word| shell_word(word)).collect();
    let entry = |(system, _): (&str, usize)| {
        let script = format!(
            "nixci check {} --systems {}",
            words.join(" "),
            shell_word(system)
        );
        (format!("check {system}"), gitlab_job(system, &script))
    };
    pipeline(by_system(jobs).into_iter().map(entry))
}

/// The runner is chosen by the system as a tag.
fn gitlab_job(system: &str, script: &str) -> Value {
    let tags: Vec<&str> = Some(system)
        .into_iter()
        .filter(|tag| !tag.is_empty())
        .collect();
    json!({ "script": [script], "tags": tags })
}

/// GitLab refuses a pipeline without a job.
fn pipeline(jobs: impl Iterator<Item = (String, Value)>) -> Value {
    let jobs: serde_json::Map<String, Value> = jobs.collect();
    if jobs.is_empty() {
        return json!({ "nothing to check": { "script": ["true"] } });
    }
    Value::Object(jobs)
}

fn by_system(jobs: &[Job]) -> BTreeMap<&str, usize> {
    let mut systems = BTreeMap::new();
    for job in jobs.iter().filter(|job| !job.system.is_empty()) {
        *systems.entry(job.system.as_str()).or_default() += 1;
    }
    systems
}

/// The label of GitHub's own runner for a system; `self-hosted` where it has none:
/// <https://docs.github.com/en/actions/reference/runners/github-hosted-runners>.
fn github_runner(system: &str) -> &'static str {
    match system {
        "x86_64-linux" | "i686-linux" => "ubuntu-latest",
        "aarch64-linux" => "ubuntu-24.04-arm",
        "aarch64-darwin" => "macos-latest",
        "x86_64-darwin" => "macos-15-intel",
        _ => "self-hosted",
    }
}

#[cfg(test)]
mod tests;
