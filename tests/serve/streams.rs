//! Answers without an end are limited, and pages work without them.

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::json;

use crate::{
    pages::{self, browser::Browser, page},
    support::{PATIENCE, servers::chromium},
    world::{World, flake, push},
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

    /// Puts what forwards all that comes to the server's address to a Unix socket at which the server listens instead.
    fn behind_a_unix_socket(&self) {
        let socket = self.store.folder().join("http.sock");
        let address = self.url.trim_start_matches("http://").to_owned();
        let listen = format!("listen = \"unix:{}\"", socket.display());
        self.change_settings(|text| text.replace(&format!("listen = \"{address}\""), &listen));
        tokio::spawn(async move {
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            while let Ok((mut client, _)) = listener.accept().await {
                let socket = socket.clone();
                tokio::spawn(async move {
                    if let Ok(mut server) = tokio::net::UnixStream::connect(socket).await {
                        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
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
            assert!(began.elapsed() < PATIENCE, "{}", self.live_pages().await);
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

/// A proxy on the same machine may reach the server by a socket, which has no addresses at all.
#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_at_a_unix_socket_the_addresses_it_tells_count() {
    let mut world = pages::world(&flake(&[("good", "echo ok > $out")])).await;
    world.change_settings(|text| format!("behind_proxy = true\n{text}"));
    world.behind_a_unix_socket();
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let mut open = Vec::new();
    for _ in 0..OF_ONE {
        let stream = world.listen("/events", "203.0.113.5, 198.51.100.7").await;
        assert_eq!(stream.status(), 200);
        open.push(stream);
    }
    assert_eq!(world.listen("/events", "198.51.100.7").await.status(), 429);
    let other = world.listen("/events", "198.51.100.8").await;
    assert_eq!(other.status(), 200);
    // Who guesses is known by his address, too.
    let ask = async |address: &str, token: &str| {
        let request = world.http.get(format!("{}/api/v1/runs", world.url));
        let request = request.header("x-forwarded-for", address);
        let answer = request.bearer_auth(token).send().await.unwrap();
        answer.status().as_u16()
    };
    for n in 0..10 {
        assert_eq!(ask("2001:db8:1:2::1", &format!("guess-{n}")).await, 401);
    }
    assert_eq!(ask("2001:db8:1:2::2", "ctl-token").await, 429);
    assert_eq!(ask("2001:db8:1:3::2", "ctl-token").await, 200);
    drop((open, other));
    world.until_live(0).await;

    // Where no proxy is trusted, all who come by the socket are one.
    world.change_settings(|text| text.replace("behind_proxy = true", "behind_proxy = false"));
    assert_eq!(world.ctl(&["reload"]).await.0, Some(0));
    let mut open = Vec::new();
    for n in 0..OF_ONE {
        let stream = world.listen("/events", &format!("198.51.100.{n}")).await;
        assert_eq!(stream.status(), 200);
        open.push(stream);
    }
    assert_eq!(world.listen("/events", "198.51.100.99").await.status(), 429);
    drop(open);
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_whose_stream_is_refused_shows_the_page_and_looks_again() {
    let Some(program) = chromium() else { return };
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let mut open = Vec::new();
    for _ in 0..OF_ONE {
        open.push(world.listen("/events", "").await);
    }
    // From the same address as these.
    let (folder, url) = (world.store.folder().join("browser"), world.url.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start(&program, &folder);
        browser.go(&format!("{url}/"));
        let shown = browser.until("first", 60);
        // What is refused is nobody's business who looks at the page.
        assert!(
            !shown.contains("Busy") && !shown.contains("Too many"),
            "{shown}"
        );
        browser
    });
    let mut browser = opened.await.unwrap();
    assert_eq!(
        world.live_pages().await,
        format!("nixci_live_pages {OF_ONE}")
    );
    let second = world.commit("second", &[]);
    world
        .deliver("push", &push("main", &second, "second"))
        .await;
    world.verdict(&second).await;
    drop(open);
    world.until_live(0).await;
    // It looks by itself, after half a minute, and then there is room.
    let (mut browser, shown) = tokio::task::spawn_blocking(move || {
        let shown = browser.until("second", 120);
        (browser, shown)
    })
    .await
    .unwrap();
    assert!(shown.contains("first"), "{shown}");
    world.until_live(1).await;
    let third = world.commit("third", &[]);
    world.deliver("push", &push("main", &third, "third")).await;
    let browser = tokio::task::spawn_blocking(move || {
        browser.until("third", 60);
        browser
    });
    drop(browser.await.unwrap());
    assert_eq!(world.stop().await, Some(0));
}
