//! Keeps small what the server keeps for each repository: its mirror, and what its evaluations have at home.
//!
//! Both can be fetched again. Nothing is touched of a repository whose runs wait or go on.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;
use tracing::{info, warn};

use super::{app::App, engine::homes_dir};
use crate::{
    db::server::{Repository, RepositoryId},
    git::{CommitId, Mirror},
};

/// How long a commit that no run is of any more stays in a mirror.
const HELD_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// How much evaluations of a repository may have at home, in bytes: inputs that they have fetched.
const HOME_BYTES: u64 = 4 << 30;
/// How long git may take to tidy a mirror.
const TIDY_LIMIT: Duration = Duration::from_secs(60 * 60);
/// What a home is called that is being removed.
const DOOMED: &str = "old-";

/// Lets go of what no run needs any more, and of too much that could be fetched again.
pub(super) async fn tidy(app: &App) {
    let repositories = match app.db.repositories().await {
        Ok(repositories) => repositories,
        Err(error) => return warn!(%error, "mirrors are not looked at"),
    };
    for repository in repositories {
        // Asked each time: tidying a large mirror takes a while.
        match app.db.busy_repositories().await {
            Ok(busy) if !busy.contains(&repository.id) => {}
            Ok(_) => continue,
            Err(error) => return warn!(%error, "mirrors are not looked at"),
        }
        if let Err(error) = tidy_mirror(app, &repository).await {
            let repository = &repository.seen.full_name;
            warn!(repository, error, "its mirror is not tidied");
        }
        let homes = homes_dir(&app.config().state_dir);
        let id = repository.id;
        let removed = tokio::task::spawn_blocking(move || remove_large(&homes, id, HOME_BYTES));
        if removed.await.unwrap_or_default() {
            let repository = &repository.seen.full_name;
            info!(
                repository,
                "what its evaluations had fetched was removed: it was too much"
            );
        }
    }
}

/// Lets go of commits, and of the objects that nothing else needs.
async fn tidy_mirror(app: &App, repository: &Repository) -> Result<(), String> {
    let (state, number) = (app.config().state_dir.clone(), repository.id.0);
    let folder = Mirror::folder_of(&state, number);
    if !folder.exists() {
        return Ok(());
    }
    let wanted = app.db.commits_of(repository.id).await;
    let wanted = wanted.map_err(|error| error.to_string())?;
    let wanted: HashSet<CommitId> = wanted
        .iter()
        .filter_map(|commit| commit.parse().ok())
        .collect();
    let pruned =
        tokio::task::spawn_blocking(move || Mirror::open(&state, number)?.prune(&wanted, HELD_FOR));
    let pruned = pruned.await.map_err(|error| error.to_string())?;
    let commits = pruned.map_err(|error| error.to_string())?;
    if commits > 0 {
        let repository = &repository.seen.full_name;
        info!(repository, commits, "its mirror lets go of commits");
    }
    collect_garbage(&Mirror::repository_in(&folder)).await
}

/// Has git make one file of many, and remove what is held by nothing, once there is enough of either. libgit2 cannot.
async fn collect_garbage(repository: &Path) -> Result<(), String> {
    let settings = [
        "gc.autoDetach=false",
        // Refs that were packed would not show how old they are.
        "gc.packRefs=false",
        "gc.pruneExpire=1.day.ago",
        "gc.writeCommitGraph=false",
        "pack.threads=1",
        "pack.windowMemory=64m",
        "safe.bareRepository=all",
    ];
    let mut command = Command::new("git");
    for setting in settings {
        command.args(["-c", setting]);
    }
    command
        .arg("--git-dir")
        .arg(repository)
        .args(["gc", "--auto", "--quiet"])
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(TIDY_LIMIT, command.output())
        .await
        .map_err(|_| "git takes too long".to_owned())?
        .map_err(|error| format!("cannot run git: {error}"))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let line = said.lines().last().unwrap_or_default();
    Err(format!("git gc: {} {line}", ended.status))
}

/// Removes the homes of a repository's evaluations.
pub(super) fn remove_homes(homes: &Path, repository: RepositoryId) {
    remove_large(homes, repository, 0);
}

/// Removes those of its homes that have at least so many bytes. Returns whether there was one.
fn remove_large(homes: &Path, repository: RepositoryId, bytes: u64) -> bool {
    let mut removed = false;
    for home in homes_of(homes, repository) {
        if !has_bytes(&home, bytes) {
            continue;
        }
        // At once, so that no evaluation begins in one that is half there.
        let name = home.file_name().unwrap_or_default().to_string_lossy();
        let doomed = homes.join(format!("{DOOMED}{name}"));
        let _ = fs::remove_dir_all(&doomed);
        let gone = fs::rename(&home, &doomed).and_then(|()| fs::remove_dir_all(&doomed));
        match gone {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                warn!(home = %home.display(), %error, "what evaluations have fetched is not removed");
            }
            Ok(()) | Err(_) => removed = true,
        }
    }
    removed
}

/// The homes of a repository's evaluations, of people who may write and of others.
fn homes_of(homes: &Path, repository: RepositoryId) -> Vec<PathBuf> {
    let prefix = format!("{}-", repository.0);
    let entries = fs::read_dir(homes).into_iter().flatten().flatten();
    let own = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    own.map(|entry| entry.path()).collect()
}

/// Whether there is at least so much below a folder. Links are not followed.
fn has_bytes(folder: &Path, bytes: u64) -> bool {
    let mut room = bytes;
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else {
                continue;
            };
            if found.is_dir() {
                waiting.push(entry.path());
            }
            room = room.saturating_sub(found.len());
        }
        if room == 0 {
            return true;
        }
    }
    room == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_that_are_too_large_are_removed_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let homes = dir.path();
        for (home, size) in [
            ("1-trusted", 3000),
            ("1-stranger", 10),
            ("12-trusted", 3000),
        ] {
            let below = homes.join(home).join(".cache/nix");
            fs::create_dir_all(&below).unwrap();
            fs::write(below.join("input"), vec![b'x'; size]).unwrap();
        }
        let names = || {
            let mut names: Vec<_> = fs::read_dir(homes)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert!(!remove_large(homes, RepositoryId(1), 100_000));
        assert_eq!(names().len(), 3);
        // Folders have a size of their own.
        assert!(remove_large(homes, RepositoryId(1), 4096 * 2 + 2900));
        assert_eq!(names(), ["1-stranger", "12-trusted"]);
        remove_homes(homes, RepositoryId(1));
        assert_eq!(names(), ["12-trusted"]);
    }
    /// How many packs a repository has.
    fn packs(repository: &Path) -> usize {
        let files = fs::read_dir(repository.join("objects/pack"))
            .into_iter()
            .flatten();
        let names = files.flatten().map(|file| file.path());
        names
            .filter(|path| path.extension().is_some_and(|end| end == "pack"))
            .count()
    }

    #[tokio::test]
    async fn git_makes_one_pack_of_many_and_loses_nothing_that_is_held() {
        const FETCHES: usize = 60;
        let state = tempfile::tempdir().unwrap();
        let folder = Mirror::open(state.path(), 1).unwrap().folder().to_owned();
        let repository = Mirror::repository_in(&folder);
        let git = |words: &[&str], input: &str| {
            let mut child = std::process::Command::new("git")
                .arg("--git-dir")
                .arg(&repository)
                .args(words)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
            String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
        };
        for n in 0..FETCHES {
            let commit = format!(
                "commit refs/nixci/{n}\ncommitter x <x@example.org> 0 +0000\ndata 1\n{}\nM 644 inline a\ndata 2\n{n:02}\n",
                n % 10
            );
            git(
                &["-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"],
                &commit,
            );
        }
        assert_eq!(packs(&repository), FETCHES);
        collect_garbage(&repository).await.unwrap();
        assert_eq!(packs(&repository), 1);
        let held = git(&["for-each-ref", "--format=%(objecttype)"], "");
        assert_eq!(
            held.lines().filter(|line| *line == "commit").count(),
            FETCHES
        );
        assert!(!repository.join("packed-refs").exists());
        // Once more there is nothing to do.
        collect_garbage(&repository).await.unwrap();
        assert_eq!(packs(&repository), 1);
    }
}
