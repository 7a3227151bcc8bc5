//! Secrets are tried, one after the other.

use reqwest::Response;

use crate::{
    pages::world,
    support::running::Running,
    world::{World, flake},
};

const TOKEN: &str = "ctl-token";

impl World {
    /// Asks with a token, as a proxy says for somebody.
    async fn ask_from(&self, address: &str, path: &str, token: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.url));
        let request = request.header("x-forwarded-for", address);
        let request = request.bearer_auth(token);
        request.send().await.unwrap()
    }

    async fn figure(&self, name: &str) -> u64 {
        let text = reqwest::get(format!("{}/metrics", self.url)).await.unwrap();
        let text = text.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |rest| rest.trim().parse().unwrap())
    }
}

/// Security: "web session": guesses.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_tokens_is_not_heard_for_a_while() {
    let mut world = world(&flake(&[("good", "echo ok > $out")])).await;
    world.change_settings(|text| format!("behind_proxy = true\n{text}"));
    world.forge.world().find("acme/demo").unwrap().is_private = true;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    let (guesser, other) = ("192.0.2.1, 198.51.100.7", "192.0.2.1, 198.51.100.8");
    // Pages would tell, too, whether a token is right.
    let paths = ["/api/v1/runs", "/runs/1", "/repositories/work/acme/demo"];
    for n in 0..10 {
        let path = paths[n % paths.len()];
        let answer = world.ask_from(guesser, path, &format!("guess-{n}")).await;
        let refused = if n % paths.len() == 0 { 401 } else { 404 };
        assert_eq!(answer.status(), refused, "{n} {path}");
    }
    for path in paths.iter().chain(&["/", "/runs/1/events"]) {
        for token in [TOKEN, "guess-1", "guess-11"] {
            let answer = world.ask_from(guesser, path, token).await;
            assert_eq!(answer.status(), 429, "{path} {token}");
            let seconds = answer.headers()["retry-after"].to_str().unwrap();
            assert!((1..=600).contains(&seconds.parse::<u32>().unwrap()));
            let text = answer.text().await.unwrap();
            assert!(text.contains("too many wrong tokens"), "{text}");
        }
    }
    // Without a token there is nothing to guess, and from elsewhere it is another.
    let request = world.http.get(format!("{}/", world.url));
    let public = request.header("x-forwarded-for", guesser).send().await;
    assert_eq!(public.unwrap().status(), 200);
    for path in paths {
        let answer = world.ask_from(other, path, TOKEN).await;
        assert_eq!(answer.status(), 200, "{path}");
        let answer = world.ask_from("198.51.100.9", path, "guess-1").await;
        assert!([401, 404].contains(&answer.status().as_u16()), "{path}");
    }
    // Nor does it concern the socket or webhooks.
    assert_eq!(world.ctl(&["list"]).await.0, Some(0));
    assert_eq!(world.deliver("ping", &serde_json::json!({})).await, 202);
    let log = world.log();
    assert_eq!(log.matches("somebody guesses tokens").count(), 1, "{log}");
    assert!(log.contains("198.51.100.7") && !log.contains("guess-"));
    let (wrong, unheard) = (
        r#"nixci_wrong_tokens_total{result="wrong"}"#,
        r#"nixci_wrong_tokens_total{result="unheard"}"#,
    );
    assert_eq!(
        (world.figure(wrong).await, world.figure(unheard).await),
        (13, 15)
    );
    assert_eq!(world.stop().await, Some(0));
    // Not hearing guesses is no help for a token as short as this one.
    let check = Running::start(world.command().arg("--check"));
    let ended = tokio::task::spawn_blocking(|| check.finish()).await;
    let said = ended.unwrap().stdout;
    let line = said.lines().find(|line| line.contains(" secrets "));
    assert!(
        line.is_some_and(|line| line.contains("ctl_token_file;")),
        "{said}"
    );
}

/// Security: "webhook forgery": a forge sends the webhooks of all its users from the same addresses, so wrong signatures, however
/// many, keep out nobody.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_signatures_keep_no_webhook_out_and_fill_no_log() {
    let mut world = World::new(&flake(&[("good", "echo ok > $out")]), "").await;
    let commit = world.git(&["rev-parse", "HEAD"]);
    world.start().await;
    world.verdict(&commit).await;
    for n in 0..200 {
        let (id, wrong) = (format!("d{n}"), format!("{n:064x}"));
        let status = world.post(&id, "push", &wrong, "{}".to_owned()).await;
        assert_eq!(status, 401);
    }
    let second = world.commit("second", &[]);
    assert_eq!(world.push_event("main", &second).await, 202);
    world.verdict(&second).await;
    let log = world.log();
    let said = log.matches("a webhook is refused").count();
    // Once a minute.
    assert!((1..=3).contains(&said), "{said}");
    let refused = r#"nixci_webhooks_total{forge="work",result="refused"}"#;
    assert_eq!(world.figure(refused).await, 200);
    assert_eq!(world.stop().await, Some(0));
}
