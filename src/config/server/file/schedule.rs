//! `[[schedule]]` as it is written.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use toml::Spanned;

use super::Reader;
use crate::config::{
    ConfigError, Cron, Schedule,
    schedule::{branch_name, schedule_name},
    server::{ForgeConfig, ServerSchedule},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    name: Spanned<String>,
    cron: Spanned<String>,
    repositories: Option<Vec<Spanned<String>>>,
    branch: Option<Spanned<String>>,
}

impl Reader<'_> {
    /// Reads the schedules.
    pub(super) fn schedules(
        &self,
        all: &[Keys],
        forges: &BTreeMap<String, ForgeConfig>,
    ) -> Result<Vec<ServerSchedule>, ConfigError> {
        let mut names = HashSet::new();
        let schedules = all.iter().map(|keys| {
            if !names.insert(keys.name.get_ref()) {
                return Err(self.wrong(keys.name.span(), "another schedule is called so, too"));
            }
            Ok(ServerSchedule {
                schedule: Schedule {
                    name: self.meaning(&keys.name, schedule_name)?,
                    cron: self.meaning(&keys.cron, Cron::parse)?,
                    branch: keys
                        .branch
                        .as_ref()
                        .map(|branch| self.meaning(branch, branch_name))
                        .transpose()?,
                },
                repositories: self.repositories(keys.repositories.as_ref(), forges)?,
            })
        });
        schedules.collect()
    }
}
