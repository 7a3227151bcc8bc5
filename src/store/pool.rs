//! Several open connections to one daemon, each for one user at a time.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use super::{ClientSettings, Connection, StoreAddress, StoreError};

/// How many connections are opened at the same time.
const OPENED_AT_ONCE: usize = 8;

/// Open connections with the same settings; cheap to clone.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

struct Shared {
    address: StoreAddress,
    settings: ClientSettings,
    /// Those that nobody uses, the last returned one last.
    idle: Mutex<Vec<Connection>>,
    /// Whether opening one was tried before.
    was_tried: tokio::sync::Mutex<bool>,
    /// Who may open one now: an ssh server refuses clients when many of them knock at once.
    opening: Semaphore,
    /// Tasks that end when the children of connections are gone.
    watchers: TaskTracker,
}

/// A connection lent out by a [`Pool`]. It goes back when it is dropped, unless a request on it ended with an error or
/// was given up halfway: then it is closed.
pub struct PooledConnection {
    /// `None` only while it is dropped.
    connection: Option<Connection>,
    shared: Arc<Shared>,
    // Behind `connection`: the place is free only when the connection is idle or closed.
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool of at most `max_open` connections (at least one); none is opened yet.
    pub fn new(address: StoreAddress, settings: ClientSettings, max_open: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                address,
                settings,
                idle: Mutex::default(),
                was_tried: tokio::sync::Mutex::default(),
                opening: Semaphore::new(OPENED_AT_ONCE),
                watchers: TaskTracker::new(),
            }),
            permits: Arc::new(Semaphore::new(max_open.clamp(1, Semaphore::MAX_PERMITS))),
        }
    }

    /// Lends out a connection: waits while all are lent out, takes an idle one that is still alive, else opens one.
    #[expect(
        clippy::missing_panics_doc,
        reason = "it never does: nobody closes the semaphore"
    )]
    pub async fn acquire(&self) -> Result<PooledConnection, StoreError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let connection = match self.shared.take_idle() {
            Some(connection) => connection,
            None => self.shared.open().await?,
        };
        Ok(PooledConnection {
            connection: Some(connection),
            shared: Arc::clone(&self.shared),
            _permit: permit,
        })
    }

    /// Closes the connections that nobody uses, and returns when no child is left, those of connections that were dropped
    /// in the middle of a build included. Waits for connections that are still lent out.
    pub async fn close(&self) {
        self.shared.idle().clear();
        self.shared.watchers.close();
        self.shared.watchers.wait().await;
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a connection. The first time nobody else may: where the store is new, the daemon's processes make it, and
    /// those of every version tried trip over each other if they do so at the same time.
    async fn open(&self) -> Result<Connection, StoreError> {
        let mut was_tried = self.was_tried.lock().await;
        if *was_tried {
            drop(was_tried);
            // Nobody closes it; without a permit one would be opened all the same.
            let _permit = self.opening.acquire().await;
            return Connection::open_watched(&self.address, &self.settings, &self.watchers).await;
        }
        let opened = Connection::open_watched(&self.address, &self.settings, &self.watchers).await;
        *was_tried = true;
        opened
    }

    /// The idle connection used last; dead ones are thrown away on the way.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find(Connection::is_clean)
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        self.shared
            .idle()
            .extend(self.connection.take().filter(Connection::is_clean));
    }
}

impl Deref for PooledConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
            .as_ref()
            .expect("it is taken only when this is dropped")
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection
            .as_mut()
            .expect("it is taken only when this is dropped")
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("address", &self.shared.address)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.connection.fmt(f)
    }
}
