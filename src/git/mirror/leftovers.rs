//! What a server that was killed may have left in its mirrors: locks that nobody holds any more, and halves of files.

use std::{fs, path::Path};

use super::{MIRRORS, REPOSITORY};

/// What libgit2 names its temporary files by (`git_futils_mktmp`).
const TEMPORARY: &str = "_git2_";
/// What it names its locks by (`GIT_FILELOCK_EXTENSION`); no ref ends like that.
const LOCK: &str = ".lock";

/// Removes them from all mirrors below a server's state folder, with the files beside them that begin with `prefix`. Call it
/// while nothing uses a mirror.
pub(super) fn clean_up(state: &Path, prefix: &str) {
    for mirror in names(&state.join(MIRRORS)) {
        let mirror = state.join(MIRRORS).join(mirror);
        remove(&mirror, false, |name| name.starts_with(prefix));
        let repository = mirror.join(REPOSITORY);
        let is_left = |name: &str| name.ends_with(LOCK) || name.contains(TEMPORARY);
        remove(&repository, false, is_left);
        remove(&repository.join("objects"), false, is_left);
        remove(&repository.join("objects/pack"), false, is_left);
        remove(&repository.join("refs"), true, |name| name.ends_with(LOCK));
    }
}

/// Removes the files of a folder for which that is so, and `deep` also those of folders in it.
fn remove(folder: &Path, deep: bool, is_left: impl Fn(&str) -> bool + Copy) {
    for name in names(folder) {
        let path = folder.join(&name);
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir());
        if is_folder && deep {
            remove(&path, deep, is_left);
        } else if !is_folder && is_left(&name) {
            let _ = fs::remove_file(path);
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::git::Mirror;

    #[test]
    fn a_mirror_that_was_left_in_the_middle_of_something_can_be_used() {
        let state = tempfile::tempdir().unwrap();
        Mirror::open(state.path(), 1).unwrap();
        let mirror = Mirror::folder_of(state.path(), 1);
        let git = mirror.join(".git");
        fs::create_dir_all(git.join("refs/nixci/heads")).unwrap();
        let left = [
            "config.lock",
            "packed-refs.lock",
            "refs/nixci/heads/main.lock",
            "objects/pack/pack_git2_a1b2c3",
        ];
        for name in left {
            fs::write(git.join(name), "").unwrap();
        }
        fs::write(git.join("refs/nixci/heads/main"), "0".repeat(40)).unwrap();
        fs::write(mirror.join("lock-7.json"), "{}").unwrap();
        Mirror::clean_up(state.path(), "lock-");
        assert!(left.iter().all(|name| !git.join(name).exists()));
        assert!(git.join("refs/nixci/heads/main").exists() && git.join("config").exists());
        assert!(!mirror.join("lock-7.json").exists());
    }

    #[test]
    fn half_a_mirror_is_made_anew_and_by_one_at_a_time() {
        let state = tempfile::tempdir().unwrap();
        let git = Mirror::folder_of(state.path(), 1).join(".git");
        fs::create_dir_all(&git).unwrap();
        fs::write(git.join("config.lock"), "").unwrap();
        std::thread::scope(|scope| {
            let open = || {
                Mirror::open(state.path(), 1)
                    .map(drop)
                    .map_err(|error| error.to_string())
            };
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            for one in opened {
                assert_eq!(one.join().unwrap(), Ok(()));
            }
        });
    }
}
