//! Answers without an end are limited, and pages work without them.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::json;

use crate::{
    pages::page,
    world::{World, flake},
};

/// How many one address may have.
const OF_ONE: usize = 50;

impl World {
    /// Listens for changes, as a proxy says for somebody.
    async fn listen(&self, path: &str, forwarded_for: &str) -> Response {
        let request = reqwest::Client::new().get(format!("{}{path}", self.url));
        let request = request.header("x-forwarded-for", forwarded_for);
        request.send().await.unwrap()
    }

    async fn live_pages(&self) -> String {
        let metrics = reqwest::get(format!("{}/metrics", self.url)).await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("nixci_live_pages "));
        line.unwrap_or_else(|| panic!("{metrics}")).to_owned()
    }

    async fn until_live(&self, count: usize) {
        let wanted = format!("nixci_live_pages {count}");
        let began = Instant::now();
        while self.live_pages().await != wanted {
            assert!(
                began.elapsed().as_secs() < 30,
                "{}",
                self.live_pages().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_room_of_others() {
    let good = flake(&[("good", "echo ok > $out")]);
    let mut world = World::new(&good, "behind_proxy = true").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let mut open = Vec::new();
    for _ in 0..OF_ONE {
        let stream = world.listen("/events", "203.0.113.5, 198.51.100.7").await;
        assert_eq!(stream.status(), 200);
        open.push(stream);
    }
    // Who says that he is another is the same.
    for forwarded_for in ["198.51.100.7", "192.0.2.1, 198.51.100.7"] {
        for path in ["/events", "/runs/1/events", "/runs/1/steps/1/events"] {
            let refused = world.listen(path, forwarded_for).await;
            assert_eq!(refused.status(), 429, "{path}");
            assert_eq!(refused.headers()["retry-after"], "30");
        }
        // The page is there, and tells what a stream would.
        let shown = world.listen("/", forwarded_for).await;
        assert_eq!(shown.status(), 200);
        assert!(shown.text().await.unwrap().contains("first"));
    }
    assert_eq!(world.listen("/events", "198.51.100.8").await.status(), 200);
    assert_eq!(world.ctl(&["watch", "1"]).await.0, Some(0));
    world.until_live(OF_ONE).await;
    open.truncate(1);
    world.until_live(1).await;
    let again = world.listen("/events", "198.51.100.7").await;
    assert_eq!(again.status(), 200);
    drop((open, again));
    world.until_live(0).await;

    // Without a proxy what is said of others is not believed.
    world.change_settings(|text| text.replace("behind_proxy = true", "behind_proxy = false"));
    assert_eq!(world.ctl(&["reload"]).await.0, Some(0));
    let mut open = Vec::new();
    for n in 0..OF_ONE {
        let stream = world.listen("/events", &format!("198.51.100.{n}")).await;
        assert_eq!(stream.status(), 200);
        open.push(stream);
    }
    let refused = world.listen("/events", "198.51.100.99").await;
    assert_eq!(refused.status(), 429);
    assert!(page(&world, "/").await.contains("first"));
    // Hooks have nothing to do with that.
    assert_eq!(world.deliver("ping", &json!({})).await, 202);
    assert_eq!(world.stop().await, Some(0));
}
