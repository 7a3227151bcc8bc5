//! What the newest runs are marked by, read once for all live pages that show them.

use std::{collections::HashMap, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use crate::db::server::{DbError, Sight};

/// How long a mark counts: less than live pages wait after a change, so that none is read before it.
const FRESH: Duration = Duration::from_millis(250);

/// The marks that were read last, by who may see the runs.
#[derive(Default)]
pub(super) struct Marks {
    known: Mutex<HashMap<Sight, (Instant, String)>>,
}

impl Marks {
    /// The mark for those who see so much: as it is known, or as it is read.
    pub(super) async fn of<F: Future<Output = Result<String, DbError>>>(
        &self,
        sight: Sight,
        read: impl FnOnce() -> F,
    ) -> Result<String, DbError> {
        // Held while one reads: the others get what that one has read.
        let mut known = self.known.lock().await;
        if let Some((at, mark)) = known.get(&sight)
            && at.elapsed() < FRESH
        {
            return Ok(mark.clone());
        }
        // Before it is read: what changes meanwhile may be in it or not.
        let at = Instant::now();
        let mark = read().await?;
        known.insert(sight, (at, mark.clone()));
        Ok(mark)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thousand_pages_read_a_change_once() {
        let (marks, reads) = (Marks::default(), AtomicUsize::new(0));
        let read = |sight| {
            marks.of(sight, || async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok(reads.fetch_add(1, Ordering::Relaxed).to_string())
            })
        };
        let pages = (0..1000).map(|_| read(Sight::Public));
        for mark in future::join_all(pages).await {
            assert_eq!(mark.unwrap(), "0");
        }
        // Who sees more has another mark.
        assert_eq!(read(Sight::Everything).await.unwrap(), "1");
        tokio::time::sleep(FRESH).await;
        assert_eq!(read(Sight::Public).await.unwrap(), "2");
    }
}
