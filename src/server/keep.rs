//! What a run leaves behind: roots that hold its outputs against garbage collection, and files that name them.
//!
//! ```text
//!  STATE/gcroots/REPOSITORY/BRANCH/CHECK/RUN-OUTPUT ──► store path     the newest outputs of each check of a branch
//!  OUTPUTS/OWNER/NAME/BRANCH/CHECK                                     a line with the path, as buildbot-nix has them
//! ```
//!
//! Names are written as in a form, so that none has a slash; only branches and tags leave something behind.

mod roots;

use std::{
    collections::{BTreeMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use tracing::{info, warn};
use url::form_urlencoded::byte_serialize;

use self::roots::Known;
use super::{app::App, engine::homes_dir, post_build::say, upkeep};
use crate::{
    config::write_file,
    db::server::{CheckRow, Repository, Run, RunKind},
    event::Outcome,
    git::Mirror,
    nix::StorePath,
};

/// Whether a run leaves something behind: that of a branch or a tag, never that of a pull request, nor one by hand.
pub(super) fn leaves(run: &Run) -> bool {
    matches!(
        run.new.kind,
        RunKind::Push | RunKind::Tag | RunKind::Schedule
    )
}

/// Leaves behind what a run that is over has built. What cannot be is logged: the run stands.
pub(super) async fn leave(app: &App, run: &Run, repository: &Repository, attribute: &str) {
    if !leaves(run) {
        return;
    }
    let checks = match app.db.checks_of(run.id).await {
        Ok(checks) => checks,
        Err(error) => return warn!(run = run.id.0, %error, "its outputs are not kept"),
    };
    let branch = folder_of(&run.new.git_ref);
    if let Err(error) = root(app, run, repository, &branch, attribute, &checks).await {
        warn!(
            run = run.id.0,
            error, "its outputs are not kept from garbage collection"
        );
    }
    let Some(dir) = &app.config().outputs_dir else {
        return;
    };
    match app.db.overtaken_by(run.id).await {
        Ok(None) => {
            if let Err(error) = name(dir, repository, &branch, attribute, &checks) {
                warn!(run = run.id.0, dir = %dir.display(), %error, "its outputs are not named");
            }
        }
        Ok(Some(newer)) => {
            let why = format!("not in the outputs folder: run {} is newer", newer.0);
            say(app, run.id, why).await;
        }
        Err(error) => warn!(run = run.id.0, %error, "its outputs are not named"),
    }
}

/// Lets go of all that a repository has left behind, and of what is kept to build it. What is found by its name stays if
/// another has that name now.
pub(super) fn forget_all(app: &App, repository: &Repository, is_name_free: bool) {
    upkeep::remove_homes(&homes_dir(&app.config().state_dir), repository.id);
    let mut places = places(app, repository);
    if !is_name_free {
        places.truncate(1);
    }
    let mirror = Mirror::folder_of(&app.config().state_dir, repository.id.0);
    for dir in places.into_iter().chain([mirror]) {
        remove(&dir);
    }
}

/// Whether a ref has left roots behind.
pub(super) fn has_left(app: &App, repository: &Repository, git_ref: &str) -> bool {
    roots_of(app, repository).join(folder_of(git_ref)).is_dir()
}

/// What branches have left behind at a time.
pub(super) struct LeftBehind(Vec<PathBuf>);

impl LeftBehind {
    /// Looks, before the forge is asked which branches there are: what a new branch leaves meanwhile is none of it.
    pub(super) fn of(app: &App, repository: &Repository) -> Self {
        let entries = places(app, repository)
            .into_iter()
            .filter_map(|dir| fs::read_dir(dir).ok());
        Self(
            entries
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect(),
        )
    }

    /// Lets go of what is of none of these branches and tags: nobody told that they are gone.
    pub(super) fn forget_gone<'r>(self, refs: impl Iterator<Item = &'r str>) {
        let there: HashSet<String> = refs.map(folder_of).collect();
        let is_gone = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !there.contains(&*name)
        };
        for path in self.0.iter().filter(|path| is_gone(path)) {
            remove(path);
            info!(path = %path.display(), "a branch is gone: what it left is let go of");
        }
    }
}

fn remove(dir: &Path) {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(dir = %dir.display(), %error, "what a branch left is not removed");
        }
        Ok(()) | Err(_) => {}
    }
}

/// The name of the folder of a branch, or of a tag: that has a space in it, which no branch has.
fn folder_of(git_ref: &str) -> String {
    match git_ref.strip_prefix("refs/tags/") {
        Some(tag) => encoded(&format!("tag {tag}")),
        None => encoded(git_ref.strip_prefix("refs/heads/").unwrap_or(git_ref)),
    }
}

/// A name of one part, which leads nowhere else.
fn encoded(name: &str) -> String {
    let name: String = byte_serialize(name.as_bytes()).collect();
    match name.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        // Without a name it would be the folder of all of them.
        None if name.is_empty() => "%".to_owned(),
        None => name,
    }
}

/// The folders in which a repository leaves something behind, a folder for each branch: its own, then what is found by name.
fn places(app: &App, repository: &Repository) -> Vec<PathBuf> {
    let mut dirs = vec![roots_of(app, repository)];
    let config = app.config();
    dirs.extend(
        config
            .outputs_dir
            .as_ref()
            .map(|dir| outputs_of(dir, repository)),
    );
    dirs
}

fn roots_of(app: &App, repository: &Repository) -> PathBuf {
    app.config()
        .state_dir
        .join("gcroots")
        .join(repository.id.0.to_string())
}

fn outputs_of(dir: &Path, repository: &Repository) -> PathBuf {
    let names = repository.seen.full_name.split('/').map(encoded);
    dir.join(names.collect::<PathBuf>())
}

/// The checks that passed, by their paths below the attribute, with their outputs.
fn passed<'c>(
    attribute: &str,
    checks: &'c [CheckRow],
) -> impl Iterator<Item = (String, BTreeMap<String, StorePath>)> + use<'c> {
    let prefix = format!("{attribute}.");
    checks.iter().filter_map(move |check| {
        let outcome = check.outcome.as_deref().and_then(Outcome::parse)?;
        let outputs: BTreeMap<String, Option<String>> =
            serde_json::from_str(check.outputs.as_deref()?).ok()?;
        let path =
            |(name, path): (String, Option<String>)| Some((name, StorePath::parse(&path?).ok()?));
        let name = check
            .path
            .strip_prefix(&prefix)
            .unwrap_or(&check.path)
            .to_owned();
        outcome
            .is_passed()
            .then(|| (name, outputs.into_iter().filter_map(path).collect()))
    })
}

async fn root(
    app: &App,
    run: &Run,
    repository: &Repository,
    branch: &str,
    attribute: &str,
    checks: &[CheckRow],
) -> Result<(), String> {
    let dir = roots_of(app, repository).join(branch);
    let mut connection = app
        .engine
        .means()
        .pool
        .acquire()
        .await
        .map_err(|error| error.to_string())?;
    let prefix = format!("{attribute}.");
    let known = checks
        .iter()
        .map(|check| check.path.strip_prefix(&prefix).unwrap_or(&check.path));
    let known = Known::of(known, attribute);
    let passed = passed(attribute, checks).collect();
    let keep = app.config().limits.keep_outputs;
    roots::hold(&mut connection, &dir, run.id, passed, &known, keep)
        .await
        .map_err(|error| error.to_string())
}

fn name(
    dir: &Path,
    repository: &Repository,
    branch: &str,
    attribute: &str,
    checks: &[CheckRow],
) -> io::Result<()> {
    let dir = outputs_of(dir, repository).join(branch);
    for (check, outputs) in passed(attribute, checks) {
        let path = outputs.get("out").or_else(|| outputs.values().next());
        if let Some(path) = path {
            write_file(&dir.join(encoded(&check)), path.as_str().as_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{encoded, folder_of};

    #[test]
    fn names_cannot_lead_elsewhere() {
        assert_eq!(folder_of("refs/heads/a/../b+c"), "a%2F..%2Fb%2Bc");
        assert_eq!(encoded(".."), "%2E.");
        assert_eq!(folder_of("refs/heads/"), "%");
        assert_eq!(folder_of("refs/tags/v1"), "tag+v1");
    }
}
