//! Merges a pull request with its base, in memory.

use std::collections::BTreeSet;

use git2::{ErrorCode, IndexEntry, MergeOptions, Repository, Signature, Time};

use super::{CommitId, Mirror, MirrorError, TreeId, fetch::aside};

/// How many files in conflict are named.
const CONFLICTS_MAX: usize = 100;

/// What came of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// It went well.
    Merged {
        /// A commit of it, which the mirror holds. It is the same for the same two commits; one of them, if that has all
        /// of the other already.
        commit: CommitId,
        /// Its tree.
        tree: TreeId,
    },
    /// These files were changed on both sides; at most a hundred are named.
    Conflict {
        /// Their paths, ordered.
        files: Vec<String>,
    },
    /// The two have no history in common.
    Unrelated,
}

impl Mirror {
    /// Merges `head`, a pull request, into `base`, the branch that it is for. Nothing but a commit and its trees is
    /// written. Runs no program: neither hooks nor merge drivers.
    pub async fn merge(&self, base: CommitId, head: CommitId) -> Result<Merge, MirrorError> {
        let mirror = self.clone();
        aside(move || mirror.merge_now(base, head)).await
    }

    fn merge_now(&self, base: CommitId, head: CommitId) -> Result<Merge, MirrorError> {
        for (older, newer) in [(base, head), (head, base)] {
            if self.is_ancestor(older, newer)? {
                return Ok(Merge::Merged {
                    commit: newer,
                    tree: self.tree_id(newer)?,
                });
            }
        }
        let repository = self.repository()?;
        let failed = |error: git2::Error| self.failed(&error);
        match repository.merge_base(base.0, head.0) {
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(Merge::Unrelated),
            Err(error) => return Err(failed(error)),
        }
        let ours = self.commit(&repository, base)?;
        let theirs = self.commit(&repository, head)?;
        let options = MergeOptions::new();
        let mut index = repository
            .merge_commits(&ours, &theirs, Some(&options))
            .map_err(failed)?;
        if index.has_conflicts() {
            let mut files = BTreeSet::new();
            for conflict in index.conflicts().map_err(failed)? {
                let conflict = conflict.map_err(failed)?;
                let sides = [&conflict.ancestor, &conflict.our, &conflict.their];
                files.extend(sides.into_iter().flatten().map(path_of));
            }
            let files = files.into_iter().take(CONFLICTS_MAX).collect();
            return Ok(Merge::Conflict { files });
        }
        let tree = index.write_tree_to(&repository).map_err(failed)?;
        let commit = commit_merge(&repository, &ours, &theirs, tree).map_err(failed)?;
        self.hold(&repository, commit)?;
        Ok(Merge::Merged {
            commit: CommitId(commit),
            tree: TreeId(tree),
        })
    }
}

fn path_of(entry: &IndexEntry) -> String {
    String::from_utf8_lossy(&entry.path).into_owned()
}

/// Writes the commit of a merge. Nothing in it comes from now or here, so that its name follows from its parents' alone.
fn commit_merge(
    repository: &Repository,
    ours: &git2::Commit<'_>,
    theirs: &git2::Commit<'_>,
    tree: git2::Oid,
) -> Result<git2::Oid, git2::Error> {
    let tree = repository.find_tree(tree)?;
    let time = Time::new(theirs.committer().when().seconds(), 0);
    let nobody = Signature::new("nixci", "nixci@localhost", &time)?;
    let message = format!("Merge {} into {}\n", theirs.id(), ours.id());
    repository.commit(None, &nobody, &nobody, &message, &tree, &[ours, theirs])
}
