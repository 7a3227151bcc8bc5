//! Fetches exact refs and commits of another repository into a mirror.

use std::{path::Path, sync::Arc};

use git2::{AutotagOption, ErrorClass, FetchOptions, ProxyOptions, RemoteCallbacks, Repository};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{CommitId, Mirror, MirrorError, inspect::inspect};
use crate::git::{
    Advertisement, FetchLimits, GitHttp, Remote, RemoteRef, advertisement::CUT_OFF, library,
    mirror_error::one_line, remote::Place, web::Session,
};

/// What is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What a ref names now, by its full name: `refs/pull/7/head`.
    Ref(String),
    /// What a ref names now, which must be this commit.
    RefAt(String, CommitId),
    /// A commit. A server may refuse one that no ref names.
    Commit(CommitId),
}

/// A repository that was asked what it has.
struct Asked {
    remote: Remote,
    advertisement: Advertisement,
    session: Arc<Session>,
}

/// Asks a repository what it has, without fetching anything.
pub async fn ls_remote(
    http: &GitHttp,
    remote: &Remote,
    limits: &FetchLimits,
) -> Result<Advertisement, MirrorError> {
    Ok(ask(http, remote, limits, CancellationToken::new())
        .await?
        .advertisement)
}

async fn ask(
    http: &GitHttp,
    remote: &Remote,
    limits: &FetchLimits,
    cancel: CancellationToken,
) -> Result<Asked, MirrorError> {
    library::prepare()?;
    let (is_home, credentials) = match &remote.0 {
        Place::Web {
            is_home,
            credentials,
            ..
        } => (*is_home, credentials.clone()),
        Place::Folder(_) => (true, None),
    };
    let mut session = Session::new(http, is_home, credentials, limits.clone(), cancel);
    let advertisement = match &remote.0 {
        Place::Web { url, .. } => session.advertisement(url).await?,
        Place::Folder(folder) => {
            let folder = folder.clone();
            aside(move || look_into(&folder)).await?
        }
    };
    Ok(Asked {
        remote: remote.clone(),
        advertisement,
        session: Arc::new(session),
    })
}

/// Says what a repository in a folder has.
fn look_into(folder: &Path) -> Result<Advertisement, MirrorError> {
    let failed = |error: git2::Error| {
        MirrorError::Refused(format!(
            "cannot read the repository in {}: {}",
            folder.display(),
            error.message()
        ))
    };
    let repository = Repository::open(folder).map_err(failed)?;
    if repository.is_shallow() {
        return Err(failed(git2::Error::from_str(CUT_OFF)));
    }
    let mut refs = Vec::new();
    for reference in repository.references().map_err(failed)? {
        let reference = reference.map_err(failed)?;
        let (Ok(name), Some(id)) = (str::from_utf8(reference.name_bytes()), reference.target())
        else {
            continue;
        };
        let peeled = reference.peel_to_commit().ok().map(|commit| commit.id());
        refs.push(RemoteRef {
            name: name.to_owned(),
            id: CommitId(id),
            peeled: peeled.filter(|peeled| *peeled != id).map(CommitId),
        });
    }
    refs.sort_by(|a, b| a.name.cmp(&b.name));
    let head = repository.find_reference("HEAD").map_err(failed)?;
    let branch = head
        .symbolic_target_bytes()
        .and_then(|name| String::from_utf8(name.to_vec()).ok());
    Ok(Advertisement {
        refs,
        default_branch: branch,
        ..Advertisement::default()
    })
}

impl Asked {
    /// The object behind each thing wanted.
    fn resolve(&self, wanted: &[Wanted]) -> Result<Vec<CommitId>, MirrorError> {
        let find = |name: &String| {
            self.advertisement
                .find(name)
                .ok_or_else(|| MirrorError::Missing {
                    url: self.remote.address(),
                    what: name.escape_debug().to_string(),
                })
        };
        let object = |wanted: &Wanted| match wanted {
            Wanted::Ref(name) => Ok(find(name)?.id),
            Wanted::RefAt(name, expected) => {
                let found = find(name)?;
                if found.commit() != *expected && found.id != *expected {
                    return Err(MirrorError::Moved {
                        name: name.clone(),
                        expected: *expected,
                        found: found.commit(),
                    });
                }
                Ok(found.id)
            }
            Wanted::Commit(id) => Ok(*id),
        };
        wanted.iter().map(object).collect()
    }

    /// Downloads these objects with all that they need. Blocks.
    fn download(
        &self,
        repository: &Repository,
        objects: &[CommitId],
        limits: &FetchLimits,
        runtime: Handle,
    ) -> Result<(), git2::Error> {
        let url = match &self.remote.0 {
            Place::Web { url, .. } => self.session.url().unwrap_or(url).to_string(),
            Place::Folder(folder) => folder.to_string_lossy().into_owned(),
        };
        let names: Vec<_> = objects
            .iter()
            .enumerate()
            .map(|(index, id)| (format!("refs/wanted/{index}"), *id))
            .collect();
        let refspecs: Vec<String> = match &self.remote.0 {
            Place::Web { .. } => names.iter().map(|(name, _)| name.clone()).collect(),
            Place::Folder(_) => objects.iter().map(ToString::to_string).collect(),
        };
        let advertisement = self.advertisement.of_wanted(&names);
        let mut callbacks = RemoteCallbacks::new();
        callbacks.transfer_progress(|progress| {
            let (objects, bytes) = (progress.total_objects(), progress.received_bytes() as u64);
            if objects > limits.objects {
                let limit = limits.objects;
                self.session.fail(MirrorError::TooMuch(format!(
                    "there are {objects} objects to fetch: more than {limit}"
                )));
            } else if bytes > limits.bytes {
                let limit = limits.bytes >> 20;
                self.session.fail(MirrorError::TooMuch(format!(
                    "there is more to fetch than {limit} MiB"
                )));
            } else {
                return !self.session.is_over();
            }
            false
        });
        let mut options = FetchOptions::new();
        options
            .remote_callbacks(callbacks)
            .proxy_options(ProxyOptions::new())
            .download_tags(AutotagOption::None)
            .update_fetchhead(false);
        let mut remote = repository.remote_anonymous(&url)?;
        library::with_session(self.session.clone(), runtime, advertisement, || {
            remote.download(&refspecs, Some(&mut options))
        })
    }
}

impl Mirror {
    /// Fetches, and holds each commit that was wanted. Returns them in order; an annotated tag gives its commit. What is
    /// there already is not fetched again. Ends early, with nothing half done, when `cancel` is cancelled or the future
    /// is dropped.
    pub async fn fetch(
        &self,
        http: &GitHttp,
        remote: &Remote,
        wanted: &[Wanted],
        limits: &FetchLimits,
    ) -> Result<Vec<CommitId>, MirrorError> {
        let cancel = CancellationToken::new();
        let _ends_with_this = cancel.clone().drop_guard();
        let asked = ask(http, remote, limits, cancel).await?;
        let objects = asked.resolve(wanted)?;
        let (mirror, limits, runtime) = (self.clone(), limits.clone(), Handle::current());
        aside(move || mirror.take(&asked, &objects, &limits, runtime)).await
    }

    fn take(
        &self,
        asked: &Asked,
        objects: &[CommitId],
        limits: &FetchLimits,
        runtime: Handle,
    ) -> Result<Vec<CommitId>, MirrorError> {
        let repository = self.repository()?;
        let odb = repository.odb().map_err(|error| self.failed(&error))?;
        let missing: Vec<CommitId> = objects
            .iter()
            .copied()
            .filter(|id| !odb.exists(id.0))
            .collect();
        if !missing.is_empty() {
            asked
                .download(&repository, &missing, limits, runtime)
                .map_err(|error| self.judge(asked, &error))?;
        }
        let mut commits = Vec::new();
        for id in objects {
            let object = repository
                .find_object(id.0, None)
                .map_err(|error| self.absent(*id, &error))?;
            let commit = object.peel_to_commit().map_err(|_| MirrorError::Missing {
                url: asked.remote.address(),
                what: format!("commit behind {id}"),
            })?;
            let id = CommitId(commit.id());
            inspect(&repository, commit.tree_id(), limits)
                .map_err(|why| MirrorError::Hostile { commit: id, why })?;
            self.hold(&repository, commit.id())?;
            commits.push(id);
        }
        Ok(commits)
    }

    /// What a failed download means.
    fn judge(&self, asked: &Asked, error: &git2::Error) -> MirrorError {
        if let Some(failure) = asked.session.failure() {
            return failure;
        }
        let said = one_line(error.message());
        if matches!(
            error.class(),
            ErrorClass::Os | ErrorClass::Filesystem | ErrorClass::NoMemory
        ) {
            return self.unusable(said);
        }
        let address = asked.remote.address();
        MirrorError::Broken(format!("{address} sends what is broken: {said}"))
    }
}

/// Runs what blocks where that is allowed.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MirrorError> + Send + 'static,
) -> Result<T, MirrorError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_cancelled() => Err(MirrorError::Cancelled),
        Err(error) => Err(MirrorError::Broken(format!(
            "libgit2 failed in an unforeseen way: {error}"
        ))),
    }
}
