//! What live pages listen to.

use std::time::Duration;

use reqwest::Response;

use super::{ask, page, world_in};
use crate::{
    support::{PATIENCE, nix},
    world::{World, flake},
};

/// Reads events until one contains a text. Returns all that came.
async fn until(events: &mut Response, text: &str) -> String {
    let mut all = String::new();
    let came = async {
        while let Some(piece) = events.chunk().await.unwrap() {
            all.push_str(std::str::from_utf8(&piece).unwrap());
            if all.contains(text) {
                return true;
            }
        }
        false
    };
    let came = tokio::time::timeout(PATIENCE, came).await;
    assert!(matches!(came, Ok(true)), "{text:?} does not come: {all}");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_followed_and_taken_up_where_it_was_left() {
    // What is built here looks out of its sandbox.
    let store = nix::newest().store().with_setting("sandbox", "false");
    let gate = store.folder().join("gate");
    let script = format!(
        "echo one; echo two; while [ ! -e {} ]; do /bin/sleep 0.1; done; echo three; echo > $out",
        gate.display()
    );
    let mut world = world_in(store.with_daemon(), &flake(&[("slow", &script)])).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    let mut changes = ask(&world, "/events", None).await;
    assert_eq!(changes.headers()["content-type"], "text/event-stream");
    assert_eq!(changes.headers()["x-accel-buffering"], "no");
    until(&mut changes, "event: changed").await;
    let step = "/runs/1/steps/1";
    let began = std::time::Instant::now();
    while ask(&world, step, None).await.status() != 200 {
        assert!(began.elapsed() < PATIENCE, "{}", world.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut lines = ask(&world, &format!("{step}/events"), None).await;
    let first = until(&mut lines, "two").await;
    assert!(first.contains("id: 8-3\n"), "{first}");
    let shown = page(&world, step).await;
    assert!(shown.contains("data-follow=\"/runs/1/steps/1/events\""));
    assert!(shown.contains("data-from=\"8-3\""), "{shown}");
    drop(lines);

    let mut again = reqwest::Client::new()
        .get(format!("{}{step}/events?from=0-1", world.url))
        .header("last-event-id", "8-3")
        .send()
        .await
        .unwrap();
    std::fs::write(&gate, "").unwrap();
    let rest = until(&mut again, "event: end").await;
    assert!(
        rest.contains("three") && rest.contains("id: 14-4\n"),
        "{rest}"
    );
    assert!(
        rest.contains(r#"id=\"L3\""#) && !rest.contains("two"),
        "{rest}"
    );
    world.verdict(&commit).await;
    let mut over = ask(&world, "/runs/1/events?mark=old", None).await;
    until(&mut over, "event: changed").await;
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_shown_by_its_ends_and_never_held() {
    const LINES: usize = 2_000_000;
    let mut world = world_in(
        nix::newest().store().with_daemon(),
        &flake(&[("bad", "echo said; exit 1")]),
    )
    .await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let logs = world.store.folder().join("state/logs/1");
    let mut files = std::fs::read_dir(logs)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let file = files
        .find(|file| file.to_str().unwrap().ends_with("-bad.log"))
        .unwrap();
    let text: String = (1..=LINES)
        .map(|n| format!("line {n:07} {}\n", "x".repeat(40)))
        .collect();
    let long = text.len();
    assert!(long > 100_000_000);
    std::fs::write(file, text).unwrap();

    let before = resident(&world).await;
    let step = "/runs/1/steps/1";
    let shown = page(&world, step).await;
    assert!(shown.len() < 3 << 20, "{}", shown.len());
    for part in [
        "id=\"L1\">",
        "line 0000001 ",
        "MiB left out: <a href=\"?all=1\">show all</a>",
        "data-n=\"2000000\" aria-label=\"line 2000000\"></a>line 2000000 ",
    ] {
        assert!(
            shown.contains(part),
            "{part} in {}…",
            shown.chars().take(5000).collect::<String>()
        );
    }
    assert!(!shown.contains("line 1000000 "));
    for (path, marker) in [
        (format!("{step}/raw"), ""),
        (format!("{step}?all=1"), "id=\"L1000000\""),
    ] {
        let mut answer = ask(&world, &path, None).await;
        let (mut bytes, mut is_marked) = (0, marker.is_empty());
        while let Some(piece) = answer.chunk().await.unwrap() {
            bytes += piece.len();
            is_marked |= String::from_utf8_lossy(&piece).contains(marker);
        }
        assert!(is_marked && bytes >= long, "{path}: {bytes}");
    }
    let after = resident(&world).await;
    assert!(after < before + (30 << 20), "{before} {after}");
    assert_eq!(world.stop().await, Some(0));
}

/// How much memory the server has, in bytes.
async fn resident(world: &World) -> u64 {
    let metrics = page(world, "/metrics").await;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    line.unwrap().parse().unwrap()
}
