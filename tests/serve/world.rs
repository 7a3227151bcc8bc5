//! A forge with one repository, `acme/demo`, and a server that looks after it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    disk::SmallDisk,
    fake::{FakeForge, Repository},
    support::{
        PATIENCE, git_server::GitServer, nix, port::free_port, running::Running, servers,
        store::TestStore,
    },
};

pub(crate) const SECRET: &str = "a webhook secret";
/// How long anything may take that should come to pass.
const LIMIT: Duration = PATIENCE;

pub(crate) struct World {
    pub(crate) forge: FakeForge,
    /// Where its repositories are.
    pub(crate) git_server: GitServer,
    pub(crate) server: Option<Running>,
    pub(crate) url: String,
    pub(crate) config: PathBuf,
    work: PathBuf,
    pub(crate) http: reqwest::Client,
    deliveries: u32,
    /// Where the server's state is, if not on the disk of all else.
    disk: Option<SmallDisk>,
    /// Last: it looks for processes that are left.
    pub(crate) store: TestStore,
}

/// A status as the forge has it: state and description.
pub(crate) type Status = (String, String);

impl World {
    /// A repository with this flake on its default branch, and a server with these settings besides the usual ones.
    pub(crate) async fn new(flake: &str, settings: &str) -> Self {
        Self::in_store(nix::newest().store().with_daemon(), flake, settings).await
    }

    /// The same in a store with settings of its own.
    pub(crate) async fn in_store(store: TestStore, flake: &str, settings: &str) -> Self {
        let folder = store.folder().to_owned();
        let git_root = folder.join("git");
        let bare = git_root.join("acme/demo.git");
        let work = folder.join("work");
        fs::create_dir_all(&bare).unwrap();
        fs::create_dir_all(&work).unwrap();
        git(&bare, &["init", "-q", "--bare", "-b", "main"]);
        git(&work, &["init", "-q", "-b", "main"]);
        git(&work, &["remote", "add", "origin", bare.to_str().unwrap()]);
        let rights = [
            ("owner", (1, "admin")),
            ("writer", (2, "write")),
            ("reader", (3, "read")),
        ];
        let repository = Repository {
            id: 12,
            name: "acme/demo".to_owned(),
            permissions: json!({ "admin": true, "push": true, "pull": true }),
            rights: rights
                .map(|(name, right)| (name.to_owned(), right))
                .into_iter()
                .collect(),
            ..Repository::default()
        };
        let forge = FakeForge::start(vec![repository]).await;
        forge.world().page = 50;
        let git_server = GitServer::start(&git_root, "");
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let config = folder.join("server.toml");
        for (name, text) in [("token", "secret"), ("hook", SECRET)] {
            fs::write(folder.join(name), text).unwrap();
        }
        let text = format!(
            "listen = \"127.0.0.1:{port}\"\nurl = \"{url}\"\nstate_dir = \"{state}\"\n{settings}\n\
            [forge.work]\nkind = \"gitea\"\nurl = \"{git}\"\napi_url = \"{api}/api/v1\"\ntoken_file = \"{token}\"\n\
            webhook_secret_file = \"{hook}\"\nrepositories = [\"acme/demo\"]\ntopics = []\n",
            state = folder.join("state").display(),
            git = git_server.address(),
            api = forge.url,
            token = folder.join("token").display(),
            hook = folder.join("hook").display(),
        );
        fs::write(&config, text).unwrap();
        let world = Self {
            forge,
            git_server,
            server: None,
            url,
            config,
            work,
            http: reqwest::Client::new(),
            deliveries: 0,
            disk: None,
            store,
        };
        world.commit("first", &[("flake.nix", flake)]);
        world
    }

    /// Gives the server a disk of this size for its state.
    pub(crate) fn on_a_small_disk(&mut self, mib: u32) {
        self.disk = Some(SmallDisk::at(&self.store.folder().join("state"), mib));
    }

    /// The disk with the server's state.
    pub(crate) fn disk(&self) -> &SmallDisk {
        self.disk.as_ref().expect("it has one")
    }

    /// Makes the forge GitHub, and the server an App there.
    pub(crate) fn on_github(&self) {
        let text = fs::read_to_string(&self.config).unwrap();
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/github-app/key.pem");
        let token = self.store.folder().join("token");
        let text = text
            .replace("kind = \"gitea\"", "kind = \"github\"")
            .replace("/api/v1\"", "\"")
            .replace(
                &format!("token_file = \"{}\"", token.display()),
                &format!("app_id = 1\napp_key_file = \"{key}\""),
            );
        fs::write(&self.config, text).unwrap();
        self.forge.world().find("acme/demo").unwrap().installation = 5;
    }

    /// `nixci serve` with the server's settings.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.store.command(env!("CARGO_BIN_EXE_nixci"));
        command.args(["serve", "--config"]).arg(&self.config);
        command
    }

    /// Starts the server, and waits until it is ready.
    pub(crate) async fn start(&mut self) {
        let line = self.disk.as_ref().map(SmallDisk::seen_by);
        let line = line.into_iter().flatten();
        let line: Vec<String> = line
            .chain([env!("CARGO_BIN_EXE_nixci").to_owned()])
            .collect();
        let mut command = self.store.command(&line[0]);
        command
            .args(&line[1..])
            .args(["serve", "--log", "debug,hyper=warn", "--config"])
            .arg(&self.config);
        // Evaluations go behind walls where there are any.
        if let Some(bubblewrap) = servers::bubblewrap() {
            let path = std::env::var("PATH").unwrap_or_default();
            let own = command.get_envs().find(|(name, _)| *name == "PATH");
            let path = own
                .and_then(|(_, value)| value?.to_str().map(str::to_owned))
                .unwrap_or(path);
            command.env(
                "PATH",
                format!("{}:{path}", bubblewrap.parent().unwrap().display()),
            );
        }
        self.server = Some(Running::start(&mut command));
        let url = format!("{}/readyz", self.url);
        let began = Instant::now();
        loop {
            if let Ok(answer) = self.http.get(&url).send().await
                && answer.status().is_success()
            {
                return;
            }
            assert!(
                began.elapsed() < LIMIT,
                "it does not start:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The status with which the server says whether it takes work.
    pub(crate) async fn ready(&self) -> u16 {
        let answer = self.http.get(format!("{}/readyz", self.url)).send().await;
        answer.unwrap().status().as_u16()
    }

    /// Changes the file of the server's settings.
    pub(crate) fn change_settings(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(&self.config).unwrap();
        fs::write(&self.config, change(text)).unwrap();
    }

    /// How much memory the server has had at most, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let id = self.server.as_ref().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    /// What the server says.
    pub(crate) fn log(&self) -> String {
        self.server
            .as_ref()
            .map(Running::stderr)
            .unwrap_or_default()
    }

    /// Stops the server in an orderly way. Returns its exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        let server = self.server.take().expect("it runs");
        server.signal(rustix::process::Signal::TERM);
        tokio::task::spawn_blocking(move || server.finish().code)
            .await
            .unwrap()
    }

    /// Kills the server as a power cut would.
    pub(crate) async fn kill(&mut self) {
        let server = self.server.take().expect("it runs");
        server.signal(rustix::process::Signal::KILL);
        tokio::task::spawn_blocking(move || server.finish())
            .await
            .unwrap();
    }

    /// Commits files on what is checked out, and pushes that to the branch of the same name. Returns the commit.
    pub(crate) fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            let path = self.work.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["push", "-q", "-f", "origin", "HEAD"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes a link in what is checked out.
    pub(crate) fn link(&self, to: &str, name: &str) {
        std::os::unix::fs::symlink(to, self.work.join(name)).unwrap();
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.work, arguments)
    }

    /// Sends a signed webhook. What it tells of a pull request, the forge has. Returns the status of the answer.
    pub(crate) async fn deliver(&mut self, event: &str, payload: &Value) -> u16 {
        self.forge_has(payload);
        self.deliveries += 1;
        let id = format!("delivery-{}", self.deliveries);
        self.deliver_as(&id, event, payload).await
    }

    /// Makes what a webhook tells of a pull request, or a comment, what the forge has.
    pub(crate) fn forge_has(&self, payload: &Value) {
        if let Some(id) = payload["comment"]["id"].as_u64() {
            let (user, number) = (&payload["comment"]["user"], &payload["issue"]["number"]);
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let author = (user["id"].as_u64().unwrap(), text(&user["login"]));
            let said = text(&payload["comment"]["body"]);
            let mut forge = self.forge.world();
            let comments = &mut forge.find("acme/demo").unwrap().comments;
            comments.insert(id, (number.as_u64().unwrap(), author, said));
        }
        if let (Some(number), 12) = (
            payload["pull_request"]["number"].as_u64(),
            payload["repository"]["id"].as_u64().unwrap_or_default(),
        ) {
            let mut pull = payload["pull_request"].clone();
            pull["state"] = json!("open");
            let mut forge = self.forge.world();
            let pulls = &mut forge.find("acme/demo").unwrap().pulls;
            pulls.insert(number, pull);
        }
    }

    /// Sends a signed webhook under this id, of whatever the forge has.
    pub(crate) async fn deliver_as(&self, id: &str, event: &str, payload: &Value) -> u16 {
        self.sender().deliver(id, event, payload).await
    }

    /// Sends a webhook with this signature.
    pub(crate) async fn post(&self, id: &str, event: &str, signature: &str, body: String) -> u16 {
        self.sender().post(id, event, signature, body).await
    }

    /// What sends webhooks beside all else that a test does.
    pub(crate) fn sender(&self) -> Sender {
        let (http, url) = (self.http.clone(), self.url.clone());
        Sender { http, url }
    }

    /// Says that a branch is at a commit now.
    pub(crate) async fn push_event(&mut self, branch: &str, commit: &str) -> u16 {
        let payload = push(branch, commit, "a message");
        self.deliver("push", &payload).await
    }

    /// The statuses of a commit, by context.
    pub(crate) fn statuses(&self, commit: &str) -> BTreeMap<String, Status> {
        let world = self.forge.world();
        // Not of two repositories: no commit is in both.
        let known = world.repositories.iter();
        known
            .flat_map(|known| &known.statuses)
            .filter(|((of, _), _)| of == commit)
            .map(|((_, context), status)| {
                let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
                let state = if status["state"].is_null() {
                    text("status")
                } else {
                    text("state")
                };
                (context.clone(), (state, text("description")))
            })
            .collect()
    }

    /// Waits until the forge has the verdict on a commit. Returns all it has then.
    pub(crate) async fn verdict(&self, commit: &str) -> BTreeMap<String, Status> {
        self.verdict_within(commit, LIMIT).await
    }

    /// The same within this time.
    pub(crate) async fn verdict_within(
        &self,
        commit: &str,
        limit: Duration,
    ) -> BTreeMap<String, Status> {
        self.until_within(limit, commit, |statuses| {
            ["nixci/eval", "nixci/build"].iter().all(|context| {
                statuses
                    .get(*context)
                    .is_some_and(|(state, _)| !["pending", "running"].contains(&state.as_str()))
            })
        })
        .await
    }

    /// Waits until the statuses of a commit are so.
    pub(crate) async fn until(
        &self,
        commit: &str,
        is_so: impl Fn(&BTreeMap<String, Status>) -> bool,
    ) -> BTreeMap<String, Status> {
        self.until_within(LIMIT, commit, is_so).await
    }

    async fn until_within(
        &self,
        limit: Duration,
        commit: &str,
        is_so: impl Fn(&BTreeMap<String, Status>) -> bool,
    ) -> BTreeMap<String, Status> {
        let began = Instant::now();
        loop {
            let statuses = self.statuses(commit);
            if is_so(&statuses) {
                return statuses;
            }
            assert!(began.elapsed() < limit, "{statuses:#?}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// How often the forge was told the end of something, by context: what is not pending any more.
    pub(crate) fn ends_told(&self, commit: &str) -> BTreeMap<String, usize> {
        let mut world = self.forge.world();
        let mut ends = BTreeMap::new();
        for (of, status) in &world.find("acme/demo").unwrap().told {
            if of == commit && status["state"] != "pending" {
                let context = status["context"].as_str().unwrap_or_default();
                *ends.entry(context.to_owned()).or_default() += 1;
            }
        }
        ends
    }

    /// The server's database.
    pub(crate) fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.store.folder().join("state/nixci.sqlite")).unwrap()
    }

    /// Waits until the newest run of a ref whose name has this in it, besides those by hand, is in this state. Returns its
    /// number, which has to be larger than `after`.
    pub(crate) async fn run_is(&self, git_ref: &str, after: i64, state: &str) -> i64 {
        let began = Instant::now();
        loop {
            let newest = self.database().query_row(
                "SELECT id, state FROM runs WHERE instr(git_ref, ?1) AND kind <> 'manual' ORDER BY id DESC LIMIT 1",
                [git_ref],
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
            );
            if let Ok((id, is)) = &newest
                && *id > after
                && is == state
            {
                return *id;
            }
            assert!(
                began.elapsed() < LIMIT,
                "{git_ref} is {newest:?}, not {state}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until something came of each webhook.
    pub(crate) async fn all_is_handled(&self) {
        let began = Instant::now();
        let open = "SELECT 1 FROM deliveries WHERE handled_at IS NULL";
        while self.database().prepare(open).unwrap().exists([]).unwrap() {
            assert!(began.elapsed() < LIMIT, "{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends all runs by hand, and the server.
    pub(crate) async fn end_all(&mut self) {
        let began = Instant::now();
        while self.open_runs() > 0 {
            let newest = "SELECT max(id) FROM runs WHERE state <> 'finished'";
            let newest: Option<i64> = self
                .database()
                .query_row(newest, [], |row| row.get(0))
                .unwrap();
            if let Some(run) = newest {
                self.ctl(&["cancel", &run.to_string()]).await;
            }
            assert!(began.elapsed() < LIMIT, "{}", self.log());
        }
        assert_eq!(self.stop().await, Some(0));
    }

    /// How many runs are not over.
    pub(crate) fn open_runs(&self) -> i64 {
        let count = "SELECT count(*) FROM runs WHERE state <> 'finished'";
        let database = self.database();
        database.query_row(count, [], |row| row.get(0)).unwrap()
    }

    /// Waits until the server has said something.
    pub(crate) async fn log_has(&self, words: &str) {
        let began = Instant::now();
        while !self.log().contains(words) {
            assert!(
                began.elapsed() < LIMIT,
                "nothing of `{words}` in\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks `SQLite` whether all of the server's database is in order.
    pub(crate) fn database_is_whole(&self) {
        let connection = self.database();
        let check = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        assert_eq!(
            connection
                .query_row("PRAGMA integrity_check", [], check)
                .unwrap(),
            "ok"
        );
        let mut orphans = connection.prepare("PRAGMA foreign_key_check").unwrap();
        assert!(!orphans.exists([]).unwrap());
    }

    /// How often the forge was told something since the last time, of a commit.
    pub(crate) fn told(&self, commit: &str) -> usize {
        let place = format!("/statuses/{commit}");
        self.forge
            .world()
            .requests
            .iter()
            .filter(|request| request.ends_with(&place))
            .count()
    }
}

/// Sends webhooks.
#[derive(Clone)]
pub(crate) struct Sender {
    http: reqwest::Client,
    url: String,
}

impl Sender {
    /// Sends a signed webhook under this id. Returns the status of the answer; 0 if there is none.
    pub(crate) async fn deliver(&self, id: &str, event: &str, payload: &Value) -> u16 {
        let body = payload.to_string();
        let signature = signature(SECRET, &body);
        self.post(id, event, &signature, body).await
    }

    async fn post(&self, id: &str, event: &str, signature: &str, body: String) -> u16 {
        let answer = self
            .http
            .post(format!("{}/webhook/work", self.url))
            .header("content-type", "application/json")
            .header("x-gitea-event", event)
            .header("x-gitea-delivery", id)
            .header("x-gitea-signature", signature)
            // Where the forge is Forgejo, or GitHub.
            .header("x-forgejo-event", event)
            .header("x-forgejo-delivery", id)
            .header("x-forgejo-signature", signature)
            .header("x-github-event", event)
            .header("x-github-delivery", id)
            .header("x-hub-signature-256", format!("sha256={signature}"))
            .body(body)
            .send()
            .await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }
}

/// The payload of a push.
pub(crate) fn push(branch: &str, commit: &str, message: &str) -> Value {
    json!({
        "ref": format!("refs/heads/{branch}"), "before": "0".repeat(40), "after": commit, "commits": [],
        "head_commit": { "id": commit, "message": message }, "repository": repository(),
        "pusher": { "id": 2, "login": "writer" }, "sender": { "id": 2, "login": "writer" },
    })
}

/// The payload of a pull request of this author.
pub(crate) fn pull_request(action: &str, number: u64, head: &str, author: (u64, &str)) -> Value {
    let user = json!({ "id": author.0, "login": author.1 });
    json!({
        "action": action, "number": number, "repository": repository(), "sender": user,
        "pull_request": {
            "id": number, "number": number, "user": user, "title": "a pull request", "draft": false, "merged": false,
            "base": { "label": "main", "ref": "main", "sha": "0".repeat(39) + "1", "repo_id": 12, "repo": repository() },
            "head": { "label": "topic", "ref": "topic", "sha": head, "repo_id": 13, "repo": { "id": 13, "owner": user } },
        },
    })
}

fn repository() -> Value {
    json!({ "id": 12, "name": "demo", "full_name": "acme/demo", "private": false, "default_branch": "main",
        "owner": { "id": 5, "login": "acme" }, "clone_url": "http://elsewhere.example/acme/demo.git" })
}

/// A flake with checks made by these scripts.
pub(crate) fn flake(checks: &[(&str, &str)]) -> String {
    let checks: String = checks
        .iter()
        .map(|(name, script)| {
            format!(
                "    {name} = derivation {{ name = \"{name}\"; system = \"x86_64-linux\"; builder = \"/bin/sh\";\n      \
                args = [ \"-c\" ''{script}'' ]; }};\n"
            )
        })
        .collect();
    format!("{{ outputs = _: {{ checks.x86_64-linux = {{\n{checks}  }}; }}; }}\n")
}

pub(crate) fn git(dir: &Path, arguments: &[&str]) -> String {
    /// Commits of the same second with the same tree and message would be one.
    static SECONDS: AtomicU64 = AtomicU64::new(1_700_000_000);
    let author_date = SECONDS.fetch_add(1, Ordering::Relaxed);
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=writer",
            "-c",
            "user.email=writer@example.org",
            "-C",
        ])
        .arg(dir)
        .args(arguments)
        .env("GIT_AUTHOR_DATE", format!("@{author_date} +0000"))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The signature of a webhook, in hexadecimal digits.
pub(crate) fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let mac = mac.finalize().into_bytes();
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}
