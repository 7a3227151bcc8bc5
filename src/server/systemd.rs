//! What a service manager hands over and asks for: the socket that it listens at, and signs of life.
//!
//! Apart from starting and ending the server, which works the same without systemd. Not for the notices that the server is
//! ready or ends: who starts and ends it sends those.
//!
//! Source: `sd_listen_fds(3)`, `sd_watchdog_enabled(3)` and `sd_notify(3)` of systemd.

use std::{
    io, net::TcpListener as StdTcpListener, os::unix::net::UnixListener as StdUnixListener,
    time::Duration,
};

use listenfd::ListenFd;
use tracing::warn;

use crate::db::server::ServerDb;

/// A socket that was handed over.
pub(super) enum Inherited {
    Tcp(StdTcpListener),
    Unix(StdUnixListener),
}

/// Takes the one socket that systemd hands over. Call it before any other program is started, which would get it, too.
pub(super) fn take_socket() -> io::Result<Inherited> {
    let mut sockets = ListenFd::from_env();
    if sockets.len() != 1 {
        return Err(io::Error::other(match sockets.len() {
            0 => "none was handed over: start nixci by its socket unit, or set `listen` to an address".to_owned(),
            count => format!("{count} were handed over: leave one `ListenStream=` in the socket unit"),
        }));
    }
    let wrong = || io::Error::other("it takes no connections: use `ListenStream=`");
    if let Ok(Some(socket)) = sockets.take_tcp_listener(0) {
        socket.set_nonblocking(true)?;
        return Ok(Inherited::Tcp(socket));
    }
    let socket = sockets.take_unix_listener(0).map_err(|_| wrong())?;
    let socket = socket.ok_or_else(wrong)?;
    socket.set_nonblocking(true)?;
    Ok(Inherited::Unix(socket))
}

/// Gives signs of life as long as the database takes and gives rows, where the service manager asks for them.
pub(super) async fn ping_all(db: ServerDb) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut ticks = tokio::time::interval(interval(limit));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match db.answers().await {
            Ok(()) => {
                let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
            }
            Err(error) => warn!(%error, "the database does not answer: no sign of life is given"),
        }
    }
}

/// How often to give one: three times within the limit, so that one may be late.
fn interval(limit: Duration) -> Duration {
    (limit / 3).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_come_well_within_the_limit() {
        assert_eq!(interval(Duration::from_secs(120)), Duration::from_secs(40));
        // An interval of nothing would be refused by the timer.
        assert_eq!(interval(Duration::ZERO), Duration::from_millis(1));
    }
}
