//! Where webhooks are taken, and how much of them.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    support::PATIENCE,
    world::{SECRET, World, flake, push, signature},
};

/// The longest body that is taken, in bytes.
const LONGEST: usize = 25 << 20;

impl World {
    /// Sends a webhook to where buildbot-nix has it, as forges of this kind do. Returns the status of the answer.
    async fn post_as_to_buildbot(
        &self,
        (kind, place): (&str, &str),
        secret: &str,
        payload: &Value,
    ) -> u16 {
        let body = payload.to_string();
        let signature = signature(secret, &body);
        let request = self
            .http
            .post(format!("{}/change_hook/{place}", self.url))
            .header("content-type", "application/json")
            .header(format!("x-{kind}-event"), "push")
            .header(format!("x-{kind}-delivery"), format!("{kind}-{place}"));
        let request = if kind == "github" {
            request.header("x-hub-signature-256", format!("sha256={signature}"))
        } else {
            request.header("x-gitea-signature", signature)
        };
        request.body(body).send().await.unwrap().status().as_u16()
    }
}

/// What a webhook has set up by buildbot-nix comes to the forge of that kind, and is built.
async fn hooks_of_buildbot_go_on(kind: &str, other: &str) {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    if kind == "github" {
        world.on_github();
    }
    world.start().await;
    world.log_has("a run is over run=1 ").await;
    let second = world.commit("second", &[("file", "2")]);
    let payload = push("main", &second, "second");
    for (place, secret, answer) in [
        (kind, "another secret", 401),
        // No forge of that kind is there, though the secret is right.
        (other, SECRET, 401),
        ("nothing", SECRET, 401),
        (kind, SECRET, 202),
        (kind, SECRET, 200),
    ] {
        let answered = world
            .post_as_to_buildbot((kind, place), secret, &payload)
            .await;
        assert_eq!(answered, answer, "{place} {secret}");
    }
    world.log_has("a run is over run=2 ").await;
    let ask = "SELECT commit_id FROM runs WHERE id = 2";
    let built: String = world
        .database()
        .query_row(ask, [], |row| row.get(0))
        .unwrap();
    assert_eq!(built, second);
    assert_eq!(world.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_buildbot_nix_made_at_gitea_go_on_working() {
    hooks_of_buildbot_go_on("gitea", "github").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_buildbot_nix_made_at_github_go_on_working() {
    hooks_of_buildbot_go_on("github", "gitea").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_has_so_many_bytes_and_no_more() {
    let mut world = World::new(&flake(&[]), "").await;
    world.start().await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    let mut body = push("main", &commit, "a message").to_string();
    body.push_str(&" ".repeat(LONGEST - body.len()));
    let signed = signature(SECRET, &body);
    assert_eq!(world.post("whole", "push", &signed, body).await, 202);
    // Nobody waits for more: what is said to come is enough to refuse it, and so is where it goes.
    for (place, length, status) in [
        ("/webhook/work", LONGEST + 1, "413 "),
        ("/change_hook/gitea", LONGEST + 1, "413 "),
        ("/webhook/nobody", LONGEST, "404 "),
    ] {
        let answer = begin(&world, place, length).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    assert_eq!(world.stop().await, Some(0));
}

/// How an answer to what takes longer than a webhook may begins.
const LATE: &[u8; 12] = b"HTTP/1.1 408";

/// Security: "webhook forgery", of which there is more than memory. Several clients send much of what they never end.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_signed_takes_so_much_memory_and_no_more() {
    let mut world = World::new(&flake(&[]), "behind_proxy = true").await;
    world.start().await;
    let mut open = Vec::new();
    let mut refused = 0;
    for n in 0..24 {
        let (mut from, mut to) = connect(&world).await.into_split();
        let head = format!(
            "POST /webhook/work HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.{}\r\ncontent-length: {LONGEST}\r\n\r\n",
            n % 8
        );
        to.write_all(head.as_bytes()).await.unwrap();
        // Who is refused is not read any further.
        let piece = vec![b'x'; 1 << 20];
        let mut answer = [0; 12];
        for _ in 0..24 {
            tokio::select! {
                read = from.read_exact(&mut answer) => {
                    let refusals = [b"HTTP/1.1 429", b"HTTP/1.1 503", LATE];
                    assert!(read.is_err() || refusals.contains(&&answer));
                    refused += 1;
                    break;
                }
                _ = to.write_all(&piece) => {}
            }
        }
        open.push((from, to));
    }
    // Where this machine is so slow that some took longer than a webhook may, others had their place.
    let late = open.iter().filter(|(from, _)| {
        let mut answer = [0; 12];
        from.try_read(&mut answer).is_ok() && answer == *LATE
    });
    refused += late.count();
    assert!(refused >= 24 - 9, "{refused}");
    let memory = world.memory();
    assert!(memory < 400 << 20, "{memory} bytes");
    // Pages and orders go on meanwhile.
    assert_eq!(world.ready().await, 200);
    drop(open);
    // With room the next is taken.
    let commit = world.commit("next", &[]);
    let began = std::time::Instant::now();
    while world.push_event("main", &commit).await != 202 {
        assert!(began.elapsed() < PATIENCE, "{}", world.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.stop().await, Some(0));
}

async fn connect(world: &World) -> TcpStream {
    let address = world.url.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Begins a webhook of this length. Returns the beginning of the answer, for which none of it has to come.
async fn begin(world: &World, place: &str, length: usize) -> String {
    let mut stream = connect(world).await;
    let head = format!("POST {place} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 16];
    let read = stream.read_exact(&mut answer);
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("it is waited for")
        .unwrap();
    String::from_utf8(answer.to_vec()).unwrap()
}
