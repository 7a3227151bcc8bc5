//! Which steps are run after the checks of a run, and what they are told of it. Pure.

use crate::{
    config::{PostBuildStep, Properties, Property, ServerConfig},
    db::server::{Repository, Run, RunKind, Trust},
    nix::StorePath,
};

/// The steps for a run. What somebody may write to a pull request he need not be able to push, so those are run for none
/// but where it says so, and never for a stranger's. A commit that is built for itself has none: its ref is elsewhere, and
/// so is what is deployed of that.
pub(super) fn steps_for(
    steps: &[PostBuildStep],
    run: &Run,
    repository: &Repository,
) -> Vec<PostBuildStep> {
    if run.for_itself {
        return Vec::new();
    }
    let seen = &repository.seen;
    let is_meant = |step: &&PostBuildStep| {
        let is_for_run = match run.new.kind {
            RunKind::Push | RunKind::Tag | RunKind::Manual | RunKind::Schedule => {
                run.new.pull_request.is_none() && step.is_for_ref(&run.new.git_ref)
            }
            RunKind::PullRequest => {
                let base = run.new.base_ref.as_deref().unwrap_or_default();
                let is_trusted = matches!(run.trust, Some(Trust::Trusted | Trust::Approved));
                step.pull_requests && is_trusted && step.is_for_ref(base)
            }
            // It comes again as a push when it is merged.
            RunKind::MergeQueue => false,
        };
        is_for_run && step.is_for_repository(&seen.forge, &seen.full_name)
    };
    steps.iter().filter(is_meant).cloned().collect()
}

/// What is known of a check of a run.
pub(super) fn properties(
    config: &ServerConfig,
    run: &Run,
    repository: &Repository,
    check: &str,
    system: &str,
    drv_path: &str,
    out_path: Option<&StorePath>,
) -> Properties {
    let (seen, new) = (&repository.seen, &run.new);
    // The full ref of a pull request, so that none of its names is taken for a branch here.
    let branch = new
        .git_ref
        .strip_prefix("refs/heads/")
        .or_else(|| new.git_ref.strip_prefix("refs/tags/"))
        .unwrap_or(&new.git_ref);
    let event = match new.kind {
        RunKind::Push | RunKind::Tag => "push",
        RunKind::PullRequest => "pull_request",
        RunKind::MergeQueue => "merge_queue",
        RunKind::Manual => "manual",
        RunKind::Schedule => "schedule",
    };
    let url = config.clone_url(&seen.forge, &seen.full_name);
    let text = str::to_owned;
    [
        (Property::Attr, text(check)),
        (Property::Branch, text(branch)),
        (Property::DefaultBranch, seen.default_branch.clone()),
        (Property::DrvPath, text(drv_path)),
        (Property::Event, text(event)),
        (
            Property::OutPath,
            out_path.map(ToString::to_string).unwrap_or_default(),
        ),
        (
            Property::PrNumber,
            new.pull_request
                .map(|number| number.to_string())
                .unwrap_or_default(),
        ),
        (Property::Project, seen.full_name.clone()),
        (
            Property::Repository,
            url.map(|url| url.to_string()).unwrap_or_default(),
        ),
        (Property::Revision, new.commit.clone()),
        (Property::System, text(system)),
    ]
    .into()
}
