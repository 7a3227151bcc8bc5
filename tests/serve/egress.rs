//! What evaluations fetch: what a flake needs, and nothing of the network that the server is in.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::world::World;

/// Something that answers whoever comes, and counts them.
fn service() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret",
            );
        }
    });
    (port, visits)
}

/// A flake that fetches from there when it is evaluated.
fn flake(port: u16) -> String {
    format!(
        r#"{{ outputs = _: {{ checks.x86_64-linux.a = derivation {{
            name = "a"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ];
            stolen = builtins.readFile (builtins.fetchurl {{
                url = "http://127.0.0.1:{port}/x";
                sha256 = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
            }});
        }}; }}; }}"#
    )
}

/// Security: "SSRF".
#[tokio::test(flavor = "multi_thread")]
async fn an_evaluation_does_not_reach_the_servers_network() {
    for isolation in ["bubblewrap", "landlock"] {
        if isolation == "bubblewrap" && crate::support::servers::bubblewrap().is_none() {
            continue;
        }
        let (port, visits) = service();
        let settings = format!("isolation = \"{isolation}\"\n");
        let mut world = World::new(&flake(port), &settings).await;
        let commit = world.git(&["rev-parse", "HEAD"]);
        world.start().await;
        let verdict = world.verdict(&commit).await;
        assert_eq!(
            verdict["nixci/eval"].0, "failure",
            "{isolation}: {verdict:?}"
        );
        assert_eq!(visits.load(Ordering::SeqCst), 0, "{isolation}");
        let (_, shown, _) = world.ctl(&["show", "1"]).await;
        assert!(shown.contains("403"), "{isolation}: {shown}");
        // Who runs the server may say so; the settings are read while it runs.
        world.change_settings(|text| {
            text.replacen(
                "listen",
                &format!("private_hosts = [\"127.0.0.1:{port}\"]\nlisten"),
                1,
            )
        });
        let (code, said, error) = world.ctl(&["reload"]).await;
        assert_eq!(code, Some(0), "{said}{error}");
        let again = world.commit("again", &[("file", "x")]);
        world.push_event("main", &again).await;
        let verdict = world.verdict(&again).await;
        assert_eq!(
            verdict["nixci/build"].0,
            "success",
            "{isolation}: {verdict:?}\n{}",
            world.log()
        );
        assert_eq!(visits.load(Ordering::SeqCst), 1, "{isolation}");
        assert_eq!(world.stop().await, Some(0));
    }
}
