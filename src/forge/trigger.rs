//! What a webhook leads to: a build, an end of one, a look at the repositories, or nothing.
//!
//! Pure, and apart from the reading of webhooks, since the settings of a server and a repository come in here. Who may
//! have something built is not decided here: a [`Decision`] only says what was asked for, and by whom.

mod command;
mod merge_queue;

use globset::{Error, GlobSet, GlobSetBuilder};

pub use command::Command;
pub use merge_queue::{MERGE_QUEUES, QueueTarget};

use super::hook::{
    Asked, CheckName, CommitId, GitRef, HookEvent, PullRequest, PullRequestAction, Push, User,
};

/// What is built of a repository.
#[derive(Clone, Debug)]
pub struct TriggerSettings {
    default_branch: Option<String>,
    branches: GlobSet,
    tags: GlobSet,
    merge_queues: GlobSet,
}

impl TriggerSettings {
    /// Builds the default branch, branches and tags by their globs, in which `*` also stands for `/`, and the branches of
    /// merge queues. A default branch that is not known yet is taken from the webhook.
    pub fn new(
        default_branch: Option<&str>,
        branches: &[String],
        tags: &[String],
        merge_queues: &[String],
    ) -> Result<Self, Error> {
        let set = |globs: &[String]| {
            let mut set = GlobSetBuilder::new();
            for glob in globs {
                set.add(globset::Glob::new(glob)?);
            }
            set.build()
        };
        Ok(Self {
            default_branch: default_branch.map(str::to_owned),
            branches: set(branches)?,
            tags: set(tags)?,
            merge_queues: set(merge_queues)?,
        })
    }
}

/// What a webhook leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A commit is to be built.
    Build(Build),
    /// A commit would be built if its message did not say to skip it.
    Skip(Build),
    /// What is under way under this key, and all that waits under it, is pointless now.
    Cancel {
        /// Which: pull requests of any two forks have different ones, and none has that of a branch.
        git_ref: GitRef,
    },
    /// Something about the repositories changed: ask the forge.
    Refresh,
    /// Somebody wants checks of a commit once more.
    Rerun {
        /// The commit.
        commit: CommitId,
        /// One check run, or all.
        check: Option<CheckName>,
    },
    /// Somebody tells nixci to do something.
    Ask {
        /// What.
        command: Command,
        /// About what.
        about: About,
        /// Who.
        actor: Option<User>,
    },
    /// Nothing is to be done.
    Nothing {
        /// Why, for a log.
        why: String,
    },
}

/// What a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The pull request that it stands below.
    PullRequest {
        /// Its number.
        number: u64,
        /// The comment's id.
        comment: u64,
    },
    /// The check run that has the button.
    CheckRun {
        /// The commit that has the check run.
        commit: CommitId,
        /// Which check run.
        check: CheckName,
    },
}

/// A commit that is to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// What for.
    pub kind: BuildKind,
    /// Where it is found.
    pub git_ref: GitRef,
    /// The commit; of a pull request its head.
    pub commit: CommitId,
}

/// What a commit is built for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildKind {
    /// It is on a branch.
    Push {
        /// Whether that is the default branch.
        is_default: bool,
    },
    /// It has a tag.
    Tag,
    /// It is to be merged.
    PullRequest {
        /// The number of the pull request.
        number: u64,
        /// The branch that it will be merged with.
        base_ref: GitRef,
        /// Who wants that; `None` is a stranger.
        author: Option<User>,
    },
    /// A merge queue wants to know.
    MergeQueue,
}

/// Whether a commit's message asks for no build: `[skip ci]` or `[ci skip]`, with any spaces, in any case.
pub fn is_skipped(message: &str) -> bool {
    let words: String = message
        .chars()
        .filter(|c| !matches!(c, ' ' | '\t'))
        .flat_map(char::to_lowercase)
        .collect();
    words.contains("[skipci]") || words.contains("[ciskip]")
}

/// Decides what a webhook leads to.
pub fn decide(event: &HookEvent, settings: &TriggerSettings) -> Decision {
    match event {
        HookEvent::Push(push) => of_push(push, settings),
        HookEvent::RefDeleted { git_ref, .. } => Decision::Cancel {
            git_ref: git_ref.clone(),
        },
        HookEvent::PullRequest(pull_request) => of_pull_request(pull_request),
        HookEvent::MergeGroup(group) if !group.is_requested => Decision::Cancel {
            git_ref: group.head_ref.clone(),
        },
        HookEvent::MergeGroup(group) => {
            build(BuildKind::MergeQueue, &group.head_ref, &group.head_commit)
        }
        HookEvent::Rerun(rerun) => Decision::Rerun {
            commit: rerun.commit.clone(),
            check: rerun.check.clone(),
        },
        HookEvent::CheckAction(action) => {
            match Command::of_button(&action.identifier, &action.commit) {
                Some(command) => Decision::Ask {
                    command,
                    about: About::CheckRun {
                        commit: action.commit.clone(),
                        check: action.check.clone(),
                    },
                    actor: action.actor.clone(),
                },
                None => nothing("the button is none of nixci's"),
            }
        }
        HookEvent::Comment(comment) => match Command::of_comment(&comment.body) {
            Some(command) => Decision::Ask {
                command,
                about: About::PullRequest {
                    number: comment.number,
                    comment: comment.id,
                },
                actor: comment.actor.clone(),
            },
            None => nothing("the comment has no command"),
        },
        HookEvent::Asked(asked) => of_request(asked, settings),
        HookEvent::RepositoryChanged { .. } | HookEvent::InstallationChanged { .. } => {
            Decision::Refresh
        }
        HookEvent::Ping => nothing("the forge only tried whether anybody is there"),
        HookEvent::Ignored { why } => nothing(why),
    }
}

fn of_push(push: &Push, settings: &TriggerSettings) -> Decision {
    let told = push.repository.default_branch.as_deref();
    let default_branch = settings.default_branch.as_deref().or(told);
    let kind = match (push.git_ref.branch(), push.git_ref.tag()) {
        (Some(branch), _) if default_branch == Some(branch) => BuildKind::Push { is_default: true },
        (Some(branch), _) if settings.merge_queues.is_match(branch) => BuildKind::MergeQueue,
        (Some(branch), _) if settings.branches.is_match(branch) => {
            BuildKind::Push { is_default: false }
        }
        (_, Some(tag)) if settings.tags.is_match(tag) => BuildKind::Tag,
        (Some(_), _) => return nothing("the branch is none of those that are built"),
        (_, Some(_)) => return nothing("the tag is none of those that are built"),
        // AGit pushes arrive as pull requests, too.
        (None, None) => return nothing("the ref is neither a branch nor a tag"),
    };
    // A queue waits until it is told something.
    let is_skipped = kind != BuildKind::MergeQueue && is_skipped(&push.message);
    unless(is_skipped, build(kind, &push.git_ref, &push.commit))
}

fn of_pull_request(pull_request: &PullRequest) -> Decision {
    match pull_request.action {
        PullRequestAction::Closed { .. } => {
            return Decision::Cancel {
                git_ref: pull_request.git_ref.clone(),
            };
        }
        PullRequestAction::Labeled | PullRequestAction::Other => {
            return nothing("nothing that is built changed in the pull request");
        }
        PullRequestAction::Opened
        | PullRequestAction::Synchronized
        | PullRequestAction::Reopened
        | PullRequestAction::Retargeted
        | PullRequestAction::Ready => {}
    }
    let is_skipped = pull_request.message.as_deref().is_some_and(is_skipped);
    let kind = BuildKind::PullRequest {
        number: pull_request.number,
        base_ref: pull_request.base_ref.clone(),
        author: pull_request.author.clone(),
    };
    unless(
        is_skipped,
        build(kind, &pull_request.git_ref, &pull_request.head_commit),
    )
}

/// Whoever asks knows the secret, so that no glob has to name the branch.
fn of_request(asked: &Asked, settings: &TriggerSettings) -> Decision {
    let default_ref = || GitRef::of_branch(settings.default_branch.as_deref()?).ok();
    let Some(git_ref) = asked.git_ref.clone().or_else(default_ref) else {
        return nothing("the request names no ref, and no default branch is known");
    };
    let kind = match (git_ref.branch(), git_ref.tag()) {
        (Some(branch), _) => BuildKind::Push {
            is_default: settings.default_branch.as_deref() == Some(branch),
        },
        (None, Some(_)) => BuildKind::Tag,
        (None, None) => return nothing("the ref is neither a branch nor a tag"),
    };
    build(kind, &git_ref, &asked.commit)
}

fn build(kind: BuildKind, git_ref: &GitRef, commit: &CommitId) -> Decision {
    Decision::Build(Build {
        kind,
        git_ref: git_ref.clone(),
        commit: commit.clone(),
    })
}

fn unless(is_skipped: bool, decision: Decision) -> Decision {
    if is_skipped && let Decision::Build(build) = decision {
        return Decision::Skip(build);
    }
    decision
}

fn nothing(why: &str) -> Decision {
    Decision::Nothing {
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
