//! Several open connections to one daemon, each for one user at a time.

use std::ops::{Deref, DerefMut};

use super::{ClientSettings, Connection, StoreAddress, StoreError};

/// Open connections with the same settings; cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {}

/// A connection lent out by a [`Pool`]. It goes back when it is dropped, unless its last request ended with an error or
/// was given up halfway: then it is closed.
#[derive(Debug)]
pub struct PooledConnection {
    connection: Connection,
}

impl Pool {
    /// A pool of at most `max_open` connections (at least one); none is opened yet.
    pub fn new(address: StoreAddress, settings: ClientSettings, max_open: usize) -> Self {
        let _ = (address, settings, max_open);
        unimplemented!("the skeleton")
    }

    /// Lends out a connection: waits while all are lent out, takes an idle one that is still alive, else opens one.
    pub async fn acquire(&self) -> Result<PooledConnection, StoreError> {
        unimplemented!("the skeleton")
    }
}

impl Deref for PooledConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for PooledConnection {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}
