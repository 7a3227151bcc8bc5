//! Servers that do not do what they should.

use std::time::{Duration, Instant};

use nixci::git::{FetchLimits, MirrorError, Remote, Wanted};

use crate::{World, id, support::git_server::GitServer};

fn main_branch() -> [Wanted; 1] {
    [Wanted::Ref("refs/heads/main".to_owned())]
}

#[tokio::test]
async fn a_server_that_stalls_costs_no_more_than_the_limit() {
    let mut world = World::new();
    world.repository.commit(&[("a", "1")]);
    world.limits.silence = Duration::from_millis(300);
    for manner in ["stall/", "stall-pack/"] {
        let begin = Instant::now();
        let slow = world
            .fetch_from(&world.remote(manner), &main_branch())
            .await
            .unwrap_err();
        assert!(
            matches!(slow, MirrorError::TooSlow { .. }) && slow.is_transient(),
            "{manner}: {slow:?}"
        );
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "{manner}: {:?}",
            begin.elapsed()
        );
    }
    world.limits = FetchLimits {
        time: Duration::from_millis(300),
        ..FetchLimits::default()
    };
    let slow = world
        .fetch_from(&world.remote("stall-pack/"), &main_branch())
        .await
        .unwrap_err();
    assert!(matches!(slow, MirrorError::TooSlow { .. }), "{slow:?}");
    // Drips of text are no progress.
    let slow = world
        .fetch_from(&world.remote("flood/"), &main_branch())
        .await
        .unwrap_err();
    assert!(matches!(slow, MirrorError::TooSlow { .. }), "{slow:?}");
}

#[tokio::test]
async fn a_fetch_that_is_given_up_ends_at_once_and_leaves_nothing_in_the_way() {
    let world = World::new();
    world.repository.commit(&[("a", "1")]);
    let remote = world.remote("stall-pack/");
    let wanted = main_branch();
    let fetch = world.fetch_from(&remote, &wanted);
    let given_up = tokio::time::timeout(Duration::from_millis(200), fetch).await;
    assert!(given_up.is_err(), "{given_up:?}");
    world
        .fetch_from(&world.remote(""), &main_branch())
        .await
        .unwrap();
}

#[tokio::test]
async fn too_much_is_not_taken() {
    let mut world = World::new();
    // It does not compress.
    let noise: String = (0..200_000u64)
        .map(|n| format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
        .collect();
    world.repository.commit(&[("a", &noise)]);
    world.limits.bytes = 100_000;
    for manner in ["", "flood/"] {
        let refused = world
            .fetch_from(&world.remote(manner), &main_branch())
            .await
            .unwrap_err();
        assert!(
            matches!(refused, MirrorError::TooMuch(_)),
            "{manner}: {refused:?}"
        );
    }
    world.limits = FetchLimits {
        objects: 2,
        ..FetchLimits::default()
    };
    for remote in [
        world.remote(""),
        Remote::in_folder(world.repository.folder()),
    ] {
        let refused = world.fetch_from(&remote, &main_branch()).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "there are 3 objects to fetch: more than 2"
        );
    }
    world.limits = FetchLimits {
        refs: 0,
        ..FetchLimits::default()
    };
    let refused = world.refs(&world.remote("")).await.unwrap_err();
    assert!(
        refused.to_string().ends_with("it has more than 0 refs"),
        "{refused}"
    );
    let packs = world.mirror.folder().join(".git/objects/pack");
    let left: Vec<_> = std::fs::read_dir(packs)
        .into_iter()
        .flatten()
        .flatten()
        .map(|it| it.file_name())
        .collect();
    assert!(left.is_empty(), "nothing half done stays: {left:?}");
}

#[tokio::test]
async fn garbage_is_an_error_with_a_text() {
    let world = World::new();
    let head = world
        .repository
        .commit(&[("a", &"some text, long enough to be cut\n".repeat(1000))]);
    for n in 0..30 {
        world
            .repository
            .commit(&[("b", &format!("{n}").repeat(100))]);
    }
    let host = "127.0.0.1";
    for (manner, is_transient, expected) in [
        ("garbage/", false, "sends what is broken".to_owned()),
        ("cut/", false, "sends what is broken".to_owned()),
        ("trouble/", true, format!("{host} is in trouble: HTTP 503")),
        (
            "page/",
            false,
            format!("{host} does not answer as a git server does: it answers with text/html"),
        ),
        (
            "none/",
            false,
            format!("{host} has no such repository, or does not show it (HTTP 404)"),
        ),
    ] {
        let failed = world
            .fetch_from(&world.remote(manner), &main_branch())
            .await
            .unwrap_err();
        assert!(failed.to_string().contains(&expected), "{manner}: {failed}");
        assert_eq!(failed.is_transient(), is_transient, "{manner}: {failed:?}");
        assert!(!world.mirror.has(id(&head)).unwrap());
    }
    let nobody = Remote::of_forge(
        &"http://127.0.0.1:9".parse().unwrap(),
        "http://127.0.0.1:9/a",
        None,
    )
    .unwrap();
    let failed = world.fetch_from(&nobody, &main_branch()).await.unwrap_err();
    assert!(
        failed.to_string().starts_with("cannot reach 127.0.0.1: ") && failed.is_transient(),
        "{failed}"
    );
}

#[tokio::test]
async fn a_repository_that_moved_on_its_server_is_found_and_no_other_server_is_asked() {
    let mut world = World::new();
    let head = world.repository.commit(&[("a", "1")]);
    let moved = world.remote_with("moved/", Some("t0ken"));
    assert_eq!(
        world.fetch_from(&moved, &main_branch()).await.unwrap(),
        [id(&head)]
    );

    let found = world.refs(&moved).await.unwrap().moved_to;
    assert_eq!(found, Some(format!("{}/work/.git", world.server.address())));
    assert_eq!(world.refs(&world.remote("")).await.unwrap().moved_to, None);

    let elsewhere = GitServer::start(world.folder(), "");
    world.server = GitServer::start(world.folder(), elsewhere.address());
    let away = world.remote_with("away/", Some("t0ken"));
    let refused = world.fetch_from(&away, &main_branch()).await.unwrap_err();
    let expected = format!(
        "127.0.0.1 sends elsewhere, to {}/work/.git/info/refs?service=git-upload-pack: it is not followed",
        elsewhere.address()
    );
    assert_eq!(refused.to_string(), expected);
    assert!(elsewhere.seen().is_empty());
}

/// Row "token leak through fetchers" and row "SSRF" of the list of attacks.
#[tokio::test]
async fn another_server_is_shown_no_token_and_none_in_a_private_network_is_asked() {
    let world = World::new();
    world.repository.commit(&[("a", "1")]);
    let home = "http://forge.example.org".parse().unwrap();
    let port = world.server.address().rsplit_once(':').unwrap().1;
    // A name that leads to loopback.
    let url = format!("http://localhost:{port}/work/.git");
    let remote = Remote::of_forge(&home, &url, None).unwrap();
    let refused = world.fetch_from(&remote, &main_branch()).await.unwrap_err();
    let expected =
        "localhost is in a private network, where nothing is fetched from but the configured forge";
    assert_eq!(refused.to_string(), expected);
    assert!(world.server.seen().is_empty());
}
