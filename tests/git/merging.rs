//! Merges, compared with what git makes of them.

use nixci::git::{Merge, Wanted};

use crate::{World, id};

/// Fetches the branches `main` and `pull` and merges them.
async fn merge(world: &World) -> Merge {
    let wanted = ["refs/heads/main", "refs/heads/pull"].map(|name| Wanted::Ref(name.to_owned()));
    let fetched = world.fetch_from(&world.remote(""), &wanted).await.unwrap();
    world.mirror.merge(fetched[0], fetched[1]).await.unwrap()
}

/// The tree that git makes, or nothing if there is a conflict.
fn merge_by_git(world: &World) -> Option<String> {
    let output = world
        .repository
        .try_git(&["merge-tree", "--write-tree", "main", "pull"]);
    let said = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| said.trim().to_owned())
}

#[tokio::test]
async fn a_merge_is_what_git_makes_of_it_and_always_the_same_commit() {
    let world = World::new();
    let repository = &world.repository;
    let lines: String = (0..40).map(|n| format!("line {n}\n")).collect();
    repository.commit(&[
        ("a", &lines),
        ("b", "b\n"),
        ("old/name", &lines.replace("line", "other")),
    ]);
    repository.git(&["checkout", "--quiet", "-b", "pull"]);
    repository.git(&["mv", "old/name", "moved"]);
    repository.commit(&[
        ("a", &lines.replace("line 3\n", "line three\n")),
        ("c", "c\n"),
    ]);
    repository.git(&["checkout", "--quiet", "main"]);
    repository.commit(&[
        ("a", &lines.replace("line 30\n", "line thirty\n")),
        (
            "old/name",
            &lines
                .replace("line", "other")
                .replace("other 7\n", "other seven\n"),
        ),
    ]);
    let merged = merge(&world).await;
    let Merge::Merged { commit, tree } = &merged else {
        panic!("{merged:?}")
    };
    assert_eq!(Some(tree.to_string()), merge_by_git(&world));
    assert_eq!(world.mirror.tree_id(*commit).unwrap(), *tree);
    // Its name follows from its parents alone.
    assert_eq!(merge(&world).await, merged);
    let again = World::new();
    again.repository.git(&[
        "fetch",
        "--quiet",
        repository.folder().to_str().unwrap(),
        "main:main",
        "pull:pull",
        "--update-head-ok",
    ]);
    assert_eq!(merge(&again).await, merged);
    let shown = world.inside().git(&[
        "log",
        "-1",
        "--format=%an %ae %ad %cn %P%n%s",
        "--date=raw",
        &commit.to_string(),
    ]);
    let (main, pull) = (
        repository.git(&["rev-parse", "main"]),
        repository.git(&["rev-parse", "pull"]),
    );
    assert_eq!(
        shown,
        format!(
            "nixci nixci@localhost 1700000000 +0000 nixci {main} {pull}\nMerge {pull} into {main}"
        )
    );
    world.inside().git(&["fsck", "--strict", "--full"]);
}

#[tokio::test]
async fn what_has_all_of_the_other_already_is_the_merge() {
    let world = World::new();
    let repository = &world.repository;
    let first = repository.commit(&[("a", "1")]);
    repository.git(&["checkout", "--quiet", "-b", "pull"]);
    let second = repository.commit(&[("a", "2")]);
    let Merge::Merged { commit, .. } = merge(&world).await else {
        panic!("there is nothing to merge")
    };
    assert_eq!(commit, id(&second));
    let back = world.mirror.merge(id(&second), id(&first)).await.unwrap();
    assert!(matches!(back, Merge::Merged { commit, .. } if commit == id(&second)));
}

#[tokio::test]
async fn conflicts_are_named() {
    let world = World::new();
    let repository = &world.repository;
    repository.commit(&[("a", "1\n"), ("b", "1\n"), ("c", "1\n"), ("d", "1\n")]);
    repository.git(&["checkout", "--quiet", "-b", "pull"]);
    repository.git(&["rm", "--quiet", "d"]);
    repository.commit(&[("a", "2\n"), ("b", "2\n"), ("new", "x\n")]);
    repository.git(&["checkout", "--quiet", "main"]);
    repository.commit(&[
        ("a", "3\n"),
        ("b", "2\n"),
        ("d", "changed\n"),
        ("new", "y\n"),
    ]);
    assert_eq!(merge_by_git(&world), None);
    let files = ["a", "d", "new"].map(str::to_owned).to_vec();
    assert_eq!(merge(&world).await, Merge::Conflict { files });
}

#[tokio::test]
async fn a_criss_cross_is_merged_as_git_does_it() {
    let world = World::new();
    let repository = &world.repository;
    let lines: String = (0..30).map(|n| format!("line {n}\n")).collect();
    repository.commit(&[("a", &lines), ("b", &lines)]);
    repository.git(&["checkout", "--quiet", "-b", "pull"]);
    let a = lines.replace("line 2\n", "two\n");
    let pull = repository.commit(&[("a", &a)]);
    repository.git(&["checkout", "--quiet", "main"]);
    let b = lines.replace("line 9\n", "nine\n");
    let main = repository.commit(&[("b", &b)]);
    repository.git(&["merge", "--quiet", "--no-edit", &pull]);
    repository.git(&["checkout", "--quiet", "pull"]);
    repository.git(&["merge", "--quiet", "--no-edit", &main]);
    repository.commit(&[("a", &a.replace("line 20\n", "twenty\n"))]);
    repository.git(&["checkout", "--quiet", "main"]);
    repository.commit(&[("a", &a.replace("line 9\n", "nine\n"))]);
    assert_eq!(
        repository
            .git(&["merge-base", "--all", "main", "pull"])
            .lines()
            .count(),
        2
    );
    let merged = merge(&world).await;
    let Merge::Merged { tree, .. } = &merged else {
        panic!("{merged:?}")
    };
    assert_eq!(Some(tree.to_string()), merge_by_git(&world));
}

#[tokio::test]
async fn two_histories_with_nothing_in_common_are_not_merged() {
    let world = World::new();
    world.repository.commit(&[("a", "1")]);
    world
        .repository
        .git(&["checkout", "--quiet", "--orphan", "pull"]);
    world.repository.commit(&[("b", "1")]);
    assert_eq!(merge(&world).await, Merge::Unrelated);
}

/// Row "git checkout attacks" of the list of attacks: no program that a repository or a user's configuration names runs.
#[tokio::test]
async fn a_merge_driver_is_not_run() {
    let world = World::new();
    let repository = &world.repository;
    let proof = world.folder().join("proof");
    repository.commit(&[
        ("a", "1\n"),
        (".gitattributes", "a merge=evil filter=evil\n"),
    ]);
    repository.git(&["checkout", "--quiet", "-b", "pull"]);
    repository.commit(&[("a", "2\n")]);
    repository.git(&["checkout", "--quiet", "main"]);
    repository.commit(&[("a", "3\n")]);
    let inside = world.inside();
    inside.git(&[
        "config",
        "merge.evil.driver",
        &format!("touch {}", proof.display()),
    ]);
    inside.git(&[
        "config",
        "filter.evil.smudge",
        &format!("touch {}", proof.display()),
    ]);
    assert!(matches!(merge(&world).await, Merge::Conflict { .. }));
    assert!(!proof.exists());
}
