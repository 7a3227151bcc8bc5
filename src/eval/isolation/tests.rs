use std::path::{Path, PathBuf};

use super::{Isolation, Network, Walls};

fn isolation() -> Isolation {
    let (home, mirror) = (
        "/var/lib/nixci/home/7".into(),
        Path::new("/var/lib/nixci/mirrors/7"),
    );
    Isolation {
        store_dir: "/nix/store".into(),
        daemon_socket: "/nix/var/nix/daemon-socket/socket".into(),
        variables: vec![("NIX_LOG_DIR".to_owned(), "/logs".into())],
        network: Network::None,
        ..Isolation::new(Walls::Bubblewrap("/usr/bin/bwrap".into()), mirror, home).of_stranger()
    }
}

/// The arguments before the program, as one text.
fn walls(isolation: &Isolation) -> String {
    let writable = Path::new("/tmp/roots");
    let walls = isolation.in_bubblewrap(Path::new("/opt/nix/bin/nix"), &[writable]);
    let words: Vec<_> = walls.iter().map(|word| word.to_str().unwrap()).collect();
    words.join(" ")
}

#[test]
fn nothing_of_the_state_folder_is_inside_but_what_is_named() {
    let walls = walls(&isolation());
    assert!(
        walls.starts_with("--unshare-all --die-with-parent --new-session --ro-bind-try /usr /usr ")
    );
    assert!(!walls.contains("--share-net"), "{walls}");
    let own: Vec<_> = walls
        .split(" --")
        .filter(|mount| mount.contains("/var/lib"))
        .collect();
    assert_eq!(
        own,
        [
            "ro-bind /var/lib/nixci/mirrors/7 /var/lib/nixci/mirrors/7",
            "bind /var/lib/nixci/home/7 /home/nixci"
        ]
    );
    let expected = "--ro-bind /nix/store /nix/store --ro-bind /opt/nix/bin /opt/nix/bin \
                    --ro-bind /nix/var/nix/daemon-socket /nix/var/nix/daemon-socket --bind /var/lib/nixci/home/7 /home/nixci \
                    --bind /tmp/roots /tmp/roots --chdir /home/nixci --";
    assert!(walls.ends_with(expected), "{walls}");
    let whole = ["/etc", "/var", "/root", "/home", "/run", "/nix"];
    for folder in whole {
        assert!(!walls.contains(&format!(" {folder} {folder} ")), "{walls}");
    }
}

#[test]
fn the_network_is_inside_if_it_is_said_so() {
    let isolation = Isolation {
        network: Network::All,
        ..isolation()
    };
    assert!(
        walls(&isolation).starts_with("--unshare-all --die-with-parent --new-session --share-net ")
    );
}

#[test]
fn settings_and_environment_are_those_of_nobody() {
    let isolation = Isolation {
        allowed_uris: Some(vec!["https://a/".to_owned(), "https://b/".to_owned()]),
        ..isolation()
    };
    let settings = isolation.settings();
    let value = |name: &str| {
        let found = settings.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(value("accept-flake-config"), Some("false"));
    assert_eq!(value("allow-import-from-derivation"), Some("false"));
    assert_eq!(value("access-tokens"), Some(""));
    assert_eq!(value("restrict-eval"), Some("true"));
    assert_eq!(value("allowed-uris"), Some("https://a/ https://b/"));

    let command = Isolation::command(Some(&isolation), Path::new("/bin/nix"), &[]);
    let environment: Vec<_> = command.as_std().get_envs().collect();
    let value = |name: &str| {
        let found = environment.iter().find(|(key, _)| *key == name);
        found.and_then(|(_, value)| value.map(PathBuf::from))
    };
    assert_eq!(value("HOME"), Some("/home/nixci".into()));
    assert_eq!(value("NIX_CONFIG"), Some("".into()));
    assert_eq!(value("NIX_LOG_DIR"), Some("/logs".into()));
    assert_eq!(value("CARGO_MANIFEST_DIR"), None);
    assert_eq!(command.as_std().get_program(), "/usr/bin/bwrap");

    let bare = Isolation {
        walls: Walls::None,
        ..isolation
    };
    let command = Isolation::command(Some(&bare), Path::new("/bin/nix"), &[]);
    assert_eq!(command.as_std().get_program(), "/bin/nix");
    assert_eq!(command.as_std().get_args().count(), 0);
}

#[tokio::test]
async fn a_program_goes_into_its_control_group_first() {
    let folder = tempfile::tempdir().unwrap();
    let isolation = Isolation {
        walls: Walls::None,
        cgroup: Some(folder.path().to_owned()),
        ..isolation()
    };
    let mut command = Isolation::command(Some(&isolation), Path::new("/bin/echo"), &[]);
    let output = command.args(["a b", "$c"]).output().await.unwrap();
    assert_eq!(output.stdout, b"a b $c\n");
    let entered = std::fs::read_to_string(folder.path().join("cgroup.procs"));
    assert_eq!(entered.unwrap(), "0\n");
    // Without its group nothing runs.
    drop(folder);
    let mut command = Isolation::command(Some(&isolation), Path::new("/bin/echo"), &[]);
    assert!(!command.output().await.unwrap().status.success());
}

#[test]
fn what_old_evaluations_have_left_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let isolation = Isolation {
        home: folder.path().to_owned(),
        ..isolation()
    };
    let tmp = folder.path().join("tmp");
    for name in ["old", "new"] {
        std::fs::create_dir_all(tmp.join(name).join("inner")).unwrap();
    }
    std::fs::write(tmp.join("file"), "").unwrap();
    let long_ago = std::time::SystemTime::now() - isolation.limits.time * 2;
    for name in ["old", "file"] {
        let entry = std::fs::File::open(tmp.join(name)).unwrap();
        entry.set_modified(long_ago).unwrap();
    }
    isolation.tidy().unwrap();
    let left = std::fs::read_dir(&tmp).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["new"]);
}

#[test]
fn a_link_that_an_evaluation_leaves_in_its_home_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (home, state) = (folder.path().join("home"), folder.path().join("state"));
    let isolation = Isolation {
        home: home.clone(),
        ..isolation()
    };
    std::fs::create_dir_all(&home).unwrap();
    std::fs::create_dir_all(&state).unwrap();
    let database = std::fs::File::create(state.join("database")).unwrap();
    let long_ago = std::time::SystemTime::now() - isolation.limits.time * 2;
    database.set_modified(long_ago).unwrap();
    std::os::unix::fs::symlink(&state, home.join("tmp")).unwrap();
    isolation.tidy().unwrap();
    assert!(state.join("database").exists());
    assert!(home.join("tmp").symlink_metadata().unwrap().is_dir());
}
