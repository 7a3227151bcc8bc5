//! What a repository says about how a server builds it: `[serve]`.
//!
//! A server takes these from the default branch alone: what they give or demand is nothing that a pull request, or a
//! branch that anybody may push, decides about itself.

use serde::Deserialize;
use toml::Spanned;

use super::{ConfigError, FILE, Place, buildbot::attribute, file::list};
use crate::{
    config::{PullRequests, RefPattern, Sourced},
    nix::AttrPath,
};

/// How many entries a list has at most.
const ENTRIES_MAX: usize = 1000;

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
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServeKeys {
    branches: Option<Spanned<Vec<Spanned<String>>>>,
    tags: Option<Spanned<Vec<Spanned<String>>>>,
    required: Option<Spanned<Vec<Spanned<String>>>>,
    pull_requests: Option<Spanned<PullRequests>>,
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
        })
    }
}
