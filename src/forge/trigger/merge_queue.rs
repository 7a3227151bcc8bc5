//! The branches that merge queues make, and what their names say.

use super::super::hook::GitRef;

/// The branches that merge queues make: GitHub's, gitea-mq's, and those that bors has always had.
pub const MERGE_QUEUES: [&str; 4] = ["gh-readonly-queue/*", "gitea-mq/*", "staging", "trying"];

/// Where a merge queue's candidate goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueTarget {
    /// To this branch.
    Branch(GitRef),
    /// To the branch of the pull request of this number.
    PullRequest(u64),
}

impl QueueTarget {
    /// What the name of a candidate's branch says: `gh-readonly-queue/BRANCH/pr-NUMBER-COMMIT` is GitHub's
    /// (<https://docs.github.com/en/repositories/configuring-branches-and-merges-in-your-repository/configuring-pull-request-merges/managing-a-merge-queue>),
    /// `gitea-mq/NUMBER` that of gitea-mq. The event that GitHub sends of it says the same, and may come later than
    /// the push. `None`: it does not say.
    pub fn of(candidate: &GitRef) -> Option<Self> {
        let branch = candidate.branch()?;
        if let Some(rest) = branch.strip_prefix("gh-readonly-queue/") {
            let (target, pull_request) = rest.rsplit_once('/')?;
            pull_request.strip_prefix("pr-")?;
            return GitRef::of_branch(target).ok().map(Self::Branch);
        }
        let number = branch.strip_prefix("gitea-mq/")?;
        number.parse().ok().map(Self::PullRequest)
    }
}
