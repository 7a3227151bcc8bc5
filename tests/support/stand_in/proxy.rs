//! A go-between before a real daemon, which breaks connections at a chosen moment.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use tempfile::TempDir;

/// When a proxy does something to what comes from the daemon, and what.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Closes the connection behind so many bytes.
    CutAfter(usize),
    /// Sends garbage behind so many bytes, without an end.
    GarbageAfter(usize),
    /// Closes the connection when the build of the derivation with this name, without `.drv`, begins.
    CutWhenBuilding(String),
    /// Sends garbage when the build of the derivation with this name begins, without an end.
    GarbageWhenBuilding(String),
}

/// How many bytes handed on last are kept, to find what is split over two reads.
const BEFORE: usize = 512;

struct Shared {
    daemon: PathBuf,
    fault: Fault,
    /// How many connections are still to be broken.
    faults_left: AtomicUsize,
    open: Mutex<Vec<UnixStream>>,
    is_ending: AtomicBool,
}

/// A socket before a daemon's.
pub(crate) struct Proxy {
    dir: TempDir,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Stands before the daemon at this socket and breaks the first `times` connections that come to the fault.
    pub(crate) fn start(daemon: &Path, fault: Fault, times: usize) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("nixci-")
            .tempdir_in("/tmp")
            .unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let shared = Arc::new(Shared {
            daemon: daemon.to_owned(),
            fault,
            faults_left: AtomicUsize::new(times),
            open: Mutex::default(),
            is_ending: AtomicBool::new(false),
        });
        let its_shared = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut pumps = Vec::new();
            for client in listener.incoming() {
                if its_shared.is_ending.load(Ordering::SeqCst) {
                    break;
                }
                let (client, Ok(daemon)) =
                    (client.unwrap(), UnixStream::connect(&its_shared.daemon))
                else {
                    continue;
                };
                let copies = [client.try_clone().unwrap(), daemon.try_clone().unwrap()];
                its_shared.open.lock().unwrap().extend(copies);
                let (mut from_client, mut to_daemon) =
                    (client.try_clone().unwrap(), daemon.try_clone().unwrap());
                pumps.push(thread::spawn(move || {
                    let _ = io::copy(&mut from_client, &mut to_daemon);
                    let _ = to_daemon.shutdown(Shutdown::Both);
                }));
                let shared = Arc::clone(&its_shared);
                pumps.push(thread::spawn(move || {
                    let _ = shared.pump(&daemon, &client);
                    let _ = (
                        client.shutdown(Shutdown::Both),
                        daemon.shutdown(Shutdown::Both),
                    );
                }));
            }
            for pump in pumps {
                pump.join().expect("a proxy panicked");
            }
        });
        Self {
            dir,
            shared,
            thread: Some(thread),
        }
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// How many connections are still to be broken.
    pub(crate) fn faults_left(&self) -> usize {
        self.shared.faults_left.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(self.socket());
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || matches!(ended, Some(Ok(()))),
            "the proxy failed"
        );
    }
}

impl Shared {
    /// Hands on what the daemon says, up to the fault.
    fn pump(&self, mut daemon: &UnixStream, mut client: &UnixStream) -> io::Result<()> {
        let mut buffer = vec![0; BEFORE + 4096];
        let mut handed_on = 0;
        loop {
            let length = daemon.read(&mut buffer[BEFORE..])?;
            if length == 0 {
                return Ok(());
            }
            let end = self.fault.place(&buffer[..BEFORE + length], handed_on);
            if let Some(end) = end.filter(|_| self.take_fault()) {
                client.write_all(&buffer[BEFORE..BEFORE + end])?;
                while self.fault.is_garbage() {
                    client.write_all(&[0xaa; 4096])?;
                }
                return Ok(());
            }
            client.write_all(&buffer[BEFORE..BEFORE + length])?;
            handed_on += length;
            buffer.copy_within(length..BEFORE + length, 0);
        }
    }

    fn take_fault(&self) -> bool {
        let taken = self
            .faults_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        taken.is_ok()
    }
}

impl Fault {
    fn is_garbage(&self) -> bool {
        matches!(self, Self::GarbageAfter(_) | Self::GarbageWhenBuilding(_))
    }

    /// How many of the bytes behind the first [`BEFORE`] come before the fault, if it is among them; `handed_on`: how
    /// many came before these.
    fn place(&self, bytes: &[u8], handed_on: usize) -> Option<usize> {
        let length = bytes.len() - BEFORE;
        match self {
            Self::CutAfter(at) | Self::GarbageAfter(at) => {
                at.checked_sub(handed_on).filter(|end| *end <= length)
            }
            Self::CutWhenBuilding(name) | Self::GarbageWhenBuilding(name) => {
                // The text of the activity. Its fields are still to come, so garbage is met at once.
                let text = format!("-{name}.drv'");
                let at = bytes
                    .windows(text.len())
                    .position(|window| window == text.as_bytes())?;
                let is_activity = bytes[..at]
                    .windows(10)
                    .any(|window| window == b"building '");
                (at + text.len())
                    .checked_sub(BEFORE)
                    .filter(|_| is_activity)
            }
        }
    }
}
