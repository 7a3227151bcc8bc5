//! What a server builds again and again.

use super::repository_pattern::{RepositoryPattern, mean_repository};
use crate::config::Schedule;

/// A schedule of a server, for the repositories that it names.
#[derive(Clone, Debug)]
pub struct ServerSchedule {
    /// What is built, and when.
    pub schedule: Schedule,
    /// Of which repositories, by their names and forges; `None`: of all.
    pub repositories: Option<Vec<RepositoryPattern>>,
}

impl ServerSchedule {
    /// Whether it is for a repository.
    pub fn is_for_repository(&self, forge: &str, full_name: &str) -> bool {
        mean_repository(self.repositories.as_deref(), forge, full_name)
    }
}
