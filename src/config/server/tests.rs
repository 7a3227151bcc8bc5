//! Reads files as people write them.

use std::{fs, path::PathBuf, time::Duration};

use secrecy::ExposeSecret;

use super::{Access, ForgeSoftware, Listen, PullRequests, ServerConfig, WriteLimits, file::parse};

/// Reads a file; `DIR` in it is a folder with the secrets `token`, `key` and `hook`.
fn read(text: &str) -> Result<ServerConfig, String> {
    let dir = tempfile::tempdir().unwrap();
    for (name, secret) in [
        ("token", "abc\n"),
        ("key", "PEM"),
        ("hook", " s1 "),
        ("empty", "\n"),
        ("two", "a b"),
    ] {
        fs::write(dir.path().join(name), secret).unwrap();
    }
    let path = dir.path().display().to_string();
    parse("nixci-server.toml", &text.replace("DIR", &path))
        .map_err(|error| error.to_string().replace(&path, "DIR"))
}

const HEAD: &str = "listen = \"127.0.0.1:8080\"\nurl = \"https://ci.example.org\"\n";

#[test]
fn a_whole_file_is_understood() {
    let config = read(&format!(
        r#"{HEAD}
state_dir = "/srv/nixci"
branches = ["release-*"]
tags = ["v*"]
[pull_requests]
build = "trusted"
[status]
prefix = "buildbot"
[limits]
jobs = 8
eval_memory = 4096
timeout = "3h"
[forge.work]
kind = "gitea"
url = "https://git.example.org/sub"
token_file = "DIR/token"
webhook_secret_file = ["DIR/hook", "DIR/token"]
owners = ["acme", "alice"]
repositories = ["me/tool", "us/*"]
[forge.hub]
kind = "github"
app_id = 12345
writes_per_hour = 300
app_key_file = "DIR/key"
webhook_secret_file = "DIR/hook"
[forge.git]
kind = "plain"
[forge.git.repository.notes]
url = "https://git.example.org/notes.git"
poll = "5m"
public = true
"#
    ))
    .unwrap();
    assert_eq!(
        config.listen,
        Listen::Tcp("127.0.0.1:8080".parse().unwrap())
    );
    assert_eq!(config.url.as_str(), "https://ci.example.org/");
    assert_eq!(config.socket, PathBuf::from("/srv/nixci/nixci.sock"));
    assert_eq!(config.pull_requests, PullRequests::Trusted);
    assert_eq!(config.limits.jobs, Some(8));
    assert_eq!(config.limits.eval_memory, Some(4 << 30));
    assert_eq!(config.limits.timeout, Some(Duration::from_secs(3 * 3600)));
    assert!(config.branches[0].matches("release-24/11") && !config.branches[0].matches("main"));
    let work = &config.forges["work"];
    assert_eq!(work.kind, ForgeSoftware::Gitea);
    assert_eq!(work.api_url.as_str(), "https://git.example.org/sub/api/v1/");
    assert!(matches!(&work.access, Access::Token(token) if token.expose_secret() == "abc"));
    let secrets: Vec<_> = work
        .webhook_secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert_eq!(secrets, ["s1", "abc"]);
    let hub = &config.forges["hub"];
    assert_eq!(
        (hub.writes.per_minute, hub.writes.per_hour),
        (Some(70), Some(300))
    );
    assert_eq!(work.writes, WriteLimits::default());
    assert_eq!(hub.api_url.as_str(), "https://api.github.com/");
    assert!(matches!(&hub.access, Access::App { id: 12345, .. }));
    assert_eq!(hub.topics, ["nixci", "build-with-buildbot"]);
    assert_eq!(work.owners, ["acme", "alice"]);
    assert!(hub.owners.is_empty());
    assert!(
        !format!("{config:?}").contains("PEM"),
        "a secret is printed"
    );
    let url = |forge: &str, name: &str| config.clone_url(forge, name).map(|url| url.to_string());
    assert_eq!(url("hub", "a/b").unwrap(), "https://github.com/a/b.git");
    assert_eq!(
        url("work", "a/b").unwrap(),
        "https://git.example.org/sub/a/b.git"
    );
    assert_eq!(
        url("git", "notes").unwrap(),
        "https://git.example.org/notes.git"
    );
    for name in [
        "..",
        "a",
        "a/..",
        "../x",
        "a//b",
        "http://evil/x",
        "a/b?c",
        "a/b#c",
        "//evil/x",
        "a/\u{1b}",
    ] {
        assert_eq!(url("hub", name), None, "{name}");
    }
}

#[test]
fn listen_takes_sockets() {
    let listen =
        |text: &str| read(&HEAD.replace("127.0.0.1:8080", text)).map(|config| config.listen);
    assert_eq!(listen("unix:/run/x"), Ok(Listen::Unix("/run/x".into())));
    assert_eq!(listen("systemd"), Ok(Listen::Systemd));
    assert!(listen("8080").unwrap_err().contains("is no address"));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let forge = |keys: &str| format!("{HEAD}[forge.x]\n{keys}\n");
    let step = |keys: &str| {
        format!("{HEAD}[secrets]\nkey = \"DIR/key\"\n[[post_build]]\nname = \"push\"\n{keys}\n")
    };
    let inputs = |keys: &str| {
        forge(&format!(
            "kind = \"gitlab\"\ntoken_file = \"DIR/token\"\n[[forge.x.private_inputs]]\n{keys}"
        ))
    };
    let schedule = |keys: &str| format!("{HEAD}[[schedule]]\nname = \"nightly\"\n{keys}\n");
    let wrong = [
        format!("{HEAD}lisen = 1"),
        HEAD.replace("https://ci", "ftp://ci"),
        format!("{HEAD}[limits]\njobs = 0"),
        format!("{HEAD}[limits]\neval_memory = 0"),
        format!("{HEAD}[limits]\neval_memory = 17592186044416"),
        format!("{HEAD}state_dir = \"state\""),
        format!("{HEAD}outputs_dir = \"outputs\""),
        HEAD.replace("127.0.0.1:8080", "unix:"),
        format!("{HEAD}[limits]\ntimeout = \"soon\""),
        format!("{HEAD}[status]\nprefix = \"a b\""),
        format!("{HEAD}branches = [\"a[\"]"),
        forge("kind = \"svn\""),
        forge("kind = \"gitea\"\ntoken_file = \"DIR/token\""),
        forge("kind = \"github\""),
        forge("kind = \"github\"\napp_id = 1"),
        forge("kind = \"gitlab\"\ntoken_file = \"DIR/none\""),
        forge("kind = \"gitlab\"\ntoken_file = \"DIR/empty\""),
        forge("kind = \"gitlab\"\ntoken_file = \"DIR/token\"\nrepositories = [\"x\"]"),
        forge("kind = \"gitlab\"\ntoken_file = \"DIR/token\"\nowners = []"),
        forge("kind = \"gitlab\"\ntoken_file = \"DIR/token\"\nowners = [\"acme/*\"]"),
        forge("kind = \"github\"\ntoken_file = \"DIR/token\"\nowners = [\"acme/tools\"]"),
        inputs("token_file = \"DIR/hook\""),
        inputs("token_file = \"DIR/none\"\nrepositories = [\"a/b\"]"),
        inputs("token_file = \"DIR/token\"\nrepositories = [\"a/b\"]"),
        inputs("token_file = \"DIR/two\"\nrepositories = [\"a/b\"]"),
        inputs("token_file = \"DIR/hook\"\nuser = \"a:b\"\nrepositories = [\"a/b\"]"),
        inputs("token_file = \"DIR/hook\"\nrepositories = [\"a[\"]"),
        forge(
            "kind = \"plain\"\n[[forge.x.private_inputs]]\ntoken_file = \"DIR/hook\"\nrepositories = []",
        ),
        format!("{HEAD}[forge.\"a/b\"]\nkind = \"plain\""),
        step("command = []"),
        step("command = [\"x\", \"%(prop:outpath)s\"]"),
        step("command = [\"x\", \"--token=%(secret:key)s\"]"),
        step("command = [\"x\"]\nenvironment.T = \"%(secret:other)s\""),
        step("command = [\"x\"]\nenvironment.T = \"%(secret:key)s\"\npull_requests = true"),
        step("command = [\"x\"]\n[[post_build]]\nname = \"push\"\ncommand = [\"y\"]"),
        schedule("cron = \"* * * *\""),
        schedule("cron = \"@daily\"\nbranch = \"refs/heads/main\""),
        schedule("cron = \"@daily\"\n[[schedule]]\nname = \"nightly\"\ncron = \"@daily\""),
        schedule("cron = \"@daily\"").replace("nightly", "a b"),
    ];
    let messages: Vec<String> = wrong.iter().map(|text| read(text).unwrap_err()).collect();
    insta::assert_snapshot!(messages.join("\n\n"));
}

#[test]
fn a_step_is_for_the_branches_and_repositories_that_it_names() {
    let step = |keys: &str| {
        let text = format!("{HEAD}[[post_build]]\nname = \"x\"\ncommand = [\"x\"]\n{keys}");
        read(&text).unwrap().post_builds.remove(0)
    };
    let refs = [
        "refs/heads/main",
        "refs/heads/topic",
        "refs/tags/v1",
        "refs/pull/7/head",
    ];
    let of = |keys: &str| refs.map(|git_ref| step(keys).is_for_ref(git_ref));
    assert_eq!(of(""), [true, true, true, false]);
    assert_eq!(of("branches = [\"main\"]"), [true, false, false, false]);
    assert_eq!(of("tags = [\"v*\"]"), [false, false, true, false]);
    assert_eq!(
        of("branches = [\"*\"]\ntags = [\"w*\"]"),
        [true, true, false, false]
    );
    assert!(step("").is_for_repository("work", "us/tool"));
}

#[test]
fn a_repository_is_named_with_its_forge_where_there_are_several() {
    let read = |patterns: &str, forges: &str| {
        let keys = format!("repositories = [{patterns}]");
        read(&format!(
            "{HEAD}{forges}[[post_build]]\nname = \"x\"\ncommand = [\"x\"]\n{keys}\n\
             [[schedule]]\nname = \"y\"\ncron = \"@daily\"\n{keys}\n"
        ))
    };
    let forge = |name: &str, kind: &str| {
        format!("[forge.{name}]\nkind = \"{kind}\"\ntoken_file = \"DIR/token\"\n")
    };
    let means = |patterns: &str, forges: &str, forge: &str, name: &str| {
        let config = read(patterns, forges).unwrap();
        let step = config.post_builds[0].is_for_repository(forge, name);
        let schedule = config.schedules[0].is_for_repository(forge, name);
        assert_eq!(step, schedule);
        step
    };
    let one = forge("work", "gitlab");
    let of_one = |patterns: &str, name: &str| means(patterns, &one, "work", name);
    assert!(of_one("\"acme/*\"", "acme/demo") && of_one("\"work/acme/*\"", "acme/demo"));
    // The path of a group that is called like the forge is another one, and so is its owner.
    assert!(!of_one("\"work/acme/*\"", "work/acme/demo"));
    assert!(of_one("\"work/work/acme/*\"", "work/acme/demo"));
    assert!(of_one("\"work/*\"", "work/demo") && !of_one("\"work/*\"", "acme/demo"));
    let plain = "[forge.git]\nkind = \"plain\"\n";
    let several = format!("{}{one}{plain}", forge("hub", "github"));
    let of_several = |forge: &str, name: &str| {
        means(
            "\"hub/us/tool\", \"work/acme/*\", \"git/notes\"",
            &several,
            forge,
            name,
        )
    };
    assert!(of_several("hub", "us/tool") && !of_several("work", "us/tool"));
    assert!(of_several("work", "acme/demo") && !of_several("hub", "acme/demo"));
    assert!(!of_several("work", "work/acme/demo"));
    assert!(of_several("git", "notes") && !of_several("hub", "git/notes"));
    let messages = ["acme/website", "*", "work/*", "*/acme/website"]
        .map(|pattern| read(&format!("\"{pattern}\""), &several).unwrap_err());
    insta::assert_snapshot!(messages.join("\n\n"));
}

#[test]
fn private_inputs_are_for_those_that_are_named() {
    let config = read(&format!(
        r#"{HEAD}
[forge.work]
kind = "gitea"
url = "https://git.example.org:8443/sub"
token_file = "DIR/token"
[[forge.work.private_inputs]]
token_file = "DIR/hook"
repositories = ["acme/*", "open/tool", "hub/us/*"]
[[forge.work.private_inputs]]
token_file = "DIR/key"
user = "reader"
repositories = ["*"]
pull_requests = true
[forge.hub]
kind = "github"
token_file = "DIR/token"
[forge.sources]
kind = "plain"
url = "https://sources.example.net"
[[forge.sources.private_inputs]]
token_file = "DIR/hook"
repositories = ["hub/us/tool", "acme/*", "hub/*"]
"#
    ))
    .unwrap();
    let of = |forge: &str, name: &str, private: bool| {
        let inputs = config.private_inputs(forge, name, private);
        let user =
            |(forge, inputs): (&str, &super::PrivateInputs)| format!("{forge} {}", inputs.user);
        inputs.map(user).collect::<Vec<_>>()
    };
    assert_eq!(of("work", "acme/demo", true), ["work nixci"]);
    // Of another forge only what names that, and its own `acme` is somebody else's.
    assert_eq!(of("hub", "acme/demo", true), [""; 0]);
    assert_eq!(of("hub", "us/tool", true), ["sources nixci", "work nixci"]);
    assert_eq!(of("hub", "us/other", true), ["work nixci"]);
    assert_eq!(of("work", "else/x", true), ["work reader"]);
    // What everybody may see is named in full.
    assert_eq!(of("work", "acme/demo", false), [""; 0]);
    assert_eq!(of("work", "open/tool", false), ["work nixci"]);
    assert_eq!(of("hub", "us/tool", false), ["sources nixci"]);
    assert!(!config.forges["work"].private_inputs[0].pull_requests);
    // They are hidden as they are, and as they go over the wire: `nixci:s1`.
    let secrets: Vec<_> = config
        .secrets
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect();
    assert!(
        secrets.contains(&"s1") && secrets.contains(&"bml4Y2k6czE="),
        "{secrets:?}"
    );
}

#[test]
fn a_guarded_host_has_the_entrances_that_are_named() {
    let read = |more: &str| {
        read(&format!(
            "{more}\n{HEAD}[forge.work]\nkind = \"gitea\"\nurl = \"https://git.example.org\"\ntoken_file = \"DIR/token\"\n\
            [[forge.work.private_inputs]]\ntoken_file = \"DIR/hook\"\nrepositories = [\"acme/*\"]\n\
            [forge.hub]\nkind = \"github\"\ntoken_file = \"DIR/token\"\n"
        ))
        .unwrap()
    };
    let entrance = |port, tls| super::Entrance { port, tls };
    let config = read("");
    let name = "git.example.org".to_owned();
    let https = entrance(Some(443), Some(true));
    let guarded: Vec<_> = config.guarded_hosts().collect();
    assert_eq!(guarded, [(name, vec![https, https])]);
    assert!(config.has_host_of_its_own(&config.forges["work"].url));
    let config = read("private_hosts = [\"git.example.org:80\"]");
    let (_, entrances) = config.guarded_hosts().next().unwrap();
    assert!(entrances.contains(&entrance(Some(80), None)));
    assert!(!config.has_host_of_its_own(&config.forges["work"].url));
}
