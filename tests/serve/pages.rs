//! The pages, as a browser gets them: real runs, and names, messages and logs that want to be more than text.

pub(crate) mod browser;
mod live;
pub(crate) mod text;

use regex::Regex;
use reqwest::{Client, Response};

use self::text::{links, visible};
use crate::{
    support::{nix, store::TestStore},
    world::{World, flake},
};

/// What `nixci ctl` and whoever may see everything shows.
pub(crate) const TOKEN: &str = "ctl-token";

/// A world whose server takes a token, with all branches built.
pub(crate) async fn world(flake: &str) -> World {
    world_in(nix::newest().store().with_daemon(), flake).await
}

/// The same in a store with settings of its own.
pub(crate) async fn world_in(store: TestStore, flake: &str) -> World {
    let settings = "ctl_token_file = \"TOKEN_FILE\"\nbranches = [\"*\"]";
    let world = World::in_store(store, flake, settings).await;
    let file = world.store.folder().join("ctl");
    std::fs::write(&file, TOKEN).unwrap();
    world.change_settings(|text| text.replace("TOKEN_FILE", file.to_str().unwrap()));
    world
}

pub(crate) async fn ask(world: &World, path: &str, token: Option<&str>) -> Response {
    let mut request = Client::new().get(format!("{}{path}", world.url));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap()
}

/// A page that is there.
pub(crate) async fn page(world: &World, path: &str) -> String {
    let answer = ask(world, path, None).await;
    assert_eq!(answer.status(), 200, "{path}");
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
    let html = answer.text().await.unwrap();
    assert_harmless(path, &html);
    html
}

/// Nothing that comes from outside is more than text.
fn assert_harmless(path: &str, html: &str) {
    let tags = Regex::new("<[a-z!/][^>]*>").unwrap();
    for tag in tags.find_iter(html) {
        let tag = tag.as_str();
        let is_ours = !tag.contains(" on")
            && !tag.contains("style=")
            && !tag.contains("javascript:")
            && (!tag.starts_with("<script") || tag.contains(" src=\"/assets/page-"))
            && (!tag.starts_with("<img") || tag.starts_with("<img src=\"/repositories/"));
        assert!(is_ours, "{path}: {tag}");
    }
    for c in ['\u{1b}', '\u{202e}', '\u{2066}', '\u{7}'] {
        assert!(!html.contains(c), "{path}: {}", c.escape_unicode());
    }
}

/// What differs from run to run gives way.
fn redacted(text: &str) -> String {
    let mut text = crate::support::redact::redact(text);
    for (pattern, by) in [
        (r"\b[0-9a-f]{8}\b", "cccccccc"),
        // A long second makes a longer text.
        (r"\d+\.\ds", "0.0s"),
        (r"(just now|\d+s ago)", "just now"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2000-01-01 00:00 UTC"),
        (r"/\S*store/", "/STORE/"),
    ] {
        text = Regex::new(pattern)
            .unwrap()
            .replace_all(&text, by)
            .into_owned();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_say_what_happened_and_obey_nobody() {
    let hostile = r"printf '\033[31mred\033[0m <script>alert(1)</script>\n\033]8;;javascript:alert(1)\033\\link\033]8;;\033\\ \342\200\256turned\n10%%\r100%%\n'; exit 3";
    let checks = flake(&[("good", "echo fine; echo ok > $out"), ("bad", hostile)]);
    let checks = checks.replace(
        "  }; }; }",
        r#"    "<img src=x onerror=alert(1)>" = derivation { name = "img"; system = "x86_64-linux"; builder = "/bin/sh"; args = [ "-c" "echo > $out" ]; };
    throws = throw "no <b>value</b> here";
  }; }; }"#,
    );
    let mut world = world(&checks).await;
    let commit = world.commit("<script>alert(2)</script> \u{202e}turned", &[]);
    world.start().await;
    world.verdict(&commit).await;

    let list = page(&world, "/").await;
    insta::assert_snapshot!("list", redacted(&visible(&list)));
    let run = links(&list)
        .into_iter()
        .find(|link| link.starts_with("/runs/"))
        .unwrap();
    let html = page(&world, &run).await;
    insta::assert_snapshot!("run", redacted(&visible(&html)));
    // Every link of a page leads to one.
    for link in links(&html) {
        page(&world, &link).await;
    }
    let check = page(&world, &format!("{run}/checks/checks.x86_64-linux.throws")).await;
    insta::assert_snapshot!("check", redacted(&visible(&check)));
    let step = links(&html)
        .into_iter()
        .find(|link| link.contains("/steps/"))
        .unwrap();
    let log = page(&world, &step).await;
    assert!(
        log.contains(r#"<span class="f1">red</span> &lt;script&gt;"#),
        "{log}"
    );
    assert!(
        log.contains(r#"<div id="L3"><a href="/#L3""#)
            || log.contains(r##"id="L3"><a href="#L3""##)
    );
    insta::assert_snapshot!("log", redacted(&visible(&log)));

    let of_repository = page(&world, "/repositories/work/acme/demo").await;
    insta::assert_snapshot!("repository", redacted(&visible(&of_repository)));
    insta::assert_snapshot!(
        "repositories",
        redacted(&visible(&page(&world, "/repositories").await))
    );
    badges_and_figures(&world).await;

    let throws = format!("{run}/checks/checks.x86_64-linux.throws");
    let of_repository = "/repositories/work/acme/demo";
    let paths = [
        "/",
        "/repositories",
        "/queue",
        of_repository,
        &run,
        &throws,
        &step,
    ];
    browser::looks_at(&world, paths.map(str::to_owned).to_vec()).await;

    let raw = ask(&world, &format!("{step}/raw"), None).await;
    assert_eq!(raw.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(raw.headers()["x-content-type-options"], "nosniff");
    assert!(
        raw.text()
            .await
            .unwrap()
            .contains("\u{1b}[31mred\u{1b}[0m <script>")
    );

    for path in [
        "/runs/0",
        "/runs/99",
        "/runs/x",
        "/runs/-1",
        "/runs/1/steps/999",
        "/runs/99/steps/1",
        "/runs/1/checks/nothing",
        "/runs/1/checks/..%2f..%2fnixci.sqlite",
        "/assets/style.css",
        "/assets/..%2fpage.js",
        "/nowhere",
    ] {
        let answer = ask(&world, path, None).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_harmless(path, &answer.text().await.unwrap());
    }
    assert_eq!(world.stop().await, Some(0));
}

async fn badges_and_figures(world: &World) {
    for (query, verdict) in [
        ("", "failed"),
        ("?branch=main", "failed"),
        ("?branch=<script>", "unknown"),
    ] {
        let badge = format!("/repositories/work/acme/demo/badge.svg{query}");
        let badge = ask(world, &badge, None).await;
        assert_eq!(badge.headers()["content-type"], "image/svg+xml");
        let svg = badge.text().await.unwrap();
        assert!(
            svg.contains(&format!("<title>nixci: {verdict}</title>")),
            "{svg}"
        );
    }
    let metrics = page(world, "/metrics").await;
    for figure in [
        "nixci_runs{state=\"finished\",outcome=\"failed\"} 1",
        "nixci_statuses_total{forge=\"work\",result=\"sent\"} ",
        "nixci_evaluation_seconds_count 1",
        "nixci_database_write_seconds_count ",
        "nixci_slots_taken 0",
        "process_resident_memory_bytes ",
    ] {
        assert!(metrics.contains(figure), "{figure} in {metrics}");
    }
    assert!(
        metrics.ends_with("# EOF\n") && !metrics.contains("demo"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_private_is_not_there_without_a_token() {
    let mut world = world(&flake(&[("good", "echo secret words; echo ok > $out")])).await;
    world.forge.world().find("acme/demo").unwrap().is_private = true;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let run = "/runs/1";
    let shown = ask(&world, run, Some(TOKEN)).await;
    assert_eq!(shown.status(), 200);
    let mut paths = links(&shown.text().await.unwrap());
    assert!(paths.len() > 4, "{paths:?}");
    paths.retain(|path| path.contains("/runs/") || path.contains("acme"));
    for path in [
        "/runs/1/events",
        "/runs/1/steps/1/raw",
        "/runs/1/steps/1/events",
        "/repositories/work/acme/demo/badge.svg",
        run,
    ] {
        paths.push(path.to_owned());
    }
    for path in paths {
        for token in [None, Some("ctl-toke"), Some("")] {
            let answer = ask(&world, &path, token).await;
            let missing = ask(&world, "/runs/77", None).await;
            assert_eq!(answer.status(), 404, "{path}");
            assert_eq!(
                answer.text().await.unwrap(),
                missing.text().await.unwrap(),
                "{path}"
            );
        }
        assert_eq!(
            ask(&world, &path, Some(TOKEN)).await.status(),
            200,
            "{path}"
        );
    }
    for path in ["/", "/repositories", "/queue", "/metrics"] {
        assert!(!page(&world, path).await.contains("demo"), "{path}");
    }
    for path in ["/", "/repositories"] {
        let all = ask(&world, path, Some(TOKEN)).await.text().await.unwrap();
        assert!(all.contains("demo"), "{path}");
    }
    assert_eq!(world.stop().await, Some(0));
}
