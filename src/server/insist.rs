//! Writes down what must not be lost, however long the disk refuses it.

use std::time::Duration;

use tracing::{info, warn};

use crate::db::server::DbError;

/// How long to wait before the next attempt.
pub(super) const AGAIN: Duration = Duration::from_secs(5);

/// Writes something down, again and again until it is on disk: a full disk gets room, a lock is given back. The error is
/// one that time does not heal.
pub(super) async fn insist<T, F: Future<Output = Result<T, DbError>>>(
    what: &str,
    write: impl Fn() -> F,
) -> Result<T, DbError> {
    let mut is_said = false;
    loop {
        match write().await {
            Ok(done) => {
                if is_said {
                    info!(what, "written down at last");
                }
                return Ok(done);
            }
            Err(error) if error.is_lasting() => return Err(error),
            Err(error) => {
                if !std::mem::replace(&mut is_said, true) {
                    warn!(what, %error, "not written down; tried again until it is");
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}
