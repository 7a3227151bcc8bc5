//! What a server builds again and again.

use super::{RefPattern, ref_pattern::mean_repository};
use crate::config::Schedule;

/// A schedule of a server, for the repositories that it names.
#[derive(Clone, Debug)]
pub struct ServerSchedule {
    /// What is built, and when.
    pub schedule: Schedule,
    /// Of which repositories, by `OWNER/NAME` or `FORGE/OWNER/NAME`; `None`: of all.
    pub repositories: Option<Vec<RefPattern>>,
}

impl ServerSchedule {
    /// Whether it is for a repository.
    pub fn is_for_repository(&self, forge: &str, full_name: &str) -> bool {
        mean_repository(self.repositories.as_deref(), forge, full_name)
    }
}
