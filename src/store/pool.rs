//! Several open connections to one daemon, each for one user at a time.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::task::TaskTracker;

use super::{ClientSettings, Connection, StoreAddress, StoreError};

/// How many connections are opened at the same time.
const OPENED_AT_ONCE: usize = 8;
/// How long connections stay open by default.
const LIFE: Life = Life {
    idle: Duration::from_secs(60),
    age: Duration::from_secs(600),
};

/// How long connections stay open. Each costs a process of the daemon, which holds all that was built by it, and every
/// derivation that it was asked about, against garbage collection.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// How long one stays open that nobody uses.
    pub idle: Duration,
    /// How old one may be that is lent out again. An older one stays as long as others that nobody uses, so that there is
    /// time to hold what was built by it.
    pub age: Duration,
}

/// Open connections with the same settings; cheap to clone.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

struct Shared {
    address: StoreAddress,
    settings: ClientSettings,
    life: Life,
    /// Those that nobody uses.
    idle: Mutex<Idle>,
    /// Whether opening one was tried before.
    was_tried: tokio::sync::Mutex<bool>,
    /// Who may open one now: an ssh server refuses clients when many of them knock at once.
    opening: Semaphore,
    /// Tasks that end when the children of connections are gone.
    watchers: TaskTracker,
}

#[derive(Default)]
struct Idle {
    /// The last returned one last.
    connections: Vec<IdleConnection>,
    /// Whether a task closes them when it is time.
    is_watched: bool,
}

struct IdleConnection {
    connection: Connection,
    opened: Instant,
    since: Instant,
}

/// A connection lent out by a [`Pool`]. It goes back when it is dropped, unless a request on it ended with an error or
/// was given up halfway: then it is closed.
pub struct PooledConnection {
    /// `None` only while it is dropped.
    connection: Option<Connection>,
    opened: Instant,
    shared: Arc<Shared>,
    // Behind `connection`: the place is free only when the connection is idle or closed.
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    /// A pool of at most `max_open` connections (at least one); none is opened yet.
    pub fn new(address: StoreAddress, settings: ClientSettings, max_open: usize) -> Self {
        Self::with_life(address, settings, max_open, LIFE)
    }

    /// A pool whose connections stay open for other times.
    pub fn with_life(
        address: StoreAddress,
        settings: ClientSettings,
        max_open: usize,
        life: Life,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                address,
                settings,
                life,
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
        let (connection, opened) = match self.shared.take_idle() {
            Some(idle) => (idle.connection, idle.opened),
            None => (self.shared.open().await?, Instant::now()),
        };
        Ok(PooledConnection {
            connection: Some(connection),
            opened,
            shared: Arc::clone(&self.shared),
            _permit: permit,
        })
    }

    /// Opens a connection that is none of those lent out: whoever keeps one for long takes nobody's place. It is closed when
    /// it is dropped.
    pub async fn open(&self) -> Result<Connection, StoreError> {
        self.shared.open().await
    }

    /// Closes the connections that nobody uses, and returns when no child is left, those of connections that were dropped
    /// in the middle of a build included. Waits for connections that are still lent out.
    pub async fn close(&self) {
        let idle = std::mem::take(&mut self.shared.idle().connections);
        drop(idle);
        self.shared.watchers.close();
        self.shared.watchers.wait().await;
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Idle> {
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

    /// The idle connection used last that is not too old; dead ones are thrown away on the way.
    fn take_idle(&self) -> Option<IdleConnection> {
        let mut idle = self.idle();
        let is_young = |idle: &IdleConnection| idle.opened.elapsed() < self.life.age;
        std::iter::from_fn(|| {
            let last = idle.connections.iter().rposition(is_young)?;
            Some(idle.connections.remove(last))
        })
        .find(|idle| idle.connection.is_clean())
    }

    fn give_back(self: &Arc<Self>, connection: Connection, opened: Instant) {
        let mut idle = self.idle();
        idle.connections.push(IdleConnection {
            connection,
            opened,
            since: Instant::now(),
        });
        if !idle.is_watched
            && let Ok(runtime) = Handle::try_current()
        {
            idle.is_watched = true;
            runtime.spawn(close_idle(Arc::downgrade(self)));
        }
    }

    /// Closes those that were idle for long enough. Returns when it is time for the next; none if there is none.
    fn close_old(&self) -> Option<Duration> {
        let mut idle = self.idle();
        // They stand in the order in which they were returned.
        let kept = |idle: &IdleConnection| idle.since.elapsed() < self.life.idle;
        let old = idle.connections.iter().position(kept);
        let old = old.unwrap_or(idle.connections.len());
        let old: Vec<_> = idle.connections.drain(..old).collect();
        let next = idle.connections.first();
        let next = next.map(|next| self.life.idle.saturating_sub(next.since.elapsed()));
        idle.is_watched = next.is_some();
        drop(idle);
        drop(old);
        next
    }
}

/// Closes connections that nobody uses, as long as there are some.
async fn close_idle(shared: Weak<Shared>) {
    while let Some(wait) = shared.upgrade().and_then(|shared| shared.close_old()) {
        tokio::time::sleep(wait).await;
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(Connection::is_clean) {
            self.shared.give_back(connection, self.opened);
        }
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
