//! Webhooks that are signed and want more than they may.

use std::{
    io::Read as _,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;

use crate::world::{World, flake, pull_request, push};

/// A server that counts who connects, and answers nobody.
fn trap() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let _ = (&connection).read(&mut [0; 100]);
        }
    });
    (url, count)
}

/// Security: "confused deputy by payload", and "SSRF" by one: what is fetched and from where is the server's own knowledge.
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_payload_sends_the_server_nowhere() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let first = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&first).await;
    let (url, count) = trap();
    let hostile = |mut payload: serde_json::Value, id: u64, name: &str| {
        let elsewhere = format!("{url}/{name}.git");
        let repository = &mut payload["repository"];
        repository["id"] = json!(id);
        repository["full_name"] = json!(name);
        for key in [
            "clone_url",
            "ssh_url",
            "html_url",
            "url",
            "git_url",
            "original_url",
            "link",
            "avatar_url",
        ] {
            repository[key] = json!(elsewhere);
        }
        payload["compare_url"] = json!(url);
        payload["sender"]["avatar_url"] = json!(url);
        for side in ["base", "head"] {
            if payload["pull_request"][side].is_object() {
                payload["pull_request"][side]["repo"]["clone_url"] = json!(elsewhere);
            }
        }
        payload
    };
    // Of a repository that it does not look after; of another one under this name; of this one under another name, whose
    // commit is not there.
    let nowhere = "1".repeat(40);
    let tries = [
        (77, "acme/other", &first),
        (77, "acme/demo", &first),
        (12, "../../etc", &nowhere),
        (12, "acme/demo", &nowhere),
    ];
    for (id, name, commit) in tries {
        let pushed = hostile(push("main", commit, ""), id, name);
        assert_eq!(world.deliver("push", &pushed).await, 202);
        let opened = hostile(pull_request("opened", 9, commit, (1, "owner")), id, name);
        assert_eq!(world.deliver("pull_request", &opened).await, 202);
    }
    // This one, whose default branch is called otherwise as it says: rights would go by it.
    let mut other = hostile(push("evil", &nowhere, ""), 12, "acme/demo");
    other["repository"]["default_branch"] = json!("evil");
    assert_eq!(world.deliver("push", &other).await, 202);
    // It goes on as ever, and has asked nobody else.
    let next = world.commit("next", &[("file", "2")]);
    let pushed = hostile(push("main", &next, ""), 12, "acme/demo");
    assert_eq!(world.deliver("push", &pushed).await, 202);
    assert_eq!(world.verdict(&next).await["nixci/build"].0, "success");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(count.load(Ordering::SeqCst), 0, "{}", world.log());
    let log = world.log();
    assert_eq!(log.matches("a run begins").count(), 2, "{log}");
    let (_, repositories, _) = world.ctl(&["repositories"]).await;
    assert_eq!(repositories, "work/acme/demo  built\n");
    assert_eq!(world.stop().await, Some(0));
}
