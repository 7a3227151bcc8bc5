//! Answers the planner's questions by a store connection.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::sync::Mutex;

use crate::{
    eval::{BoxFuture, RootKeeper},
    graph::{MissingPaths, PlanError, StoreView},
    nix::{Derivation, StorePath},
    store::{Connection, DerivedPath, Pool, PooledConnection, StoreError},
};

/// The largest derivation that is read, in bytes.
const DERIVATION_SIZE_MAX: u64 = 64 << 20;

/// How long to wait before a question is asked again, so that a restarting daemon is back.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// A store behind a pool of connections. One connection beside those is kept to hold derivations, and what was made of them,
/// against garbage collection: the daemon forgets them when it closes, which it does with this.
pub struct PooledStore {
    pool: Arc<Pool>,
    /// Whether store paths can be read as files.
    is_local: bool,
    roots: Mutex<Roots>,
    /// What is to be held as soon as may be.
    soon: std::sync::Mutex<Soon>,
    /// Paths that were found valid a moment ago, for the one who asks again.
    found_valid: std::sync::Mutex<HashSet<StorePath>>,
}

#[derive(Default)]
struct Roots {
    connection: Option<Connection>,
    held: HashSet<StorePath>,
}

#[derive(Default)]
struct Soon {
    paths: Vec<StorePath>,
    /// Whether a task holds them.
    is_at_it: bool,
}

impl PooledStore {
    /// Makes a view of the store behind these connections; `is_local`: its paths can be read as files.
    pub fn new(pool: Arc<Pool>, is_local: bool) -> Self {
        Self {
            pool,
            is_local,
            roots: Mutex::default(),
            soon: std::sync::Mutex::default(),
            found_valid: std::sync::Mutex::default(),
        }
    }

    /// Answers for these valid paths at once, the next time they are asked about.
    pub(super) fn remember_valid(&self, paths: HashSet<StorePath>) {
        *self.found_valid() = paths;
    }

    fn found_valid(&self) -> std::sync::MutexGuard<'_, HashSet<StorePath>> {
        self.found_valid
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects, unless that was done before; the connection is kept for what is to be held.
    pub(super) async fn connect(&self) -> Result<(), StoreError> {
        let mut roots = self.roots.lock().await;
        if roots.connection.is_none() {
            roots.connection = Some(self.pool.open().await?);
        }
        Ok(())
    }

    /// Holds these paths by and by, many at once; nobody waits for that. Whatever made them holds them for a while, too.
    pub(super) fn hold_soon(self: &Arc<Self>, paths: impl IntoIterator<Item = StorePath>) {
        let mut soon = self.soon();
        soon.paths.extend(paths);
        if soon.paths.is_empty() || std::mem::replace(&mut soon.is_at_it, true) {
            return;
        }
        let store = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(paths) = store.next_to_hold() {
                if store.hold_all(&paths).await.is_err() {
                    let mut roots = store.roots.lock().await;
                    // The daemon is away: whoever holds something next holds these with it.
                    if roots.connection.is_none() {
                        roots.held.extend(paths);
                    }
                }
            }
        });
    }

    fn next_to_hold(&self) -> Option<Vec<StorePath>> {
        let mut soon = self.soon();
        soon.is_at_it = !soon.paths.is_empty();
        soon.is_at_it.then(|| std::mem::take(&mut soon.paths))
    }

    fn soon(&self) -> std::sync::MutexGuard<'_, Soon> {
        self.soon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks on some connection.
    async fn ask<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        question: impl Fn(PooledConnection) -> F,
    ) -> Result<T, StoreError> {
        let question = &question;
        twice(move || async move { question(self.pool.acquire().await?).await }).await
    }

    async fn hold_all(&self, drv_paths: &[StorePath]) -> Result<(), StoreError> {
        let mut roots = self.roots.lock().await;
        let new: Vec<StorePath> = drv_paths
            .iter()
            .filter(|path| !roots.held.contains(*path))
            .cloned()
            .collect();
        if let Some(connection) = &mut roots.connection {
            let answer = if new.is_empty() {
                Ok(())
            } else {
                connection.add_temp_roots(&new).await
            };
            match answer {
                Ok(()) => {
                    roots.held.extend(new);
                    return Ok(());
                }
                Err(error) if error.is_connection_lost() => roots.connection = None,
                Err(error) => return Err(error),
            }
        }
        // A daemon that went away forgot what was held: everything is held again on the new connection.
        let all: Vec<StorePath> = roots.held.iter().cloned().chain(new).collect();
        if all.is_empty() {
            return Ok(());
        }
        let paths = &all;
        let connection = twice(move || async move {
            let mut connection = self.pool.open().await?;
            connection.add_temp_roots(paths).await?;
            Ok(connection)
        })
        .await?;
        roots.held.extend(all);
        roots.connection = Some(connection);
        Ok(())
    }

    async fn missing(&self, targets: &[DerivedPath]) -> Result<MissingPaths, PlanError> {
        let missing = self
            .ask(|mut connection| async move { connection.query_missing(targets).await })
            .await
            .map_err(plan_error)?;
        Ok(MissingPaths {
            will_build: missing.will_build.into_iter().collect(),
            will_substitute: missing.will_substitute.into_iter().collect(),
            download_bytes: missing.download_bytes,
        })
    }

    async fn read_derivation(&self, drv_path: &StorePath) -> Result<Derivation, PlanError> {
        let failed = |detail: String| PlanError::Derivation {
            drv_path: drv_path.clone(),
            detail,
        };
        let bytes = if self.is_local && Path::new(drv_path.as_str()).exists() {
            tokio::fs::read(drv_path.as_str())
                .await
                .map_err(|error| failed(error.to_string()))?
        } else {
            self.ask(|mut connection| async move {
                connection.read_file(drv_path, DERIVATION_SIZE_MAX).await
            })
            .await
            .map_err(plan_error)?
        };
        Derivation::parse(&bytes).map_err(|error| failed(error.to_string()))
    }
}

/// Does something, and where the connection is lost, once more on a new one a moment later: the daemon may have been
/// restarted.
async fn twice<T, F: Future<Output = Result<T, StoreError>>>(
    act: impl Fn() -> F,
) -> Result<T, StoreError> {
    match act().await {
        Err(error) if error.is_connection_lost() => {
            tokio::time::sleep(RETRY_DELAY).await;
            act().await
        }
        done => done,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn plan_error(error: StoreError) -> PlanError {
    PlanError::Store(super::worker::describe(&error))
}

impl StoreView for PooledStore {
    fn valid_paths(
        &self,
        paths: Vec<StorePath>,
    ) -> BoxFuture<'_, Result<HashSet<StorePath>, PlanError>> {
        Box::pin(async move {
            let (mut valid, unknown): (HashSet<_>, BTreeSet<_>) = {
                let mut found = self.found_valid();
                let (known, unknown): (Vec<_>, Vec<_>) =
                    paths.into_iter().partition(|path| found.remove(path));
                (known.into_iter().collect(), unknown.into_iter().collect())
            };
            if !unknown.is_empty() {
                let paths = &unknown;
                let answer = self
                    .ask(|mut connection| async move {
                        connection.query_valid_paths(paths, false).await
                    })
                    .await
                    .map_err(plan_error)?;
                valid.extend(answer);
            }
            Ok(valid)
        })
    }

    fn missing_for_drvs(
        &self,
        drv_paths: Vec<StorePath>,
    ) -> BoxFuture<'_, Result<MissingPaths, PlanError>> {
        Box::pin(async move {
            let targets: Vec<DerivedPath> = drv_paths
                .into_iter()
                .map(DerivedPath::all_outputs)
                .collect();
            self.missing(&targets).await
        })
    }

    fn missing_for_paths(
        &self,
        paths: Vec<StorePath>,
    ) -> BoxFuture<'_, Result<MissingPaths, PlanError>> {
        Box::pin(async move {
            let targets: Vec<DerivedPath> = paths.into_iter().map(DerivedPath::Opaque).collect();
            self.missing(&targets).await
        })
    }

    fn output_map(
        &self,
        drv_path: StorePath,
    ) -> BoxFuture<'_, Result<HashMap<String, Option<StorePath>>, PlanError>> {
        Box::pin(async move {
            let drv_path = &drv_path;
            let map = self
                .ask(|mut connection| async move {
                    connection.query_derivation_output_map(drv_path).await
                })
                .await
                .map_err(plan_error)?;
            Ok(map.into_iter().collect())
        })
    }

    fn derivation(&self, drv_path: StorePath) -> BoxFuture<'_, Result<Derivation, PlanError>> {
        Box::pin(async move { self.read_derivation(&drv_path).await })
    }

    fn hold(&self, drv_paths: Vec<StorePath>) -> BoxFuture<'_, Result<(), PlanError>> {
        Box::pin(async move { self.hold_all(&drv_paths).await.map_err(plan_error) })
    }
}

impl RootKeeper for PooledStore {
    fn hold(&self, drv_paths: Vec<StorePath>) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.hold_all(&drv_paths)
                .await
                .map_err(|error| super::worker::describe(&error))
        })
    }
}
