//! Killed at any moment, the server loses nothing it has taken.

use std::time::Duration;

use crate::world::{World, flake};

/// How many moments: set `NIXCI_CRASHES` for more.
const MOMENTS: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_ends_what_it_took() {
    let moments = std::env::var("NIXCI_CRASHES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(MOMENTS);
    let mut world = World::new(&flake(&[("base", "echo ok > $out")]), "").await;
    world.start().await;
    for moment in 0..moments {
        let checks: Vec<(String, String)> = (0..4)
            .map(|n| {
                (
                    format!("c{moment}-{n}"),
                    format!("echo {moment} {n}; echo > $out; read -t 0.{n} x < /dev/zero || true"),
                )
            })
            .chain([(format!("bad{moment}"), "exit 1".to_owned())])
            .collect();
        let checks: Vec<(&str, &str)> = checks
            .iter()
            .map(|(name, script)| (name.as_str(), script.as_str()))
            .collect();
        let commit = world.commit(
            &format!("commit {moment}"),
            &[("flake.nix", &flake(&checks))],
        );
        assert_eq!(world.push_event("main", &commit).await, 202);
        // Spread over everything that a run goes through.
        tokio::time::sleep(Duration::from_millis(moment * 997 % 1300)).await;
        world.kill().await;
        let left = world.store.wait_until_idle(Duration::from_secs(20));
        assert!(left.is_empty(), "{left:?}");
        world.start().await;
        let verdict = world.verdict(&commit).await;
        assert_eq!(
            verdict["nixci/build"],
            ("failure".to_owned(), "4 passed, 1 failed".to_owned()),
            "moment {moment}\n{}",
            world.log()
        );
        assert_eq!(verdict.len(), 3, "{verdict:?}");
    }
    assert_eq!(world.stop().await, Some(0));
}
