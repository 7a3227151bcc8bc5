use super::{Choice, Found};
use crate::{config::WallsWanted, eval::Walls};

fn found() -> Found {
    Found {
        has_daemon: true,
        bubblewrap: Ok("/usr/bin/bwrap".into()),
        landlock: 7,
    }
}

fn without_bubblewrap(landlock: u32) -> Found {
    Found {
        bubblewrap: Err("/usr/bin/bwrap does not work here: no namespaces".to_owned()),
        landlock,
        ..found()
    }
}

fn landlock() -> Walls {
    Walls::Landlock("/proc/self/exe".into())
}

fn choice(found: &Found, wanted: WallsWanted) -> Choice {
    found.choose(wanted).unwrap()
}

#[test]
fn the_best_that_works_is_taken() {
    let bubblewrap = Walls::Bubblewrap("/usr/bin/bwrap".into());
    for wanted in [WallsWanted::Auto, WallsWanted::Bubblewrap] {
        let choice = choice(&found(), wanted);
        assert_eq!((choice.walls, choice.is_weak), (bubblewrap.clone(), false));
    }
    let second = choice(&without_bubblewrap(7), WallsWanted::Auto);
    assert_eq!((&second.walls, second.is_weak), (&landlock(), false));
    assert_eq!(second, choice(&found(), WallsWanted::Landlock));
    let third = choice(&without_bubblewrap(0), WallsWanted::Auto);
    assert_eq!((third.walls, third.is_weak), (Walls::None, true));
    assert_eq!(
        third.text,
        "without walls: /usr/bin/bwrap does not work here: no namespaces; Linux has no Landlock here, or it is off: at \
         least 2, Linux 5.19, is needed: they can read what the server's user can"
    );
    let none = choice(&found(), WallsWanted::None);
    assert_eq!((none.walls, none.is_weak), (Walls::None, true));
}

#[test]
fn what_was_asked_for_is_had_or_nothing_starts() {
    let refused = |found: Found, wanted| found.choose(wanted).unwrap_err();
    let bubblewrap = refused(without_bubblewrap(7), WallsWanted::Bubblewrap);
    assert_eq!(
        bubblewrap,
        "/usr/bin/bwrap does not work here: no namespaces"
    );
    let old = Found {
        landlock: 1,
        ..found()
    };
    assert!(refused(old, WallsWanted::Landlock).starts_with("Linux has Landlock of ABI 1 here"));
    let alone = || Found {
        has_daemon: false,
        ..found()
    };
    for wanted in [WallsWanted::Bubblewrap, WallsWanted::Landlock] {
        assert!(refused(alone(), wanted).starts_with("no Nix daemon runs"));
    }
    let choice = choice(&alone(), WallsWanted::Auto);
    assert_eq!((choice.walls, choice.is_weak), (Walls::None, true));
}

#[test]
fn it_says_how_strong_landlock_is_here() {
    let text = |abi| choice(&without_bubblewrap(abi), WallsWanted::Landlock);
    let newest = text(7);
    assert_eq!(
        newest.text,
        "behind Landlock, ABI 7: files, cutting files short, TCP, signals and abstract sockets"
    );
    assert!(!newest.is_weak);
    let debian_12 = text(2);
    assert_eq!(
        debian_12.text,
        "behind Landlock, ABI 2: files; not cutting files short, which takes Linux 6.2; not TCP, which takes Linux 6.7; not \
         signals and abstract sockets, which takes Linux 6.12"
    );
    assert!(debian_12.is_weak);
}

#[tokio::test]
async fn what_is_found_is_what_works() {
    let found = Found::look(true).await;
    assert!(found.has_daemon);
    if let Err(why) = found.bubblewrap {
        assert!(why.contains("bwrap"), "{why}");
    }
    assert_eq!(found.landlock, crate::eval::landlock_abi());
}
