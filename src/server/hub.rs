//! Tells live pages that a run changed.
//!
//! Loses what nobody is quick enough for: whoever listens looks into the database, and looks again from time to time.

use tokio::sync::broadcast;

use crate::db::server::RunId;

/// How many changes wait for a slow listener.
const WAITING: usize = 256;

/// Where changes are told.
pub(super) struct Hub {
    changes_tx: broadcast::Sender<RunId>,
}

/// Hears of changes.
pub(super) struct Changes {
    changes_rx: broadcast::Receiver<RunId>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            changes_tx: broadcast::Sender::new(WAITING),
        }
    }
}

impl Hub {
    /// Tells everybody that listens that a run changed.
    pub(super) fn changed(&self, run: RunId) {
        // Nobody may be listening.
        let _ = self.changes_tx.send(run);
    }

    /// Hears of changes from now on.
    pub(super) fn listen(&self) -> Changes {
        Changes {
            changes_rx: self.changes_tx.subscribe(),
        }
    }
}

impl Changes {
    /// Waits until a run, or any, may have changed.
    pub(super) async fn next(&mut self, wanted: Option<RunId>) {
        loop {
            match self.changes_rx.recv().await {
                Ok(run) if wanted.is_none_or(|wanted| wanted == run) => return,
                Ok(_) => {}
                // One of those that were missed may be it.
                Err(broadcast::error::RecvError::Lagged(_)) => return,
                // The hub lives as long as the server.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
