//! A bare mirror of a repository: the commits that are built, and nothing else of it.
//!
//! Its commits are held by refs of our own, one each, whatever the branches of the other repository do meanwhile. There
//! is no working tree, no hook and no submodule, and no file of it is ever written out here. Everything that looks into it
//! is cheap to call and blocks no more than a read of a file; what takes long is `async` and runs elsewhere.

mod fetch;
mod inspect;
mod leftovers;
mod listing;
mod merge;

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, SystemTime},
};

use git2::{
    ErrorCode, ObjectType, Oid, Repository, RepositoryInitMode, RepositoryInitOptions,
    RepositoryOpenFlags,
};

pub use self::{
    fetch::{Wanted, ls_remote},
    merge::Merge,
};
use super::{CommitId, MirrorError, TreeId, library};

/// The mirror's folder in its own folder. By this name Nix reads it where it lies: of any other bare repository it makes a
/// copy first.
const REPOSITORY: &str = ".git";

/// The folder of all mirrors, in a server's state folder.
const MIRRORS: &str = "mirrors";

/// Held while a mirror is made.
static MAKING: Mutex<()> = Mutex::new(());

/// How often to try to hold a commit that somebody else is about to hold, and how long to wait between.
const HOLD_ATTEMPTS: u32 = 100;
const HOLD_PAUSE: Duration = Duration::from_millis(10);

/// Where refs of our own are.
const NAMESPACE: &str = "refs/nixci/";

/// A bare mirror of a repository. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mirror {
    folder: Arc<Path>,
}

impl Mirror {
    /// Opens the mirror of the repository with this number below a server's state folder, and makes it if it is not there.
    pub fn open(state: &Path, number: i64) -> Result<Self, MirrorError> {
        library::prepare()?;
        let mirror = Self {
            folder: Self::folder_of(state, number).into(),
        };
        mirror.create().map_err(|why| mirror.unusable(why))?;
        mirror.repository()?;
        Ok(mirror)
    }

    /// The folder of the mirror with this number, whether it is there or not.
    pub fn folder_of(state: &Path, number: i64) -> PathBuf {
        state.join(MIRRORS).join(number.to_string())
    }

    /// The repository of a mirror that lies in this folder.
    pub fn repository_in(folder: &Path) -> PathBuf {
        folder.join(REPOSITORY)
    }

    /// Whether nothing was ever fetched into the mirror with this number.
    pub fn is_new(state: &Path, number: i64) -> bool {
        let held = Self::repository_in(&Self::folder_of(state, number)).join(NAMESPACE);
        fs::read_dir(held).map_or(true, |mut held| held.next().is_none())
    }

    /// Removes what a server that was killed left in the mirrors below its state folder, and the files beside them that begin
    /// with `prefix`. Call it while nothing uses a mirror.
    pub fn clean_up(state: &Path, prefix: &str) {
        leftovers::clean_up(state, prefix);
    }

    fn create(&self) -> Result<(), String> {
        let repository = self.folder.join(REPOSITORY);
        // It is the last file that is made.
        if repository.join("complete").exists() {
            return Ok(());
        }
        // Two at once would meet each other's locks.
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if repository.join("complete").exists() {
            return Ok(());
        }
        // What a server that was killed has begun.
        match fs::remove_dir_all(&repository) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.to_string()),
            Ok(()) | Err(_) => {}
        }
        fs::create_dir_all(&repository).map_err(|error| error.to_string())?;
        let mut options = RepositoryInitOptions::new();
        options
            .bare(true)
            .no_reinit(false)
            .external_template(false)
            .mode(RepositoryInitMode::from_bits_retain(0o700))
            .initial_head("refs/heads/none");
        Repository::init_opts(&repository, &options).map_err(|error| error.message().to_owned())?;
        // It comes with an example of a hook.
        match fs::remove_dir_all(repository.join("hooks")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.to_string()),
            Ok(()) | Err(_) => {}
        }
        fs::write(repository.join("complete"), "").map_err(|error| error.to_string())
    }

    /// The folder it lies in, with nothing else: what an evaluation must be able to read.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn repository(&self) -> Result<Repository, MirrorError> {
        let no_ceilings: [&str; 0] = [];
        let flags = RepositoryOpenFlags::NO_SEARCH
            | RepositoryOpenFlags::BARE
            | RepositoryOpenFlags::NO_DOTGIT;
        Repository::open_ext(self.folder.join(REPOSITORY), flags, no_ceilings)
            .map_err(|error| self.failed(&error))
    }

    fn unusable(&self, why: String) -> MirrorError {
        MirrorError::Mirror {
            folder: self.folder.to_path_buf(),
            why,
        }
    }

    fn failed(&self, error: &git2::Error) -> MirrorError {
        self.unusable(error.message().to_owned())
    }

    /// Says that a commit is not there, or why it cannot be read.
    fn absent(&self, commit: CommitId, error: &git2::Error) -> MirrorError {
        if error.code() != ErrorCode::NotFound {
            return self.failed(error);
        }
        MirrorError::Missing {
            url: format!("the mirror in {}", self.folder.display()),
            what: commit.to_string(),
        }
    }

    fn commit<'a>(
        &self,
        repository: &'a Repository,
        id: CommitId,
    ) -> Result<git2::Commit<'a>, MirrorError> {
        repository
            .find_commit(id.0)
            .map_err(|error| self.absent(id, &error))
    }

    /// Whether a commit is there.
    pub fn has(&self, commit: CommitId) -> Result<bool, MirrorError> {
        match self.repository()?.find_commit(commit.0) {
            Ok(_) => Ok(true),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// The tree of a commit.
    pub fn tree_id(&self, commit: CommitId) -> Result<TreeId, MirrorError> {
        let repository = self.repository()?;
        Ok(TreeId(self.commit(&repository, commit)?.tree_id()))
    }

    /// The message of a commit, as far as it is UTF-8, and at most `chars_max` characters of it.
    pub fn message(&self, commit: CommitId, chars_max: usize) -> Result<String, MirrorError> {
        let repository = self.repository()?;
        let commit = self.commit(&repository, commit)?;
        let message = String::from_utf8_lossy(commit.message_bytes());
        Ok(message.chars().take(chars_max).collect())
    }

    /// Whether `ancestor` is the commit `of`, or in its history.
    pub fn is_ancestor(&self, ancestor: CommitId, of: CommitId) -> Result<bool, MirrorError> {
        if ancestor == of {
            return Ok(true);
        }
        let repository = self.repository()?;
        for commit in [ancestor, of] {
            self.commit(&repository, commit)?;
        }
        repository
            .graph_descendant_of(of.0, ancestor.0)
            .map_err(|error| self.failed(&error))
    }

    /// Reads a regular file of a commit, of at most `bytes_max` bytes. `None`: there is no such file.
    pub fn read_blob(
        &self,
        commit: CommitId,
        path: &str,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, MirrorError> {
        let mut names = Path::new(path).components();
        if !names.all(|name| matches!(name, Component::Normal(_))) {
            return Ok(None);
        }
        let repository = self.repository()?;
        let tree = self
            .commit(&repository, commit)?
            .tree()
            .map_err(|error| self.absent(commit, &error))?;
        let entry = match tree.get_path(Path::new(path)) {
            Ok(entry) => entry,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(&error)),
        };
        let no_file = |what| MirrorError::NoFile {
            commit,
            path: path.to_owned(),
            what,
        };
        match entry.filemode() {
            // The second is what old versions of git wrote.
            0o100_644 | 0o100_664 | 0o100_755 => {}
            0o120_000 => return Err(no_file("a symbolic link")),
            0o040_000 => return Err(no_file("a folder")),
            0o160_000 => return Err(no_file("a submodule")),
            _ => return Err(no_file("no regular file")),
        }
        let odb = repository.odb().map_err(|error| self.failed(&error))?;
        // Its size is known before it is unpacked.
        let (size, kind) = odb
            .read_header(entry.id())
            .map_err(|error| self.failed(&error))?;
        if kind != ObjectType::Blob {
            return Err(no_file("no file, although it says so"));
        }
        if size > bytes_max {
            return Err(no_file("too large"));
        }
        let object = odb.read(entry.id()).map_err(|error| self.failed(&error))?;
        Ok(Some(object.data().to_vec()))
    }

    /// The reference by which Nix finds the flake in the folder `dir` (below the top) of a commit. Nix 2.8 to 2.34 read
    /// the mirror in place then, given `git` on `PATH`.
    pub fn flake(&self, commit: CommitId, dir: &str) -> String {
        flake_of(&self.folder, commit, dir)
    }

    /// Holds a commit, so that it stays.
    fn hold(&self, repository: &Repository, commit: Oid) -> Result<(), MirrorError> {
        let name = format!("{NAMESPACE}{commit}");
        for attempt in 1.. {
            // What is held under its own name is held by whoever did it.
            if repository.find_reference(&name).is_ok() {
                self.held_now(&name);
                break;
            }
            match repository.reference(&name, commit, true, "") {
                // Pull requests have a base in common, and each holds it.
                Err(error) if error.code() == ErrorCode::Locked && attempt < HOLD_ATTEMPTS => {
                    thread::sleep(HOLD_PAUSE);
                }
                held => {
                    held.map_err(|error| self.failed(&error))?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Notes that what was held already is to be held from now on.
    fn held_now(&self, name: &str) {
        let file = File::options().append(true).open(self.file_of(name));
        // What cannot be written cannot be pruned, either.
        let _ = file.and_then(|file| file.set_modified(SystemTime::now()));
    }

    /// For how long a commit has been held.
    fn held_for(&self, name: &str) -> Option<Duration> {
        let held = fs::metadata(self.file_of(name)).and_then(|file| file.modified());
        // One that was held in the future is held by now.
        held.ok()?.elapsed().ok()
    }

    /// The file of a ref: none is ever packed with others.
    fn file_of(&self, name: &str) -> PathBuf {
        Self::repository_in(&self.folder).join(name)
    }

    /// Lets go of all commits but these, and those that have been held for less than so long. Returns of how many.
    pub fn prune(
        &self,
        wanted: &HashSet<CommitId>,
        held_for: Duration,
    ) -> Result<usize, MirrorError> {
        let repository = self.repository()?;
        let references = repository
            .references_glob(&format!("{NAMESPACE}*"))
            .map_err(|error| self.failed(&error))?;
        let mut pruned = 0;
        for reference in references {
            let mut reference = reference.map_err(|error| self.failed(&error))?;
            let is_wanted = reference
                .target()
                .is_some_and(|id| wanted.contains(&CommitId(id)));
            let name = String::from_utf8_lossy(reference.name_bytes());
            let is_old = self.held_for(&name).is_some_and(|age| age >= held_for);
            if !is_wanted && is_old {
                reference.delete().map_err(|error| self.failed(&error))?;
                pruned += 1;
            }
        }
        Ok(pruned)
    }
}

/// The reference of a flake in a mirror that lies in this folder.
pub(super) fn flake_of(folder: &Path, commit: CommitId, dir: &str) -> String {
    let folder = super::commit::escaped(&folder.to_string_lossy());
    // Without a ref, Nix 2.8 looks for a branch.
    let mut flake = format!("git+file://{folder}?ref={NAMESPACE}{commit}&rev={commit}");
    if !dir.is_empty() {
        flake.push_str("&dir=");
        flake.push_str(&super::commit::escaped(dir));
    }
    flake
}

#[cfg(test)]
mod tests {
    use git2::Signature;

    use super::*;

    #[test]
    fn many_hold_a_commit_at_once() {
        let state = tempfile::tempdir().unwrap();
        let mirror = Mirror::open(state.path(), 1).unwrap();
        let repository = mirror.repository().unwrap();
        let tree = repository.treebuilder(None).unwrap().write().unwrap();
        let tree = repository.find_tree(tree).unwrap();
        let nobody = Signature::now("nobody", "nobody@example.org").unwrap();
        for n in 0..20 {
            let message = n.to_string();
            let commit = repository
                .commit(None, &nobody, &nobody, &message, &tree, &[])
                .unwrap();
            let hold = || {
                mirror
                    .hold(&mirror.repository().unwrap(), commit)
                    .map_err(|error| error.to_string())
            };
            thread::scope(|scope| {
                let all: Vec<_> = (0..8).map(|_| scope.spawn(hold)).collect();
                for one in all {
                    assert_eq!(one.join().unwrap(), Ok(()));
                }
            });
        }
    }
}
