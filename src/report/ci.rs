//! Which CI a run is part of, by the variables it sets.
//!
//! Apart from the formats because the step summary is written whatever the format is. Pure: variables are looked up
//! through an argument.

use std::path::PathBuf;

use super::Format;

/// A CI that shows more than plain lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ci {
    /// GitHub Actions.
    Github,
    /// Gitea Actions.
    Gitea,
    /// Forgejo Actions.
    Forgejo,
    /// GitLab CI.
    Gitlab,
}

/// The CIs in the order in which they are looked for, and the variable that each sets to `true`. Those that understand
/// the commands of GitHub also set its variable.
const SIGNS: [(Ci, &str); 4] = [
    (Ci::Forgejo, "FORGEJO_ACTIONS"),
    (Ci::Gitea, "GITEA_ACTIONS"),
    (Ci::Github, "GITHUB_ACTIONS"),
    (Ci::Gitlab, "GITLAB_CI"),
];

/// The variables that name the file of a step's summary.
const SUMMARIES: [&str; 3] = [
    "FORGEJO_STEP_SUMMARY",
    "GITEA_STEP_SUMMARY",
    "GITHUB_STEP_SUMMARY",
];

impl Ci {
    /// Finds out in which CI this is; `None` on a machine of one's own and in all others.
    pub fn detect(env: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let is_on = |name: &str| env(name).is_some_and(|value| value == "true");
        let (ci, _) = SIGNS.into_iter().find(|(_, variable)| is_on(variable))?;
        Some(ci)
    }

    /// The format for its log.
    pub(super) fn format(self) -> Format {
        match self {
            Self::Github | Self::Gitea | Self::Forgejo => Format::Github,
            Self::Gitlab => Format::Gitlab,
        }
    }
}

/// The file that this step's summary is appended to, where the CI has such a thing.
pub fn step_summary(env: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    Ci::detect(&env)?;
    let path = SUMMARIES.into_iter().find_map(env)?;
    (!path.is_empty()).then(|| path.into())
}

#[cfg(test)]
mod tests;
