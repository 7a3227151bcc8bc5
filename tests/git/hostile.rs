//! Commits that are made to break what reads them. Each test is named after its row of the list of attacks.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    time::Instant,
};

use nixci::git::{MirrorError, Wanted};

use crate::{World, id};

/// Writes an object as it is, whatever git thinks of it.
fn write_object(world: &World, kind: &str, content: &[u8]) -> String {
    let mut git = Command::new("git")
        .args(["hash-object", "-t", kind, "-w", "--stdin", "--literally"])
        .current_dir(world.repository.folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    git.stdin.take().unwrap().write_all(content).unwrap();
    let output = git.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn entry(mode: &str, name: &[u8], object: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&object[at..at + 2], 16).unwrap();
    let mut entry = [mode.as_bytes(), b" ", name, b"\0"].concat();
    entry.extend((0..40).step_by(2).map(digit));
    entry
}

/// Commits a tree to the branch `evil`.
fn commit(world: &World, tree: &str) -> String {
    let commit = world.repository.git(&["commit-tree", "-m", "evil", tree]);
    world
        .repository
        .git(&["update-ref", "refs/heads/evil", &commit]);
    commit
}

async fn refusal(world: &World) -> String {
    let refused = world.fetch("refs/heads/evil").await.unwrap_err();
    assert!(
        matches!(refused, MirrorError::Hostile { .. }),
        "{refused:?}"
    );
    refused.to_string().split_once(": ").unwrap().1.to_owned()
}

/// Row "git checkout attacks".
#[tokio::test]
async fn names_that_lead_out_of_a_tree_are_refused() {
    let world = World::new();
    let blob = write_object(&world, "blob", b"x");
    for name in [".git", ".GIT", "..", ".", "a/b"] {
        let tree = write_object(&world, "tree", &entry("100644", name.as_bytes(), &blob));
        commit(&world, &tree);
        assert_eq!(
            refusal(&world).await,
            format!("it has a file called `{name}`")
        );
        let outer = write_object(&world, "tree", &entry("40000", b"sub", &tree));
        commit(&world, &outer);
        assert_eq!(
            refusal(&world).await,
            format!("it has a file called `{name}`")
        );
    }
    let refs = world.inside().git(&["for-each-ref"]);
    assert_eq!(refs, "", "nothing of it is held");
}

/// Row "build abuse": a few hundred bytes that stand for more files than any disk holds.
#[tokio::test]
async fn a_tree_that_is_a_bomb_is_refused_at_once() {
    let world = World::new();
    let blob = write_object(&world, "blob", &[b'x'; 1000]);
    let mut tree = write_object(&world, "tree", &entry("100644", b"f", &blob));
    for _ in 0..20 {
        let folders: Vec<u8> = (b'a'..b'k')
            .flat_map(|name| entry("40000", &[name], &tree))
            .collect();
        tree = write_object(&world, "tree", &folders);
    }
    commit(&world, &tree);
    let begin = Instant::now();
    assert_eq!(refusal(&world).await, "it has more than 2000000 files");
    assert!(begin.elapsed().as_secs() < 60);

    let mut deep = write_object(&world, "tree", &entry("100644", b"f", &blob));
    for _ in 0..300 {
        deep = write_object(&world, "tree", &entry("40000", b"d", &deep));
    }
    commit(&world, &deep);
    assert_eq!(refusal(&world).await, "its folders lie more than 200 deep");

    let mut world = World::new();
    let blob = write_object(&world, "blob", &vec![b'x'; 3 << 20]);
    let links: Vec<u8> = (b'a'..=b'z')
        .flat_map(|name| entry("100644", &[name], &blob))
        .collect();
    let tree = write_object(&world, "tree", &links);
    commit(&world, &tree);
    world.limits.file_bytes = 20 << 20;
    assert_eq!(refusal(&world).await, "its files have more than 20 MiB");
}

/// Row "symlink config".
#[tokio::test]
async fn symlink_config_is_not_followed() {
    let world = World::new();
    let link = write_object(&world, "blob", b"/etc/passwd");
    let large = write_object(&world, "blob", &[b'x'; 1000]);
    let other = world.repository.commit(&[("a", "1")]);
    let empty = write_object(&world, "tree", b"");
    let tree = [
        entry("40000", b"folder", &empty),
        entry("100644", b"large", &large),
        entry("120000", b"nixci.toml", &link),
        entry("160000", b"sub", &other),
    ]
    .concat();
    let head = id(&commit(&world, &write_object(&world, "tree", &tree)));
    world.fetch("refs/heads/evil").await.unwrap();
    for (path, what) in [
        ("nixci.toml", "a symbolic link"),
        ("folder", "a folder"),
        ("sub", "a submodule"),
        ("large", "too large"),
    ] {
        let refused = world.mirror.read_blob(head, path, 999).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("`{path}` of commit {head} is {what}")
        );
    }
    assert_eq!(
        world
            .mirror
            .read_blob(head, "large", 1000)
            .unwrap()
            .unwrap()
            .len(),
        1000
    );
    assert_eq!(
        world.mirror.read_blob(head, "nixci.toml/x", 1000).unwrap(),
        None
    );
}

#[tokio::test]
async fn a_commit_with_a_part_missing_is_refused() {
    let world = World::new();
    let blob = write_object(&world, "blob", b"here");
    let nowhere = "1234567890123456789012345678901234567890";
    let tree = [entry("100644", b"a", &blob), entry("160000", b"b", nowhere)].concat();
    // A submodule elsewhere is no missing part; it is not fetched either.
    let fine = commit(&world, &write_object(&world, "tree", &tree));
    assert_eq!(world.fetch("refs/heads/evil").await.unwrap(), id(&fine));
}

#[tokio::test]
async fn names_that_are_no_names_of_refs_are_just_not_there() {
    let world = World::new();
    world.repository.commit(&[("a", "1")]);
    for name in [
        "--upload-pack=id",
        "refs/heads/*",
        "+refs/heads/main:refs/heads/x",
        "",
        "main",
        "HEAD",
        "refs/heads/main\0x",
    ] {
        let missing = world
            .fetch_from(&world.remote(""), &[Wanted::Ref(name.to_owned())])
            .await
            .unwrap_err();
        assert!(
            matches!(missing, MirrorError::Missing { .. }),
            "{name}: {missing:?}"
        );
    }
}
