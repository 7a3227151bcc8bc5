//! `nixci serve --init`: questions at a terminal, and a file that a server reads.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    fake::{
        FakeForge, Repository,
        openapi::{self, Side},
    },
    support::{nix, port::free_port, running::Running},
    terminal::Terminal,
};

/// A folder with nothing in it, and the command that fills it.
fn init(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nixci"));
    command
        .args(["serve", "--init", "--config"])
        .arg(dir.join("etc/server.toml"))
        .env("HOME", dir);
    command
}

/// Answers a question once it is asked.
fn answer(terminal: &mut Terminal, question: &str, answer: &str) {
    terminal.wait_until(question, |rows| {
        let last = rows.iter().rev().find(|row| !row.is_empty());
        last.is_some_and(|row| row.contains(question) && row.trim_end().ends_with(':'))
    });
    terminal.type_keys(&format!("{answer}\r"));
}

/// The answers before those about the forge.
fn answer_first(terminal: &mut Terminal, dir: &Path, listen: &str) {
    answer(terminal, "reach the server", "https://ci.example.org");
    answer(terminal, "listens at", listen);
    let state = dir.join("state").display().to_string();
    answer(terminal, "folder of its state", &state);
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn forge() -> FakeForge {
    let repository = Repository {
        id: 12,
        name: "acme/demo".to_owned(),
        topics: vec!["nixci".to_owned()],
        installation: 5,
        ..Repository::default()
    };
    FakeForge::start(vec![repository]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_become_a_file_that_a_server_reads() {
    let forge = forge().await;
    let store = nix::newest().store().with_daemon();
    let dir = store.folder().join("init");
    fs::create_dir(&dir).unwrap();
    let url = forge.url.clone();
    tokio::task::block_in_place(|| {
        let mut terminal = Terminal::start(init(&dir), 60, 160);
        // What cannot be is said, and asked again.
        answer(&mut terminal, "reach the server", "ci.example.org");
        terminal.wait_for("`ci.example.org` is no URL");
        answer_first(&mut terminal, &dir, "");
        answer(&mut terminal, "The forge", "7");
        terminal.wait_for("write a number from 1 to 5, or a name");
        answer(&mut terminal, "The forge", "gitea");
        answer(&mut terminal, "Its name in the settings", "work");
        answer(&mut terminal, "Its address", &url);
        answer(&mut terminal, "Whose repositories", "");
        terminal.wait_for("name somebody");
        answer(&mut terminal, "Whose repositories", "acme/*");
        terminal.wait_for("`acme/*` is no owner");
        answer(&mut terminal, "Whose repositories", "acme, alice");
        answer(&mut terminal, "Repositories besides", "acme");
        terminal.wait_for("`acme`: write OWNER/NAME");
        answer(&mut terminal, "Repositories besides", "acme/demo infra/*");
        answer(&mut terminal, "Its token", "secrex\u{7f}t");
        assert_eq!(terminal.finish_in_order(), Some(0));
        let text = terminal.emulator().text();
        assert!(
            !text.contains("secret\r") && !text.contains("secrex"),
            "{text}"
        );
        let shown = terminal.emulator().rows().join("\n");
        assert!(shown.contains("nixci serve --check --config"), "{shown}");
    });
    let config = dir.join("etc/server.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text
        .replace(&url, "http://FORGE")
        .replace(&dir.display().to_string(), "/DIR");
    insta::assert_snapshot!(text);
    let secrets = dir.join("etc/secrets");
    assert_eq!((mode(&secrets), mode(&dir.join("state"))), (0o700, 0o700));
    for name in ["work-token", "work-webhook"] {
        assert_eq!(mode(&secrets.join(name)), 0o600, "{name}");
    }
    let secret = fs::read_to_string(secrets.join("work-webhook")).unwrap();
    assert_eq!(secret.trim().len(), 43, "32 random bytes");
    assert_eq!(
        fs::read_to_string(secrets.join("work-token")).unwrap(),
        "secret\n"
    );

    let mut check = store.command(env!("CARGO_BIN_EXE_nixci"));
    check.args(["serve", "--check", "--config"]).arg(&config);
    let check = Running::start(&mut check);
    let ended = tokio::task::spawn_blocking(|| check.finish()).await;
    let said = ended.unwrap().stdout;
    assert!(said.contains("sees acme/demo"), "{said}");

    // Once more: nothing is changed.
    let again = init(&dir).output().unwrap();
    let error = String::from_utf8(again.stderr).unwrap();
    assert_eq!(again.status.code(), Some(2));
    assert!(
        error.contains("etc/server.toml is there already"),
        "{error}"
    );
}

#[test]
fn without_a_terminal_nobody_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    let output = init(dir.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        error.contains("there is no terminal to ask them at"),
        "{error}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn whoever_leaves_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(init(dir.path()), 40, 120);
    answer_first(&mut terminal, dir.path(), "");
    answer(&mut terminal, "The forge", "3");
    answer(&mut terminal, "Its name in the settings", "");
    answer(&mut terminal, "Its address", "https://git.example.org");
    answer(&mut terminal, "Whose repositories", "acme");
    answer(&mut terminal, "Repositories besides", "");
    terminal.wait_for("not shown");
    terminal.type_keys("secr\u{3}");
    // By the signal, as from anywhere else, unless whoever started the tests has it ignored.
    let code = terminal.finish_restored();
    assert!(matches!(code, None | Some(130)), "{code:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// The value of an attribute of the page, as a browser has it.
fn attribute(page: &str, before: &str) -> String {
    let (_, rest) = page.split_once(before).unwrap();
    let (value, _) = rest.split_once('"').unwrap();
    value
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

#[tokio::test(flavor = "multi_thread")]
#[allow(
    clippy::too_many_lines,
    reason = "one story, from the first question to the last answer"
)]
async fn an_app_of_github_is_made_by_one_click() {
    let forge = forge().await;
    let dir = tempfile::tempdir().unwrap();
    let (port, url) = (free_port(), forge.url.clone());
    let mut terminal = Terminal::start(init(dir.path()), 60, 200);
    tokio::task::block_in_place(|| {
        answer_first(&mut terminal, dir.path(), &format!("127.0.0.1:{port}"));
        answer(&mut terminal, "The forge", "1");
        answer(&mut terminal, "Its name in the settings", "hub");
        answer(&mut terminal, "Its address", &url);
        answer(&mut terminal, "What the server is", "app");
        answer(&mut terminal, "Whose repositories", "");
        answer(&mut terminal, "Repositories besides", "");
        answer(&mut terminal, "The organization", "acme-corp");
    });
    let local = format!("http://127.0.0.1:{port}/setup/github/hub");
    let rows = tokio::task::block_in_place(|| terminal.wait_for(&local));
    let link = rows
        .iter()
        .find(|row| row.contains(&local))
        .unwrap()
        .trim()
        .to_owned();
    let public = "https://ci.example.org/setup/github/hub?key=";
    assert!(rows.iter().any(|row| row.contains(public)), "{rows:#?}");

    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let open = async |address: &str, host: Option<&str>| {
        let mut request = browser.get(address);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let answer = request.send().await.unwrap();
        let next = answer.headers().get("location").cloned();
        let policy = answer.headers().get("content-security-policy").cloned();
        let text = |value: Option<reqwest::header::HeaderValue>| {
            value
                .map(|value| value.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        (
            answer.status().as_u16(),
            text(next),
            text(policy),
            answer.text().await.unwrap(),
        )
    };
    // Not without the key, and not by a name that only points here.
    assert_eq!(open(&local, None).await.0, 403);
    assert_eq!(open(&format!("{local}?key=x"), None).await.0, 403);
    assert_eq!(open(&link, Some("evil.example")).await.0, 421);
    let (status, _, policy, page) = open(&link, None).await;
    assert_eq!(status, 200);
    assert!(policy.contains(&format!("form-action {url};")), "{policy}");
    let action = attribute(&page, "action=\"");
    let (making, state) = action.split_once("?state=").unwrap();
    assert_eq!(
        making,
        format!("{url}/organizations/acme-corp/settings/apps/new")
    );
    let manifest: Value =
        serde_json::from_str(&attribute(&page, "name=\"manifest\" value=\"")).unwrap();
    is_githubs(&manifest);
    assert_eq!(manifest["redirect_url"], format!("{local}/made"));
    assert_eq!(
        manifest["hook_attributes"],
        json!({ "url": "https://ci.example.org/webhook/hub", "active": true })
    );
    // By the proxy GitHub sends back through the proxy.
    let (_, _, _, page) = open(&link, Some("ci.example.org")).await;
    assert!(
        page.contains("https://ci.example.org/setup/github/hub/made"),
        "{page}"
    );

    // GitHub makes it, and sends whoever clicked back.
    let key = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/github-app/key.pem"),
    )
    .unwrap();
    let app = json!({
        "id": 4711, "slug": "nixci-ci-example-org", "node_id": "x", "name": "nixci ci.example.org",
        "client_id": "Iv1.x", "client_secret": "a client secret", "webhook_secret": "GitHub's secret", "pem": key,
        "html_url": format!("{url}/github-apps/nixci-ci-example-org"),
    });
    forge.world().codes.insert("c0de".to_owned(), app);
    let back = |code: &str, state: &str| format!("{local}/made?code={code}&state={state}");
    for (what, address, expected) in [
        ("another state", back("c0de", "x"), 403),
        ("no state", format!("{local}/made?code=c0de"), 403),
        ("no code of GitHub's", back("..%2F..%2Fuser", state), 502),
        ("too long", back(&"c".repeat(200), state), 502),
        ("a code that is used", back("used", state), 502),
    ] {
        assert_eq!(open(&address, None).await.0, expected, "{what}");
    }
    let (status, next, ..) = open(&back("c0de", state), None).await;
    let installation = format!("{url}/github-apps/nixci-ci-example-org/installations/new");
    assert_eq!((status, next.as_str()), (303, installation.as_str()));

    let code = tokio::task::block_in_place(|| terminal.finish_in_order());
    assert_eq!(code, Some(0));
    let shown = terminal.emulator().text();
    assert!(shown.contains(&installation), "{shown}");
    for secret in ["PRIVATE KEY", "GitHub's secret", "a client secret"] {
        assert!(!shown.contains(secret), "{secret}");
    }
    let etc = dir.path().join("etc");
    let text = fs::read_to_string(etc.join("server.toml")).unwrap();
    assert!(
        text.contains("kind = \"github\"") && text.contains("app_id = 4711"),
        "{text}"
    );
    let (pem, webhook) = (
        etc.join("secrets/hub-app.pem"),
        etc.join("secrets/hub-webhook"),
    );
    assert_eq!((mode(&pem), mode(&webhook)), (0o600, 0o600));
    for (name, kept) in [("id", "Iv1.x\n"), ("secret", "a client secret\n")] {
        let file = etc.join(format!("secrets/hub-app-client-{name}"));
        assert_eq!(mode(&file), 0o600, "{name}");
        assert_eq!(fs::read_to_string(file).unwrap(), kept);
    }
    assert_eq!(fs::read_to_string(pem).unwrap().trim(), key.trim());
    assert_eq!(fs::read_to_string(webhook).unwrap(), "GitHub's secret\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_github_does_without_an_app() {
    let forge = forge().await;
    {
        let mut world = forge.world();
        let demo = world.find("acme/demo").unwrap();
        demo.permissions = json!({ "admin": true, "push": true, "pull": true });
    }
    let store = nix::newest().store().with_daemon();
    let dir = store.folder().join("init");
    fs::create_dir(&dir).unwrap();
    let url = forge.url.clone();
    tokio::task::block_in_place(|| {
        let mut terminal = Terminal::start(init(&dir), 60, 200);
        answer_first(&mut terminal, &dir, "");
        answer(&mut terminal, "The forge", "github");
        answer(&mut terminal, "Its name in the settings", "hub");
        answer(&mut terminal, "Its address", &url);
        answer(&mut terminal, "What the server is", "2");
        answer(&mut terminal, "Whose repositories", "acme");
        answer(&mut terminal, "Repositories besides", "acme/demo");
        terminal.wait_for("A fine-grained token (Settings");
        answer(&mut terminal, "Its token", "secret");
        assert_eq!(terminal.finish_in_order(), Some(0));
        assert!(!terminal.emulator().text().contains("secret\r"));
    });
    let config = dir.join("etc/server.toml");
    let text = fs::read_to_string(&config).unwrap();
    let token = dir.join("etc/secrets/hub-token");
    let line = format!("token_file = \"{}\"", token.display());
    assert!(text.contains(&line) && !text.contains("app_"), "{text}");
    assert_eq!(mode(&token), 0o600);
    assert_eq!(fs::read_to_string(token).unwrap(), "secret\n");

    let mut check = store.command(env!("CARGO_BIN_EXE_nixci"));
    check.args(["serve", "--check", "--config"]).arg(&config);
    let check = Running::start(&mut check);
    let ended = tokio::task::spawn_blocking(|| check.finish()).await;
    let said = ended.unwrap().stdout;
    for found in ["the token is owner's", "sees acme/demo", "allowed"] {
        assert!(said.contains(found), "{found}: {said}");
    }
    // It was tried with a commit that is nowhere.
    assert!(forge.world().find("acme/demo").unwrap().told.is_empty());
}

/// Holds a manifest against what GitHub itself publishes: the rights an App can have, and the events.
fn is_githubs(manifest: &Value) {
    if let Some(root) = openapi::description("api.github.com.json") {
        let schema = &root["components"]["schemas"]["app-permissions"];
        assert!(schema.is_object());
        let rights = &manifest["default_permissions"];
        assert_eq!(openapi::fits(&root, schema, rights, Side::Request), Ok(()));
    }
    if let Some(published) = openapi::description("webhooks.json") {
        let known: Vec<&Value> = published
            .as_array()
            .unwrap()
            .iter()
            .map(|event| &event["name"])
            .collect();
        for event in manifest["default_events"].as_array().unwrap() {
            assert!(known.contains(&event), "{event}");
        }
    }
    assert!(manifest["name"].as_str().unwrap().chars().count() <= 34);
    assert_eq!(manifest["public"], false);
}

#[test]
fn a_plain_repository_needs_no_token() {
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(init(dir.path()), 40, 120);
    answer_first(&mut terminal, dir.path(), "unix:/run/nixci/http.sock");
    answer(&mut terminal, "The forge", "plain");
    answer(&mut terminal, "Its name in the settings", "two words");
    terminal.wait_for("letters, digits and `-` only");
    answer(&mut terminal, "Its name in the settings", "mirrors");
    answer(
        &mut terminal,
        "Where git finds",
        "https://git.example.net/demo.git",
    );
    answer(&mut terminal, "What it is called here", "tools/demo");
    assert_eq!(terminal.finish_in_order(), Some(0));
    let text = fs::read_to_string(dir.path().join("etc/server.toml")).unwrap();
    let wanted =
        "[forge.mirrors.repository.\"tools/demo\"]\nurl = \"https://git.example.net/demo.git\"\n";
    assert!(text.contains(wanted), "{text}");
}
