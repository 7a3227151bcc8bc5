//! The two byte streams of a connection: a socket's, or the pipes of a child.
//!
//! Knows nothing of the protocol.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    task::{Context, Poll},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::ChildStdin,
};
use tokio_util::task::TaskTracker;

use super::{
    StoreAddress,
    child::{self, ChildOutput},
};

/// What comes from the daemon.
#[derive(Debug)]
pub(super) enum ReadHalf {
    Socket(OwnedReadHalf),
    Child(ChildOutput),
}

/// What goes to the daemon.
#[derive(Debug)]
pub(super) enum WriteHalf {
    Socket(OwnedWriteHalf),
    Child(ChildStdin),
}

/// Connects to the socket or starts the child, with its watcher among `watchers`.
pub(super) async fn connect(
    address: &StoreAddress,
    watchers: &TaskTracker,
) -> io::Result<(ReadHalf, WriteHalf)> {
    match address {
        StoreAddress::Socket(path) => {
            let (read, write) = UnixStream::connect(path).await?.into_split();
            Ok((ReadHalf::Socket(read), WriteHalf::Socket(write)))
        }
        StoreAddress::Command { program, args, env } => {
            let (output, input) = child::start(program, args, env, watchers)?;
            Ok((ReadHalf::Child(output), WriteHalf::Child(input)))
        }
    }
}

impl ReadHalf {
    /// Whether the other side is there and silent, as it must be between requests.
    pub(super) fn is_silent(&self) -> bool {
        let fd = match self {
            Self::Socket(socket) => socket.as_ref().as_fd(),
            Self::Child(output) => output.as_fd(),
        };
        is_silent(fd).unwrap_or(false)
    }

    /// Closes it; waits for the end of a child.
    pub(super) async fn close(self) {
        match self {
            Self::Socket(socket) => drop(socket),
            Self::Child(output) => output.close().await,
        }
    }
}

/// Asks the kernel itself: the runtime learns of a hangup only when it next waits.
fn is_silent(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    Ok(poll(&mut fds, Some(&Timespec::default()))? == 0)
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Child(output) => Pin::new(output).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Socket(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Child(input) => Pin::new(input).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(socket) => Pin::new(socket).poll_flush(cx),
            Self::Child(input) => Pin::new(input).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Child(input) => Pin::new(input).poll_shutdown(cx),
        }
    }
}
