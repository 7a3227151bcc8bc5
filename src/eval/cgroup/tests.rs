//! What is written where. There is no kernel behind these files: whether it heeds them is for a machine with systemd.

use std::{fs, path::Path};

use super::Delegation;

fn read(root: &Path, file: &str) -> String {
    fs::read_to_string(root.join(file)).unwrap_or_default()
}

/// A tree with the group of a service in it.
fn tree(controllers: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let service = root.path().join("system.slice/nixci.service");
    fs::create_dir_all(&service).unwrap();
    fs::write(service.join("cgroup.controllers"), controllers).unwrap();
    root
}

#[test]
fn a_service_makes_room_below_its_own_group() {
    let root = tree("cpu memory pids\n");
    let root = root.path();
    let delegation = Delegation::take_in(root, "0::/system.slice/nixci.service\n").unwrap();
    let service = root.join("system.slice/nixci.service");
    assert_eq!(
        read(&service, "main/cgroup.procs"),
        std::process::id().to_string()
    );
    assert_eq!(read(&service, "cgroup.subtree_control"), "+memory +pids");
    let cell = delegation.cell("eval-7", 1 << 30, 500).unwrap();
    assert_eq!(cell.folder(), service.join("eval-7"));
    let limits =
        ["memory.max", "pids.max", "memory.swap.max"].map(|file| read(cell.folder(), file));
    assert_eq!(limits, ["1073741824", "500", "0"]);
    assert!(
        delegation.cell("eval-7", 1, 1).is_err(),
        "two share no group"
    );
    let folder = cell.folder().to_owned();
    drop(cell);
    assert_eq!(read(&folder, "cgroup.kill"), "1");

    // Where systemd has made the group below it, nothing is moved.
    fs::write(service.join("main/cgroup.procs"), "").unwrap();
    Delegation::take_in(
        root,
        "1:name=systemd:/x\n0::/system.slice/nixci.service/main\n",
    )
    .unwrap();
    assert_eq!(read(&service, "main/cgroup.procs"), "");
}

#[test]
fn what_was_not_given_is_not_taken() {
    let root = tree("cpu pids\n");
    let refused = |groups: &str| Delegation::take_in(root.path(), groups).unwrap_err();
    let missing = refused("0::/system.slice/nixci.service\n");
    assert!(
        missing.ends_with(
            "nixci.service has no limits of `memory`: does the service have `Delegate=memory pids`?"
        ),
        "{missing}"
    );
    assert!(!root.path().join("system.slice/nixci.service/main").exists());
    assert_eq!(
        refused("4:memory:/\n"),
        "this system has no control groups of version 2"
    );
    assert!(refused("0::/elsewhere\n").starts_with("cannot read which limits there are in "));
}
