//! Which files a commit has.

use git2::{ObjectType, TreeWalkMode, TreeWalkResult};

use super::{CommitId, Mirror, MirrorError};

impl Mirror {
    /// The names of the regular files of a commit that `is_wanted`, at most so many. What is no UTF-8 is left out.
    pub fn file_names(
        &self,
        commit: CommitId,
        files_max: usize,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, MirrorError> {
        let repository = self.repository()?;
        let tree = self
            .commit(&repository, commit)?
            .tree()
            .map_err(|error| self.absent(commit, &error))?;
        let mut names = Vec::new();
        // How many entries there can be, and how deep, was looked at when the commit was fetched.
        let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            if names.len() >= files_max {
                return TreeWalkResult::Abort;
            }
            let is_file = entry.kind() == Some(ObjectType::Blob) && entry.filemode() != 0o120_000;
            if is_file
                && let Ok(name) = std::str::from_utf8(entry.name_bytes())
                && is_wanted(name)
            {
                names.push(format!("{folder}{name}"));
            }
            TreeWalkResult::Ok
        });
        match walked {
            Err(error) if names.len() < files_max => Err(self.failed(&error)),
            Ok(()) | Err(_) => Ok(names),
        }
    }
}
