//! What a run leaves behind: roots that hold its outputs against garbage collection, and files that name them.
//!
//! ```text
//!  STATE/gcroots/REPOSITORY/BRANCH/CHECK/RUN-OUTPUT ──► store path     the newest outputs of each check of a branch
//!  OUTPUTS/OWNER/NAME/BRANCH/CHECK                                     a line with the path, as buildbot-nix has them
//! ```
//!
//! Names are written as in a form, so that none has a slash; only branches and tags leave something behind.

mod named;
mod roots;

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Display,
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use tracing::{info, warn};
use url::form_urlencoded::byte_serialize;

use self::{
    named::{Place, Whose},
    roots::Known,
};
use super::{
    app::App,
    engine::homes_dir,
    outputs::{self, Outputs},
    post_build::say,
    upkeep,
};
use crate::{
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
    let Some(built) = Built::by(app, run, attribute).await else {
        return;
    };
    built.root(app, run, repository).await;
    built.name(app, run, repository).await;
}

/// Holds what a run has built whose outputs could not be sent where they should go: it is not to be built again for that.
pub(super) async fn hold(app: &App, run: &Run, repository: &Repository, attribute: &str) {
    if let Some(built) = Built::by(app, run, attribute).await {
        built.root(app, run, repository).await;
    }
}

/// Lets go of all that a repository has left behind, and of what is kept to build it. What is found by its name stays if
/// another has that name now.
pub(super) async fn forget_all(app: &App, repository: &Repository) {
    upkeep::remove_homes(&homes_dir(&app.config().state_dir), repository.id);
    remove(&roots_of(app, repository));
    remove(&Mirror::folder_of(&app.config().state_dir, repository.id.0));
    if let Some(place) = place(app, repository).await {
        place.remove_all();
    }
}

/// Whether a ref has left roots behind.
pub(super) fn has_left(app: &App, repository: &Repository, git_ref: &str) -> bool {
    roots_of(app, repository).join(folder_of(git_ref)).is_dir()
}

/// What branches have left behind at a time.
pub(super) struct LeftBehind {
    roots: Vec<PathBuf>,
    /// With the folders of branches there.
    named: Option<(Place, Vec<PathBuf>)>,
}

impl LeftBehind {
    /// Looks, before the forge is asked which branches there are: what a new branch leaves meanwhile is none of it.
    pub(super) async fn of(app: &App, repository: &Repository) -> Self {
        let roots = fs::read_dir(roots_of(app, repository));
        let roots = roots.into_iter().flatten().flatten();
        let place = place(app, repository).await;
        Self {
            roots: roots.map(|entry| entry.path()).collect(),
            named: place.map(|place| {
                let branches = place.branches();
                (place, branches)
            }),
        }
    }

    /// Lets go of what is of none of these branches and tags: nobody told that they are gone.
    pub(super) fn forget_gone<'r>(self, refs: impl Iterator<Item = &'r str>) {
        let there: HashSet<String> = refs.map(folder_of).collect();
        let is_gone = |path: &&PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            !there.contains(&*name)
        };
        for path in self.roots.iter().filter(is_gone) {
            remove(path);
            info!(path = %path.display(), "a branch is gone: what it left is let go of");
        }
        let Some((place, branches)) = self.named else {
            return;
        };
        for path in branches.iter().filter(is_gone) {
            place.remove(path);
        }
    }
}

/// Where the outputs of a repository are named; `None`: nowhere, or it is not known.
async fn place(app: &App, repository: &Repository) -> Option<Place> {
    match Whose::is_place_of(app, repository).await {
        Ok(Whose::Own(place)) => Some(place),
        Ok(Whose::Nobodys | Whose::Of(_)) => None,
        Err(error) => {
            let repository = &repository.seen.full_name;
            warn!(repository, %error, "what it left by its name stays");
            None
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

/// How long the name of a file may be, in bytes.
const NAME_MAX: usize = 255;

/// A name of one part, which leads nowhere else. Of one that is too long for a file the end is a digest.
fn encoded(name: &str) -> String {
    let written = written(name);
    if written.len() <= NAME_MAX {
        return written;
    }
    let digest = crate::nix::hex(&Sha256::digest(name));
    // No other name has a `~` in it.
    format!("{}~{digest}", &written[..NAME_MAX - 1 - digest.len()])
}

fn written(name: &str) -> String {
    let name: String = byte_serialize(name.as_bytes()).collect();
    match name.strip_prefix('.') {
        Some(rest) => format!("%2E{rest}"),
        // Without a name it would be the folder of all of them.
        None if name.is_empty() => "%".to_owned(),
        None => name,
    }
}

fn roots_of(app: &App, repository: &Repository) -> PathBuf {
    app.config()
        .state_dir
        .join("gcroots")
        .join(repository.id.0.to_string())
}

/// The checks that passed, by their paths below the attribute, with their derivations and outputs.
fn passed(attribute: &str, checks: &[CheckRow]) -> Vec<(String, StorePath, Outputs)> {
    let prefix = format!("{attribute}.");
    let of_check = |check: &CheckRow| {
        let outcome = check.outcome.as_deref().and_then(Outcome::parse)?;
        let drv_path = StorePath::parse(check.drv_path.as_deref()?).ok()?;
        let outputs: BTreeMap<String, Option<String>> =
            serde_json::from_str(check.outputs.as_deref()?).ok()?;
        let outputs = outputs.into_iter().map(|(name, path)| {
            let path = path.and_then(|path| StorePath::parse(&path).ok());
            (name, path)
        });
        let name = check.path.strip_prefix(&prefix).unwrap_or(&check.path);
        outcome
            .is_passed()
            .then(|| (name.to_owned(), drv_path, outputs.collect()))
    };
    checks.iter().filter_map(of_check).collect()
}

/// What a run has built that leaves something behind.
struct Built {
    branch: String,
    passed: Vec<(String, BTreeMap<String, StorePath>)>,
    known: Known,
}

impl Built {
    async fn by(app: &App, run: &Run, attribute: &str) -> Option<Self> {
        if !leaves(run) {
            return None;
        }
        let checks = match app.db.checks_of(run.id).await {
            Ok(checks) => checks,
            Err(error) => {
                warn!(run = run.id.0, %error, "its outputs are not kept");
                return None;
            }
        };
        let prefix = format!("{attribute}.");
        let known = checks
            .iter()
            .map(|check| check.path.strip_prefix(&prefix).unwrap_or(&check.path));
        let known = Known::of(known, attribute);
        let mut passed = passed(attribute, &checks);
        let built = passed
            .iter_mut()
            .map(|(_, drv_path, outputs)| (&*drv_path, outputs));
        if let Err(error) = outputs::look_up(&app.engine.means().pool, built).await {
            warn!(run = run.id.0, %error, "outputs of content-addressed derivations are not kept");
        }
        let of_check = |(name, _, outputs): (String, StorePath, Outputs)| {
            let outputs = outputs.into_iter();
            let known = outputs.filter_map(|(output, path)| Some((output, path?)));
            (name, known.collect())
        };
        Some(Self {
            branch: folder_of(&run.new.git_ref),
            known,
            passed: passed.into_iter().map(of_check).collect(),
        })
    }

    async fn root(&self, app: &App, run: &Run, repository: &Repository) {
        let dir = roots_of(app, repository).join(&self.branch);
        let keep = app.config().limits.keep_outputs;
        let held = match app.engine.means().pool.acquire().await {
            Ok(mut connection) => {
                let passed = self.passed.clone();
                roots::hold(&mut connection, &dir, run.id, passed, &self.known, keep)
                    .await
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = held {
            warn!(
                run = run.id.0,
                error, "its outputs are not all kept from garbage collection"
            );
        }
    }

    async fn name(&self, app: &App, run: &Run, repository: &Repository) {
        let trouble = |error: &dyn Display| {
            warn!(run = run.id.0, %error, "its outputs are not all named");
        };
        let place = match Whose::is_place_of(app, repository).await {
            Ok(Whose::Own(place)) => place,
            Ok(Whose::Nobodys) => return,
            Ok(Whose::Of(other)) => {
                // Not by its name on a page, which others may see.
                info!(run = run.id.0, other, "has its place in the outputs folder");
                let why = "not in the outputs folder: a repository of the same name has that place";
                return say(app, run.id, why.to_owned()).await;
            }
            Err(error) => return trouble(&error),
        };
        match app.db.overtaken_by(run.id).await {
            Ok(None) => {
                let passed = self.passed.iter().cloned();
                if let Err(error) = place.name(&self.branch, passed, &self.known) {
                    trouble(&error);
                }
            }
            Ok(Some(newer)) => {
                let why = format!("not in the outputs folder: run {} is newer", newer.0);
                say(app, run.id, why).await;
            }
            Err(error) => trouble(&error),
        }
    }
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
        let longest = "x".repeat(255);
        assert_eq!(encoded(&longest), longest);
        let [a, b] = ["a", "b"].map(|end| encoded(&format!("{longest}{end}")));
        assert!(a.len() == 255 && b.len() == 255 && a != b, "{a} {b}");
    }
}
