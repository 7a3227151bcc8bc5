//! What live pages listen to.

use std::time::Duration;

use reqwest::Response;

use super::{ask, page, world_in};
use crate::{support::nix, world::flake};

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
    let came = tokio::time::timeout(Duration::from_secs(60), came).await;
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
        assert!(began.elapsed() < Duration::from_secs(60), "{}", world.log());
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
