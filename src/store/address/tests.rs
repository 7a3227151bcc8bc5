use std::{
    ffi::OsString,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
};

use super::StoreAddress;

/// Detects with these variables set and no others.
async fn detect(variables: &[(&str, &str)]) -> StoreAddress {
    let env = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| OsString::from(value))
    };
    StoreAddress::detect(Path::new("/bin/nix-daemon"), &env).await
}

fn socket(path: &str) -> StoreAddress {
    StoreAddress::Socket(PathBuf::from(path))
}

fn child() -> StoreAddress {
    StoreAddress::Command {
        program: "/bin/nix-daemon".into(),
        args: vec!["--stdio".into()],
        env: Vec::new(),
    }
}

#[tokio::test]
async fn a_daemon_that_is_asked_for_is_not_probed() {
    let default = "/nix/var/nix/daemon-socket/socket";
    assert_eq!(detect(&[("NIX_REMOTE", "daemon")]).await, socket(default));
    assert_eq!(detect(&[("NIX_REMOTE", "unix://")]).await, socket(default));
    assert_eq!(
        detect(&[("NIX_REMOTE", "unix:///a/b?root=/x")]).await,
        socket("/a/b")
    );
    assert_eq!(
        detect(&[("NIX_REMOTE", "daemon"), ("NIX_STATE_DIR", "/s")]).await,
        socket("/s/daemon-socket/socket")
    );
    assert_eq!(
        detect(&[
            ("NIX_REMOTE", "daemon"),
            ("NIX_STATE_DIR", "/s"),
            ("NIX_DAEMON_SOCKET_PATH", "/d")
        ])
        .await,
        socket("/d")
    );
}

#[tokio::test]
async fn the_socket_wins_only_where_something_listens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let path = path.to_str().unwrap();
    let variables = [("NIX_DAEMON_SOCKET_PATH", path), ("NIX_REMOTE", "")];
    assert_eq!(detect(&variables).await, child(), "there is no file");

    let listener = UnixListener::bind(path).unwrap();
    assert_eq!(detect(&variables).await, socket(path));
    assert_eq!(
        detect(&[variables[0], ("NIX_REMOTE", "auto")]).await,
        socket(path)
    );
    assert_eq!(
        detect(&[variables[0], ("NIX_REMOTE", "local")]).await,
        child()
    );

    drop(listener);
    assert_eq!(detect(&variables).await, child(), "nobody listens any more");
}

#[tokio::test]
async fn any_other_store_is_opened_by_the_child() {
    for remote in ["local", "local?root=/x", "ssh-ng://host", "/chroot"] {
        assert_eq!(detect(&[("NIX_REMOTE", remote)]).await, child(), "{remote}");
    }
}

#[test]
fn addresses_are_shown_as_a_user_would_write_them() {
    assert_eq!(socket("/a/b").to_string(), "`/a/b`");
    assert_eq!(child().to_string(), "`/bin/nix-daemon --stdio`");
}
