//! Commands that are run after a check has passed.

use std::{collections::BTreeMap, time::Duration};

use super::{
    RefPattern, Template,
    repository_pattern::{RepositoryPattern, mean_repository},
};
use crate::nix::CheckPattern;

/// A command that is run after a check has passed. What it is run for is decided by the server alone.
#[derive(Clone, Debug)]
pub struct PostBuildStep {
    /// What it is called, in logs and on pages.
    pub name: String,
    /// The program and its arguments, without secrets: everybody on the machine sees them.
    pub command: Vec<Template>,
    /// The variables that it has besides `PATH`, `HOME` and `TMPDIR`.
    pub environment: BTreeMap<String, Template>,
    /// Whether its failure changes nothing.
    pub warn_only: bool,
    /// For which repositories, by their names and forges; `None`: all.
    pub repositories: Option<Vec<RepositoryPattern>>,
    /// For which branches; `None`: all that are built, unless `tags` says something.
    pub branches: Option<Vec<RefPattern>>,
    /// For which tags; `None`: all that are built, unless `branches` says something.
    pub tags: Option<Vec<RefPattern>>,
    /// Whether also for pull requests of people who may write, and those that such a one has approved.
    pub pull_requests: bool,
    /// For which checks; `None`: all.
    pub checks: Option<Vec<CheckPattern>>,
    /// How long it may take.
    pub timeout: Duration,
}

impl PostBuildStep {
    /// Whether it is run for a repository.
    pub fn is_for_repository(&self, forge: &str, full_name: &str) -> bool {
        mean_repository(self.repositories.as_deref(), forge, full_name)
    }

    /// Whether it is run for a branch or tag, by its full ref. Refs of pull requests are neither.
    pub fn is_for_ref(&self, git_ref: &str) -> bool {
        let (of_kind, of_other, name) = if let Some(name) = git_ref.strip_prefix("refs/heads/") {
            (&self.branches, &self.tags, name)
        } else if let Some(name) = git_ref.strip_prefix("refs/tags/") {
            (&self.tags, &self.branches, name)
        } else {
            return false;
        };
        match of_kind {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(name)),
            None => of_other.is_none(),
        }
    }
}
