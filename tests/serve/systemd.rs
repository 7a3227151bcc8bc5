//! Started as systemd starts it: with a socket at descriptor 3, and with somebody who waits for its notices.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::Signal;

use crate::support::{PATIENCE, nix, running::Running, store::TestStore};

/// Moves standard input to where systemd puts sockets, and becomes the server, whose process systemd names.
const HAND_OVER: &str = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 </dev/null";

/// A server without forges that is to listen at what it is given.
fn server(store: &TestStore, socket: OwnedFd) -> Command {
    let mut command = store.command("/bin/sh");
    command
        .args(["-c", HAND_OVER, "sh", env!("CARGO_BIN_EXE_nixci")])
        .args(["serve", "--config"])
        .arg(settings(store.folder()))
        .stdin(Stdio::from(socket));
    command
}

fn settings(folder: &Path) -> PathBuf {
    let path = folder.join("server.toml");
    let state = folder.join("state");
    let text = format!(
        "listen = \"systemd\"\nurl = \"https://ci.example.org\"\nstate_dir = \"{}\"\n",
        state.display()
    );
    fs::write(&path, text).unwrap();
    path
}

/// The answer to a request for `/readyz`.
fn ask(mut connection: impl std::io::Read + std::io::Write) -> String {
    connection
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: ci.example.org\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_socket_of_systemd_is_listened_at_and_signs_of_life_are_given() {
    let store = nix::newest().store().with_daemon();
    let notices_at = store.folder().join("notify");
    let notices = UnixDatagram::bind(&notices_at).unwrap();
    notices.set_read_timeout(Some(PATIENCE)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = server(&store, listener.into());
    command
        .env("NOTIFY_SOCKET", &notices_at)
        .env("WATCHDOG_USEC", "300000");
    let server = Running::start(&mut command);
    // What was bound by systemd takes connections from the beginning, and answers them when the server is there.
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let answer = ask(connection);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut buffer = [0; 256];
    let mut next = || {
        let size = notices.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..size]).trim().to_owned()
    };
    let mut seen: Vec<String> = std::iter::repeat_with(&mut next).take(4).collect();
    seen.sort();
    assert_eq!(seen, ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
    let mut notice = || std::iter::repeat_with(&mut next).find(|notice| notice != "WATCHDOG=1");
    server.signal(Signal::HUP);
    let reloading = notice().unwrap();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    assert!(
        since.is_some_and(|since| since.parse::<u64>().is_ok()),
        "{reloading}"
    );
    assert_eq!(notice().as_deref(), Some("READY=1"));
    server.signal(Signal::TERM);
    assert_eq!(notice().as_deref(), Some("STOPPING=1"));
    let finished = server.finish();
    assert_eq!(finished.code, Some(0), "{finished}");
}

#[test]
fn a_unix_socket_of_systemd_is_listened_at() {
    let store = nix::newest().store().with_daemon();
    let path = store.folder().join("http");
    let listener = UnixListener::bind(&path).unwrap();
    let server = Running::start(&mut server(&store, listener.into()));
    let connection = UnixStream::connect(&path).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let answer = ask(connection);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.signal(Signal::TERM);
    let finished = server.finish();
    assert_eq!(finished.code, Some(0), "{finished}");
}

#[test]
fn what_is_no_socket_or_not_there_is_said() {
    let store = nix::newest().store().with_daemon();
    let nothing = fs::File::open("/dev/null").unwrap();
    let finished = Running::start(&mut server(&store, nothing.into())).finish();
    assert_eq!(finished.code, Some(4), "{finished}");
    let wanted =
        "cannot listen at the socket of systemd: it takes no connections: use `ListenStream=`";
    assert!(finished.stderr.contains(wanted), "{finished}");

    let mut alone = store.command(env!("CARGO_BIN_EXE_nixci"));
    alone
        .args(["serve", "--config"])
        .arg(settings(store.folder()));
    let finished = Running::start(&mut alone).finish();
    assert_eq!(finished.code, Some(4), "{finished}");
    let wanted = "none was handed over: start nixci by its socket unit";
    assert!(finished.stderr.contains(wanted), "{finished}");
}
