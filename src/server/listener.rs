//! The socket that requests come by, and how many may come and how slowly.
//!
//! Whoever connects is a stranger until his request is read, so connections are counted, for each address and in all, and
//! a request that does not come is not waited for. What requests ask for is limited where it is answered.

use std::{
    io, os::unix::net::UnixListener as StdUnixListener, path::Path, pin::pin, sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};
use tower_service::Service as _;
use tracing::warn;

use super::{app::App, client::Other, serve::ServeError, streams::Streams, systemd};
use crate::config::Listen;

/// How many connections there may be: more than there are live pages and what is followed.
const CONNECTIONS: usize = 2000;
/// How many of these one address may have that is no proxy.
const CONNECTIONS_OF_ONE: usize = 200;
/// How many files may be open besides connections, each of which may have one, too.
const OTHER_FILES: u64 = 4000;
/// How long a connection may be without a whole request: longer than proxies keep one that they do not use, so that it is
/// they who end it.
const REQUEST_LIMIT: Duration = Duration::from_secs(75);
/// How much of a connection is read ahead, and how long all headers of a request may be together, in bytes.
const BUFFER_BYTES: usize = 64 << 10;
/// How long to wait where no connection can be taken: no more files may be opened, most of all.
const PAUSE: Duration = Duration::from_millis(100);

/// Where requests come from.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens where the settings say.
    pub(super) async fn at(listen: &Listen) -> Result<Self, ServeError> {
        let failed = |at: String| {
            move |error: io::Error| ServeError::Listen {
                at,
                reason: error.to_string(),
            }
        };
        match listen {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address).await;
                listener.map(Self::Tcp).map_err(failed(address.to_string()))
            }
            Listen::Unix(path) => {
                let listener = bind(path);
                listener
                    .map(Self::Unix)
                    .map_err(failed(path.display().to_string()))
            }
            Listen::Systemd => inherited().map_err(failed("the socket of systemd".to_owned())),
        }
    }

    async fn accept(&self) -> io::Result<(Either<TcpStream, UnixStream>, Other)> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                (Either::Left(stream), Other::Address(address.ip()))
            }
            Self::Unix(listener) => (Either::Right(listener.accept().await?.0), Other::Local),
        })
    }

    /// Answers requests until the server ends, and then those that it has begun to.
    pub(super) async fn answer(self, app: App, router: Router) {
        let done = app.closing.clone();
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let strangers = Streams::new(CONNECTIONS, CONNECTIONS_OF_ONE);
        let connections = TaskTracker::new();
        let next = async || {
            // Further ones wait in the kernel meanwhile.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, self.accept().await)
        };
        loop {
            let (place, accepted) = tokio::select! {
                () = done.cancelled() => break,
                next = next() => next,
            };
            let (stream, other) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, "a connection is not taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let stranger = other
                .stranger()
                // All come from the proxy, wherever that is; it has limits of its own.
                .filter(|_| !app.config().behind_proxy)
                .map(|client| strangers.enter(client))
                .transpose();
            let Ok(stranger) = stranger else {
                continue;
            };
            let (router, done) = (router.clone(), done.clone());
            connections.spawn(async move {
                let _places = (place, stranger);
                talk(stream, other, router, done).await;
            });
        }
        connections.close();
        connections.wait().await;
    }
}

/// Answers the requests of a connection.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin,
    other: Other,
    router: Router,
    done: CancellationToken,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(other));
        let mut router = router.clone();
        async move { router.call(request).await }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST_LIMIT)
            .max_buf_size(BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
    );
    // An error is the other's: it has gone, was silent, or makes no sense.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = done.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Listens at a Unix socket, which a server before may have left.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    match StdUnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // The database's lock says that no other server is there.
            std::fs::remove_file(path)?;
        }
        listener => {
            let listener = listener?;
            listener.set_nonblocking(true)?;
            return UnixListener::from_std(listener);
        }
    }
    UnixListener::bind(path)
}

/// The socket that systemd hands over.
fn inherited() -> io::Result<Listener> {
    match systemd::take_socket()? {
        systemd::Inherited::Tcp(socket) => TcpListener::from_std(socket).map(Listener::Tcp),
        systemd::Inherited::Unix(socket) => UnixListener::from_std(socket).map(Listener::Unix),
    }
}

/// Lets this process open as many files as it may need, as far as the host allows that: the usual 1,024 are fewer than there
/// may be live pages.
pub(super) fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let needed = 2 * CONNECTIONS as u64 + OTHER_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    if limit.current.is_some_and(|current| current < most) {
        limit.current = Some(most);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            warn!(%error, "no more files can be opened than usual");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

    use super::*;

    fn connect() -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let router = Router::new().route("/", get(|| async { "here" }));
        let done = CancellationToken::new();
        tokio::spawn(talk(theirs, Other::Local, router, done));
        ours
    }

    /// Whether nobody is at the other end any more after so many seconds, of which none passes.
    async fn is_ended_after(ours: &mut DuplexStream, seconds: u64) -> bool {
        let mut answer = Vec::new();
        let read = ours.read_to_end(&mut answer);
        tokio::time::timeout(Duration::from_secs(seconds), read)
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_not_waited_for() {
        let mut ours = connect();
        assert!(!is_ended_after(&mut ours, 70).await);
        assert!(is_ended_after(&mut ours, 10).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_bit_by_bit_is_not_waited_for() {
        let mut ours = connect();
        ours.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        for _ in 0..7 {
            assert!(!is_ended_after(&mut ours, 10).await);
            ours.write_all(b"x: y\r\n").await.unwrap();
        }
        assert!(is_ended_after(&mut ours, 10).await);
    }

    #[tokio::test(start_paused = true)]
    async fn headers_have_an_end() {
        let mut ours = connect();
        ours.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        ours.write_all(&vec![b'x'; 2 * BUFFER_BYTES]).await.unwrap();
        assert!(is_ended_after(&mut ours, 10).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_used_again() {
        let mut ours = connect();
        for _ in 0..3 {
            ours.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                .await
                .unwrap();
            let mut answer = vec![0; 4096];
            let size = ours.read(&mut answer).await.unwrap();
            assert!(answer[..size].ends_with(b"here"));
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    }
}
