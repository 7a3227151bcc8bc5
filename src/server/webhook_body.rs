//! Reads the body of a webhook, of which nobody knows yet who sent it: so much of it, so quickly, and no more of all
//! together than there is room for.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody as _},
    http::StatusCode,
};
use futures_util::StreamExt as _;

use super::{
    client::Client,
    streams::{self, Full, Place, Streams},
};
use crate::forge::HOOK_BYTES;

/// How long a body may take: forges wait no longer than 10 seconds for the answer.
const LIMIT: Duration = Duration::from_secs(15);

/// Why a body is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    /// It is too long.
    #[error("a webhook has at most {} MiB", HOOK_BYTES >> 20)]
    TooLong,
    /// It does not come.
    #[error("it took longer than {} seconds to come", LIMIT.as_secs())]
    TooSlow,
    /// It ends before its end.
    #[error("it was cut off")]
    CutOff,
    /// There is no room.
    #[error("too many webhooks are being read; try again in a moment")]
    Full(Full),
}

impl Unread {
    /// What HTTP calls it.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::CutOff => StatusCode::BAD_REQUEST,
            Self::Full(full) => full.status(),
        }
    }

    /// After how many seconds to try again, where that helps.
    pub(super) fn retry_after(self) -> Option<&'static str> {
        matches!(self, Self::Full(_)).then_some(streams::RETRY_AFTER)
    }
}

/// Reads a body. It has its place in `room` until that is dropped.
pub(super) async fn read(
    room: &Streams,
    client: Client,
    body: Body,
) -> Result<(Bytes, Place), Unread> {
    // Without a length this is 0.
    let told = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if told > HOOK_BYTES {
        return Err(Unread::TooLong);
    }
    let gather = gather(room.nowhere(client), body);
    tokio::time::timeout(LIMIT, gather)
        .await
        .unwrap_or(Err(Unread::TooSlow))
}

async fn gather(mut place: Place, body: Body) -> Result<(Bytes, Place), Unread> {
    let mut pieces = body.into_data_stream();
    let mut read = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Unread::CutOff)?;
        if read.len() + piece.len() > HOOK_BYTES {
            return Err(Unread::TooLong);
        }
        // What is only said to come takes no room.
        place.grow(piece.len()).map_err(Unread::Full)?;
        read.extend_from_slice(&piece);
    }
    Ok((read.into(), place))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    fn client(n: u8) -> Client {
        Client::at([192, 0, 2, n].into())
    }

    /// A body without a length.
    fn pieces(count: usize, size: usize) -> Body {
        let piece = Bytes::from(vec![b'x'; size]);
        Body::from_stream(stream::iter(
            (0..count).map(move |_| Ok::<_, Infallible>(piece.clone())),
        ))
    }

    #[tokio::test]
    async fn a_body_has_so_many_bytes_whether_it_says_so_or_not() {
        let room = Streams::new(usize::MAX, usize::MAX);
        let (body, _) = read(&room, client(1), pieces(25, 1 << 20)).await.unwrap();
        assert_eq!(body.len(), HOOK_BYTES);
        let body = Body::from(vec![b'x'; HOOK_BYTES]);
        assert!(read(&room, client(1), body).await.is_ok());
        let body = Body::from(vec![b'x'; HOOK_BYTES + 1]);
        for body in [body, pieces(26, 1 << 20)] {
            let why = read(&room, client(1), body).await.unwrap_err();
            assert_eq!(why, Unread::TooLong);
        }
    }

    #[tokio::test]
    async fn bodies_have_so_much_room_together() {
        let room = Streams::new(5, 3);
        let (_, first) = read(&room, client(1), pieces(3, 1)).await.unwrap();
        let full = |why: Result<_, Unread>| why.map(drop).unwrap_err();
        let why = full(read(&room, client(1), pieces(1, 1)).await);
        assert_eq!(why, Unread::Full(Full::ForOne));
        let why = full(read(&room, client(2), pieces(3, 1)).await);
        assert_eq!(why, Unread::Full(Full::InAll));
        // What was refused leaves nothing, nor does what was answered.
        assert_eq!(room.count(), 3);
        drop(first);
        assert_eq!(room.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let room = Streams::new(100, 100);
        let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"{"))]);
        let body = Body::from_stream(begun.chain(stream::pending()));
        let why = read(&room, client(1), body).await.unwrap_err();
        assert_eq!(why, Unread::TooSlow);
        assert_eq!(room.count(), 0);
    }
}
