//! How much there may be at once of what takes room for as long as a client likes, such as answers that have no end: for one
//! client, and in all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::StatusCode;

use super::client::Client;

/// After how many seconds to try again where there is no room.
pub(super) const RETRY_AFTER: &str = "30";

/// Room for streams, or for so many bytes. Clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    in_all: usize,
    for_one: usize,
    open: Arc<Mutex<HashMap<Client, usize>>>,
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The client has too many.
    ForOne,
    /// All have together.
    InAll,
}

/// The place of a stream, or that of so many bytes; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    streams: Streams,
    client: Client,
    size: usize,
}

impl Full {
    /// What HTTP calls it (RFC 6585, §4; RFC 9110, §15.6.4).
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::ForOne => StatusCode::TOO_MANY_REQUESTS,
            Self::InAll => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Streams {
    /// So many in all, and for each client.
    pub(super) fn new(in_all: usize, for_one: usize) -> Self {
        Self {
            in_all,
            for_one,
            open: Arc::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.open().values().sum()
    }

    /// Takes a place for one more.
    pub(super) fn enter(&self, client: Client) -> Result<Place, Full> {
        let mut place = self.nowhere(client);
        place.grow(1)?;
        Ok(place)
    }

    /// A place that has no room yet.
    pub(super) fn nowhere(&self, client: Client) -> Place {
        Place {
            streams: self.clone(),
            client,
            size: 0,
        }
    }
}

impl Place {
    /// Takes so much more room, or none.
    pub(super) fn grow(&mut self, more: usize) -> Result<(), Full> {
        let mut open = self.streams.open();
        let has = open.get(&self.client).copied().unwrap_or_default();
        if has.saturating_add(more) > self.streams.for_one {
            return Err(Full::ForOne);
        }
        let taken = open.values().sum::<usize>();
        if taken.saturating_add(more) > self.streams.in_all {
            return Err(Full::InAll);
        }
        open.insert(self.client, has + more);
        self.size += more;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        if let Some(has) = open.get_mut(&self.client) {
            *has -= self.size;
            if *has == 0 {
                open.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_so_many_and_all_together_more() {
        let streams = Streams::new(5, 2);
        let client = |n: u8| Client::at([192, 0, 2, n].into());
        let mut places = Vec::new();
        for n in [1, 1, 2, 2] {
            places.push(streams.enter(client(n)).unwrap());
        }
        assert_eq!(streams.enter(client(1)).unwrap_err(), Full::ForOne);
        let last = streams.enter(client(3)).unwrap();
        assert_eq!(streams.enter(client(3)).unwrap_err(), Full::InAll);
        assert_eq!(streams.enter(client(4)).unwrap_err(), Full::InAll);
        assert_eq!(streams.count(), 5);
        drop(last);
        places.remove(0);
        // Others are not in the way of each other.
        let again = streams.enter(client(1)).unwrap();
        assert_eq!(streams.enter(client(1)).unwrap_err(), Full::ForOne);
        drop((again, places));
        assert_eq!(streams.count(), 0);
        assert!(streams.open().is_empty(), "nothing is left of clients");
    }
}
