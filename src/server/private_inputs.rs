//! Which runs may fetch private inputs, and from where.
//!
//! What a run gets with a token it can build, and show in a log. So none gets more than what the settings say for its
//! repository, and none that somebody without the right to push may have written.

use super::app::App;
use crate::{
    config::{ForgeSoftware, PrivateInputs, ServerConfig},
    db::server::{Repository, Run, RunKind, Trust},
    eval::HostToken,
};

/// What an evaluation says when git was asked for a password.
const NO_ACCESS: &str = "this evaluation has none for it";

/// What opens private inputs to a run: forges, and tokens of theirs.
pub(super) struct Opened<'c>(Vec<(&'c str, &'c PrivateInputs)>);

/// What opens private inputs to a run of this trust.
pub(super) fn opened<'c>(
    config: &'c ServerConfig,
    run: &Run,
    trust: Option<Trust>,
    repository: &Repository,
) -> Opened<'c> {
    let of_repository = of_repository(config, repository);
    Opened(
        of_repository
            .filter(|(_, inputs)| may_have(inputs, run, trust))
            .collect(),
    )
}

/// Whether some runs of a repository have private inputs.
pub(super) fn has_any(app: &App, repository: &Repository) -> bool {
    of_repository(&app.config(), repository).next().is_some()
}

fn of_repository<'c>(
    config: &'c ServerConfig,
    repository: &Repository,
) -> impl Iterator<Item = (&'c str, &'c PrivateInputs)> {
    let seen = &repository.seen;
    config.private_inputs(&seen.forge, &seen.full_name, seen.private)
}

fn may_have(inputs: &PrivateInputs, run: &Run, trust: Option<Trust>) -> bool {
    // Whoever approves a commit has looked at what it does, and not at what it fetches.
    let is_trusted = trust == Some(Trust::Trusted);
    let new = &run.new;
    let is_meant = match new.kind {
        RunKind::Push | RunKind::Tag | RunKind::MergeQueue | RunKind::Schedule => true,
        // By hand a stranger's commit can be named, too.
        RunKind::Manual => {
            let is_ref = |kind| new.git_ref.starts_with(kind);
            new.pull_request.is_none() && (is_ref("refs/heads/") || is_ref("refs/tags/"))
        }
        RunKind::PullRequest => inputs.pull_requests,
    };
    is_trusted && is_meant
}

/// What whoever reads an error of a run should know of private inputs, if it was for want of a token.
pub(super) fn hint(
    config: &ServerConfig,
    run: &Run,
    repository: &Repository,
    error: &str,
) -> Option<String> {
    let signs = [
        NO_ACCESS,
        "HTTP error 401",
        "HTTP error 403",
        "HTTP error 404",
    ];
    let is_sign = signs.iter().any(|sign| error.contains(sign));
    if !is_sign || !opened(config, run, run.trust, repository).is_empty() {
        return None;
    }
    let why = if of_repository(config, repository).next().is_none() {
        "the server's settings have no `private_inputs` for this repository"
    } else if run.new.kind == RunKind::PullRequest {
        "this pull request gets none of the repository's private inputs"
    } else {
        "what is neither a branch nor a tag gets none of the repository's private inputs"
    };
    Some(format!("If it is private: {why}."))
}

impl Opened<'_> {
    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The forges that are opened, for what decides on a result.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|(forge, _)| *forge).collect();
        names.join(" ")
    }

    /// What the evaluation gets. Where no proxy of ours keeps it to the forges themselves, it gets no netrc, which would
    /// count for all that their hosts answer.
    pub(super) fn tokens(&self, config: &ServerConfig, has_proxy: bool) -> Vec<HostToken> {
        let of = |(name, inputs): &(&str, &PrivateInputs)| {
            let forge = config.forges.get(*name)?;
            Some(HostToken {
                url: forge.url.clone(),
                user: inputs.user.clone(),
                token: inputs.token.clone(),
                access_token: match forge.kind {
                    ForgeSoftware::Github => Some(""),
                    // As `Authorization: Bearer`, which is sent to no other host when the forge sends one there.
                    ForgeSoftware::Gitlab => Some("OAuth2:"),
                    ForgeSoftware::Gitea | ForgeSoftware::Forgejo | ForgeSoftware::Plain => None,
                },
                in_netrc: has_proxy && config.has_host_of_its_own(&forge.url),
            })
        };
        self.0.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests;
