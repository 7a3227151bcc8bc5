//! What is fetched, and how it is read.

use std::time::Duration;

use nixci::git::{MirrorError, Remote, Wanted};

use crate::{World, id};

#[tokio::test]
async fn refs_are_listed_with_what_tags_stand_for() {
    let world = World::new();
    let repository = &world.repository;
    let first = repository.commit(&[("a", "1")]);
    repository.git(&["tag", "--annotate", "--message", "one", "v1"]);
    let second = repository.commit(&[("a", "2")]);
    repository.git(&["update-ref", "refs/pull/1/head", &first]);
    let tag = repository.git(&["rev-parse", "v1"]);
    let found = world.refs(&world.remote("")).await.unwrap();
    let refs: Vec<_> = found
        .refs
        .iter()
        .map(|it| (it.name.as_str(), it.id.to_string(), it.commit().to_string()))
        .collect();
    assert_eq!(
        refs,
        [
            ("refs/heads/main", second.clone(), second.clone()),
            ("refs/pull/1/head", first.clone(), first.clone()),
            ("refs/tags/v1", tag, first),
        ]
    );
    assert_eq!(found.default_branch.as_deref(), Some("refs/heads/main"));
    let in_folder = world
        .refs(&Remote::in_folder(repository.folder()))
        .await
        .unwrap();
    assert_eq!(
        (in_folder.refs, in_folder.default_branch),
        (found.refs, found.default_branch)
    );
}

#[tokio::test]
async fn a_repository_without_commits_has_no_refs() {
    let world = World::new();
    assert_eq!(world.refs(&world.remote("")).await.unwrap().refs, []);
    let missing = world.fetch("refs/heads/main").await.unwrap_err();
    let expected = format!(
        "{}/work/.git has no refs/heads/main",
        world.server.address()
    );
    assert_eq!(missing.to_string(), expected);
}

#[tokio::test]
async fn branches_pull_requests_and_tags_are_fetched_and_read() {
    let world = World::new();
    let repository = &world.repository;
    let first = repository.commit(&[("nixci.toml", "a = 1"), ("sub/x", "y")]);
    repository.git(&["tag", "--annotate", "--message", "one", "v1"]);
    let second = repository.commit(&[("nixci.toml", "a = 2")]);
    repository.git(&["checkout", "--quiet", "--detach"]);
    let pull = repository.commit(&[("b", "c")]);
    repository.git(&["update-ref", "refs/pull/7/head", &pull]);
    let wanted = [
        Wanted::Ref("refs/heads/main".to_owned()),
        Wanted::RefAt("refs/pull/7/head".to_owned(), id(&pull)),
        Wanted::Ref("refs/tags/v1".to_owned()),
    ];
    let fetched = world.fetch_from(&world.remote(""), &wanted).await.unwrap();
    assert_eq!(fetched, [id(&second), id(&pull), id(&first)]);

    let mirror = &world.mirror;
    let read = |commit, path| mirror.read_blob(id(commit), path, 100);
    assert_eq!(read(&first, "nixci.toml").unwrap().unwrap(), b"a = 1");
    assert_eq!(read(&second, "nixci.toml").unwrap().unwrap(), b"a = 2");
    assert_eq!(read(&first, "sub/x").unwrap().unwrap(), b"y");
    assert_eq!(read(&first, "b").unwrap(), None);
    assert_eq!(read(&first, "../../HEAD").unwrap(), None);
    assert_eq!(
        mirror.tree_id(id(&pull)).unwrap().to_string(),
        repository.git(&["rev-parse", &format!("{pull}^{{tree}}")])
    );
    assert_eq!(mirror.message(id(&pull), 10).unwrap(), "change [\"b");
    assert!(mirror.is_ancestor(id(&first), id(&pull)).unwrap());
    assert!(mirror.is_ancestor(id(&pull), id(&pull)).unwrap());
    assert!(!mirror.is_ancestor(id(&pull), id(&first)).unwrap());

    // Nothing else came, and git has nothing to say against it.
    let refs = world.inside().git(&["for-each-ref", "--format=%(refname)"]);
    let mut expected: Vec<_> = [&first, &second, &pull]
        .iter()
        .map(|id| format!("refs/nixci/{id}"))
        .collect();
    expected.sort();
    assert_eq!(refs.lines().collect::<Vec<_>>(), expected);
    world.inside().git(&["fsck", "--strict", "--full"]);
    assert!(
        !mirror.folder().join(".git/hooks").exists()
            && !mirror.folder().join(".git/FETCH_HEAD").exists()
    );
}

#[tokio::test]
async fn thousands_of_objects_are_fetched_once() {
    let world = World::new();
    let files: Vec<_> = (0..3000)
        .map(|n| (format!("d{}/f{n}", n % 50), format!("{n}")))
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    world.repository.commit(&files);
    world.fetch("refs/heads/main").await.unwrap();
    world.fetch("refs/heads/main").await.unwrap();
    let second = world.repository.commit(&[("new", "1")]);
    assert_eq!(world.fetch("refs/heads/main").await.unwrap(), id(&second));
    let posts = world
        .server
        .seen()
        .iter()
        .filter(|seen| seen.line.starts_with("POST"))
        .count();
    assert!((2..=4).contains(&posts), "{:#?}", world.server.seen());
    let counted = world.inside().git(&["count-objects", "-v"]);
    let in_pack: u32 = counted
        .lines()
        .find_map(|line| line.strip_prefix("in-pack: "))
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        (3052..3100).contains(&in_pack),
        "everything came twice: {counted}"
    );
    world.inside().git(&["fsck", "--strict", "--full"]);
}

#[tokio::test]
async fn a_private_repository_wants_the_token() {
    let world = World::new();
    let first = world.repository.commit(&[("a", "1")]);
    let wanted = [Wanted::Ref("refs/heads/main".to_owned())];
    let host = "127.0.0.1";
    for (token, expected) in [
        (
            None,
            format!("{host} has no such repository, or does not show it (HTTP 401)"),
        ),
        (
            Some("wr0ng"),
            format!("{host} refuses the token (HTTP 401): is it right, and may it read?"),
        ),
    ] {
        let refused = world
            .fetch_from(&world.remote_with("private/", token), &wanted)
            .await
            .unwrap_err();
        assert_eq!(refused.to_string(), expected);
        assert!(matches!(refused, MirrorError::Refused(_)) && !refused.is_transient());
    }
    let opened = world
        .fetch_from(&world.remote_with("private/", Some("t0ken")), &wanted)
        .await
        .unwrap();
    assert_eq!(opened, [id(&first)]);
}

#[tokio::test]
async fn a_commit_is_fetched_by_its_name_where_the_server_allows_it() {
    let world = World::new();
    let first = world.repository.commit(&[("a", "1")]);
    let lost = world.repository.commit(&[("a", "2")]);
    world
        .repository
        .git(&["reset", "--quiet", "--hard", &first]);
    let second = world.repository.commit(&[("a", "3")]);
    let wanted = |id| [Wanted::Commit(id)];
    // Over HTTP, git gives away what can be reached, and by setting all there is.
    for reachable in [first, second] {
        let fetched = world
            .fetch_from(&world.remote(""), &wanted(id(&reachable)))
            .await
            .unwrap();
        assert_eq!(fetched, [id(&reachable)]);
    }
    let refused = world
        .fetch_from(&world.remote(""), &wanted(id(&lost)))
        .await
        .unwrap_err();
    let expected = format!("{}/work/.git has no {lost}", world.server.address());
    assert_eq!(refused.to_string(), expected);
    world
        .repository
        .git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let fetched = world
        .fetch_from(&world.remote(""), &wanted(id(&lost)))
        .await
        .unwrap();
    assert_eq!(fetched, [id(&lost)]);

    let nowhere = "1234567890123456789012345678901234567890";
    let missing = world
        .fetch_from(&world.remote(""), &wanted(id(nowhere)))
        .await
        .unwrap_err();
    assert!(
        matches!(&missing, MirrorError::Missing { what, .. } if what == nowhere),
        "{missing:?}"
    );
}

#[tokio::test]
async fn forced_pushes_and_deleted_refs_are_followed() {
    let world = World::new();
    let repository = &world.repository;
    let first = repository.commit(&[("a", "1")]);
    let old = repository.commit(&[("a", "2")]);
    assert_eq!(world.fetch("refs/heads/main").await.unwrap(), id(&old));
    repository.git(&["reset", "--quiet", "--hard", &first]);
    let new = repository.commit(&[("a", "3")]);
    let at_old = Wanted::RefAt("refs/heads/main".to_owned(), id(&old));
    let moved = world
        .fetch_from(&world.remote(""), &[at_old])
        .await
        .unwrap_err();
    assert_eq!(
        moved.to_string(),
        format!("`refs/heads/main` is at {new} now and no longer at {old}")
    );
    assert_eq!(world.fetch("refs/heads/main").await.unwrap(), id(&new));
    assert!(world.mirror.has(id(&old)).unwrap(), "what is built stays");
    repository.git(&["checkout", "--quiet", "--detach"]);
    repository.git(&["branch", "--delete", "--force", "main"]);
    let missing = world.fetch("refs/heads/main").await.unwrap_err();
    assert!(
        matches!(missing, MirrorError::Missing { .. }),
        "{missing:?}"
    );

    let wanted = [id(&new)].into();
    let hour = Duration::from_secs(3600);
    assert_eq!(world.mirror.prune(&wanted, hour).unwrap(), 0, "it is new");
    assert_eq!(world.mirror.prune(&wanted, Duration::ZERO).unwrap(), 1);
    let refs = world.inside().git(&["for-each-ref", "--format=%(refname)"]);
    assert_eq!(refs, format!("refs/nixci/{new}"));
}

#[tokio::test]
async fn a_history_that_was_cut_off_is_refused() {
    let world = World::new();
    world.repository.commit(&[("a", "1")]);
    world.repository.commit(&[("a", "2")]);
    let source = format!("file://{}", world.repository.folder().display());
    let shallow = world.folder().join("shallow");
    world.repository.git(&[
        "clone",
        "--quiet",
        "--depth=1",
        &source,
        shallow.to_str().unwrap(),
    ]);
    let home = world.server.address().parse().unwrap();
    let url = format!("{}/shallow/.git", world.server.address());
    let remote = Remote::of_forge(&home, &url, None).unwrap();
    let wanted = [Wanted::Ref("refs/heads/main".to_owned())];
    for remote in [remote, Remote::in_folder(&shallow)] {
        let refused = world.fetch_from(&remote, &wanted).await.unwrap_err();
        assert!(
            refused
                .to_string()
                .ends_with(": its history is cut off (a shallow clone)"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_folder_is_fetched_from_if_the_configuration_names_it() {
    let world = World::new();
    let first = world.repository.commit(&[("a", "1")]);
    let second = world.repository.commit(&[("a", "2")]);
    let remote = Remote::in_folder(world.repository.folder());
    let wanted = [
        Wanted::Commit(id(&first)),
        Wanted::Ref("refs/heads/main".to_owned()),
    ];
    assert_eq!(
        world.fetch_from(&remote, &wanted).await.unwrap(),
        [id(&first), id(&second)]
    );
    world.inside().git(&["fsck", "--strict", "--full"]);
    let missing = world
        .fetch_from(&Remote::in_folder(&world.folder().join("none")), &wanted)
        .await
        .unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("cannot read the repository in "),
        "{missing}"
    );
}

#[tokio::test]
async fn tens_of_thousands_of_refs_and_names_that_are_no_text_do_no_harm() {
    let world = World::new();
    let first = world.repository.commit(&[("a", "1")]);
    let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
    for n in 10_000..60_000 {
        packed.push_str(&format!("{first} refs/pull/{n}/head\n"));
    }
    let mut packed = packed.into_bytes();
    packed.extend_from_slice(format!("{first} refs/zz/").as_bytes());
    packed.extend_from_slice(b"\xff\xfe\n");
    std::fs::write(world.repository.folder().join(".git/packed-refs"), packed).unwrap();
    assert_eq!(
        world.refs(&world.remote("")).await.unwrap().refs.len(),
        50_001
    );
    assert_eq!(
        world.fetch("refs/pull/59999/head").await.unwrap(),
        id(&first)
    );
    let in_folder = Remote::in_folder(world.repository.folder());
    assert_eq!(world.refs(&in_folder).await.unwrap().refs.len(), 50_001);
}
