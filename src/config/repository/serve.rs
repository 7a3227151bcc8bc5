//! What a repository says about how a server builds it: `[serve]`.
//!
//! A server takes these from the default branch alone: what they give or demand is nothing that a pull request, or a
//! branch that anybody may push, decides about itself.

use std::collections::HashSet;

use serde::Deserialize;
use toml::Spanned;

use super::{
    ConfigError, FILE, Place,
    buildbot::attribute,
    file::{list, meaning},
};
use crate::{
    config::{
        Cron, PullRequests, RefPattern, Schedule, Sourced,
        schedule::{branch_name, schedule_name},
    },
    nix::AttrPath,
};

/// How many entries a list has at most.
const ENTRIES_MAX: usize = 1000;
/// How many schedules a repository has at most.
const SCHEDULES_MAX: usize = 10;

/// What a repository says about how a server builds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serve {
    /// Branches that are built besides those of the server.
    pub branches: Option<Sourced<Vec<RefPattern>>>,
    /// Tags that are built besides those of the server.
    pub tags: Option<Sourced<Vec<RefPattern>>>,
    /// Checks that have to be there and pass, by their attribute paths below the flake's outputs.
    pub required: Option<Sourced<Vec<AttrPath>>>,
    /// Whose pull requests are built; what the server says counts where that is stricter.
    pub pull_requests: Option<Sourced<PullRequests>>,
    /// What is built again and again, once an hour at most.
    pub schedules: Vec<Sourced<Schedule>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServeKeys {
    branches: Option<Spanned<Vec<Spanned<String>>>>,
    tags: Option<Spanned<Vec<Spanned<String>>>>,
    required: Option<Spanned<Vec<Spanned<String>>>>,
    pull_requests: Option<Spanned<PullRequests>>,
    schedule: Vec<Spanned<ScheduleKeys>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleKeys {
    name: Spanned<String>,
    cron: Spanned<String>,
    branch: Option<Spanned<String>>,
}

impl ServeKeys {
    /// Reads what is written in this text.
    pub(super) fn read(self, text: &str) -> Result<Serve, ConfigError> {
        for texts in [&self.branches, &self.tags, &self.required]
            .into_iter()
            .flatten()
        {
            if texts.get_ref().len() > ENTRIES_MAX {
                let message = format!("there are more than {ENTRIES_MAX}");
                return Err(Place::new(FILE, text, texts.span()).error(message));
            }
        }
        let globs = |texts: Option<Spanned<Vec<Spanned<String>>>>| {
            texts
                .map(|texts| list(text, texts, RefPattern::parse))
                .transpose()
        };
        Ok(Serve {
            branches: globs(self.branches)?,
            tags: globs(self.tags)?,
            required: self
                .required
                .map(|texts| list(text, texts, attribute))
                .transpose()?,
            pull_requests: self.pull_requests.map(|build| {
                let origin = Place::new(FILE, text, build.span()).origin();
                Sourced::new(build.into_inner(), origin)
            }),
            schedules: schedules(text, &self.schedule)?,
        })
    }
}

fn schedules(
    text: &str,
    all: &[Spanned<ScheduleKeys>],
) -> Result<Vec<Sourced<Schedule>>, ConfigError> {
    let wrong = |span, message: String| Place::new(FILE, text, span).error(message);
    if let Some(surplus) = all.get(SCHEDULES_MAX) {
        let message = format!("there are more than {SCHEDULES_MAX} schedules");
        return Err(wrong(surplus.span(), message));
    }
    let mut names = HashSet::new();
    let schedules = all.iter().map(|written| {
        let keys = written.get_ref();
        if !names.insert(keys.name.get_ref()) {
            let message = "another schedule is called so, too".to_owned();
            return Err(wrong(keys.name.span(), message));
        }
        let schedule = Schedule {
            name: meaning(text, &keys.name, schedule_name)?,
            cron: meaning(text, &keys.cron, cron)?,
            branch: keys
                .branch
                .as_ref()
                .map(|branch| meaning(text, branch, branch_name))
                .transpose()?,
        };
        let origin = Place::new(FILE, text, written.span()).origin();
        Ok(Sourced::new(schedule, origin))
    });
    schedules.collect()
}

/// A repository decides itself how often it is built, and the machine is everybody's.
fn cron(text: &str) -> Result<Cron, String> {
    let cron = Cron::parse(text)?;
    if cron.is_hourly_at_most() {
        Ok(cron)
    } else {
        Err(
            "a repository is built once an hour at most: write one minute, such as `17 * * * *`"
                .to_owned(),
        )
    }
}
