//! What a page somewhere else has a browser ask of the server.

use reqwest::{Client, Method};

use crate::{pages::world, world::flake};

/// Security: "web session": there is none. Nothing that a browser sends by itself is worth anything, and no page takes
/// anything.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_orders_by_a_browser() {
    let mut world = world(&flake(&[("good", "echo ok > $out")])).await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let http = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let pages = [
        "/",
        "/runs/1",
        "/runs/1/checks/checks.x86_64-linux.good",
        "/repositories",
        "/queue",
        "/repositories/work/acme/demo",
        "/metrics",
    ];
    let orders = [
        "/api/v1/runs",
        "/api/v1/runs/1/cancel",
        "/api/v1/runs/1/rebuild",
        "/api/v1/runs/1/approve",
        "/api/v1/pause",
        "/api/v1/forget",
        "/api/v1/sweep",
        "/api/v1/reload",
    ];
    let body = r#"{"repository":"acme/demo"}"#;
    for path in pages.iter().chain(&orders) {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
            Method::OPTIONS,
        ] {
            let request = http
                .request(method.clone(), format!("{}{path}", world.url))
                .header("origin", "https://evil.example")
                .header("referer", &world.url)
                .header(
                    "cookie",
                    "token=ctl-token; session=1; authorization=Bearer%20ctl-token",
                )
                // As far as a form can go, and a little further.
                .header("content-type", "application/json")
                .body(body);
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            let expected: &[u16] = match (&method, pages.contains(path)) {
                (&Method::GET, true) => &[200],
                (_, true) => &[405],
                (_, false) => &[401],
            };
            assert!(expected.contains(&status), "{method} {path}: {status}");
            let headers = answer.headers();
            for name in [
                "set-cookie",
                "access-control-allow-origin",
                "access-control-allow-credentials",
                "location",
            ] {
                assert!(!headers.contains_key(name), "{method} {path}: {headers:?}");
            }
        }
    }
    // In an address a token is none either: it would stand in logs and histories.
    for path in [
        "/api/v1/runs?token=ctl-token",
        "/api/v1/runs?access_token=ctl-token",
        "/api/v1/runs?authorization=Bearer%20ctl-token",
    ] {
        let answer = http
            .get(format!("{}{path}", world.url))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 401, "{path}");
    }
    // Nothing came of all that.
    let (_, list, _) = world.ctl(&["list"]).await;
    assert_eq!(list.lines().count(), 1, "{list}");
    let (_, audit, _) = world.ctl(&["audit"]).await;
    assert!(!audit.contains("token"), "{audit}");
    assert_eq!(world.stop().await, Some(0));
}
