//! What the kernel makes of a fence. Each restricts a thread of its own, which is all that a thread can restrict.

use std::{
    fs,
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    os::{linux::net::SocketAddrExt as _, unix::net},
    path::PathBuf,
    thread,
};

use super::{Connect, Fence, landlock_abi};

/// What a thread can do that has restricted itself.
fn behind<T: Send + 'static>(fence: Fence, act: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = thread::spawn(move || {
        fence.restrict().unwrap();
        act()
    });
    thread.join().unwrap()
}

fn kind<T>(done: std::io::Result<T>) -> Option<ErrorKind> {
    done.err().map(|error| error.kind())
}

const DENIED: Option<ErrorKind> = Some(ErrorKind::PermissionDenied);

#[test]
fn files_are_what_was_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for name in ["read", "write", "other"] {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join("file"), "x").unwrap();
    }
    let fence = Fence {
        read: vec![path("read"), path("missing")],
        write: vec![path("write")],
        ..Fence::default()
    };
    let files = ["read", "write", "other"].map(|name| path(name).join("file"));
    let (read, written) = behind(fence, move || {
        let read = files.clone().map(|file| kind(fs::read(file)));
        (read, files.map(|file| kind(fs::write(file, "y"))))
    });
    assert_eq!(read, [None, None, DENIED]);
    assert_eq!(written, [DENIED, None, DENIED]);
    // The thread has restricted itself alone.
    assert_eq!(kind(fs::read(path("other").join("file"))), None);
}

#[test]
fn nobody_connects_to_it_and_it_connects_if_it_may() {
    assert!(
        landlock_abi() >= 4,
        "this machine's Linux is older than 6.7"
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let act = move || {
        (
            kind(TcpListener::bind("127.0.0.1:0")),
            kind(TcpStream::connect(address)),
        )
    };
    assert_eq!(behind(Fence::default(), act), (DENIED, DENIED));
    let to = |connect: Connect| Fence {
        connect,
        ..Fence::default()
    };
    assert_eq!(behind(to(Connect::Anything), act), (DENIED, None));
    let port = address.port();
    assert_eq!(behind(to(Connect::Port(port)), act), (DENIED, None));
    let other = Connect::Port(port ^ 1);
    assert_eq!(behind(to(other), act), (DENIED, DENIED));
    // Files are left to somebody else.
    let only = Fence {
        only_network: true,
        ..to(other)
    };
    let read = move || {
        (
            fs::read("/etc/passwd").is_ok(),
            kind(TcpStream::connect(address)),
        )
    };
    assert_eq!(behind(only, read), (true, DENIED));
}

#[test]
fn abstract_sockets_of_others_are_out_of_reach() {
    assert!(
        landlock_abi() >= 6,
        "this machine's Linux is older than 6.12"
    );
    let name = format!("nixci-test-{}", std::process::id());
    let address = net::SocketAddr::from_abstract_name(name).unwrap();
    let _listener = net::UnixListener::bind_addr(&address).unwrap();
    assert_eq!(kind(net::UnixStream::connect_addr(&address)), None);
    let connected = behind(Fence::default(), move || {
        kind(net::UnixStream::connect_addr(&address))
    });
    assert_eq!(connected, DENIED);
}

#[test]
fn the_arguments_say_all_of_it() {
    let fence = Fence {
        execute: vec!["/usr".into()],
        read: vec!["/etc/hosts".into(), "/m".into()],
        write: vec!["/h".into()],
        connect: Connect::Port(7),
        only_network: false,
        parent: Some(7),
        cgroup: Some("/g".into()),
        dir: Some("/h".into()),
    };
    let arguments: Vec<PathBuf> = fence.arguments().into_iter().map(PathBuf::from).collect();
    let words: Vec<_> = arguments
        .iter()
        .map(|word| word.to_str().unwrap())
        .collect();
    assert_eq!(
        words.join(" "),
        "walls --execute /usr --read /etc/hosts --read /m --write /h --cgroup /g --dir /h --port 7 --parent 7 --"
    );
    let least: Vec<_> = Fence::default().arguments();
    assert_eq!(least, ["walls", "--"]);
}
