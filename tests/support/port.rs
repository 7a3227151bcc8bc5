//! Ports of loopback for servers that are told theirs.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering},
};

/// Where the ports of the first process begin.
const FIRST: u16 = 10_000;
/// How many are each process's own.
const EACH: u16 = 100;

/// A port that nobody uses now, or will before the server that is told it.
///
/// The kernel draws none from below 32768 for anybody, as it does for one who asks for any; each process of tests has its
/// own there, and each of its tests the next.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 200).expect("it is small") * EACH;
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (own + next) % (200 * EACH);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
        assert!(next < 200 * EACH, "no port is free");
    }
}
