use std::{fs, os::unix::fs::symlink};

use super::{LocalTree, SourceTree};

#[test]
fn only_files_of_the_tree_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("tree");
    fs::create_dir_all(root.join("sub/deep")).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(root.join("a.txt"), "a").unwrap();
    fs::write(root.join("sub/deep/b.nix"), "b").unwrap();
    fs::write(root.join("binary"), b"\xff\xfe").unwrap();
    fs::write(root.join("large"), vec![b'x'; 5 << 20]).unwrap();
    symlink("../secret", root.join("link")).unwrap();
    symlink("..", root.join("up")).unwrap();
    let tree = LocalTree {
        root: root.clone(),
        is_checkout: false,
    };
    assert_eq!(tree.files(), ["sub/deep/b.nix", "a.txt", "binary", "large"]);
    assert_eq!(tree.read("a.txt").as_deref(), Some("a"));
    assert_eq!(tree.read("sub/deep/b.nix").as_deref(), Some("b"));
    let absolute = root.join("a.txt");
    for name in [
        "../secret",
        "sub/../../secret",
        "link",
        "up/secret",
        "binary",
        "large",
        "sub",
        "",
        "gone",
        absolute.to_str().unwrap(),
        "a\0b",
    ] {
        assert_eq!(tree.read(name), None, "{name:?}");
    }
}
